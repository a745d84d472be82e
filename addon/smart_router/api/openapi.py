"""The description of the router's endpoints in OpenAPI 3.1, made of their rows and the request schemas."""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING, Any

from pydantic_core import to_json

from smart_router import __version__

if TYPE_CHECKING:
    from smart_router.api.endpoints import Endpoint
    from smart_router.dialects.base import ClientDialect

Json = dict[str, Any]

_STATUSES = {
    200: "the answer; streamed as events if the request asks for that",
    204: "the answer to a page that asks for permission",
    307: "the page is elsewhere",
    400: "a wrong request, named by field; or a provider's refusal",
    401: "no router key, or a provider's credential is missing or refused",
    403: "the web page or Host is not allowed, or the provider forbids it",
    404: "no such model, response or path",
    405: "another method",
    408: "the request did not arrive in time",
    409: "a replayed attempt has lost its credential",
    413: "the request is too large",
    415: "the content coding or type is not supported",
    422: "a provider's refusal of the request's content",
    426: "no WebSocket is served here",
    429: "a limit of the client's key, or every candidate is at its rate limit",
    499: "a provider's answer to a client that has left",
    500: "the router or the provider failed",
    501: "the router lacks the extra that this needs",
    502: "no provider gave a usable answer",
    503: "overloaded, or nothing usable is configured",
    504: "no provider answered in time",
    529: "the provider is overloaded",
}
_ANY = (200, 400, 401, 403, 404, 405, 408, 413, 415, 426, 500, 503)
_LOCAL = {"/": (307,), "/metrics": (501,)}
"""Statuses of single local answers besides `_ANY`."""

_PARAMETER = re.compile(r"\{(\w+)\}")


@functools.cache
def description(rows: tuple[Endpoint, ...]) -> bytes:
    """Return the description as JSON."""
    schemas: Json = {"error": {"type": "object"}}
    paths: Json = {}
    for row in rows:
        for path in row.paths:
            operations = {method.lower(): _operation(row, path, method, schemas) for method in row.methods}
            paths[path] = paths.get(path, {}) | operations
    return to_json(
        {
            "openapi": "3.1.0",
            "info": {
                "title": "Smart Router",
                "version": __version__,
                "description": "Requests in the formats of OpenAI, Anthropic and Google go to the provider "
                "that their model names; with the model `auto` the router chooses.",
                "license": {"name": "MIT", "identifier": "MIT"},
            },
            "servers": [{"url": "/"}],
            "security": [{}, {"routerKey": []}],
            "paths": paths,
            "components": {
                "schemas": schemas,
                "responses": {str(status): _response(status) for status in _STATUSES},
                "securitySchemes": {"routerKey": {"type": "http", "scheme": "bearer"}},
            },
        }
    )


def _operation(row: Endpoint, path: str, method: str, schemas: Json) -> Json:
    named = re.sub(r"\W+", "_", f"{method.lower()}{path}").strip("_")
    operation: Json = {"operationId": named, "summary": row.name, "responses": _responses(row, path)}
    if parameters := [_in_path(name) for name in _PARAMETER.findall(path)]:
        operation["parameters"] = parameters
    if row.dialect is not None:
        operation["requestBody"] = {"required": True, "content": _content(row.name, row.dialect, schemas)}
    return operation


def _in_path(name: str) -> Json:
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}


def _content(name: str, dialect: ClientDialect, schemas: Json) -> Json:
    """The request's body by content type; its schemas are added to those that all operations share."""
    content: Json = {}
    for kind, schema in dialect.request_schemas().items():
        title = re.sub(r"\W+", "-", f"{name} {kind.partition('/')[2]}")
        schemas.setdefault(title, schema)
        content[kind] = {"schema": {"$ref": f"#/components/schemas/{title}"}}
    return content


def _responses(row: Endpoint, path: str) -> Json:
    statuses = _STATUSES if row.dialect else (*_ANY, *_LOCAL.get(path, ()))
    return {str(status): {"$ref": f"#/components/responses/{status}"} for status in sorted(statuses)}


def _response(status: int) -> Json:
    error = {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/error"}}}}
    return {"description": _STATUSES[status]} | (error if status >= 400 else {})
