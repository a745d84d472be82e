"""The cached hook dispatch behaves like mitmproxy's own, for any addons."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import pytest
from mitmproxy import master, options
from mitmproxy.addonmanager import AddonManager
from mitmproxy.exceptions import AddonHalt, OptionsError
from mitmproxy.hooks import Hook
from mitmproxy.log import LegacyLogEvents, LogEntry
from mitmproxy.test import tflow

from smart_router.proxy.fast.hook_dispatch import FastHooks
from smart_router.proxy.fast.patches import Patches

Seen = list[str]


@dataclass
class SampleHook(Hook):
    """A hook of the tests' own, as any addon may declare one."""

    data: Any

    name = "sample"


class Addon:
    """Notes each call, then acts as configured; `addons` are nested in it."""

    def __init__(
        self, name: str, seen: Seen, does: Callable[[], Any] = lambda: None, addons: Any = ()
    ) -> None:
        self.name = name
        self.addons = list(addons)
        self._seen = seen
        self._does = does

    def sample(self, data: Any) -> Any:
        self._seen.append(f"{self.name} {data}")
        return self._does()


class Watcher:
    """Sees flows change."""

    def __init__(self, seen: Seen) -> None:
        self.name = "watcher"
        self._seen = seen

    def update(self, flows: Any) -> None:
        self._seen.append(f"update {len(flows)}")


class Idle:
    """Handles nothing."""

    name = "idle"


def fail() -> None:
    raise ValueError("broken addon")


def halt() -> None:
    raise AddonHalt


def refuse() -> None:
    raise OptionsError("no such option")


async def later() -> None:
    return None


TABLE: dict[str, Callable[[Seen], list[Any]]] = {
    "nobody": lambda seen: [Idle()],
    "in order": lambda seen: [Addon("a", seen), Idle(), Addon("b", seen)],
    "async": lambda seen: [Addon("a", seen, later), Addon("b", seen)],
    "nested": lambda seen: [Addon("a", seen, addons=[Addon("a1", seen, addons=[Addon("a2", seen)])])],
    "an error": lambda seen: [Addon("a", seen, fail), Addon("b", seen)],
    "an error passes over the nested": lambda seen: [
        Addon("a", seen, fail, addons=[Addon("a1", seen)]),
        Addon("b", seen),
    ],
    "a halt": lambda seen: [Addon("a", seen), Addon("b", seen, halt), Addon("c", seen)],
    "a halt in a nested one": lambda seen: [
        Addon("a", seen, addons=[Addon("a1", seen, halt)]),
        Addon("b", seen),
    ],
    "a bad option": lambda seen: [Addon("a", seen, refuse), Addon("b", seen)],
    "watched": lambda seen: [Addon("a", seen), Watcher(seen)],
}


async def trigger(how: Callable[[Hook], Awaitable[None]], data: Any) -> str | None:
    """Return the raised error, if any."""
    try:
        await how(SampleHook(data))
    except OptionsError as error:
        return str(error)
    return None


async def outcome(
    make: Callable[[Seen], list[Any]], data: Any, caplog: pytest.LogCaptureFixture, *, fast: bool
) -> tuple[Seen, str | None, list[str]]:
    """Return the calls, the raised error and the log."""
    seen: Seen = []
    manager = master.Master(options.Options()).addons
    manager.add(*make(seen))
    if fast:
        installed(manager)
    caplog.clear()
    with caplog.at_level(logging.ERROR):
        error = await trigger(manager.handle_lifecycle, data)
        again = await trigger(manager.trigger_event, "again")
    assert error == again
    return seen, error, [record.getMessage() for record in caplog.records]


@pytest.mark.parametrize("data", ["text", tflow.tflow()], ids=["no flow", "flow"])
@pytest.mark.parametrize("make", TABLE.values(), ids=TABLE)
async def test_same_as_the_manager_itself(
    make: Callable[[Seen], list[Any]], data: Any, caplog: pytest.LogCaptureFixture
) -> None:
    assert await outcome(make, data, caplog, fast=True) == await outcome(make, data, caplog, fast=False)


@pytest.mark.parametrize("make", [make for name, make in TABLE.items() if name != "async"])
async def test_same_as_the_manager_itself_without_a_loop(make: Callable[[Seen], list[Any]]) -> None:
    async def outcome(*, fast: bool) -> tuple[Seen, str | None]:
        seen: Seen = []
        manager = master.Master(options.Options()).addons
        manager.add(*make(seen))
        if fast:
            installed(manager)

        async def how(hook: Hook) -> None:
            manager.trigger(hook)

        return seen, await trigger(how, "data")

    assert await outcome(fast=True) == await outcome(fast=False)


async def test_hook_that_does_not_wait_finishes_at_once() -> None:
    seen: Seen = []
    hooks = make_hooks(Addon("a", seen, later), Addon("b", seen), Watcher(seen))
    flow = tflow.tflow()
    assert hooks.start(SampleHook(flow))
    assert [line.split()[0] for line in seen] == ["a", "b", "update"]


async def test_rest_of_a_waiting_hook_is_awaited() -> None:
    seen: Seen = []
    gate = asyncio.Event()
    hooks = make_hooks(Addon("a", seen, gate.wait), Addon("b", seen, later), Watcher(seen))
    hook = SampleHook(tflow.tflow())
    assert not hooks.start(hook)
    assert len(seen) == 1
    gate.set()
    await hooks.handle_lifecycle(hook)
    assert [line.split()[0] for line in seen] == ["a", "b", "update"]
    await hooks.handle_lifecycle(hook)  # another time is another hook
    assert len(seen) == 6


async def test_paused_flow_is_left_to_mitmproxy_without_calling_a_handler_twice() -> None:
    seen: Seen = []
    flow = tflow.tflow()
    hooks = make_hooks(Addon("a", seen, flow.intercept))
    hook = SampleHook(flow)
    assert not hooks.start(hook)
    await hooks.handle_lifecycle(hook)
    assert len(seen) == 1


async def refuse_later() -> None:
    refuse()


@pytest.mark.parametrize("does", [refuse, refuse_later])
async def test_uncaught_error_is_raised_where_mitmproxy_awaits(does: Callable[[], Any]) -> None:
    hooks = make_hooks(Addon("a", [], does))
    hook = SampleHook("data")
    assert not hooks.start(hook)
    with pytest.raises(OptionsError):
        await hooks.handle_lifecycle(hook)


async def test_error_of_a_waiting_handler_is_logged_and_the_others_run(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def fail_later() -> None:
        await asyncio.sleep(0)
        fail()

    seen: Seen = []
    hooks = make_hooks(Addon("a", seen, fail_later), Addon("b", seen))
    hook = SampleHook("data")
    assert not hooks.start(hook)
    await hooks.handle_lifecycle(hook)
    assert seen == ["a data", "b data"]
    assert "broken addon" in caplog.text


def installed(manager: AddonManager) -> FastHooks:
    """Hooks that stand in for the manager's own."""
    hooks = FastHooks(manager)
    Patches(hooks.replaced()).apply()
    return hooks


def make_hooks(*addons: Any) -> FastHooks:
    """Installed, with these addons."""
    manager = master.Master(options.Options()).addons
    manager.add(*addons)
    return installed(manager)


async def test_added_and_removed_addons_are_noticed() -> None:
    seen: Seen = []
    manager = master.Master(options.Options()).addons
    installed(manager)
    outer, inner, other = Addon("outer", seen), Addon("inner", seen), Addon("other", seen)
    manager.add(outer)
    await manager.trigger_event(SampleHook(1))
    outer.addons.append(manager.register(inner))
    await manager.trigger_event(SampleHook(2))
    manager.add(other)
    await manager.trigger_event(SampleHook(3))
    outer.addons.clear()
    manager.remove(inner)
    await manager.trigger_event(SampleHook(4))
    manager.remove(outer)
    await manager.trigger_event(SampleHook(5))
    assert seen == [
        "outer 1",
        "outer 2",
        "inner 2",
        "outer 3",
        "inner 3",
        "other 3",
        "outer 4",
        "other 4",
        "other 5",
    ]
    manager.clear()
    await manager.trigger_event(SampleHook(6))
    assert seen[-1] == "other 5"


async def test_log_lines_are_told_to_addons_that_take_them() -> None:
    """Without such an addon a line does not wake the event loop; the first one finds out."""

    class Reader:
        def add_log(self, entry: LogEntry) -> None:
            seen.append(entry.msg.split()[-1])

    async def log(text: str) -> None:
        record = logging.LogRecord("x", logging.INFO, "", 0, text, None, None)
        LegacyLogEvents.emit(events, record)
        await asyncio.sleep(0)

    seen: Seen = []
    running = master.Master(options.Options(), asyncio.get_running_loop())
    events = LegacyLogEvents(running)
    patches = Patches(FastHooks(running.addons).replaced())
    patches.apply()
    try:
        await log("first")
        await log("second")
        running.addons.add(reader := Reader())
        await log("third")
        running.addons.remove(reader)
        await log("fourth")
    finally:
        patches.restore()
    assert seen == ["third"]


async def test_uninstalling_gives_the_manager_its_methods_back() -> None:
    manager = master.Master(options.Options()).addons
    patches = Patches(FastHooks(manager).replaced())
    before = manager.trigger_event
    patches.apply()
    assert manager.trigger_event != before
    patches.restore()
    assert manager.trigger_event == before
    assert not {"register", "remove", "clear", "handle_lifecycle"} & vars(manager).keys()
