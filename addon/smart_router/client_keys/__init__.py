"""Clients with a key of their own, their limits, and what they have used of them."""
