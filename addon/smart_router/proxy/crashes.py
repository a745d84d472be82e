"""Exceptions while an answer is handled: the request goes on with its next step, or ends with an error.

mitmproxy logs such an exception and does nothing more: the client would wait for its answer for ever.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mitmproxy import flow
from mitmproxy.proxy import layer

from smart_router.errors import INTERNAL, OWN_FAILURE

if TYPE_CHECKING:
    from smart_router.proxy.stream import RoutedStream

MOST = 3
"""Exceptions of one stream: its answer to one may raise, too."""


def may_answer(stream: RoutedStream) -> bool:
    """Return whether the stream can answer for an exception."""
    return stream.routed and stream.crashes < MOST


def answer_for_crash(stream: RoutedStream) -> layer.CommandGenerator[None]:
    """Answer for an exception: with the next step, then with an error, then with the connection's end."""
    stream.crashes += 1
    stream.wait_until = None
    if stream.crashes == 1 and stream.exchange.attempt is not None and not stream.answer.complete:
        yield from stream._failed(OWN_FAILURE)
    elif stream.crashes < MOST:
        yield from stream._cancel(INTERNAL.message)
        yield from stream._give_up(INTERNAL)
    else:
        stream.flow.error = flow.Error(flow.Error.KILLED_MESSAGE)
        yield from stream._stopped()
