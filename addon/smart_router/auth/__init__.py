"""Profiles (credentials), which one is used next, and until when one is left alone."""
