"""Reads answers of every wire format, whole or streamed, into pages, with the router's own dialects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from smart_router.dialects.base import CallContext
from smart_router.dialects.fold import fold
from smart_router.dialects.formats import DIALECTS
from smart_router.dialects.hub import ChatCompletion, Delta, End, Event, Failure, Finish, Start, UsageEvent
from smart_router.errors import UpstreamError
from smart_router.ui.transcript.page import Block, Page, compact, turns_of
from smart_router.ui.transcript.parts import blocks_of
from smart_router.ui.transcript.requests import calls_of, said

_FURTHER_FACTS = ("service_tier", "system_fingerprint", "provider", "x_router")


def read_answer(wire: str, body: bytes, *, streamed: bool, provider: str = "", model: str = "") -> Page:
    """Return the page of a 2xx answer in the wire format `wire`, up to where it fails.

    Raises ValueError for an unknown format.
    """
    dialect = DIALECTS.get(wire)
    if dialect is None:
        raise ValueError("not a chat answer")
    call = CallContext(provider=provider, model=model, stream=streamed, now=0, request_id="")
    if streamed:
        stream = dialect.open_stream(call)
        return _page_of_stream([*stream.feed(body), *stream.close()])
    answer = dialect.read_answer(body, call)
    if isinstance(answer, UpstreamError):
        return Page(notes=[f"the answer fails: {answer.message}"])
    return _page(answer)


def _page_of_stream(events: Sequence[Event]) -> Page:
    """Page of a stream, up to the point where it fails or breaks off."""
    failure = next((event.error for event in events if isinstance(event, Failure)), None)
    arrived = [event for event in events if isinstance(event, Delta | Finish | UsageEvent)]
    start = next((event for event in events if isinstance(event, Start)), Start("", "", 0))
    answer = fold([start, *arrived, End()])
    page = _page(cast(ChatCompletion, answer))
    if failure:
        page.notes.append(f"the stream fails here: {failure.message}")
    return page


def _page(answer: ChatCompletion) -> Page:
    choices = answer["choices"]
    facts = [("model", answer["model"])] if answer["model"] else []
    finishes = [choice["finish_reason"] or "(none)" for choice in choices]
    facts.append(("finish", ", ".join(finishes) or "(none)"))
    if usage := answer.get("usage"):
        facts.append(("usage", _usage(usage)))
    facts += [(name, compact(value)) for name in _FURTHER_FACTS if (value := answer.get(name))]
    roles = ["assistant" if len(choices) == 1 else f"assistant, choice {one['index']}" for one in choices]
    messages = [_message(cast(dict[str, Any], choice["message"])) for choice in choices]
    return Page(facts, turns_of(zip(roles, messages, strict=True)))


def _message(message: Mapping[str, Any]) -> list[Block]:
    details = message.get("reasoning_details") or ()
    encrypted = any(detail.get("type") == "reasoning.encrypted" for detail in details)
    hidden = encrypted and not message.get("reasoning_content")
    blocks = [Block("reasoning", "(encrypted)")] if hidden else []
    blocks += said(message)
    blocks += blocks_of(message.get("images"))
    blocks += calls_of(message.get("tool_calls"))
    if audio := message.get("audio"):
        blocks.append(Block("other", f"audio: {compact(audio.get('transcript') or '')}"))
    blocks += [Block("other", _annotation(one)) for one in message.get("annotations") or ()]
    return blocks


def _annotation(annotation: Mapping[str, Any]) -> str:
    citation = annotation.get("url_citation")
    if isinstance(citation, Mapping):
        return f"{compact(citation.get('title') or 'source')}: {compact(citation.get('url') or '')}"
    return compact(annotation)


def _usage(usage: Mapping[str, Any]) -> str:
    """`11 in (3 cached) + 7 out (2 reasoning) = 18 tokens`, and the cost if the provider states it."""
    parts = [
        f"{usage['prompt_tokens']} in{_details(usage.get('prompt_tokens_details'))}",
        f"{usage['completion_tokens']} out{_details(usage.get('completion_tokens_details'))}",
    ]
    cost = usage.get("cost")
    return f"{' + '.join(parts)} = {usage['total_tokens']} tokens" + (f", ${cost}" if cost else "")


def _details(details: Any) -> str:
    counts = details.items() if isinstance(details, Mapping) else ()
    shown = [f"{count} {name.removesuffix('_tokens').replace('_', ' ')}" for name, count in counts if count]
    return f" ({', '.join(shown)})" if shown else ""
