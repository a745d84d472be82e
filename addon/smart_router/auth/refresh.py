"""Refreshes logins' access tokens: before they end, and once when a provider refuses one.

A refresh token can often be used only once, and using it twice loses the login. So:

- One refresh at a time per login, in this process and in all that share the store: under a lock, and with the
  tokens that the store holds once the lock is held.
- New tokens are on disk before anybody gets them; the refresh begins with a trial write.
- A refresh runs in a thread of its own: no cancelled request ends it, and the process waits for it.
- An error code that says that the refresh token is dead disables the login. Other failures are retried.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import KW_ONLY, dataclass, field

from smart_router.auth.logins.cli_files import renewal_of
from smart_router.auth.logins.oauth import refresh_request
from smart_router.auth.logins.provider import LoginProvider
from smart_router.auth.logins.reply import Reply
from smart_router.auth.logins.settings import LoginSettings
from smart_router.auth.logins.steps import ANSWER_WITHIN, LoginError, Request
from smart_router.auth.logins.table import LOGINS
from smart_router.auth.profiles import GrantedTokens, Login, Profile, renewed_profile
from smart_router.auth.storage.writer import StoreError
from smart_router.auth.store import AuthStore
from smart_router.storage.file_lock import lock_file, locked

logger = logging.getLogger(__name__)

TOO_LATE = 60.0
"""Seconds before its end from which a token is no longer sent: a request takes time."""

LOCK_WITHIN = ANSWER_WITHIN + 20.0
"""Seconds to wait for another process's refresh: longer than any takes."""

PATIENCE = 20.0
"""Seconds that a request waits for a refresh, which goes on without it."""

RETRY_FIRST, RETRY_LAST = 30.0, 300.0
"""Seconds until a failed refresh is tried again, doubling from the first to the last."""


@dataclass(frozen=True, slots=True)
class _Trouble:
    """A failed refresh: its reason, and the time (on the clock) from which another one is tried."""

    why: str
    until: float
    pause: float


def _send(request: Request) -> Reply:
    from smart_router.auth.logins.transport import Transport  # httpx takes a tenth of a router's start

    with Transport() as transport:
        return transport.send(request)


Commit = Callable[[Profile], None]
"""Publishes new tokens to other machines before they are used."""

Alone = Callable[[Profile], AbstractContextManager[Commit]]
"""Locks a login for one refresh, among machines that share it. Raises LoginError."""

Apart = Callable[[Profile], None]
"""Refreshes a login elsewhere and waits for it; the store then has its tokens. Raises LoginError."""


@dataclass(eq=False, repr=False)
class Refresher:
    """Refreshes the logins of one store. `settings` are the user's, by provider; `env` may hold the client.

    `now` is unix time (seconds), as tokens' ends are; `clock` measures pauses. `alone` and `apart` are for
    logins that several machines share.
    """

    store: AuthStore
    settings: Mapping[str, LoginSettings]
    env: Mapping[str, str]
    _: KW_ONLY
    send: Callable[[Request], Reply] = _send
    alone: Alone = lambda profile: nullcontext(lambda renewed: None)
    apart: Apart | None = None
    now: Callable[[], float] = time.time
    clock: Callable[[], float] = time.monotonic
    _threads: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(4, "refresh"), init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)
    _running: dict[str, Future[Profile]] = field(default_factory=dict, init=False)
    _troubles: dict[str, _Trouble] = field(default_factory=dict, init=False)

    async def usable(self, profile: Profile, *, refused: bool = False) -> Profile:
        """Return the login with an access token that can be sent. Its token is refreshed if it is about to
        end, or was `refused` by the provider. Raises LoginError."""
        if not refused and not self._ends_within(profile, TOO_LATE):
            return profile
        running = self._begin(profile)
        try:
            # a request that ends must not cancel a refresh for which others may wait
            return await asyncio.wait_for(asyncio.shield(asyncio.wrap_future(running)), PATIENCE)
        except TimeoutError:
            raise LoginError(f"the token of {profile.id} was not refreshed within {PATIENCE:g} s") from None
        except LoginError:
            if refused or self._ends_within(profile, 0):
                raise
            return profile

    def refresh_due(self) -> None:
        """Start to refresh the logins whose tokens end soon, and give up those that have ended and cannot be
        refreshed. Call it every few seconds."""
        for profile in self.store.logins():
            if profile.refreshable and self._ends_within(profile, self._lead(profile)):
                self._begin(profile)
            elif not profile.refreshable and self._ends_within(profile, 0):
                self.store.require_login(profile.id, _ended_for_good(profile))

    def refresh(self, profile: Profile) -> Profile:
        """Refresh a login now, unless another process has done so since `profile` was read. Raises
        LoginError.

        Blocks; call it from a thread that is not cancelled.
        """
        row = LOGINS.get(profile.provider)
        file = self.store.file
        if row is None or file is None or profile.login is None:
            raise LoginError(f"{profile.id} is not a login that can be refreshed")
        try:
            with locked(lock_file(file, profile.id), LOCK_WITHIN), self.alone(profile) as commit:
                return self._refresh_alone(row, profile, commit)
        except (sqlite3.Error, OSError, StoreError) as error:
            raise LoginError(f"{profile.id} cannot be refreshed without its store: {error}") from None

    def _refresh_alone(self, row: LoginProvider, profile: Profile, commit: Commit) -> Profile:
        """Refresh, while holding the lock."""
        current = self.store.reread(profile.id)
        if current is None:
            raise LoginError(f"{profile.id} was removed")
        if current.missing is not None or current.login is None:
            raise LoginError(f"{profile.id}: {current.missing or 'it is no login any more'}")
        if current.secret != profile.secret:
            return current  # another process was quicker
        if current.login.refresh is None:
            why = _ended_for_good(profile)
            self.store.require_login(profile.id, why)
            raise LoginError(f"{profile.id}: {why}", final=True)
        settings = row.settings_for(self.settings.get(row.id), self.env, current.extras.get("region"))
        # save the same tokens, to know that new ones can be stored before the old ones are used up
        held = self.store.replace_tokens(current, _tokens(current, current.login))
        if held is None or held.secret != current.secret:
            return self._refresh_alone(row, profile, commit)  # removed, or a new login
        reply = self.send(refresh_request(settings, current.login.refresh))
        try:
            tokens = row.read_refresh(reply, self.now())
        except LoginError as error:
            if error.final:
                why = f"{error}: run `smart-router login {row.id}`"
                self.store.require_login(profile.id, why)
            raise
        commit(renewed_profile(held, tokens))
        renewed = self._save(held, tokens)
        if renewed is None:
            raise LoginError(f"{profile.id} was removed")
        return renewed

    def _save(self, profile: Profile, tokens: GrantedTokens) -> Profile | None:
        """Store the new tokens, with retries: the old ones are used up."""
        for pause in (0.1, 1.0, 3.0):
            try:
                return self.store.replace_tokens(profile, tokens)
            except StoreError:
                time.sleep(pause)
        return self.store.replace_tokens(profile, tokens)

    def _begin(self, profile: Profile) -> Future[Profile]:
        """The running refresh of a login, or a new one."""
        key = profile.fingerprint
        with self._lock:
            running = self._running.get(key)
            if running is not None:
                return running
            trouble = self._troubles.get(key)
            if trouble is not None and self.clock() < trouble.until:
                failed: Future[Profile] = Future()
                failed.set_exception(LoginError(trouble.why))
                return failed
            running = self._running[key] = self._threads.submit(self._run, profile)
            return running

    def _run(self, profile: Profile) -> Profile:
        try:
            renewed = self.refresh(profile) if self.apart is None else self._refresh_apart(profile)
        except Exception as error:
            # without the text of an unexpected one, which could quote a token
            unexpected = LoginError(f"the refresh failed unexpectedly ({type(error).__name__})")
            failure = error if isinstance(error, LoginError) else unexpected
            self._ended(profile, failure)
            raise failure from None
        self._ended(profile, None)
        logger.info("%s: the token is fresh", profile.id)
        return renewed

    def _refresh_apart(self, profile: Profile) -> Profile:
        """Refresh by way of `apart`, and read its result."""
        assert self.apart is not None
        try:
            self.apart(profile)
            renewed = self.store.reread(profile.id)
        except StoreError as error:
            raise LoginError(f"{profile.id} cannot be refreshed without its store: {error}") from None
        if renewed is None:
            raise LoginError(f"{profile.id} was removed")
        return renewed

    def _ended(self, profile: Profile, error: LoginError | None) -> None:
        key = profile.fingerprint
        with self._lock:
            del self._running[key]
            if error is None:
                self._troubles.pop(key, None)
                return
            before = self._troubles.get(key)
            pause = RETRY_FIRST if before is None else min(before.pause * 2, RETRY_LAST)
            self._troubles[key] = _Trouble(str(error), self.clock() + pause, pause)
        ask = "; log in again" if error.final else ""
        logger.warning("%s was not refreshed: %s%s", profile.id, error, ask)

    def _ends_within(self, profile: Profile, seconds: float) -> bool:
        ends = None if profile.login is None else profile.login.expires_at
        return ends is not None and ends - self.now() <= seconds

    def _lead(self, profile: Profile) -> float:
        """Seconds before its end at which a token is refreshed: at most half of its life, so that a token of
        an unusually short life is not refreshed over and over."""
        row, login = LOGINS.get(profile.provider), profile.login
        if row is None or login is None or login.expires_at is None or login.obtained_at is None:
            return 0.0
        return min(row.lead, (login.expires_at - login.obtained_at) / 2)


def _ended_for_good(profile: Profile) -> str:
    return f"its token is of no more use and cannot be refreshed: {renewal_of(profile)}"


def _tokens(profile: Profile, login: Login) -> GrantedTokens:
    assert profile.secret is not None
    return GrantedTokens(profile.secret, login.refresh, login.obtained_at, login.expires_at)
