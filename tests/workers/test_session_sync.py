"""State that workers share: sessions and counts."""

from __future__ import annotations

import json
import socket
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smart_router.dialects.openai_responses.store import StoredResponse
from smart_router.errors import ClientError
from smart_router.routing.decision import Candidate
from smart_router.routing.sticky import StickyEntry
from smart_router.stats.metrics import exposition
from smart_router.stats.totals import Histogram, Totals
from smart_router.workers.channel import Channel, SyncLog
from smart_router.workers.counters import merge
from smart_router.workers.report import from_tree, to_tree
from smart_router.workers.session_sync import SharedReasoning, SharedResponses, SharedSticky

NAMES = st.sampled_from(["a", "b", "c"])
# shapes are the same everywhere, as counts are: a name is a number or a list or a tree, never two of these
TREES = st.fixed_dictionaries(
    {},
    optional={
        "number": st.integers(0, 9),
        "list": st.lists(st.integers(0, 9), max_size=4),
        "tree": st.dictionaries(NAMES, st.integers(0, 9)),
    },
)


@given(TREES, TREES, TREES)
def test_sums_do_not_depend_on_the_order(one: Any, two: Any, three: Any) -> None:
    assert merge(one, two) == merge(two, one)
    assert merge(merge(one, two), three) == merge(one, merge(two, three))
    assert merge({}, one) == one


def totals(number: int) -> Totals:
    counts = Totals(failovers=number, baseline=0.5 * number, saved=0.25 * number)
    counts.requests["SIMPLE", "ok"] = number
    counts.costs["openai", "gpt-5.4", "list"] = 0.125 * number
    for value in (0.002, 3.0):
        counts.overhead.add([number * value])
        counts.durations["openai", "gpt-5.4", ""].add([number * value])
    return counts


def test_sum_equals_the_counts_of_one_process() -> None:
    one, two, both = totals(1), totals(2), totals(3)
    both.overhead = one.overhead.plus(two.overhead)
    both.durations.update({who: found.plus(two.durations[who]) for who, found in one.durations.items()})
    told = [json.loads(json.dumps(tree)) for tree in (to_tree(one, 3), to_tree(two, 4))]
    assert exposition(*from_tree(merge(*told))) == exposition(both, 7)


def test_counts_of_a_worker_with_fewer_buckets() -> None:
    totals, _ = from_tree({"overhead": {"counts": [1, 2], "sum": 3.0}, "unheard": {"of": 1}})
    assert len(totals.overhead.counts) == len(Histogram(totals.overhead.bounds).counts)
    assert sum(totals.overhead.counts) == 3


def test_another_worker_gets_kept_responses_and_their_deletion() -> None:
    told: list[Any] = []
    here, there = SharedResponses(told.append, 1 << 20), SharedResponses([].append, 1 << 20)
    here.put("laptop", "r1", kept := StoredResponse(None, [{"role": "user"}], "{}"))
    here.delete("laptop", "r1")
    (_, *entry), (_, *deleted) = json.loads(json.dumps(told))
    there.learn(*entry)
    assert there.get("laptop", "r1") == kept
    there.forget(*deleted)
    there.forget(*deleted)
    with pytest.raises(ClientError):
        there.get("laptop", "r1")


def test_another_worker_gets_the_session_state() -> None:
    told: list[Any] = []
    reasoning, sticky = SharedReasoning(told.append), SharedSticky(60.0, told.append)
    reasoning.put(["key-1", "key-2"], [{"type": "reasoning.encrypted", "data": "x"}])
    sticky.put(("session", "auto"), kept := StickyEntry(Candidate("openai", "gpt-5.4"), "SIMPLE", 5.0))

    silent: list[Any] = []
    others: dict[str, Any] = {
        "reasoning": SharedReasoning(silent.append),
        "sticky": SharedSticky(60.0, silent.append),
    }
    for kind, *values in json.loads(json.dumps(told, default=vars)):
        others[kind].learn(*values)
    assert others["reasoning"].get("key-2") == reasoning.get("key-2")
    assert others["sticky"].get(("session",), "auto", 6.0) == kept
    assert not silent


def test_sync_log_is_bounded() -> None:
    passed = SyncLog(10)
    for line in (b"aaaa", b"bbbb", b"cccc"):
        passed.add(line)
    assert list(passed) == [b"bbbb", b"cccc"]


async def test_channel_closes_with_either_end() -> None:
    one, other = [await Channel.open(end) for end in socket.socketpair()]
    one.send("ask", text="ä\n", number=1.5)
    assert await other.receive() == {"type": "ask", "text": "ä\n", "number": 1.5}
    other._writer.write(b'{"type": ')  # killed in mid-line
    other.close()
    assert await one.receive() is None
    one.send("report")  # goes nowhere
    await one.flush()
    one.close()


@pytest.mark.parametrize("count", [0, 1, 3])
async def test_long_messages(count: int) -> None:
    one, other = [await Channel.open(end) for end in socket.socketpair()]
    one.send("tell", told=["x" * (1 << 16)] * count)
    message = await other.receive()
    assert message is not None
    assert len(message["told"]) == count
    one.close()
    other.close()


def test_unchanged_session_is_sent_rarely() -> None:
    told: list[Any] = []
    table = SharedSticky(80.0, told.append)
    luna, sol = Candidate("openai", "gpt-6-luna"), Candidate("openai", "gpt-6.1-sol")
    key = ("s", "auto")
    for at in (0.0, 1.0, 9.0, 11.0):
        table.put(key, StickyEntry(luna, "SIMPLE", at))
    assert [one[-1] for one in told] == [0.0, 11.0]
    table.put(key, StickyEntry(sol, "SIMPLE", 12.0))
    table.put(key, StickyEntry(sol, "COMPLEX", 13.0))
    assert [one[-1] for one in told] == [0.0, 11.0, 12.0, 13.0]
    table.put(("other", "auto"), StickyEntry(luna, "SIMPLE", 14.0))
    assert len(told) == 5


def test_entry_from_another_worker_is_not_sent_again() -> None:
    told: list[Any] = []
    table = SharedSticky(80.0, told.append)
    table.learn(["s", "auto"], ["openai", "gpt-6-luna"], "SIMPLE", 0.0)
    table.put(("s", "auto"), StickyEntry(Candidate("openai", "gpt-6-luna"), "SIMPLE", 5.0))
    assert told == []
    table.put(("s", "auto"), StickyEntry(Candidate("openai", "gpt-6-luna"), "SIMPLE", 15.0))
    assert len(told) == 1
