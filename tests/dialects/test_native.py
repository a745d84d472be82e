"""Native requests: only the model's name differs, wherever it stands and whatever stands beside it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
