"""mitmproxy's hook dispatch, cached and direct: each hook goes straight to the addons that handle it.

mitmproxy asks some forty addons by name at each hook, and again for the `update` hook that follows it: half
of the CPU of a small request. Here the handlers are cached per hook name, without idle addons, until an addon
is added, removed or reloaded or an option changes. All else is like the manager's own dispatch, and the tests
compare the two: addons in order, an error in one of the chain's addons skips those nested in it, AddonHalt
ends the hook.

One difference: a handler that is set on an addon after the hook was first triggered is not called.

mitmproxy also makes a task for each hook and resumes the layer when it has ended. `start` runs a hook
directly; mitmproxy waits only for one that awaits something.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Awaitable, Callable, Generator, Iterable, Iterator, Sequence
from itertools import chain
from typing import Any

from mitmproxy import flow
from mitmproxy.addonmanager import AddonManager, safecall
from mitmproxy.exceptions import AddonHalt, OptionsError
from mitmproxy.hooks import Hook, UpdateHook
from mitmproxy.log import AddLogHook, LegacyLogEvents

from smart_router.proxy.fast.idle_addons import FLOW_HOOKS, is_idle
from smart_router.proxy.fast.patches import Patch

Handler = Callable[..., Any]

Handlers = tuple[Handler, ...]
"""The handlers of one addon of the chain and of those nested in it."""

Left = tuple[Awaitable[Any], Iterator[Handler], Iterator[Iterable[Handler]], Sequence[Any]]
"""An awaitable, and the handlers, groups and arguments that remain after it."""

Calls = Generator[Awaitable[Any], None, None]
"""Calls of handlers in turn; yields each awaitable before it goes on."""

_REPLACED = ("trigger_event", "trigger", "handle_lifecycle")
_CHANGES = ("register", "remove", "clear")
"""Methods of the manager that change the addons."""


class FastHooks:
    """Stands in for some methods of one AddonManager, once `replaced` is applied."""

    def __init__(self, manager: AddonManager) -> None:
        self._manager = manager
        self._handlers: dict[tuple[str, bool], tuple[Handlers, ...]] = {}
        self._begun: dict[Hook, asyncio.Future[None] | None] = {}
        manager.master.options.changed.connect(self._options_changed)

    def replaced(self) -> list[Patch]:
        """Return the manager's methods to replace, and ours."""
        ours: dict[str, Any] = {name: getattr(self, name) for name in _REPLACED}
        ours |= {name: self._forgetting(getattr(self._manager, name)) for name in _CHANGES}
        patches: list[Patch] = [(self._manager, name, method) for name, method in ours.items()]
        return [*patches, (LegacyLogEvents, "emit", self._unless_unheard(LegacyLogEvents.emit))]

    def _options_changed(self, updated: set[str]) -> None:
        """Forget the handlers: other addons may be idle now."""
        self._handlers.clear()

    def _forgetting(self, change: Callable[..., Any]) -> Callable[..., Any]:
        def changed(*args: Any) -> Any:
            try:
                return change(*args)
            finally:
                self._handlers.clear()

        return changed

    def _unless_unheard(self, emit: Callable[..., None]) -> Callable[..., None]:
        """Return `LegacyLogEvents.emit`, which wakes the event loop for each log line, also if no addon takes
        those.
        """

        def emit_if_heard(events: LegacyLogEvents, record: logging.LogRecord) -> None:
            if events.master is not self._manager.master or self._handlers.get(_LOG_LINES) != ():
                emit(events, record)

        return emit_if_heard

    def handlers(self, event: Hook, *, own: bool = False) -> tuple[Handlers, ...]:
        """Return the handlers of a hook in groups, one per addon of the chain, in its order. `own` says that
        the router answers the flow.
        """
        found = self._handlers.get((event.name, own))
        if found is None:
            groups = [
                tuple(
                    handler
                    for owner, handler in self._manager._iter_hooks(addon, event)
                    if not (event.name in FLOW_HOOKS and is_idle(owner, own=own))
                )
                for addon in self._manager.chain
            ]
            found = self._handlers[event.name, own] = tuple(group for group in groups if group)
        return found

    async def trigger_event(self, event: Hook) -> None:
        """Like the manager's own."""
        await _finish(_calls(self.handlers(event), event.args()))

    def trigger(self, event: Hook) -> None:
        """Like the manager's own, which asks all addons at each log line."""
        if self.handlers(event):
            AddonManager.trigger(self._manager, event)

    def start(self, event: Hook, own: bool = False) -> bool:
        """Run a hook of one argument as far as it goes without waiting; return whether it has finished. `own`
        says that the router answers its flow.

        Hand an unfinished hook to mitmproxy, which waits for the rest; until then it is not started again.
        """
        if self._begun and event in self._begun:
            return False
        message = getattr(event, "flow", None) or event.args()[0]  # most are about a flow
        groups = self._handlers.get((event.name, own))
        if groups is None:
            groups = self.handlers(event, own=own)
        begun: asyncio.Future[None] | None = None
        try:
            if left := _call(iter(groups), (message,)):
                begun = _begin(self._and_update(_rest(*left), message))
            elif (updates := self._updates(message)) and (left := _call(iter(updates), ([message],))):
                begun = _begin(_rest(*left))
        except OptionsError as error:
            begun = asyncio.get_running_loop().create_future()
            begun.set_exception(error)
        went_well = begun is None or (begun.done() and not begun.cancelled() and begun.exception() is None)
        if went_well and not getattr(message, "intercepted", False):
            return True
        self._begun[event] = begun
        return False

    async def handle_lifecycle(self, event: Hook) -> None:
        """Like the manager's own; waits for the rest of a started hook."""
        if event not in self._begun:
            message = event.args()[0]
            await _finish(self._and_update(_calls(self.handlers(event), (message,)), message))
        elif begun := self._begun.pop(event):
            await begun

    def _and_update(self, calls: Calls, message: Any) -> Calls:
        """Make these calls, and for a flow those of `update` after them."""
        yield from calls
        if updates := self._updates(message):
            yield from _calls(updates, ([message],))

    def _updates(self, message: Any) -> tuple[Handlers, ...]:
        """Return the handlers of changed flows."""
        updates = self._handlers.get(_UPDATES)
        if updates is None:
            updates = self.handlers(UpdateHook([]))
        return updates if updates and isinstance(message, flow.Flow) else ()


_UPDATES = (UpdateHook.name, False)
_LOG_LINES = (AddLogHook.name, False)


def _call(groups: Iterator[Iterable[Handler]], args: Sequence[Any]) -> Left | None:
    """Call the handlers, group by group, up to an awaitable; return it with the rest."""
    for group in groups:
        left = iter(group)
        try:
            for handler in left:
                result = handler(*args)
                if result is not None and inspect.isawaitable(result):
                    return result, left, groups, args
        except AddonHalt:
            return None
        except OptionsError:
            raise
        except Exception:
            with safecall():  # logs it
                raise
    return None


def _calls(groups: tuple[Handlers, ...], args: Sequence[Any]) -> Calls:
    """Call the handlers in turn; yield each awaitable before the next call."""
    if left := _call(iter(groups), args):
        yield from _rest(*left)


def _rest(
    awaited: Awaitable[Any],
    group: Iterable[Handler],
    groups: Iterator[Iterable[Handler]],
    args: Sequence[Any],
) -> Calls:
    """Continue `_calls` from an awaitable."""
    while True:
        try:
            yield awaited
        except AddonHalt:
            return
        except OptionsError:
            raise
        except Exception:
            group = ()
            with safecall():
                raise
        if (left := _call(chain((group,), groups), args)) is None:
            return
        awaited, group, groups, _ = left


def _begin(calls: Calls) -> asyncio.Future[None]:
    """Start calls, and run them as far as they go without waiting."""
    return asyncio.Task(_finish(calls), loop=asyncio.get_running_loop(), eager_start=True)


async def _finish(calls: Calls) -> None:
    """Run calls, and await each awaitable."""
    waited_for = next(calls, None)
    while waited_for is not None:
        try:
            await waited_for
        except Exception as error:
            waited_for = _fail(calls, error)
        else:
            waited_for = next(calls, None)


def _fail(calls: Calls, error: Exception) -> Awaitable[Any] | None:
    """Throw the error of an awaitable into the calls; return the next awaitable."""
    try:
        return calls.throw(error)
    except StopIteration:
        return None
