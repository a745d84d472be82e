"""Responses kept for clients that name them: `previous_response_id`, item references, GET and DELETE.

They are in memory only, each for the client that made it. An entry holds its own turn and the id of the one
before; the oldest go first. An id that is not there gets OpenAI's own error.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Any, NamedTuple

from pydantic_core import from_json, to_json

from smart_router.dialects.hub import ChatRequest, facts_of
from smart_router.dialects.json_values import as_list, as_object, as_text
from smart_router.errors import ClientError

MOST_BYTES = 64 << 20
"""Default bound on all that is kept, in bytes of JSON."""

ENTRY_BYTES = 1_000
"""Approximate bytes of an entry besides its JSON."""

_NAMING = (b'"previous_response_id"', b'"item_reference"')

Key = tuple[str | None, str]
"""A client's name under `[clients]`, and a response's id."""


class StoredResponse(NamedTuple):
    """One turn: its input and output items, the `response` object as JSON, and the id of the turn before."""

    previous: str | None
    items: list[Any]
    response: str


class Continued(NamedTuple):
    """A request whose `body` names nothing that is kept. `previous` was its `previous_response_id`, `items`
    are those of its own turn, None if they are the whole input."""

    body: bytes
    previous: str | None = None
    items: list[Any] | None = None


class ResponseStore:
    """Responses by client and id. `most_bytes` 0 keeps none."""

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self.most_bytes = most_bytes
        self._bytes = 0
        self._entries: OrderedDict[Key, tuple[StoredResponse, int]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, client: str | None, id_: str) -> StoredResponse:
        """Return a response. Raises OpenAI's 404."""
        if (found := self._entries.get((client, id_))) is None:
            raise ClientError(404, f"Response with id '{id_}' not found.")
        self._entries.move_to_end((client, id_))
        return found[0]

    def put(self, client: str | None, id_: str, kept: StoredResponse) -> int:
        """Keep a response, unless it is larger than all that may be kept. Returns its size in bytes."""
        size = len(to_json(kept.items)) + len(kept.response) + ENTRY_BYTES
        if size > self.most_bytes:
            return size
        self._drop((client, id_))
        self._entries[client, id_] = kept, size
        self._bytes += size
        while self._bytes > self.most_bytes:
            self._drop(next(iter(self._entries)))
        return size

    def delete(self, client: str | None, id_: str) -> None:
        """Forget a response. Raises OpenAI's 404."""
        self.get(client, id_)
        self._drop((client, id_))

    def _drop(self, key: Key) -> None:
        if (old := self._entries.pop(key, None)) is not None:
            self._bytes -= old[1]

    def continue_(self, body: bytes, client: str | None) -> Continued:
        """Replace what a request names by what is kept of it.

        A body that names nothing, or is no request, comes back as it is. Raises OpenAI's 400 or 404.
        """
        if not self.most_bytes or not any(name in body for name in _NAMING):
            return Continued(body)
        try:
            request = as_object(from_json(body))
        except ValueError:
            return Continued(body)
        previous, given = request.get("previous_response_id"), request.get("input")
        if isinstance(given, str) and given:
            given = [_said_by_user(given)]
        if not isinstance(given, list) or not isinstance(previous, str | None):
            return Continued(body)
        earlier = self._conversation(client, previous) if previous else []
        items = [self._resolved(item, client) for item in given]
        if previous is None and items == given:
            return Continued(body)
        request.pop("previous_response_id", None)
        return Continued(to_json({**request, "input": [*earlier, *items]}), previous, items)

    def _conversation(self, client: str | None, last: str) -> list[Any]:
        turns: dict[str, list[Any]] = {}
        id_: str | None = last
        while id_ is not None:
            try:
                turn = self.get(client, id_)
            except ClientError:
                raise previous_not_found(last) from None
            if id_ in turns:  # a provider gave one id to two responses
                raise previous_not_found(last)
            turns[id_] = turn.items
            id_ = turn.previous
        return [item for items in reversed(turns.values()) for item in items]

    def _resolved(self, item: Any, client: str | None) -> Any:
        if as_object(item).get("type") != "item_reference" or not (id_ := as_text(item.get("id"))):
            return item
        for (owner, _), (kept, _) in reversed(self._entries.items()):  # the latest first
            for found in kept.items if owner == client else ():
                if as_object(found).get("id") == id_:
                    return found
        raise ClientError(
            404,
            f"Item with id '{id_}' not found. Items are not persisted when `store` is set to false. Try "
            "again with `store` set to true, or remove this item from your input.",
            param="input",
        )

    def attach(self, request: ChatRequest, continued: Continued, client: str | None, id_: str) -> None:
        """Have the answer to a request kept under this id, unless the client wants it not to be."""
        facts = facts_of(request)
        facts["id"] = id_
        echo = facts["echo"]
        if continued.previous:
            echo["previous_response_id"] = continued.previous
        if not self.most_bytes or echo.get("store") is False:
            return

        def keep(response: bytes) -> None:
            self.keep(client, continued, echo["input"], response)

        facts["keep"] = keep

    def keep(self, client: str | None, continued: Continued, given: Any, response: bytes) -> None:
        """Keep a complete response and the items of its own turn. `given` is the request's input."""
        parsed, items = from_json(response), continued.items
        if items is None:
            items = given if isinstance(given, list) else [_said_by_user(given)]
        turn = [*items, *as_list(parsed.get("output"))]
        self.put(client, parsed["id"], StoredResponse(continued.previous or None, turn, response.decode()))


def _said_by_user(text: Any) -> dict[str, Any]:
    return {"type": "message", "role": "user", "content": text}


def previous_not_found(id_: str) -> ClientError:
    """Return OpenAI's error for an unknown `previous_response_id`."""
    return ClientError(
        400,
        f"Previous response with id '{id_}' not found.",
        code="previous_response_not_found",
        param="previous_response_id",
    )
