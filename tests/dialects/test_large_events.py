"""One event of a stream may be as large as an answer: images are sent in one."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from smart_router.dialects.base import CallContext
from smart_router.dialects.hub import Failure
from smart_router.providers.registry import PROVIDERS

DATA = "A" * (9 * 1024 * 1024)
PART = {"inlineData": {"mimeType": "image/png", "data": DATA}}
GEMINI: dict[str, Any] = {"candidates": [{"content": {"parts": [PART]}, "finishReason": "STOP", "index": 0}]}
IMAGE = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{DATA}"}}
CHAT: dict[str, Any] = {"choices": [{"index": 0, "delta": {"images": [IMAGE]}, "finish_reason": "stop"}]}
TEXT = {"type": "response.output_text.delta", "output_index": 0, "content_index": 0, "delta": DATA}
START = {"type": "message_start", "message": {"id": "m", "model": "m"}}
BLOCK = {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": DATA}}

STREAMS: dict[str, list[dict[str, Any]]] = {
    "google": [GEMINI],
    "antigravity": [{"response": GEMINI}],
    "openrouter": [CHAT],
    "openai-codex": [{"type": "response.created", "response": {"id": "r"}}, TEXT],
    "anthropic": [START, BLOCK],
}


@pytest.mark.parametrize("provider", STREAMS)
def test_event_of_nine_mebibytes_is_read_within_the_limit(provider: str) -> None:
    call = CallContext(provider, "gemini-3.1-flash-image", True, 7, "r")
    body = b"".join(b"data: " + json.dumps(event).encode() + b"\n\n" for event in STREAMS[provider])
    pieces = [body[at : at + 65536] for at in range(0, len(body), 65536)]
    for limit, fits in ((call.max_event, True), (8 * 1024 * 1024, False)):
        reader = PROVIDERS[provider].dialect.open_stream(replace(call, max_event=limit))
        events = [event for piece in pieces for event in reader.feed(piece)]
        assert any(DATA[:1000] in str(event)[:2_000_000] for event in events) is fits
        assert any(isinstance(event, Failure) for event in events) is not fits
