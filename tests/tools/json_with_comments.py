"""Reads JSON with comments, and with commas after the last value, as editors do."""

from __future__ import annotations

import json
import re
from typing import Any

STRING = r'("(?:[^"\\]|\\.)*")'


def read_json(text: str) -> Any:
    bare = re.sub(rf"{STRING}|//[^\n]*|/\*.*?\*/", lambda found: found[1] or "", text, flags=re.DOTALL)
    return json.loads(re.sub(rf"{STRING}|,(?=\s*[}}\]])", lambda found: found[1] or "", bare))
