from __future__ import annotations

from tests.routing.known_decisions import FILE, decision, requests


def test_every_known_request_is_scored_and_explained_as_before() -> None:
    known = FILE.read_text("utf-8").splitlines()
    differing = [
        (request["messages"][-1]["content"], now, before)
        for request, before in zip(requests(), known, strict=True)
        if (now := decision(request)) != before
    ]
    assert differing == []
