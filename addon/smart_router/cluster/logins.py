"""Logins of the cluster: their tokens travel sealed, and of all machines one refreshes them at a time.

A login is a row like others, whose generation rises with each refresh. Refresh tokens often work once, and to
use one twice loses the login, so whoever refreshes holds the login's lease in the database, reads the row
again once the lease is held, and has the new tokens in the database before anyone uses them. A holder that
does not come back leaves the login `unsure`: it may have used the refresh token up. After a pause, in which a
holder that was merely cut off can still deliver, one machine tries the token, once.
"""

from __future__ import annotations

import logging
import selectors
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from pydantic_core import from_json, to_json

from smart_router.auth.logins.steps import LoginError
from smart_router.auth.profiles import Profile
from smart_router.auth.storage.rows import secret_text, with_secret
from smart_router.auth.storage.writer import StoreError
from smart_router.auth.store import AuthStore
from smart_router.cluster.database import LOST, SharedDatabase, reason
from smart_router.cluster.replica import Replica
from smart_router.cluster.replica_file import LOGIN, REMOVED, Row
from smart_router.cluster.sealing import Seal, SealError
from smart_router.cluster.settings import ClusterSettings

logger = logging.getLogger(__name__)

LEASE = 60.0
"""Seconds that a refresh may take; longer than any does."""

GRACE = 30.0
"""Seconds between noticing that a holder did not come back and using the refresh token again."""

WAIT_WITHIN = LEASE + GRACE + 15.0
"""Seconds to wait for another machine's refresh."""

COMMIT_WITHIN = 86_400.0
"""Seconds for which new tokens are offered to a database that is away."""


class Logins:
    """Shares the logins of a store. A login of another account that has a shared one's name stays
    unshared."""

    def __init__(self, replica: Replica, auth: AuthStore, seal: Seal) -> None:
        self._replica = replica
        self._auth = auth
        self._seal = seal
        self._shared: dict[str, str] = {}
        replica.share(LOGIN, self._learn)

    def publish(self) -> None:
        """Share the logins that this machine has and the cluster has not. Call when either may have changed,
        and once the cluster's are known."""
        if self._replica.state.get("state") != "ok":
            return
        for profile in self._auth.logins():
            known = self._replica.get(LOGIN, profile.id)
            if known is None:
                self._put(profile, 1)
            elif self._shared.get(profile.id) != profile.fingerprint and profile.id in self._shared:
                self._put(profile, known.generation + 1)  # the user has logged in again here

    def _put(self, profile: Profile, generation: int) -> None:
        self._shared[profile.id] = profile.fingerprint
        self._replica.put(Row(LOGIN, profile.id, row_value(profile, self._seal), generation))

    def _learn(self, rows: Sequence[Row]) -> None:
        """Take in other machines' tokens, in the replica's thread."""
        for row in rows:
            own = self._auth.find(row.key)
            before = self._shared.get(row.key)
            try:
                told = profile_of(row.key, row.value, self._seal)
                if told is None:
                    if own is not None and own.fingerprint == before:
                        self._auth.remove(row.key)
                    continue
                if own is not None and own.fingerprint not in (before, told.fingerprint):
                    logger.warning("%s is another login here than in the cluster: rename one", row.key)
                    continue
                self._shared[row.key] = told.fingerprint
                if own is None or own.secret != told.secret:
                    self._auth.learn_login(told)
            except (SealError, StoreError) as error:
                logger.warning("%s of the cluster cannot be used: %s", row.key, error)


class LeasedRefresh:
    """Refreshes a login while this machine holds its lease. Blocks: for a process of its own."""

    def __init__(self, settings: ClusterSettings, seal: Seal, auth: AuthStore, machine: str) -> None:
        self._settings = settings
        self._seal = seal
        self._auth = auth
        # not the machine's own name: its own router is to hear of the new tokens as well
        self._machine = f"{machine}/refresh"

    @contextmanager
    def alone(self, profile: Profile) -> Iterator[Callable[[Profile], None]]:
        """Hold the lease, with the store brought up to the cluster's tokens. Yields the function that commits
        new ones. Raises LoginError."""
        try:
            with SharedDatabase(self._settings.url) as db:
                generation = self._take(db, profile)
        except LOST as error:
            raise LoginError(
                f"{profile.id} is not refreshed while the cluster's database is away: {reason(error)}"
            ) from None
        if generation is None:
            yield lambda renewed: None
            return
        try:
            yield lambda renewed: self._commit(renewed, generation)
        except LoginError as error:
            self._let_go(profile.id, generation if error.final else None)
            raise
        self._let_go(profile.id, None)

    def _take(self, db: SharedDatabase, profile: Profile) -> int | None:
        """Take the lease, read the row and learn its tokens; return its generation. None if the row is of
        another login, which this one is not shared with."""
        with db.transaction():
            db.execute(
                "INSERT INTO smart_router.shared (kind, key, value, generation, deadline, machine)"
                " VALUES (%s, %s, %s, 1, 0, %s) ON CONFLICT DO NOTHING",
                (LOGIN, profile.id, row_value(profile, self._seal), self._machine),
            )
            db.execute(
                "INSERT INTO smart_router.leases (profile) VALUES (%s) ON CONFLICT DO NOTHING", (profile.id,)
            )
        self._wait_for_lease(db, profile)
        value, generation = db.execute(
            "SELECT value, generation FROM smart_router.shared WHERE (kind, key) = (%s, %s)",
            (LOGIN, profile.id),
        )[0]
        try:
            told = profile_of(profile.id, value, self._seal)
        except SealError as error:
            raise LoginError(f"{profile.id} of the cluster cannot be used: {error}") from None
        if told is None or told.fingerprint != profile.fingerprint:
            self._let_go(profile.id, None)
            return None
        if told.secret != profile.secret:
            self._auth.learn_login(told)
        return int(generation)

    def _wait_for_lease(self, db: SharedDatabase, profile: Profile) -> None:
        """Return once this machine has the lease. Raises LoginError if the refresh token was refused."""
        deadline = time.monotonic() + WAIT_WITHIN
        db.listen()
        with selectors.DefaultSelector() as selector:
            selector.register(db, selectors.EVENT_READ)
            while True:
                ((taken, refused),) = db.execute(
                    _TAKE,
                    {
                        "profile": profile.id,
                        "machine": self._machine,
                        "lease": LEASE,
                        "grace": GRACE,
                        "kind": LOGIN,
                    },
                )
                if refused:
                    raise LoginError(f"{profile.id} was refused on another machine: log in again", final=True)
                if taken:
                    return
                if time.monotonic() > deadline:
                    raise LoginError(f"{profile.id} is still being refreshed by another machine")
                selector.select(1.0)  # a notification comes when the holder is done

    def _commit(self, renewed: Profile, generation: int) -> None:
        """Put new tokens into the database, however long it is away: the old ones are used up."""
        value = row_value(renewed, self._seal)
        deadline = time.monotonic() + COMMIT_WITHIN
        pause = 0.1
        while True:
            try:
                with SharedDatabase(self._settings.url) as db, db.transaction():
                    db.execute(
                        "UPDATE smart_router.shared SET value = %s, generation = generation + 1,"
                        " machine = %s, revision = pg_current_xact_id()"
                        " WHERE (kind, key, generation) = (%s, %s, %s)",
                        (value, self._machine, LOGIN, renewed.id, generation),
                    )
                    db.execute(_RELEASE, (None, renewed.id, self._machine))
                    db.notify(self._machine)
                return
            except LOST as error:
                if time.monotonic() > deadline:
                    raise StoreError(f"the cluster's database is away: {reason(error)}") from None
            time.sleep(pause)
            pause = min(pause * 2, 2.0)

    def _let_go(self, profile_id: str, refused: int | None) -> None:
        """Release the lease if it is still held; `refused` is the generation of a dead refresh token."""
        try:
            with SharedDatabase(self._settings.url) as db, db.transaction():
                db.execute(_RELEASE, (refused, profile_id, self._machine))
                db.notify(self._machine)
        except LOST as error:
            logger.warning("%s: its lease ends by itself: %s", profile_id, reason(error))


_TAKE = """
WITH lease AS (
    SELECT profile, holder IS NULL AS free, until < now() AS over, unsure, l.refused = s.generation AS refused
    FROM smart_router.leases AS l JOIN smart_router.shared AS s ON (s.kind, s.key) = (%(kind)s, l.profile)
    WHERE profile = %(profile)s FOR UPDATE OF l
), taken AS (
    UPDATE smart_router.leases AS l
    SET holder = %(machine)s, until = now() + %(lease)s * interval '1 second', unsure = NULL
    FROM lease WHERE l.profile = lease.profile AND lease.refused IS NOT TRUE
        AND (lease.free OR (lease.over AND lease.unsure < now() - %(grace)s * interval '1 second'))
    RETURNING 1
), noticed AS (
    UPDATE smart_router.leases AS l SET unsure = now()
    FROM lease WHERE l.profile = lease.profile AND NOT lease.free AND lease.over AND lease.unsure IS NULL
)
SELECT EXISTS (SELECT FROM taken), coalesce((SELECT refused FROM lease), false)
"""

_RELEASE = """
UPDATE smart_router.leases SET holder = NULL, until = NULL, unsure = NULL, refused = %s
WHERE profile = %s AND holder = %s
"""


def row_value(profile: Profile, seal: Seal) -> str:
    """A login as the value of its row, its tokens sealed."""
    facts = {"provider": profile.provider, "extras": dict(profile.extras)}
    return to_json(facts | {"sealed": seal.close(secret_text(profile), _identity(profile.id))}).decode()


def profile_of(profile_id: str, value: str, seal: Seal) -> Profile | None:
    """The login of a row; None if it was removed. Raises SealError."""
    if value == REMOVED:
        return None
    facts: dict[str, Any] = from_json(value)
    bare = Profile(profile_id, facts["provider"], "login", None, "", extras=facts["extras"])
    whole = with_secret(bare, seal.open(facts["sealed"], _identity(profile_id)))
    if whole is None:
        raise SealError("its tokens cannot be read")
    return replace(whole, entry=None)


def _identity(profile_id: str) -> str:
    return f"{LOGIN}:{profile_id}"
