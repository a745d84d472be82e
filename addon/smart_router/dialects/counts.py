"""Answers to requests to count tokens."""

from __future__ import annotations

from smart_router.dialects.base import CallContext
from smart_router.dialects.hub import ChatCompletion, Message, Start, make_completion


def counted(call: CallContext) -> ChatCompletion:
    """Return the answer that stands for a count: not empty, and without usage, because it costs nothing."""
    message: Message = {"role": "assistant", "content": None, "annotations": [], "images": [{}]}
    start = Start(call.mint("count", 0), call.model, call.now)
    return make_completion(start, [{"index": 0, "message": message, "finish_reason": "stop"}], None)
