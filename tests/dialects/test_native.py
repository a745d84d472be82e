"""Native requests: only the model's name differs, wherever it stands and whatever stands beside it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smart_router.dialects.base import CallContext
from smart_router.dialects.fold import unfold
from smart_router.dialects.formats import DIALECTS
from smart_router.dialects.hub import is_content, says_something
from smart_router.dialects.native import Received, with_model

SPLICED = [
    (b'{"model":"a","x":1}', b'{"model":"new","x":1}'),
    (
        b'{ "x" : [1.0, 1e3, "\\u00e9"],\n "model" :\t"a" }',
        b'{ "x" : [1.0, 1e3, "\\u00e9"],\n "model" :\t"new" }',
    ),
    (b'{"x":{"model":"inner"},"model":"a"}', b'{"x":{"model":"inner"},"model":"new"}'),
    (b'{"model":"a","x":{"model":"inner"}}', b'{"model":"new","x":{"model":"inner"}}'),
    (b'{"x\\"model":"key","model":"a"}', b'{"x\\"model":"key","model":"new"}'),
    (b'{"x":"{\\"model\\":\\"text\\"}","model":"a"}', b'{"x":"{\\"model\\":\\"text\\"}","model":"new"}'),
    (b'{"model":"first","model":"last"}', b'{"model":"first","model":"new"}'),
    (b'{"model":"a\\"b\\\\","x":1}', b'{"model":"new","x":1}'),
    (b'{"x":"{","model":"a"}', b'{"x":"{","model":"new"}'),
]


@pytest.mark.parametrize(("body", "expected"), SPLICED)
def test_model_is_replaced_within_the_bytes(body: bytes, expected: bytes) -> None:
    assert with_model(body, "new") == expected


@pytest.mark.parametrize("body", [b'{"mod\\u0065l":"a","x":1}', b'{"x":1}'])
def test_model_that_is_not_found_is_set_in_the_object(body: bytes) -> None:
    assert json.loads(with_model(body, "new")) == {"x": 1, "model": "new"}


@pytest.mark.parametrize("body", [b"[]", b"{", b'["model"]'])
def test_other_bodies_are_refused(body: bytes) -> None:
    with pytest.raises(ValueError):
        with_model(body, "new")


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.sampled_from(["model", '"model":"x"']),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.just("model"), inner),
    max_leaves=8,
)


@given(st.dictionaries(st.text() | st.just("model"), VALUES), st.text(), st.booleans())
def test_any_object_keeps_all_but_its_model(fields: dict[str, Any], model: str, ascii_only: bool) -> None:
    body = json.dumps(fields | {"model": model}, ensure_ascii=ascii_only).encode(errors="surrogatepass")
    try:
        changed = with_model(body, "a/new\nname")
    except ValueError:  # a lone surrogate is no text
        return
    assert json.loads(changed.decode(errors="surrogatepass")) == fields | {"model": "a/new\nname"}


def test_only_named_parameters_of_the_query_pass() -> None:
    received = Received("anthropic", "/v1/messages?key=secret&beta=true&x=1", {}, b"")
    assert (received.query("beta"), received.query("y")) == ("?beta=true", "")


HOSTED: dict[str, dict[str, Any]] = {
    "anthropic": {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "c",
        "content": [
            {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "x"}},
            {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": []},
        ],
        "stop_reason": "pause_turn",
        "usage": {"input_tokens": 1, "output_tokens": 1},
    },
    "responses": {
        "id": "resp_1",
        "object": "response",
        "created_at": 1,
        "model": "g",
        "status": "completed",
        "output": [{"type": "web_search_call", "id": "ws_1", "status": "completed"}],
    },
    "gemini": {
        "candidates": [
            {
                "content": {
                    "role": "model",
                    "parts": [{"executableCode": {"code": "1", "language": "PYTHON"}}],
                },
                "finishReason": "STOP",
            }
        ]
    },
}


@pytest.mark.parametrize("native", [True, False], ids=["native", "translated"])
@pytest.mark.parametrize("name", HOSTED)
def test_an_answer_of_the_vendors_own_tools_alone_is_empty_for_clients_of_other_formats_only(
    name: str, native: bool
) -> None:
    call = CallContext("p", "m", False, 1, "r", native=native)
    completion: Any = DIALECTS[name].read_answer(json.dumps(HOSTED[name]).encode(), call)
    assert says_something(completion["choices"][0]["message"]) is native
    assert any(map(is_content, unfold(completion))) is native
