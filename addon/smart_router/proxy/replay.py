"""Routes mitmproxy's replays: a client flow is routed again, an attempt gets its credential again.

mitmproxy replays a flow through an HTTP layer that it makes itself, past the `next_layer` hook. So the class
that makes it is replaced, for the whole process, by one whose layer can run attempts.
"""

from __future__ import annotations

from functools import partial

from mitmproxy import ctx, http
from mitmproxy.addons import clientplayback
from mitmproxy.options import Options
from mitmproxy.proxy import commands
from mitmproxy.proxy.layers.http._hooks import HttpErrorHook, HttpResponseHook

from smart_router.proxy.claims import Claims
from smart_router.proxy.install import install_routing

REPLAYED = "router_replay_of"
"""Metadata of a copy whose model was chosen by hand: the id of the client flow that it is a copy of."""


_Original = clientplayback.ReplayHandler


class RoutedReplay(_Original):
    """Replays one flow; see `clientplayback.ReplayHandler`."""

    def __init__(self, claims: Claims, flow: http.HTTPFlow, options: Options) -> None:
        super().__init__(flow, options)
        install_routing(self.layer, claims, delegates_hooks=True)

    async def replay(self) -> None:
        """Replay the flow, then cancel its timers."""
        await super().replay()
        for timer in self.wakeup_timer:
            timer.cancel()

    async def handle_hook(self, hook: commands.StartHook) -> None:
        """Keep the end of an attempt from ending the replay."""
        (data,) = hook.args()
        if isinstance(hook, HttpResponseHook | HttpErrorHook) and data is not self.flow:
            await ctx.master.addons.handle_lifecycle(hook)
            await data.wait_for_resume()
        else:
            await super().handle_hook(hook)


def install(claims: Claims) -> None:
    """Replace mitmproxy's replay handler."""
    clientplayback.ReplayHandler = partial(RoutedReplay, claims)  # type: ignore[assignment,misc]


def uninstall() -> None:
    """Restore mitmproxy's replay handler."""
    clientplayback.ReplayHandler = _Original  # type: ignore[misc]
