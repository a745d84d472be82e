"""Answers to requests to count tokens."""

from __future__ import annotations

from smart_router.dialects.base import CallContext
from smart_router.dialects.hub import ChatCompletion, Choice, Message


def counted(call: CallContext) -> ChatCompletion:
    """The provider's count, as an answer: not empty, without text and usage, as it costs nothing."""
    message: Message = {"role": "assistant", "content": None, "annotations": [], "images": [{}]}
    choice: Choice = {"index": 0, "message": message, "finish_reason": "stop"}
    id_ = call.mint("count", 0)
    return {
        "id": id_,
        "object": "chat.completion",
        "created": call.now,
        "model": call.model,
        "choices": [choice],
    }
