"""Paths of the router's files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import platformdirs

APP = "smart-router"


def config_path(env: Mapping[str, str]) -> Path:
    """Return `SMART_ROUTER_CONFIG`, or config.toml in the platform's config folder."""
    named = env.get("SMART_ROUTER_CONFIG")
    return Path(named).expanduser() if named else platformdirs.user_config_path(APP) / "config.toml"


def state_path(env: Mapping[str, str]) -> Path:
    """Return `SMART_ROUTER_STATE`, or the platform's state folder."""
    named = env.get("SMART_ROUTER_STATE")
    return Path(named).expanduser() if named else platformdirs.user_state_path(APP)
