"""Addons are passed over while they have nothing to do, and called as soon as they have."""

from __future__ import annotations

import os
from typing import Any

import pytest
from mitmproxy import options
from mitmproxy.addonmanager import traverse
from mitmproxy.proxy.layers.http import HttpRequestHeadersHook, HttpRequestHook
from mitmproxy.proxy.layers.http._hooks import HttpResponseHeadersHook, HttpResponseHook
from mitmproxy.test import tflow
from mitmproxy.tools.dump import DumpMaster

from smart_router.proxy.fast.hook_dispatch import FastHooks
from smart_router.proxy.fast.idle_addons import _BY_ATTRIBUTE, _BY_OPTION
from smart_router.proxy.fast.patches import Patches

HOOKS = (HttpRequestHeadersHook, HttpRequestHook, HttpResponseHeadersHook, HttpResponseHook)

# what wakes each of them, and what it does to a flow then
WAKING: dict[str, dict[str, Any]] = {
    "BlockList": {"block_list": ["/~all/404"]},
    "MapLocal": {"map_local": ["|~all|nowhere|/"]},
    "MapRemote": {"map_remote": ["/~all/address/elsewhere"]},
    "ModifyBody": {"modify_body": ["/~all/content/other"]},
    "ModifyHeaders": {"modify_headers": ["/~all/x-new/value"]},
    "ProxyAuth": {"proxyauth": "user:pass"},
    "StickyAuth": {"stickyauth": "~all"},
    "StickyCookie": {"stickycookie": "~all"},
    "UpstreamAuth": {"upstream_auth": "user:pass"},
    "AntiCache": {"anticache": True},
    "AntiComp": {"anticomp": True},
    "Dumper": {"flow_detail": 1},
    "SaveHar": {"hardump": "-"},
    "Save": {"save_stream_file": os.devnull},
}


def called(hooks: FastHooks) -> set[str]:
    """The addons that a flow's hooks would call."""
    flow = tflow.tflow(resp=True)
    groups = [group for hook in HOOKS for group in hooks.handlers(hook(flow))]
    return {type(handler.__self__).__name__ for group in groups for handler in group}


def test_table_lists_every_idle_addon() -> None:
    assert {kind.__name__ for kind in (*_BY_ATTRIBUTE, *_BY_OPTION)} == WAKING.keys()


@pytest.mark.parametrize("name", WAKING)
async def test_option_activates_an_addon_and_deactivates_it_again(name: str) -> None:
    master = DumpMaster(options.Options(), with_termlog=False)
    master.options.update(flow_detail=0)  # with which it is not awake from the start
    assert name in {type(addon).__name__ for addon in traverse(master.addons.chain)}
    hooks = FastHooks(master.addons)
    Patches(hooks.replaced()).apply()
    asleep = {option: getattr(master.options, option) for option in WAKING[name]}
    assert called(hooks).isdisjoint(WAKING)
    master.options.update(**WAKING[name])
    assert called(hooks) & WAKING.keys() == {name}
    master.options.update(**asleep)
    assert called(hooks).isdisjoint(WAKING)


async def test_activated_addon_handles_its_hooks() -> None:
    master = DumpMaster(options.Options(), with_termlog=False, with_dumper=False)
    hooks = FastHooks(master.addons)
    Patches(hooks.replaced()).apply()
    flow = tflow.tflow()
    await master.addons.trigger_event(HttpRequestHeadersHook(flow))
    assert "x-new" not in flow.request.headers
    master.options.update(modify_headers=["/~all/x-new/value"])
    await master.addons.trigger_event(HttpRequestHeadersHook(flow))
    assert flow.request.headers["x-new"] == "value"
