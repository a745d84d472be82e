"""Numbers on the command line."""

from __future__ import annotations

from typing import Any

import click


class WholeNumber(click.IntRange):
    """A whole number between bounds, with a message for people."""

    name = "number"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        try:
            return super().convert(value, param, ctx)
        except click.BadParameter:
            bounds = f"{self.min} or more" if self.max is None else f"{self.min} to {self.max}"
            self.fail(f"{value!r} is not a whole number of {bounds}", param, ctx)


PORT = WholeNumber(1, 65535)
ANY_PORT = WholeNumber(0, 65535)
"""0 stands for a free one."""

WORKERS = WholeNumber(1, 256)
