"""Facts extracted from a failed answer, whatever its provider's format."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic_core import from_json, to_json

from smart_router.dialects.json_values import as_list, as_object, as_objects
from smart_router.dialects.masking import mask_secrets

MESSAGE_LIMIT = 1000
"""Characters of a provider's message that the client gets."""

_SEARCHED_LIMIT = 4096  # characters that rules search, and of a page that is not JSON
_PAGE_WORDS_LIMIT = 200  # characters quoted from such a page
_JSON_LIMIT = 1 << 20  # bytes; nothing larger is an error object
_CODE_LIMIT = 100
_DETAILS_LIMIT = 20  # items of a list of details

_NAMED_STATUS: Mapping[str, int] = {
    name: status
    for status, listed in {
        # error types of Anthropic and OpenAI, and the names of google.rpc.Code
        400: "failedprecondition outofrange",
        401: "authenticationerror unauthenticated",
        402: "billingerror",
        403: "permissionerror permissiondenied",
        404: "notfounderror notfound",
        409: "aborted",
        413: "requesttoolarge",
        429: "ratelimiterror toomanyrequests resourceexhausted",
        500: "apierror servererror internalservererror internal",
        503: "serviceunavailableerror unavailable",
        504: "timeouterror gatewaytimeouterror deadlineexceeded",
        529: "overloadederror",
    }.items()
    for name in listed.split()
}
"""The status that an error inside a 200 means by its name, folded; 400 for any other name in invalid…"""


@dataclass(frozen=True, slots=True)
class ErrorFacts:
    """A failure in its provider's words.

    `stated` is the error status that the answer has or, inside a 200, gives as a number; `status` is the
    same or the one that a name stands for; None where neither. `codes` are the error's code, type, status
    word and reasons, folded. `text` is what rules search: the message and the names of used-up quotas, in
    lower case. `delays` are the retry delays in the body, the most trusted first. `page`: the body is not
    empty and no JSON object, so a gateway or another service wrote it. `headers` are the answer's, names in
    lower case.
    """

    message: str
    stated: int | None = None
    status: int | None = None
    code: str | None = None
    param: str | None = None
    codes: frozenset[str] = frozenset()
    text: str = ""
    delays: tuple[object, ...] = ()
    page: bool = False
    headers: Mapping[str, str] = field(default_factory=dict)


def fold_code(code: str) -> str:
    """Return a code without case and punctuation: InvalidApiKey and invalid_api_key become one."""
    return "".join(filter(str.isalnum, code)).casefold()


def read_facts(status: int, headers: Mapping[str, str], body: bytes | Mapping[str, Any]) -> ErrorFacts:
    """Extract the facts from a failed answer of any shape; never raises. `status` may be 200."""
    lowered = {str(name).lower(): str(value) for name, value in headers.items()}
    stated = status if 400 <= status < 600 else None
    found = _json_object(body)
    if not found:
        message = _page_message(status, body if isinstance(body, bytes) else b"")
        return ErrorFacts(message, stated, stated, text=message.casefold(), page=bool(body), headers=lowered)
    error = _error_object(found)
    message = _message_of(found, error)
    names = _names_in(found, error, message)
    codes = frozenset(map(fold_code, names))
    stated = stated or _numeric_status(error.get("code"))
    return ErrorFacts(
        message=_readable(message) or _readable(f"HTTP {status}: {', '.join(names) or 'no message'}"),
        stated=stated,
        status=stated or _named_status(codes),
        code=_word(error.get("code")),
        param=_word(error.get("param")),
        codes=codes,
        text=" ".join((message[:_SEARCHED_LIMIT], *_quota_ids(error))).casefold(),
        delays=tuple(_delays_in(error)),
        headers=lowered | _forwarded_headers(error),
    )


def _json_object(body: bytes | Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the body's JSON object, or an array's first one (Gemini); empty for anything else."""
    if not isinstance(body, bytes):
        return body
    try:
        found = from_json(body, allow_inf_nan=False) if len(body) <= _JSON_LIMIT else None
    except ValueError:
        return {}
    if isinstance(found, list) and found:
        found = found[0]
    if isinstance(found, str):
        found = {"message": found}
    return as_object(found)


def _error_object(found: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the object with the message and the code, wherever the provider put it."""
    response = found.get("response")  # response.failed events and Cloud Code's wrapper
    if isinstance(response, Mapping) and isinstance(response.get("error"), Mapping):
        found = response
    error = found.get("error")
    if isinstance(error, Mapping):
        return error
    if isinstance(error, str):  # xai: {code, error: "text"}
        return {**found, "message": error}
    base_resp = found.get("base_resp")  # MiniMax
    if isinstance(base_resp, Mapping):
        return {"code": base_resp.get("status_code"), "message": base_resp.get("status_msg")}
    detail = found.get("detail")  # ChatGPT backend
    if isinstance(detail, Mapping):
        return detail
    return {**found, "message": detail} if detail else found


def _message_of(found: Mapping[str, Any], error: Mapping[str, Any]) -> str:
    message = _text(error.get("message"))
    raw = _text(as_object(error.get("metadata")).get("raw"))  # OpenRouter: what the provider behind it said
    if raw and raw not in message:
        message = f"{message}: {raw}" if message else raw
    # an object without a message is quoted whole, unless its codes speak for it
    return message or ("" if error.get("code") or error.get("type") else _text(found))


_MINIMAX_CODE = re.compile(r"\((\d{4})\)\s*$")  # "usage limit exceeded (2056)" on its Anthropic path


def _names_in(found: Mapping[str, Any], error: Mapping[str, Any], message: str) -> list[str]:
    """Return code, type, status word and reasons, each once."""
    metadata = as_object(error.get("metadata"))
    details = [*_details(error), as_object(error.get("details"))]
    values = [
        *(error.get(key) for key in ("code", "type", "status")),
        None if error is found else found.get("code"),
        *(detail.get(key) for detail in details for key in ("reason", "error_code", "code")),
        metadata.get("limit_source"),
        *_MINIMAX_CODE.findall(message[-20:]),
    ]
    if metadata.get("reasons") or "flagged_input" in metadata:  # OpenRouter's moderation
        values.append("flagged_input")
    names = (value for value in map(_text, values) if value)
    return list(dict.fromkeys(name[:_CODE_LIMIT] for name in names))


def _word(value: object) -> str | None:
    """Return a code or field name; None for a number: it repeats the status, and helps no client."""
    return value[:_CODE_LIMIT] if isinstance(value, str) and value and not value.isdecimal() else None


def _numeric_status(code: object) -> int | None:
    number = int(code) if isinstance(code, str) and re.fullmatch(r"[45]\d\d", code, re.ASCII) else code
    return number if isinstance(number, int) and 400 <= number < 600 else None


def _named_status(codes: frozenset[str]) -> int | None:
    """Return the highest status that the names stand for: the other is often invalid_request_error."""
    named = {400 for code in codes if code.startswith("invalid")}
    return max(named | {_NAMED_STATUS[code] for code in codes if code in _NAMED_STATUS}, default=None)


def _details(error: Mapping[str, Any]) -> list[dict[str, Any]]:
    return as_objects(error.get("details"))[:_DETAILS_LIMIT]


def _quota_ids(error: Mapping[str, Any]) -> Iterator[str]:
    """Yield the names of quotas in google.rpc.QuotaFailure: they tell a day's from a minute's."""
    for detail in _details(error):
        for violation in as_list(detail.get("violations"))[:_DETAILS_LIMIT]:
            yield _text(as_object(violation).get("quotaId"))


def _delays_in(error: Mapping[str, Any]) -> Iterator[object]:
    """Yield the retry delays in the body: google.rpc.RetryInfo, ErrorInfo, then Codex's fields."""
    details = _details(error)
    yield from (detail.get("retryDelay") for detail in details)
    yield from (as_object(detail.get("metadata")).get("quotaResetDelay") for detail in details)
    yield error.get("resets_in_seconds")
    yield error.get("resets_at")


def _forwarded_headers(error: Mapping[str, Any]) -> dict[str, str]:
    """Return the rate limit headers that OpenRouter repeats in its body."""
    headers = as_object(as_object(error.get("metadata")).get("headers"))
    return {str(name).lower(): value for name, value in headers.items() if isinstance(value, str)}


_NOT_WORDS = re.compile(r"<(script|style)\b[^<>]*>.*?</\1>|<!--.*?-->|<[^<>]*>", re.IGNORECASE | re.DOTALL)
_TITLE = re.compile(r"<title[^<>]*>([^<]+)", re.IGNORECASE)


def _page_message(status: int, body: bytes) -> str:
    """Return a message for a body that is not a JSON object: the status, the title or first words."""
    page = body[: 4 * _SEARCHED_LIMIT].decode("utf-8", "replace")
    title = _TITLE.search(page)
    words = title[1] if title else _NOT_WORDS.sub(" ", page[:_SEARCHED_LIMIT])
    return f"HTTP {status}: {_readable(words)[:_PAGE_WORDS_LIMIT].strip() or 'empty answer'}"


def _readable(text: str) -> str:
    """Return a text for clients and logs: one line, bounded, no control characters, no secrets."""
    shown = text[: 2 * MESSAGE_LIMIT]
    shown = " ".join("".join(char if char.isprintable() else " " for char in shown).split())
    shown = mask_secrets(shown)
    return shown if len(shown) <= MESSAGE_LIMIT else shown[: MESSAGE_LIMIT - 1] + "…"


def _text(value: object) -> str:
    """Return a string as it is, other JSON as text, and an empty string for an empty value."""
    if isinstance(value, str):
        return value
    if value is None or value == {} or value == []:
        return ""
    try:
        return to_json(value).decode()
    except ValueError:
        return ""
