"""The names of a request's session, and the candidate that its conversation stays with: that one's provider
has the prompt in its cache."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, NamedTuple

from pydantic_core import from_json, to_json

from smart_router.dialects.conversation import essence
from smart_router.dialects.json_values import as_object, as_text
from smart_router.routing.decision import Candidate, Decision, Tier

_INSTRUCTIONS = frozenset({"system", "developer"})


@dataclass(slots=True)
class StickyEntry:
    """The candidate that last answered a conversation, the tier it was chosen for, and when (seconds). Never
    changed, but not frozen: each answer makes one.
    """

    candidate: Candidate
    tier: Tier
    at: float


class StickyTable:
    """Conversations and their candidates; those idle for `ttl` seconds and the least recently used go.

    Keyed by session (see `SessionKeys`) and virtual model: `auto:eco` and `auto` of one do not mix. `told` is
    called with each kept entry, and its time to live.
    """

    def __init__(self, ttl: float = 1800.0, size: int = 10_000) -> None:
        self.ttl = ttl
        self.size = size
        self.told: Callable[[tuple[str, str], StickyEntry, float], None] | None = None
        self._kept: OrderedDict[tuple[str, str], StickyEntry] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, keys: Sequence[str], asked: str, now: float) -> StickyEntry | None:
        """Return the entry at `now` (seconds) of the first of these keys that has one."""
        for key in keys:
            kept = self._kept.get((key, asked))
            if kept and now - kept.at < self.ttl:
                return kept
        return None

    def keep(self, keys: Sequence[str], decision: Decision, candidate: Candidate, now: float) -> None:
        """Remember under these keys that `candidate` answered; explicit models are not remembered."""
        if decision.tier is None:
            return
        kept = StickyEntry(candidate, decision.tier, now)
        for key in keys:
            self.put((key, decision.asked), kept)
            if self.told is not None:
                self.told((key, decision.asked), kept, self.ttl)

    def put(self, key: tuple[str, str], kept: StickyEntry) -> None:
        """Remember an entry."""
        self._kept[key] = kept
        self._kept.move_to_end(key)
        while self._kept:
            oldest = next(iter(self._kept.values()))
            if len(self._kept) <= self.size and kept.at - oldest.at < self.ttl:
                break
            self._kept.popitem(last=False)


class SessionKeys(NamedTuple):
    """Names of the session that a request belongs to. Hashed, so that neither ids nor texts stay in memory.

    `session` is for the provider's prompt cache and for staying with a profile: the session's id (see
    `session_id`), else `user`, else `prompt_cache_key`, else the beginning of the conversation (system
    messages and first user turn, the same in every turn). `sticky` are the keys of a `StickyTable`, best
    first: the thread, which is the beginning within that session, then a session's id as a whole: the
    system prompt may have changed since, or the history may have been compacted. `continued`: there is an
    earlier assistant turn.
    """

    session: str | None
    sticky: tuple[str, ...]
    continued: bool

    @property
    def earlier(self) -> tuple[str, ...]:
        """The keys under which an earlier turn may have been kept: a first turn has none."""
        return self.sticky if self.continued else ()


_HEADERS = (
    b"x-session-id",
    b"x-claude-code-session-id",
    b"session_id",
    b"session-id",
    b"conversation_id",
    b"conversation-id",
    b"x-session-affinity",
)
"""Headers with a session's id, the most telling first: those of any client, of Claude Code, of Codex and pi,
of opencode (recorded requests, November 2026)."""

_RANK = {name: rank for rank, name in enumerate(_HEADERS)}
_IN_USER = re.compile(r"_session_([\w-]+)$")


def session_id(fields: Iterable[tuple[bytes, bytes]], request: Mapping[str, Any]) -> str:
    """The session's id among a request's header fields, or in Anthropic's `metadata.user_id`; else empty.

    Claude Code's user id is JSON with a `session_id`, or ends with `_session_ID`.
    """
    found = [(_RANK[low], value) for name, value in fields if (low := name.lower()) in _RANK and value]
    if found:
        return min(found)[1].decode(errors="replace")
    if not (user := as_text(request.get("user"))):
        return ""
    if match := _IN_USER.search(user):
        return match[1]
    if user.startswith("{"):
        try:
            return as_text(as_object(from_json(user)).get("session_id"))
        except ValueError:
            return ""
    return ""


def session_keys(request: Mapping[str, Any], client: str | None = None, header: str = "") -> SessionKeys:
    """The session of a request of `client` (its name under `[clients]`); `header` is its session's id.

    Every name is one of this client only. Without a name and a user turn there is no session.
    """
    beginning, continued = _beginning(request.get("messages") or ())
    named = ("id", header) if header else _named(request)
    if named is None and beginning is None:
        return SessionKeys(None, (), continued)
    thread = _digest("start", client, named, beginning)
    if named is None:
        return SessionKeys(thread, (thread,), continued)
    session = _digest(named[0], client, named[1])
    return SessionKeys(session, (thread, session) if header else (thread,), continued)


def _named(request: Mapping[str, Any]) -> tuple[str, str] | None:
    for name in ("user", "prompt_cache_key"):
        if (value := request.get(name)) and isinstance(value, str):
            return name, value
    return None


def _beginning(messages: Sequence[Mapping[str, Any]]) -> tuple[list[Any] | None, bool]:
    """System messages and first user turn, if there is one, and whether an answer follows it."""
    contents = []
    for index, message in enumerate(messages):
        role = message.get("role")
        if role in _INSTRUCTIONS:
            contents.append(essence(message))
        elif role == "user":
            contents.append(essence(message))
            for later in messages[index + 1 :]:
                if later.get("role") == "assistant":
                    return contents, True
            return contents, False
    return None, False


def _digest(kind: str, *values: Any) -> str:
    return f"{kind}:{blake2b(to_json(values), digest_size=16).hexdigest()}"
