"""The table of `client_faults.py`, row by row: answers, connections, requests and records."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field

import pytest
import pytest_asyncio

from smart_router.stats.database import reading
from tests.faults.cells import PAIRS, Pair, in_turn
from tests.faults.client_faults import BY_NAME, LEFT, ROWS, Asking, Row
from tests.testbed.answers import Answer, Fault
from tests.testbed.chat import chat_error
from tests.testbed.client_formats import FORMATS, Got
from tests.testbed.examples import FULL, PROFILE
from tests.testbed.harness import Router, provider_env
from tests.testbed.provider import Provider
from tests.testbed.raw_client import RawClient, request
from tests.testbed.record import Request
from tests.testbed.spoiling import planned
from tests.testbed.talk import providers_config
from tests.testbed.tls_client import TlsClient

pytestmark = pytest.mark.asyncio(loop_scope="module")

TEXT = "one two three four five six"
PROVIDERS = {"chat": "plain", "anthropic": "anthropic", "responses": "openai", "gemini": "google"}
NATIVE = [id_ for id_ in PROVIDERS.values() if id_ != "plain"]


@dataclass
class Cell:
    """A row in one client format, on one provider wire, whole or streamed; and its outcome."""

    row: Row
    client: str
    wire: str
    stream: bool
    got: list[Got] = field(default_factory=list)
    closed: bool = False
    again: int = 0
    seen: int = 0

    @property
    def id(self) -> str:
        name = re.sub(r"[^a-z0-9]+", "-", self.row.name)
        return f"{name}.{self.client}.{self.wire}.{'stream' if self.stream else 'whole'}"

    @property
    def model(self) -> str:
        return f"{PROVIDERS[self.wire]}/{self.id}"

    @property
    def mark(self) -> str:
        """The part of the prompt by which the provider recognizes the cell."""
        return f"({self.id})"


def pairs_of(row: Row) -> Sequence[Pair]:
    """All pairs, or one for each client format where no request reaches a provider, of whatever wire."""
    return PAIRS if row.recorded else PAIRS[: len(FORMATS)]


CELLS = {
    cell.id: cell
    for row in ROWS
    for client, wire in pairs_of(row)
    for stream in row.forms
    if (cell := Cell(row, client, wire, stream))
}


def play(request: Request) -> Answer:
    """Return the provider's answer for the row of the request."""
    due, found = planned(request, TEXT), re.search(rb"\(([\w.-]+)\)", request.body)
    cell = CELLS[found[1].decode()] if found else None
    if cell is None:
        return due.answer
    cell.seen += 1
    if cell.row.plays == "fails first" and cell.seen == 1:
        return chat_error(500)
    if cell.row.plays == "stops":
        return due.answer.but(fault=Fault.SILENT_MID_BODY, fault_at=due.middle)
    if cell.row.plays == "goes on":
        event = next(one for one in due.events if b"four" in one)
        return due.answer.but(body=due.answer.body[: due.middle], then=(event, 10_000), pause=0.05)
    return due.answer if cell.row.plays == "answers" else due.answer.but(fault=Fault.SILENT_BEFORE_HEAD)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def router(
    fast_path: str, shared_provider: Provider, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Router]:
    shared_provider.script.default = play
    config = providers_config({"plain": f"{shared_provider.url}/plain/v1"})
    for id_ in NATIVE:
        models = json.dumps([cell.id for cell in CELLS.values() if PROVIDERS[cell.wire] == id_])
        config += f"[providers.{id_}]\nmodels = {models}\n"
    folder, env = tmp_path_factory.mktemp("clients") / "router", provider_env(shared_provider.url, *NATIVE)
    options = {"router_fast_path": fast_path}
    async with Router(folder, config=config, env=env, options=options) as router:
        yield router


async def run(cell: Cell, router: Router, provider: Provider) -> None:
    cell.seen, cell.again = 0, 0
    async with (TlsClient if cell.row.tls else RawClient)(router) as client:
        asking = Asking(client, FORMATS[cell.client], cell.model, cell.mark, cell.stream, provider)
        cell.got = await cell.row.act(asking)
        if not cell.row.closed:
            client.send(*asking.request("once more"))
            cell.again = (await asking.answer()).status
        elif cell.got:
            cell.closed = await client.ended()


def complaints(cell: Cell, recorded: list[str]) -> Iterator[str]:
    """Yield a sentence for each deviation from the row."""
    row, statuses = cell.row, tuple(got.status for got in cell.got)
    if statuses != row.statuses:
        yield f"answers {statuses}: {cell.got}"
    for got in cell.got:
        expected = (TEXT, True, False) if got.status == 200 else ("", False, got.status != 0)
        if got.malformed or (got.text, got.finished, bool(got.error)) != expected:
            yield f"a wrong answer: {got}"
    if row.statuses and (cell.closed, cell.again) != ((True, 0) if row.closed else (False, 200)):
        yield f"the connection: closed {cell.closed}, then {cell.again}"
    expected = list(row.recorded) + ([] if row.closed else [""])
    if recorded != expected or cell.seen != len(row.recorded):
        yield f"the provider saw {cell.seen}; recorded: {recorded}, not {expected}"


async def attempts(router: Router) -> list[tuple[str, str]]:
    """The models and failures of all attempts, once no request is running."""
    async with router.http() as http:
        assert (await http.get("/router/stats")).status_code == 200  # the records so far are on disk then
        assert (await http.get("/router/running")).json() == {"running": []}
    with reading(router.state_folder) as db:
        rows = db.execute(
            "SELECT asked, failure FROM attempts JOIN decisions USING (request) ORDER BY request, number"
        )
        return [(asked.partition("/")[2], failure or "") for asked, failure in rows]


def cells_of(name: str, fast_path: str) -> list[Cell]:
    """A row's cells. Without the fast path it has three pairs, in turn: with it all of them are tested."""
    number = [*BY_NAME].index(name)
    pairs = pairs_of(BY_NAME[name])
    if fast_path == "off" and PROFILE != FULL:
        pairs = in_turn(number, pairs, 3)
    return [cell for cell in CELLS.values() if cell.row.name == name and (cell.client, cell.wire) in pairs]


@pytest.mark.parametrize("name", BY_NAME)
async def test_row(name: str, fast_path: str, router: Router, provider: Provider) -> None:
    cells = cells_of(name, fast_path)
    await asyncio.gather(*(run(cell, router, provider) for cell in cells))
    recorded: dict[str, list[str]] = {cell.id: [] for cell in cells}
    for asked, failure in await attempts(router):
        recorded.get(asked, []).append(failure)
    wrong = [f"{cell.id}: {sentence}" for cell in cells for sentence in complaints(cell, recorded[cell.id])]
    assert not wrong, "\n".join(wrong)


async def test_no_provider_is_blamed_for_clients_that_leave(router: Router, provider: Provider) -> None:
    """The router notices that a client has left when a write to it fails, or at its next check."""
    cell = CELLS["leaves-an-endless-stream.chat.chat.stream"]

    async def leave() -> None:
        async with RawClient(router) as client:
            client.send(*request(FORMATS["chat"], cell.model, cell.mark, stream=True))
            await client.reader.readuntil(b"one")

    for _ in range(2):
        await asyncio.gather(*(leave() for _ in range(25)))
    for one in provider.requests:
        await one.disconnected()
    recorded = [failure for asked, failure in await attempts(router) if asked == cell.id]
    assert set(recorded) == {LEFT}
