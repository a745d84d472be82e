"""Fits the scorer: signals of all prompts, the score's three parts, the tiers, the protocol, the package's
files.
"""
