"""Clients with a key of their own, their limits, and their use of these."""
