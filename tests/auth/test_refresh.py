"""Token refresh: its time, one refresh for all waiting requests, and logins whose refresh token is dead."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from smart_router.auth import refresh as refresh_module
from smart_router.auth.logins.reply import Reply
from smart_router.auth.logins.steps import LoginError, Request
from smart_router.auth.profiles import GrantedTokens, Profile
from smart_router.auth.refresh import Refresher
from smart_router.auth.storage.writer import StoreError
from smart_router.auth.store import AuthStore
from smart_router.errors import ErrorClass
from smart_router.providers.registry import PROVIDERS
from smart_router.storage.file_lock import lock_file, locked
from tests.auth.helpers import failure
from tests.auth.logins.helpers import NOW, Time, ok

HOUR = 3600.0


class Server:
    """Answers refreshes with `replies`, the last one for good; `sent` are the refresh tokens it got."""

    def __init__(self, *replies: Reply) -> None:
        self.replies = list(replies)
        self.sent: list[str] = []
        self.gate: Callable[[], object] = lambda: None

    def __call__(self, request: Request) -> Reply:
        assert request.form is not None
        token = request.form["refresh_token"]
        assert isinstance(token, SecretStr)
        self.sent.append(token.get_secret_value())
        self.gate()
        return self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[AuthStore]:
    store = AuthStore({}, PROVIDERS, tmp_path)
    yield store
    store.close()


def login(
    store: AuthStore,
    *,
    ends_in: float | None = HOUR,
    refresh: str | None = "r-0",
    provider: str = "openai-codex",
) -> Profile:
    """A login made an hour ago."""
    tokens = GrantedTokens(
        SecretStr("a-0"),
        None if refresh is None else SecretStr(refresh),
        NOW - HOUR,
        None if ends_in is None else NOW + ends_in,
        {"account_id": "acc"},
    )
    return store.add_login(provider, "me", tokens)


def refresher(store: AuthStore, server: Server, clock: Callable[[], float] = time.monotonic) -> Refresher:
    return Refresher(store, {}, {}, send=server, now=lambda: NOW, clock=clock)


def secrets_of(profile: Profile | None) -> tuple[str, str | None]:
    assert profile and profile.secret and profile.login
    refresh = profile.login.refresh
    return profile.secret.get_secret_value(), None if refresh is None else refresh.get_secret_value()


FRESH = ok(access_token="a-1", refresh_token="r-1", expires_in=HOUR)


@pytest.mark.parametrize(
    ("ends_in", "refused", "refreshed"),
    [
        (HOUR, False, False),
        (61.0, False, False),
        (59.0, False, True),
        (-HOUR, False, True),
        (None, False, False),
        (HOUR, True, True),
        (None, True, True),
    ],
)
async def test_when_a_request_refreshes(
    store: AuthStore, ends_in: float | None, refused: bool, refreshed: bool
) -> None:
    server = Server(FRESH)
    profile = await refresher(store, server).usable(login(store, ends_in=ends_in), refused=refused)
    assert secrets_of(profile) == (("a-1", "r-1") if refreshed else ("a-0", "r-0"))
    assert server.sent == ["r-0"] * refreshed


async def test_new_tokens_are_on_disk_before_they_are_used(store: AuthStore, tmp_path: Path) -> None:
    before = login(store, ends_in=0)
    renewed = await refresher(store, Server(FRESH)).usable(before)
    other = AuthStore({}, PROVIDERS, tmp_path)
    assert other.find(before.id) == renewed
    other.close()
    assert renewed.fingerprint == before.fingerprint
    assert renewed.extras == {"account_id": "acc"}
    assert renewed.login is not None
    assert (renewed.login.obtained_at, renewed.login.expires_at) == (NOW, NOW + HOUR)


async def test_a_missing_refresh_token_keeps_the_old_one(store: AuthStore) -> None:
    server = Server(ok(access_token="a-1", expires_in=HOUR))
    assert secrets_of(await refresher(store, server).usable(login(store, ends_in=0))) == ("a-1", "r-0")


async def test_many_requests_one_refresh(store: AuthStore) -> None:
    server = Server(FRESH)
    server.gate = lambda: time.sleep(0.05)
    profile, both = login(store, ends_in=0), refresher(store, server)
    found = await asyncio.gather(*(both.usable(profile) for _ in range(20)))
    # and one more that picked the profile before
    found.append(await both.usable(profile, refused=True))
    assert {secrets_of(one) for one in found} == {("a-1", "r-1")}
    assert server.sent == ["r-0"]


async def test_a_cancelled_request_does_not_cancel_the_refresh(store: AuthStore) -> None:
    server = Server(FRESH)
    server.gate = lambda: time.sleep(0.1)
    profile, both = login(store, ends_in=0), refresher(store, server)
    waiting = [asyncio.create_task(both.usable(profile)) for _ in range(2)]
    await asyncio.sleep(0.02)
    waiting[0].cancel()
    assert secrets_of(await waiting[1]) == ("a-1", "r-1")
    with contextlib.suppress(asyncio.CancelledError):
        await waiting[0]
    assert server.sent == ["r-0"]


async def test_patience_ends_but_the_refresh_goes_on(
    store: AuthStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refresh_module, "PATIENCE", 0.02)
    server = Server(FRESH)
    server.gate = lambda: time.sleep(0.1)
    profile, both = login(store, ends_in=0), refresher(store, server)
    with pytest.raises(LoginError, match=r"was not refreshed within 0\.02 s"):
        await both.usable(profile)
    monkeypatch.undo()
    assert secrets_of(await both.usable(profile)) == ("a-1", "r-1")


@pytest.mark.parametrize(
    "reply", [Reply(400, {"error": "invalid_grant"}), Reply(401, {"error": {"code": "refresh_token_reused"}})]
)
async def test_a_dead_refresh_token_asks_for_a_login(store: AuthStore, reply: Reply) -> None:
    profile, server = login(store, ends_in=0), Server(reply)
    both = refresher(store, server)
    with pytest.raises(LoginError):
        await both.usable(profile)
    (status,) = store.statuses("openai-codex", time.monotonic())
    assert not status.usable
    assert status.why and "run `smart-router login openai-codex`" in status.why
    assert store.logins() == []
    both.refresh_due()
    with pytest.raises(LoginError):
        await both.usable(profile)
    assert len(server.sent) == 1
    again = login(store)
    assert store.logins() == [again]
    assert store.statuses("openai-codex", time.monotonic())[0].usable


async def test_a_token_that_cannot_be_refreshed(store: AuthStore) -> None:
    server = Server(FRESH)
    profile = login(store, ends_in=0, refresh=None)
    with pytest.raises(
        LoginError, match="cannot be refreshed: run `smart-router import openai-codex --name me`"
    ):
        await refresher(store, server).usable(profile)
    assert server.sent == []
    assert store.logins() == []


@pytest.mark.parametrize("kind", ["auth", "auth_permanent"])
@pytest.mark.parametrize(
    ("provider", "refresh", "advice"),
    [
        (
            "openai-codex",
            None,
            ": run `smart-router import openai-codex --name me` again,"
            " or `smart-router login openai-codex --name me`",
        ),
        ("antigravity", None, ": run `smart-router login antigravity --name me`"),
        ("openai-codex", "r-0", ""),
    ],
)
def test_a_refused_token_that_cannot_be_refreshed(
    store: AuthStore, kind: ErrorClass, provider: str, refresh: str | None, advice: str
) -> None:
    profile = login(store, provider=provider, refresh=refresh)
    store.mark_profile_failure(profile.id, "m", failure(kind, "profile", status=401), 0.0)
    (status,) = store.statuses(provider, 0.0)
    assert status.why == f"{kind} (401){advice}"


TROUBLE = [Reply(0, why="got no answer (ReadTimeout)"), Reply(503, {}), Reply(200, None, "was answered HTML")]


@pytest.mark.parametrize("reply", TROUBLE)
async def test_trouble_on_the_way(store: AuthStore, reply: Reply) -> None:
    """A token that is still valid is used; the refresh is tried again later, not at once."""
    server = Server(reply)
    clock = Time()
    profile, both = login(store, ends_in=30), refresher(store, server, clock.clock)
    assert await both.usable(profile) == profile
    with pytest.raises(LoginError):
        await both.usable(profile, refused=True)
    assert server.sent == ["r-0"]
    assert store.logins() == [profile]
    clock.sleep(refresh_module.RETRY_FIRST)
    server.replies = [FRESH]
    assert secrets_of(await both.usable(profile)) == ("a-1", "r-1")


DUE = [
    ("openai-codex", 10 * 24 * HOUR, 6 * 24 * HOUR, False),
    ("openai-codex", 10 * 24 * HOUR, 4 * 24 * HOUR, True),
    ("openai-codex", 2 * HOUR, 1.1 * HOUR, False),  # a short-lived token is not refreshed again and again
    ("openai-codex", 2 * HOUR, 0.9 * HOUR, True),
    ("qwen-portal", 6 * HOUR, 301.0, False),
    ("qwen-portal", 6 * HOUR, 299.0, True),
]


@pytest.mark.parametrize(("provider", "life", "left", "due"), DUE)
async def test_refresh_in_the_background(
    store: AuthStore, provider: str, life: float, left: float, due: bool
) -> None:
    tokens = GrantedTokens(SecretStr("a-0"), SecretStr("r-0"), NOW + left - life, NOW + left)
    profile = store.add_login(provider, "me", tokens)
    server = Server(FRESH)
    both = refresher(store, server)
    both.refresh_due()
    both.refresh_due()
    if due:
        await both.usable(profile, refused=True)  # waits for the one that runs
    assert server.sent == ["r-0"] * due
    store.disable(profile.id)
    server.sent.clear()
    both.refresh_due()
    assert server.sent == []


async def test_what_has_ended_for_good_is_not_shown_as_fine(store: AuthStore) -> None:
    both = refresher(store, Server(FRESH))
    profile = login(store, ends_in=1, refresh=None)
    both.refresh_due()
    assert store.logins() == [profile]
    profile = login(store, ends_in=0, refresh=None)
    both.refresh_due()
    assert store.logins() == []
    (status,) = store.statuses("openai-codex", time.monotonic())
    assert status.why and "or `smart-router login openai-codex --name me`" in status.why


async def test_someone_else_was_quicker(store: AuthStore, tmp_path: Path) -> None:
    profile = login(store, ends_in=0)
    other = AuthStore({}, PROVIDERS, tmp_path)
    renewed = other.replace_tokens(
        profile, GrantedTokens(SecretStr("a-9"), SecretStr("r-9"), NOW, NOW + HOUR)
    )
    other.close()
    server = Server(FRESH)
    assert await refresher(store, server).usable(profile) == renewed
    assert server.sent == []


async def test_a_login_during_the_refresh_wins(store: AuthStore) -> None:
    profile, server = login(store, ends_in=0), Server(FRESH)
    server.gate = lambda: login(store, refresh="r-new")
    found = await refresher(store, server).usable(profile)
    assert secrets_of(found) == ("a-0", "r-new")
    assert found.fingerprint != profile.fingerprint


async def test_a_removed_login(store: AuthStore) -> None:
    profile, server = login(store, ends_in=0), Server(FRESH)
    server.gate = lambda: store.remove(profile.id)
    with pytest.raises(LoginError, match="was removed"):
        await refresher(store, server).usable(profile)
    with pytest.raises(LoginError, match="was removed"):
        await asyncio.to_thread(refresher(store, server).refresh, profile)


async def test_nothing_is_asked_for_that_cannot_be_kept(
    store: AuthStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    profile, server = login(store, ends_in=0), Server(FRESH)

    def full(profile: Profile, tokens: GrantedTokens) -> Profile:
        raise StoreError("the disk is full")

    monkeypatch.setattr(store, "replace_tokens", full)
    with pytest.raises(LoginError, match="the disk is full"):
        await refresher(store, server).usable(profile)
    assert server.sent == []


async def test_the_disk_is_insisted_on(store: AuthStore, monkeypatch: pytest.MonkeyPatch) -> None:
    profile, server = login(store, ends_in=0), Server(FRESH)
    replace, calls = store.replace_tokens, iter([False, True, False])

    def locked_once(profile: Profile, tokens: GrantedTokens) -> Profile | None:
        if next(calls):
            raise StoreError("database is locked")
        return replace(profile, tokens)

    monkeypatch.setattr(store, "replace_tokens", locked_once)
    assert secrets_of(await refresher(store, server).usable(profile)) == ("a-1", "r-1")


def test_a_lock_is_one_for_all_paths_to_a_store(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    path = lock_file(tmp_path / "real" / "auth.sqlite", "openai-codex:me")
    assert lock_file(tmp_path / "link" / "auth.sqlite", "openai-codex:me") == path
    assert lock_file(tmp_path / "real" / "auth.sqlite", "openai-codex:you") != path
    with locked(path, 0):
        assert path.stat().st_mode & 0o777 == 0o600
        with pytest.raises(Exception, match="locked"), locked(path, 0):
            pass
    with locked(path, 0):
        pass


async def test_canaries(store: AuthStore, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    tokens = GrantedTokens(SecretStr("canary-a"), SecretStr("canary-r"), NOW, NOW)
    profile = store.add_login("openai-codex", "me", tokens)
    said = [repr(profile), repr(tokens), repr(store.logins())]

    def explode(request: Request) -> Reply:
        said.append(repr(request))
        raise RuntimeError("canary-r was sent")

    for send in (explode, Server(Reply(400, {"error": "x", "error_description": "canary-r"}))):
        both = Refresher(store, {}, {}, send=send, now=lambda: NOW)
        with pytest.raises(LoginError) as raised:
            await both.usable(profile)
        said += [str(raised.value), repr(raised.value.__cause__)]
    said.append(caplog.text)
    assert "unexpectedly (RuntimeError)" in caplog.text
    assert not [text for text in said if "canary" in text]
