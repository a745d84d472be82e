"""The script that a worker's mitmproxy loads: the router and the worker addon."""

from smart_router.addon import addons as router
from smart_router.workers.worker_addon import member

addons = [*router, member]
