"""Tests write bytecode, whatever the caller's environment says.

Without it each run compiles them and the SDKs, for longer than the rest of the collection takes, and so does
each program that a test starts.
"""

import os
import sys

sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
