"""Recorded requests, read into the hub and written again, keep their meaning."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from pydantic_core import from_json, to_json

from smart_router.dialects.gemini.client import GENERATE
from smart_router.dialects.gemini.cloudcode import CloudCodeDialect
from smart_router.dialects.gemini.dialect import GeminiDialect
from smart_router.dialects.hub import ChatRequest
from tests.dialects.gemini.gemini_cases import case_call
from tests.dialects.gemini.gemini_reading import plain
from tests.testbed.cases import Case, load_cases


def read(body: Any) -> ChatRequest:
    return GENERATE.read_request(to_json(body), {"model": "m"})


def requests(wire: str) -> Any:
    cases = [case for case in load_cases(wire) if case.request is not None]
    return [pytest.param(case, id=case.id) for case in cases]


def without_own_ids(value: Any) -> Any:
    """Calls without an id get one, to tell their results apart."""
    if isinstance(value, list):
        return [without_own_ids(item) for item in value]
    if not isinstance(value, dict):
        return value
    own = str(value.get("id")).startswith("call_")
    return {name: without_own_ids(inner) for name, inner in value.items() if not (own and name == "id")}


def without_levels(written: Any, original: Any) -> Any:
    """The request without a level of thinking that is there in place of the original's budget."""
    if "thinkingConfig" not in original.get("generationConfig", {}):
        written.get("generationConfig", {}).pop("thinkingConfig", None)
    return written


def standard_base64(value: Any) -> Any:
    """Google's SDK writes the alphabet of addresses."""
    if isinstance(value, list):
        return [standard_base64(item) for item in value]
    if not isinstance(value, dict):
        return value
    if isinstance(data := value.get("data"), str):
        return {**value, "data": data.translate(str.maketrans("-_", "+/"))}
    return {name: standard_base64(inner) for name, inner in value.items()}


def without(schema: Any, *keywords: str) -> Any:
    if isinstance(schema, list):
        return [without(item, *keywords) for item in schema]
    if not isinstance(schema, dict):
        return schema
    return {name: without(inner, *keywords) for name, inner in schema.items() if name not in keywords}


@pytest.mark.parametrize("case", requests("gemini"))
def test_gemini(case: Case) -> None:
    original = standard_base64(plain(copy.deepcopy(case.request)))
    written = from_json(GeminiDialect().write_request(read(case.request), case_call(case)).body)
    assert without_levels(without_own_ids(plain(written)), original) == original


@pytest.mark.parametrize("case", requests("cloudcode"))
def test_cloudcode(case: Case) -> None:
    original = standard_base64(plain(copy.deepcopy(case.request)))
    call = case_call(case, extras={"project": original["project"]})
    written = from_json(CloudCodeDialect().write_request(read(case.request["request"]), call).body)
    session, kind = written["request"].pop("sessionId"), written.pop("requestType")
    assert session[0] == "-" and session[1:].isdecimal() and kind == "agent"
    assert written.pop("requestId") == "agent-req" and original.pop("requestId")
    # the backend takes no additionalProperties, and maxOutputTokens only for Claude
    expected = without(original, "additionalProperties", "maxOutputTokens")
    written["request"] = without_levels(written["request"], plain(expected["request"]))
    assert without_own_ids(plain(written)) == plain(expected)
