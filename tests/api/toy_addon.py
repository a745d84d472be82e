"""Loaded beside the router: a client format made up for the tests, served by adding one endpoint.

`POST /toy/{model}:ask?stream=1` with `{"say": TEXT}` gets lines of JSON without any keep-alive.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from smart_router.api.endpoints import ENDPOINTS, Endpoint
from smart_router.dialects.base import AnswerWriter, ClientDialect
from smart_router.dialects.hub import ChatCompletion, ChatRequest, Delta, End, Event
from smart_router.errors import ApiError, ClientError


def line(**fields: Any) -> bytes:
    return json.dumps(fields).encode() + b"\n"


class ToyWriter:
    content_type = "application/x-toy-lines"

    def __init__(self, asked: str) -> None:
        self.extension: Mapping[str, Any] | None = None
        self._asked = asked

    def write(self, events: Sequence[Event]) -> bytes:
        said = "".join(event.delta.get("content") or "" for event in events if isinstance(event, Delta))
        end = any(isinstance(event, End) for event in events)
        last = line(end=self._asked, by=(self.extension or {}).get("provider")) if end else b""
        return (line(said=said) if said else b"") + last

    def write_error(self, error: ApiError) -> bytes:
        return line(oops=error.message)


class ToyClient:
    name = operation = "toy"
    request_path = re.compile(r"/toy/(?P<model>[^/]+):ask$")
    keep_alive = b""

    def read_request(self, body: bytes, parameters: Mapping[str, str]) -> ChatRequest:
        said = json.loads(body).get("say")
        if said is None:
            raise ClientError(400, "nothing is said", param="say")
        streams, messages = parameters.get("stream") == "1", [{"role": "user", "content": said}]
        return {"model": parameters["model"], "messages": messages, "stream": streams}  # type: ignore[typeddict-item]

    def with_model(self, path: str, body: bytes, model: str) -> tuple[str, bytes]:
        return re.sub(r"[^/]+(?=:ask)", model.replace("/", "%2F"), path), body

    def open_writer(self, request: ChatRequest) -> AnswerWriter:
        return ToyWriter(request["model"])

    def write_answer(self, completion: ChatCompletion, request: ChatRequest) -> bytes:
        return line(said=completion["choices"][0]["message"].get("content"), end=request["model"])

    def error_body(self, error: ApiError) -> dict[str, Any]:
        return {"oops": error.message, "status": error.status}


TOY: ClientDialect = ToyClient()
ENDPOINTS.add(Endpoint("toy", ("/toy/{model}:ask",), ("POST",), dialect=TOY, intercepted=True))

addons: list[object] = []
