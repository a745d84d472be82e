"""Conversations that move between providers: random ones, against the emulators of `validators`."""
