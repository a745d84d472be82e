"""A token endpoint with refresh tokens that work once: using one again revokes all tokens made from it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from urllib.parse import parse_qs

from tests.testbed.answers import Answer
from tests.testbed.record import Request


@dataclass
class Rotation:
    """A reply for the scripted provider. The first refresh token is `refresh-0`; each use gives `access-N`
    and `refresh-N`. `grants` counts the uses that were granted; an answer takes `slow` seconds."""

    lifetime: int = 3600
    slow: float = 0.0
    grants: int = 0
    reused: list[str] = field(default_factory=list)

    def __call__(self, request: Request) -> Answer:
        (token,) = parse_qs(request.body.decode()).get("refresh_token", [""])
        if self.reused or token != f"refresh-{self.grants}":
            self.reused.append(token)
            return Answer(status=400, body=b'{"error": "invalid_grant"}')
        self.grants += 1
        tokens = {
            "access_token": f"access-{self.grants}",
            "refresh_token": f"refresh-{self.grants}",
            "expires_in": self.lifetime,
        }
        # in two chunks, so that there is something to pause between
        body = json.dumps(tokens).encode()
        return Answer(body=body, cut=(1,) if self.slow else None, pause=self.slow)

    def accepts(self, request: Request) -> bool:
        """Return whether an API request has the access token that is valid now."""
        return request.headers.get("authorization") == f"Bearer access-{self.grants}" and not self.reused
