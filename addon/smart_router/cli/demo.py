"""`smart-router demo`: shows routing, streaming and failover without a key and without a network."""

from __future__ import annotations

import signal
import time
from contextlib import suppress

import click

REQUEST = (
    'curl {url}/v1/chat/completions -H "content-type: application/json" '
    '-d \'{{"model": "auto", "messages": [{{"role": "user", "content": "Hi"}}]}}\' -i'
)


@click.command()
@click.option("--stay", is_flag=True, help="Leave the router running until Ctrl+C, to send it requests.")
def demo(stay: bool) -> None:
    """Show routing, streaming and failover, with a scripted provider, no key and no network."""
    # imported late: half of the router
    from rich.console import Console

    from smart_router.demo.show import demo as play

    # the router must end as well; and scripts start their background jobs with SIGINT ignored
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    for url in play(Console(highlight=False)):
        if stay:
            click.echo(f"\nThe router stays until Ctrl+C. Try:\n\n{REQUEST.format(url=url)}")
            with suppress(KeyboardInterrupt):  # SIGTERM raises it, too
                while True:
                    time.sleep(3600)
