"""Logins with a provider: one module per flow, generators without I/O, and what runs them.

A flow yields steps (`steps.py`) and is sent their results; `run.py` carries them out. A token refresh is one
request of the same kind.
"""
