"""Memory of the process: the heap of Python's garbage collector, and pages that the C library keeps."""

from __future__ import annotations

import ctypes
import gc
import sys

YOUNG_OBJECTS = 20_000
"""Objects made before the collector looks for cycles among them. Those of a request, some hundred, are freed
without it when its record is written: with Python's limit of 2,000 it looked through most of them and freed
none.
"""

MOST_LEFT = 50_000
"""Objects made since the last full collection, and not freed, before another is worthwhile."""


def relieve_collector() -> None:
    """Spare the garbage collector all objects that exist once the router runs: looking through these 140,000
    stopped all requests for a tenth of a second, once in a few thousand of them.
    """
    if gc.get_threshold()[0] == YOUNG_OBJECTS:  # a reload: the objects that it replaced may be freed
        gc.unfreeze()
        gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS, *gc.get_threshold()[1:])


def collect_leftovers() -> None:
    """Free objects that refer to each other, such as those of ended connections, if there may be many:
    Python looks through old objects late. Stops the process for up to a fifth of a second, so call it
    while nothing runs.
    """
    young, middle, old = gc.get_count()
    most, middle_after, _ = gc.get_threshold()
    if young + most * (middle + middle_after * old) >= MOST_LEFT:
        gc.collect()


def return_freed_memory() -> None:
    """Have glibc give freed pages back to the system: of a large body, received in pieces, it keeps all
    below a piece in use. Takes a fifth of a millisecond if there are none. Other C libraries lack this.
    """
    if _trim is not None:
        _trim(0)


_trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
