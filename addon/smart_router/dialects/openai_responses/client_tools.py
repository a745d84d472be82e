"""Tools of a Responses request as functions of the hub, and their calls under the client's own names.

Namespaced and custom tools exist in this API only. A namespaced tool becomes the function
`NAMESPACE__NAME`; a custom tool, whose input is plain text, a function with the one parameter `input`.
Tools that the vendor runs itself (web search and the like) cannot be translated.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from pydantic_core import to_json

from smart_router.dialects.json_values import as_objects, as_text, read_object
from smart_router.dialects.tool_names import fit_name


class ClientTool(NamedTuple):
    """A tool as the client knows it. `custom` tools take plain text instead of JSON arguments."""

    custom: bool
    name: str
    namespace: str | None


class Tools(NamedTuple):
    """A request's tools: the hub's, those whose calls must be renamed by their name in the hub, and the names
    of those that only their vendor can run."""

    functions: list[dict[str, Any]]
    renamed: dict[str, ClientTool]
    hosted: list[str]


def read_tools(tools: Iterable[Mapping[str, Any]]) -> Tools:
    """Read the tools of a valid request."""
    read = Tools([], {}, [])
    for tool, namespace in _flat(tools):
        kind = tool["type"]
        if kind not in ("function", "custom"):
            read.hosted.append(kind)
            continue
        client_tool = ClientTool(kind == "custom", tool["name"], namespace["name"] if namespace else None)
        name = hub_name(client_tool.name, client_tool.namespace)
        function = {"name": name, **(_custom(tool) if client_tool.custom else _function(tool))}
        if namespace and (about := namespace.get("description")):
            function["description"] = f"{about}\n\n{function.get('description', '')}".strip()
        read.functions.append({"type": "function", "function": function})
        if client_tool.custom or namespace:
            read.renamed[name] = client_tool
    return read


def _flat(tools: Iterable[Mapping[str, Any]]) -> Iterator[tuple[Mapping[str, Any], Mapping[str, Any] | None]]:
    """Yield each tool, and its namespace."""
    for tool in tools:
        if tool["type"] == "namespace":
            yield from ((inner, tool) for inner in tool["tools"])
        else:
            yield tool, None


def hub_name(name: str, namespace: str | None) -> str:
    """Return a tool's name in the hub, made of these alone: calls of earlier turns have the same."""
    return fit_name(f"{namespace}__{name}") if namespace else name


def _function(tool: Mapping[str, Any]) -> dict[str, Any]:
    stated = {field: tool.get(field) for field in ("description", "parameters", "strict")}
    return {field: value for field, value in stated.items() if value is not None}


def _custom(tool: Mapping[str, Any]) -> dict[str, Any]:
    text = "The input is plain text."
    match tool.get("format"):
        case {"type": "grammar", "syntax": syntax, "definition": definition}:
            text = f"The input is plain text that matches this {syntax} grammar:\n{definition}"
    parameters = {
        "type": "object",
        "properties": {"input": {"type": "string"}},
        "required": ["input"],
        "additionalProperties": False,
    }
    return {"description": f"{tool.get('description') or ''}\n\n{text}".strip(), "parameters": parameters}


def read_choice(choice: str | Mapping[str, Any], hosted: Iterable[str]) -> str | dict[str, Any] | None:
    """Return the hub's `tool_choice`; None for the choice of a hosted tool."""
    if isinstance(choice, str):
        return choice
    if choice["type"] == "allowed_tools":
        tools = [_chosen(tool) for tool in as_objects(choice.get("tools")) if tool.get("name")]
        allowed = {"mode": "required" if choice.get("mode") == "required" else "auto", "tools": tools}
        return {"type": "allowed_tools", "allowed_tools": allowed} if tools else None
    return None if choice["type"] in hosted or not choice.get("name") else _chosen(choice)


def _chosen(tool: Mapping[str, Any]) -> dict[str, Any]:
    name = hub_name(as_text(tool.get("name")), as_text(tool.get("namespace")) or None)
    return {"type": "function", "function": {"name": name}}


def read_call(item: Mapping[str, Any]) -> dict[str, Any]:
    """Return the hub's call of a `function_call` or `custom_tool_call` item."""
    custom = item["type"] == "custom_tool_call"
    arguments = to_json({"input": item["input"]}).decode() if custom else item["arguments"]
    function = {"name": hub_name(item["name"], item.get("namespace")), "arguments": arguments}
    return {"id": item["call_id"], "type": "function", "function": function}


def custom_input(arguments: str) -> str:
    """Return a custom tool's input from the arguments of its function; the arguments if they have none."""
    text = read_object(arguments).get("input")
    return text if isinstance(text, str) else arguments
