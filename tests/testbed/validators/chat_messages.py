"""Checks of conversations on OpenAI's chat wire that several vendors share, each with its limits."""

from __future__ import annotations

import json
from collections.abc import Iterator

from tests.testbed.validators.base import Body, Json, fits, unknown
from tests.testbed.validators.schemas import media_type

ROLES = ("developer", "system", "user", "assistant", "tool", "function")


def calls_of(message: Body) -> list[Body]:
    """The tool calls of a message."""
    return list(message.get("tool_calls") or ())


def parts_of(message: Body) -> list[Body]:
    """The content's parts, none for a text."""
    content = message.get("content")
    return list(content) if isinstance(content, list) else []


def check_order(messages: list[Body]) -> Iterator[str]:
    """Each call is answered once, right after its turn; no result comes without its call."""
    waiting: set[str] = set()
    for place, message in enumerate(messages):
        if message["role"] == "tool":
            if message.get("tool_call_id") not in waiting:
                yield (
                    f"Invalid parameter: messages with role 'tool' must be a response to a preceeding "
                    f"message with 'tool_calls' (messages.[{place}].role)."
                )
            waiting.discard(str(message.get("tool_call_id")))
            continue
        if waiting:
            yield (
                "An assistant message with 'tool_calls' must be followed by tool messages responding to "
                f"each 'tool_call_id'. The following did not have response messages: {', '.join(waiting)}"
            )
        ids = [str(call.get("id")) for call in calls_of(message)]
        if len(set(ids)) != len(ids):
            yield f"Duplicate value for 'tool_call_id' in messages[{place}]."
        waiting = set(ids)
    if waiting:
        yield f"tool_call_ids did not have response messages: {', '.join(waiting)}"


def check_ids(messages: list[Body], most: int) -> Iterator[str]:
    """Ids of calls are texts of limited length."""
    for place, message in enumerate(messages):
        ids = [call.get("id") for call in calls_of(message)]
        if message["role"] == "tool":
            ids.append(message.get("tool_call_id"))
        for id_ in ids:
            if not isinstance(id_, str) or not 0 < len(id_) <= most:
                yield (
                    f"Invalid 'messages[{place}].tool_calls[0].id': string too long. Expected a string with "
                    f"maximum length {most}, but got {id_!r} instead."
                )


def check_names(body: Body, pattern: str) -> Iterator[str]:
    """Names of tools, in the list, in the history and where one is chosen."""
    for place, tool in enumerate(body.get("tools") or ()):
        yield from fits((tool.get("function") or {}).get("name"), f"tools[{place}].function.name", pattern)
    for place, message in enumerate(body["messages"]):
        for call in calls_of(message):
            name = (call.get("function") or {}).get("name")
            yield from fits(name, f"messages[{place}].tool_calls[0].function.name", pattern)
    choice = body.get("tool_choice")
    if isinstance(choice, dict) and choice.get("type") == "function":
        yield from fits(choice["function"]["name"], "tool_choice.function.name", pattern)


def check_fields(
    body: Body, message: tuple[str, ...], call: tuple[str, ...], *, cache_marks: bool = False
) -> Iterator[str]:
    """Fields of messages, calls, parts and tools that are not known."""
    marks = ("cache_control",) if cache_marks else ()
    for place, one in enumerate(body["messages"]):
        yield from unknown(one, f"messages[{place}]", *message)
        for number, made in enumerate(calls_of(one)):
            at = f"messages[{place}].tool_calls[{number}]"
            yield from unknown(made, at, *call)
            yield from unknown(made.get("function"), f"{at}.function", "name", "arguments")
        for number, part in enumerate(parts_of(one)):
            kind = str(part.get("type"))
            yield from unknown(part, f"messages[{place}].content[{number}]", "type", kind, *marks)
    for place, tool in enumerate(body.get("tools") or ()):
        yield from unknown(tool, f"tools[{place}]", "type", "function", *marks)
        known = ("name", "description", "parameters", "strict")
        yield from unknown(tool.get("function"), f"tools[{place}].function", *known)


def check_roles(messages: list[Body], roles: tuple[str, ...]) -> Iterator[str]:
    """Roles that are not known."""
    for place, message in enumerate(messages):
        if message.get("role") not in roles:
            yield f"Invalid value: {message.get('role')!r} for messages[{place}].role: {', '.join(roles)}."


def check_nulls(messages: list[Body]) -> Iterator[str]:
    """Content is null only beside calls or a refusal, and a list of parts is not empty."""
    for place, message in enumerate(messages):
        content = message.get("content")
        stands_for = calls_of(message) or message.get("function_call") or message.get("refusal")
        if content is None and not stands_for:
            yield f"Invalid value for 'content': expected a string, got null. (messages.[{place}].content)"
        if content == []:
            yield f"Invalid 'messages[{place}].content': empty array."
        if message.get("tool_calls") == []:
            yield f"Invalid 'messages[{place}].tool_calls': empty array. Expected at least 1 element."


def check_texts(messages: list[Body]) -> Iterator[str]:
    """Each message says something: a text that is not empty, a part, or a call."""
    for place, message in enumerate(messages):
        content = message.get("content")
        said = any(part.get("text") != "" for part in content) if isinstance(content, list) else content
        if not said and not calls_of(message):
            yield f"messages[{place}]: Each message must have at least one content element."


def check_arguments(messages: list[Body]) -> Iterator[str]:
    """Arguments of earlier calls are the text of a JSON object."""
    for place, message in enumerate(messages):
        for call in calls_of(message):
            arguments = call["function"].get("arguments")
            try:
                good = isinstance(json.loads(arguments), dict)
            except (TypeError, ValueError):
                good = False
            if not good:
                yield f"messages[{place}]: invalid tool call arguments: {arguments!r}"


def check_parts(messages: list[Body], taken: dict[str, tuple[str, ...]]) -> Iterator[str]:
    """Parts by role: `taken` has the kinds of parts that each role may hold."""
    for place, message in enumerate(messages):
        for number, part in enumerate(parts_of(message)):
            kind = str(part.get("type"))
            if kind not in taken.get(message["role"], ("text",)):
                yield f"Invalid content type '{kind}' in messages[{place}].content[{number}]."
            if kind == "image_url":
                yield from check_image(part, f"messages[{place}].content[{number}].image_url")


def check_image(part: Body, at: str) -> Iterator[str]:
    """An image's address: http(s), or a data URL of an image type with base64 data of an image."""
    url: Json = (part.get("image_url") or {}).get("url")
    if not isinstance(url, str):
        yield f"Invalid '{at}': no url."
    elif url.startswith("data:"):
        head, _, data = url.partition(",")
        if head not in (f"data:image/{kind};base64" for kind in ("png", "jpeg", "gif", "webp")):
            yield f"Invalid '{at}': You uploaded an unsupported image ({head})."
        elif not str(media_type(data)).startswith("image/"):
            yield f"Invalid '{at}': the data is no image."
    elif not url.startswith(("http://", "https://")):
        yield f"Invalid '{at}': {url[:40]!r} is no address."
