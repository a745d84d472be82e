"""Logins that machines share: one refresh at a time, and nobody loses a login when a machine is killed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from pydantic import SecretStr

from smart_router.auth.logins.steps import LoginError
from smart_router.auth.profiles import GrantedTokens, Profile
from smart_router.auth.store import AuthStore
from smart_router.client_keys.book import ClientBook
from smart_router.cluster import logins
from smart_router.cluster.cluster import Cluster
from smart_router.cluster.database import SharedDatabase
from smart_router.cluster.logins import LeasedRefresh
from smart_router.cluster.refresh_apart import refresh_apart
from smart_router.cluster.sealing import Seal, new_key
from smart_router.cluster.settings import KEY, URL, ClusterSettings
from smart_router.providers.registry import PROVIDERS
from tests.testbed.authorization import Rotation
from tests.testbed.harness import bare_env
from tests.testbed.provider import Provider

SECRET = new_key()
ID = "openai-codex:me"
PATIENCE = 20.0


class Desk:
    """One machine: a store and its membership."""

    def __init__(self, folder: Path, database: str, token_url: str = "") -> None:
        self.folder = folder
        folder.mkdir(mode=0o700, exist_ok=True)
        self.config = folder / "config.toml"
        self.config.write_text(
            f'[providers.openai-codex.login]\ntoken_url = "{token_url}"\n' if token_url else ""
        )
        self.env = {**bare_env(), "HOME": str(folder), URL: database, KEY: SECRET}
        self.auth = AuthStore({}, PROVIDERS, folder)
        self.seal = Seal.of(SecretStr(SECRET))
        self.settings = ClusterSettings(SecretStr(database), folder.name, self.seal)
        self.clients = ClientBook(folder, {})
        self.cluster = Cluster(self.settings, folder, self.auth, self.clients, dict)

    def log_in(self, access: str = "access-0", refresh: str = "refresh-0") -> Profile:
        now = time.time()
        tokens = GrantedTokens(SecretStr(access), SecretStr(refresh), now - 9, now - 1)
        return self.auth.add_login("openai-codex", "me", tokens)

    @property
    def token(self) -> str | None:
        profile = self.auth.find(ID)
        return profile.secret.get_secret_value() if profile and profile.secret else None

    async def has(self, token: str | None) -> None:
        async with asyncio.timeout(PATIENCE):
            while self.token != token:  # noqa: ASYNC110  # nobody tells
                await asyncio.sleep(0.02)

    async def refresh(self) -> None:
        profile = self.auth.find(ID)
        assert profile is not None
        await asyncio.to_thread(refresh_apart, self.config, self.folder, self.env, profile)
        await asyncio.to_thread(self.auth.reread, ID)

    def leased(self) -> LeasedRefresh:
        return LeasedRefresh(self.settings, self.seal, self.auth, self.folder.name)

    def close(self) -> None:
        self.cluster.close()
        self.clients.close()
        self.auth.close()


MakeDesk = Callable[..., Desk]


@pytest.fixture
async def desk(tmp_path: Path, database: str) -> AsyncIterator[MakeDesk]:
    desks: list[Desk] = []

    def make(token_url: str = "") -> Desk:
        desks.append(Desk(tmp_path / f"desk-{len(desks)}", database, token_url))
        return desks[-1]

    yield make
    for one in desks:
        await asyncio.to_thread(one.close)


async def test_a_login_reaches_the_other_machines_sealed(desk: MakeDesk, database: str) -> None:
    one, two = desk(), desk()
    one.log_in("canary-access", "canary-refresh")
    await two.has("canary-access")
    profile = two.auth.find(ID)
    assert profile and profile.login and profile.login.refresh == SecretStr("canary-refresh")
    with SharedDatabase(SecretStr(database)) as db:
        assert "canary" not in repr(db.execute("SELECT * FROM smart_router.shared"))
    for file in two.folder.glob("cluster.sqlite*"):
        assert b"canary" not in file.read_bytes()


async def test_a_new_login_takes_the_old_ones_place_everywhere(desk: MakeDesk) -> None:
    one, two = desk(), desk()
    one.log_in()
    await two.has("access-0")
    two.log_in("again")
    await one.has("again")


async def test_another_login_of_the_same_name_stays_its_machines_own(
    desk: MakeDesk, database: str, tmp_path: Path
) -> None:
    one = desk()
    one.log_in()
    with SharedDatabase(SecretStr(database)) as db:
        async with asyncio.timeout(PATIENCE):
            while not db.execute("SELECT 1 FROM smart_router.shared"):  # noqa: ASYNC110
                await asyncio.sleep(0.02)
    folder = tmp_path / "apart"
    folder.mkdir()
    store = AuthStore({}, PROVIDERS, folder)
    now = time.time()
    store.add_login("openai-codex", "me", GrantedTokens(SecretStr("other"), None, now, now))
    cluster = Cluster(one.settings, folder, store, ClientBook(folder, {}), dict)
    cluster.flush(PATIENCE)
    profile = store.find(ID)
    assert profile and profile.secret == SecretStr("other")
    with LeasedRefresh(one.settings, one.seal, store, "apart").alone(profile):
        assert store.find(ID) == profile
    cluster.close()
    store.close()
    assert one.token == "access-0"


async def test_machines_that_refresh_at_once_use_the_token_once(desk: MakeDesk, provider: Provider) -> None:
    server = Rotation(slow=0.3)
    provider.on(server, path="/token", always=True)
    desks = [desk(f"{provider.url}/token") for _ in range(3)]
    desks[0].log_in()
    for one in desks:
        await one.has("access-0")
    await asyncio.gather(*(one.refresh() for one in desks))
    assert [one.token for one in desks] == ["access-1"] * 3
    assert (server.grants, server.reused) == (1, [])


async def test_without_the_database_nothing_is_refreshed(desk: MakeDesk, provider: Provider) -> None:
    server = Rotation()
    provider.on(server, path="/token", always=True)
    one = desk(f"{provider.url}/token")
    one.log_in()
    one.env[URL] = "postgresql://router@127.0.0.1:1/none"
    with pytest.raises(LoginError, match="while the cluster's database is away"):
        await one.refresh()
    assert server.grants == 0


async def test_a_refused_token_is_tried_by_no_other_machine(desk: MakeDesk, provider: Provider) -> None:
    server = Rotation(reused=["revoked"])
    provider.on(server, path="/token", always=True)
    one, two = desk(f"{provider.url}/token"), desk(f"{provider.url}/token")
    one.log_in()
    await two.has("access-0")
    with pytest.raises(LoginError) as refused:
        await one.refresh()
    assert refused.value.final
    with pytest.raises(LoginError, match="refused on another machine") as elsewhere:
        await two.refresh()
    assert elsewhere.value.final
    assert len(server.reused) == 2  # "revoked" and one try


async def test_a_lease_that_ran_out_makes_a_login_unsure_and_one_machine_tries_it(
    desk: MakeDesk, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logins, "LEASE", 0.2)
    monkeypatch.setattr(logins, "GRACE", 0.5)
    one, two = desk(), desk()
    profile = one.log_in()
    await two.has("access-0")
    lost = one.leased().alone(profile)
    lost.__enter__()  # and this machine is never heard of again
    began = time.monotonic()

    def second() -> None:
        with two.leased().alone(profile):
            pass

    await asyncio.to_thread(second)
    assert time.monotonic() - began >= 0.7
    with SharedDatabase(SecretStr(database)) as db:
        assert db.execute("SELECT holder, unsure FROM smart_router.leases") == [(None, None)]


async def test_a_holder_that_was_cut_off_delivers_before_its_token_is_used_again(
    desk: MakeDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logins, "LEASE", 0.1)
    monkeypatch.setattr(logins, "GRACE", 30.0)
    one, two = desk(), desk()
    profile = one.log_in()
    await two.has("access-0")
    from smart_router.auth.profiles import renewed_profile

    with one.leased().alone(profile) as commit:
        waiting = asyncio.create_task(asyncio.to_thread(lambda: two.leased().alone(profile).__enter__()))
        await asyncio.sleep(0.5)
        assert not waiting.done()
        new = GrantedTokens(SecretStr("access-1"), SecretStr("refresh-1"), time.time(), time.time() + 99)
        commit(renewed_profile(profile, new))
    await asyncio.wait_for(waiting, PATIENCE)
    await two.has("access-1")
