"""Failures of the router's own machine: no file descriptors, no network, no name resolution.

An error number comes in the text of a failed connection, as Python words it: "[Errno 24] Too many open
files".
"""

from __future__ import annotations

import asyncio
import errno
import logging
import re
import socket
from collections.abc import Callable, Mapping
from typing import Any

logger = logging.getLogger(__name__)

OVER_AFTER = 30.0
"""Seconds without a failure after which a trouble counts as over."""

_FILES = (
    "the router is out of file descriptors: raise its limit (`ulimit -n`, LimitNOFILE= of a systemd unit)"
)

ADVICE: Mapping[int, str] = {
    errno.EMFILE: _FILES,
    errno.ENFILE: "the machine is out of file descriptors: raise its limit (sysctl fs.file-max)",
    errno.ENOBUFS: "the machine is out of memory for network buffers",
    errno.EADDRNOTAVAIL: "the machine is out of local ports, or the address is not reachable from it",
    errno.ENETUNREACH: "the machine has no route to the network: check its connection",
    socket.EAI_AGAIN: "names cannot be resolved: check the machine's DNS servers (/etc/resolv.conf)",
}
"""Causes and remedies. An unreachable host (EHOSTUNREACH) is not among them: it may be down."""

_NO_SUCH_NAME = frozenset({socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)})
_NUMBER = re.compile(r"\[Errno (-?\d+)\]")


def local_trouble(why: str) -> str | None:
    """Return cause and remedy if the router or its machine made a connection fail, else None.

    Of a host with several addresses all must have failed like that.
    """
    numbers = [int(number) for number in _NUMBER.findall(why)]
    if not numbers or any(number not in ADVICE for number in numbers):
        return None
    return ADVICE[numbers[0]]


def names_no_host(why: str) -> bool:
    """Return whether a connection failed because the host does not exist."""
    return any(int(number) in _NO_SUCH_NAME for number in _NUMBER.findall(why))


class Troubles:
    """The present failures: each is logged once when it begins and once when it is over."""

    def __init__(self) -> None:
        self._last: dict[str, float] = {}

    def arose(self, advice: str, now: float) -> None:
        """Note that an attempt failed for this reason."""
        if advice not in self._last:
            logger.warning("%s; requests fail meanwhile, which is held against no provider", advice)
        self._last[advice] = now

    def current(self, now: float) -> list[str]:
        """Return the present causes and remedies."""
        return [advice for advice, last in self._last.items() if now - last < OVER_AFTER]

    def look(self, now: float) -> None:
        """Log the failures that are over."""
        for advice, last in list(self._last.items()):
            if now - last >= OVER_AFTER:
                del self._last[advice]
                logger.info("for %.0f s no connection has failed because %s", now - last, advice)


def report_unhandled(arose: Callable[[str], None]) -> Callable[[], None]:
    """Tell `arose` the cause and remedy of failures that reach the event loop, such as of clients that cannot
    be accepted: asyncio tries again each second, and mitmproxy logs each try with a traceback. Return a
    function that ends this.
    """
    loop = asyncio.get_running_loop()
    before = loop.get_exception_handler()

    def handle(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if isinstance(error, OSError) and (advice := local_trouble(str(error))):
            arose(advice)
        elif before is not None:
            before(loop, context)
        else:
            loop.default_exception_handler(context)

    loop.set_exception_handler(handle)
    return lambda: loop.set_exception_handler(before)


def raise_file_limit() -> None:
    """Raise the limit of file descriptors to the maximum: each client and each attempt takes one."""
    try:
        import resource  # there is none on Windows
    except ImportError:
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == hard or resource.RLIM_INFINITY in (soft, hard):
        return
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    except (ValueError, OSError) as error:
        logger.debug("the limit of %d file descriptors could not be raised: %s", soft, error)
    else:
        logger.debug("the limit of file descriptors was raised from %d to %d", soft, hard)
