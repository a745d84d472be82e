"""Raises in each hook of the router's addon for which a file of its name lies in SABOTAGE_FOLDER."""

from __future__ import annotations

import functools
import inspect
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import smart_router.addon

FOLDER = Path(os.environ["SABOTAGE_FOLDER"])


def sabotaged(name: str, hook: Callable[..., Any]) -> Callable[..., Any]:
    """The hook, which raises while the file is there."""

    @functools.wraps(hook)
    def call(*args: Any, **kwargs: Any) -> Any:
        if (FOLDER / name).exists():
            raise RuntimeError("sabotage")
        return hook(*args, **kwargs)

    @functools.wraps(hook)
    async def call_later(*args: Any) -> Any:
        if (FOLDER / name).exists():
            raise RuntimeError("sabotage")
        return await hook(*args)

    return call_later if inspect.iscoroutinefunction(hook) else call


for _name in os.environ["SABOTAGED"].split(","):
    # what a hook calls is a function of the module
    _owner = smart_router.addon if hasattr(smart_router.addon, _name) else smart_router.addon.SmartRouter
    setattr(_owner, _name, sabotaged(_name, getattr(_owner, _name)))
