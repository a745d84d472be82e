"""A worker: `python -m smart_router.workers.worker TASK ARGUMENTS` runs mitmproxy's own entry point.

TASK is JSON: `program` (mitmdump or mitmweb), `sockets` (file descriptors by address) and `control` (the
descriptor of the channel). ARGUMENTS are mitmproxy's.
"""

from __future__ import annotations

import io
import socket
import sys
from pathlib import Path

from mitmproxy.tools import main as mitmproxy
from pydantic_core import from_json

from smart_router.workers.inherited_sockets import Inherited
from smart_router.workers.worker_addon import member

SCRIPT = Path(__file__).with_name("script.py")


def main() -> None:
    """Run the program that the task names."""
    task = from_json(sys.argv[1])
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)  # several processes share stdout: write whole lines
    sys.argv = [task["program"], "-s", str(SCRIPT), *sys.argv[2:]]
    inherited = Inherited(task["sockets"])
    inherited.install()
    member.join(inherited, socket.socket(fileno=task["control"]))
    getattr(mitmproxy, task["program"])(sys.argv[1:])


if __name__ == "__main__":
    main()
