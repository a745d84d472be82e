"""Sessions by the ids that tools send."""

from __future__ import annotations

from typing import Any

import pytest

from smart_router.routing.sticky import session_id

USER = "user_0a_account_1b-2c_session_3d-4e"

NAMED: list[tuple[list[tuple[bytes, bytes]], dict[str, Any], str]] = [
    ([(b"X-Session-Id", b"one")], {}, "one"),
    ([(b"x-claude-code-session-id", b"one")], {}, "one"),
    ([(b"session_id", b"one")], {}, "one"),
    ([(b"Session-Id", b"one"), (b"thread-id", b"two")], {}, "one"),
    ([(b"conversation_id", b"one")], {}, "one"),
    ([(b"x-session-affinity", b"two"), (b"x-session-id", b"one")], {}, "one"),
    ([(b"x-session-id", b""), (b"session_id", b"one")], {}, "one"),
    ([(b"x-session-id", b"\xff")], {}, "\ufffd"),
    ([], {"user": USER}, "3d-4e"),
    ([], {"user": '{"device_id": "a", "account_uuid": "b", "session_id": "one"}'}, "one"),
    ([], {"user": '{"session_id": 5}'}, ""),
    ([], {"user": "{broken"}, ""),
    ([], {"user": "me"}, ""),
    ([], {"user": 5}, ""),
    ([(b"user-agent", b"x")], {}, ""),
]


@pytest.mark.parametrize(("fields", "request_", "expected"), NAMED)
def test_session_id(fields: list[tuple[bytes, bytes]], request_: dict[str, Any], expected: str) -> None:
    assert session_id(fields, request_) == expected
