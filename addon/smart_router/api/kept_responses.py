"""Answers about kept responses, in OpenAI's words (API reference: responses)."""

from __future__ import annotations

from typing import Any

from mitmproxy import http
from pydantic_core import from_json

from smart_router.api.local_answers import LocalRequest, json_response
from smart_router.dialects.json_values import as_list, as_object, as_text
from smart_router.dialects.openai_responses.store import StoredResponse
from smart_router.errors import ClientError

_MOST_ITEMS = 100
_DEFAULT_ITEMS = 20


def response(request: LocalRequest) -> http.Response:
    """`/v1/responses/{id}`: a kept response, or its deletion"""
    if request.method == "DELETE":
        request.runtime.responses.delete(_owner(request), id_ := request.parameters["id"])
        return json_response(200, {"id": id_, "object": "response", "deleted": True})
    return http.Response.make(200, _find(request).response, {"content-type": "application/json"})


def input_items(request: LocalRequest) -> http.Response:
    """`/v1/responses/{id}/input_items`: the input of a kept response, the latest item first"""
    limit = _number(request.parameters.get("limit", str(_DEFAULT_ITEMS)))
    items = _inputs(_find(request))
    if request.parameters.get("order", "desc") == "desc":
        items.reverse()
    ids = [as_text(item["id"]) for item in items]
    if (after := request.parameters.get("after")) is not None:
        if after not in ids:
            raise ClientError(400, f"Item with id '{after}' not found.", param="after")
        items = items[ids.index(after) + 1 :]
    page = items[:limit]
    first, last = (page[0]["id"], page[-1]["id"]) if page else (None, None)
    listed = {"object": "list", "data": page, "first_id": first, "last_id": last}
    return json_response(200, {**listed, "has_more": len(items) > limit})


def cancel(request: LocalRequest) -> http.Response:
    """`/v1/responses/{id}/cancel`: refused, since no response is made in the background"""
    _find(request)
    raise ClientError(400, "Cannot cancel a synchronous response.")  # [U] the vendor's words


def _find(request: LocalRequest) -> StoredResponse:
    return request.runtime.responses.get(_owner(request), request.parameters["id"])


def _owner(request: LocalRequest) -> str | None:
    return request.client.name if request.client else None


def _number(text: str) -> int:
    if not text.isascii() or not text.isdecimal() or not 1 <= int(text) <= _MOST_ITEMS:
        message = f"Invalid 'limit': expected an integer from 1 to {_MOST_ITEMS}."
        raise ClientError(400, message, code="invalid_value", param="limit")
    return int(text)


def _inputs(kept: StoredResponse) -> list[dict[str, Any]]:
    """The items that a response was made from; each has an id."""
    output = as_list(from_json(kept.response).get("output"))
    given = kept.items[: len(kept.items) - len(output)]
    return [_listed(as_object(item), number) for number, item in enumerate(given)]


def _listed(item: dict[str, Any], number: int) -> dict[str, Any]:
    """An item as OpenAI lists it: with type and id, and texts as parts."""
    item = {"id": f"item_{number}", "type": "message", **item}
    if item["type"] == "message" and isinstance(text := item.get("content"), str):
        kind = "output_text" if item.get("role") == "assistant" else "input_text"
        item["content"] = [{"type": kind, "text": text}]
    return item
