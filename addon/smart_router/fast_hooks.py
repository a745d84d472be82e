"""mitmproxy's hook dispatch, cached and direct: each hook goes straight to the addons that handle it.

mitmproxy asks some forty addons by name at each hook, and again for the `update` hook that follows it: half
of the CPU of a small request. Here the answer is remembered per hook name and forgotten whenever an addon is
added, removed or reloaded. All else is as the manager itself does it, and the tests compare the two: addons
in their order, an error in one of the chain's addons passes over those nested in it, AddonHalt ends the hook.

One difference: a handler that is put on an addon after the hook was first triggered is not seen.

mitmproxy also makes a task for each hook and comes back to the layer when it has ended. `start` runs a hook
there and then; only one that waits for something is left to mitmproxy.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from typing import Any

from mitmproxy import flow
from mitmproxy.addonmanager import AddonManager, safecall
from mitmproxy.exceptions import AddonHalt, OptionsError
from mitmproxy.hooks import Hook, UpdateHook

Handlers = tuple[Callable[..., Any], ...]
"""The handlers of one addon of the chain and of those nested in it."""

_CHANGES = ("register", "remove", "clear")
"""Methods of the manager after which other addons may be there."""


class FastHooks:
    """Stands in for some methods of one AddonManager, from `install` to `uninstall`."""

    def __init__(self, manager: AddonManager) -> None:
        self._manager = manager
        self._handlers: dict[str, tuple[Handlers, ...]] = {}
        self._begun: dict[Hook, asyncio.Task[None]] = {}

    def install(self) -> None:
        """Put our methods before the manager's own."""
        overrides = {"trigger_event": self.trigger_event, "handle_lifecycle": self.handle_lifecycle}
        overrides |= {name: self._forgetting(getattr(self._manager, name)) for name in _CHANGES}
        vars(self._manager).update(overrides)

    def uninstall(self) -> None:
        """Give the manager its own methods back."""
        for name in ("trigger_event", "handle_lifecycle", *_CHANGES):
            vars(self._manager).pop(name, None)

    def _forgetting(self, change: Callable[..., Any]) -> Callable[..., Any]:
        def changed(*args: Any) -> Any:
            try:
                return change(*args)
            finally:
                self._handlers.clear()

        return changed

    def handlers(self, event: Hook) -> tuple[Handlers, ...]:
        """Who handles this hook, grouped by the addons of the chain, in its order."""
        found = self._handlers.get(event.name)
        if found is None:
            groups = [
                tuple(handler for _, handler in self._manager._iter_hooks(addon, event))
                for addon in self._manager.chain
            ]
            found = self._handlers[event.name] = tuple(group for group in groups if group)
        return found

    async def trigger_event(self, event: Hook) -> None:
        """As the manager's."""
        groups = self.handlers(event)
        if not groups:
            return
        args = event.args()
        for group in groups:
            try:
                for handler in group:
                    result = handler(*args)
                    if result is not None and inspect.isawaitable(result):
                        await result
            except AddonHalt:
                return
            except OptionsError:
                raise
            except Exception:
                with safecall():  # logs it
                    raise

    def start(self, event: Hook) -> bool:
        """Run a hook that has one argument as far as it goes without waiting; whether it is over.

        One that is not is to be handed to mitmproxy, which then waits for the rest.
        """
        task = asyncio.Task(self._run(event), loop=asyncio.get_running_loop(), eager_start=True)
        (message,) = event.args()
        paused = isinstance(message, flow.Flow) and message.intercepted
        if task.done() and not task.cancelled() and task.exception() is None and not paused:
            return True
        self._begun[event] = task
        return False

    async def handle_lifecycle(self, event: Hook) -> None:
        """As the manager's; waits for the rest of a hook that was started."""
        begun = self._begun.pop(event, None)
        await (self._run(event) if begun is None else begun)

    async def _run(self, event: Hook) -> None:
        """The hook, and for a flow `update` after it."""
        await self.trigger_event(event)
        message = event.args()[0]
        if isinstance(message, flow.Flow):
            await self.trigger_event(UpdateHook([message]))
