"""Profiles (credentials), their selection, and their cooldowns."""
