"""`smart-router setup`: a tool's own config for the use of the router, printed, written, or taken back."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import click

from smart_router.cli.common import DEFAULT_URL, as_json, own_config, own_store, print_json
from smart_router.paths import state_path
from smart_router.tools.changes import ChangeError, Changes, NewText
from smart_router.tools.documents import block, merge
from smart_router.tools.launch import ANY_KEY, ModelLimits, RouterAccess
from smart_router.tools.setups import SETUPS, Part, ToolSetup


@click.command()
@click.argument("tool", metavar="TOOL", type=click.Choice(list(SETUPS)))
@click.option("--write", is_flag=True, help="Write it, and keep a copy of each file as it was.")
@click.option("--undo", is_flag=True, help="Take back the last --write, byte for byte.")
@click.option("--url", default=DEFAULT_URL, show_default=True, help="Where the router answers.")
@click.option(
    "--key", default=ANY_KEY, show_default=True, help="The router key, for a router on another machine."
)
@as_json
def setup(tool: str, write: bool, undo: bool, url: str, key: str, as_json: bool) -> None:
    """Print what TOOL's own config must say to use the router, with models and context sizes filled in.

    TOOL: aider, claude, cline, codex, continue, gemini, jetbrains, open-webui, opencode, vscode or zed.
    --write merges it into the tool's files: comments and other settings stay, and so do links and modes.

    \b
    Examples:
      smart-router setup claude
      smart-router setup codex --write
      smart-router setup codex --undo
      smart-router setup zed --url http://router.lan:8080 --key "$ROUTER_KEY"
    """
    if write and undo:
        raise click.UsageError("--write and --undo exclude each other: use one of them")
    if not re.match(r"https?://[^/\s]", url):
        raise click.UsageError(f"--url {url!r} is no address: write it like {DEFAULT_URL}")
    changes = Changes(state_path(os.environ) / "setup" / tool)
    if undo:
        _report({"undone": changes.undo()}, as_json)
        return
    chosen, access = SETUPS[tool], _access(url, key)
    parts = chosen.parts(access, _home())
    if not write:
        _print(tool, chosen, access, parts, as_json)
    elif parts:
        _report(_written(changes, parts, chosen.then), as_json)
    else:
        steps = "\n".join(f"  {step}" for step in chosen.steps(access))
        raise click.UsageError(f"{chosen.title} has no config file to write; set it up in the tool:\n{steps}")


def _home() -> Path:
    home, named = Path.home(), os.environ.get("HOME")
    if not home.is_absolute() or named == "":
        raise ChangeError(f"HOME is {named!r}, not the path of a folder: set it to your home")
    return home


def _access(url: str, key: str) -> RouterAccess:
    """The router, with the virtual models that this config and its credentials offer."""
    # imported late: it imports half of the router
    from smart_router.api.model_lists import virtual_models

    config = own_config()
    with closing(own_store(config)) as store:
        listed = virtual_models(config, store.has_profile)
    models = [ModelLimits(one.id, one.context, one.max_output) for one in listed]
    return RouterAccess(url.rstrip("/").removesuffix("/v1"), models, key, frozenset(config.own_login))


def _written(changes: Changes, parts: Sequence[Part], then: str) -> dict[str, Any]:
    """Write the values that are missing in the files."""
    texts = [(part, _text(part.path)) for part in parts]
    new = [NewText(part.path, _merged(part, text)) for part, text in texts]
    changed = [file for file, (_, text) in zip(new, texts, strict=True) if file.text != text]
    copies = changes.write(changed) if changed else None
    return {
        "written": [str(file.path) for file in changed],
        "unchanged": [str(file.path) for file in new if file not in changed],
        "copies": copies and str(copies),
        "then": then or None,
    }


def _text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig") if path.exists() else ""
    except OSError as error:
        raise ChangeError(f"{path} cannot be read: {error.strerror}; nothing was changed") from None
    except UnicodeDecodeError as error:
        why = f"byte {error.start} is not UTF-8; save it as UTF-8 text"
        raise ChangeError(f"{path} cannot be read: {why}; nothing was changed") from None


def _merged(part: Part, text: str) -> str:
    try:
        return merge(text, part.values, part.format)
    except ValueError as error:
        raise ChangeError(
            f"{part.path}: {error}; mend it, or add the block by hand: nothing was changed"
        ) from None


def _report(done: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(done)
        return
    words = {"written": "written", "unchanged": "was set up already", "undone": "is as it was"}
    for what, said in words.items():
        for path in done.get(what, ()):
            click.echo(f"{path} {said}")
    if done.get("copies"):
        click.echo(f"copies of the files as they were: {done['copies']} (--undo brings them back)")
    if done.get("then"):
        click.echo(f"then: {done['then']}")


def _print(tool: str, chosen: ToolSetup, access: RouterAccess, parts: Sequence[Part], as_json: bool) -> None:
    steps = chosen.steps(access)
    if as_json:
        files = [
            {"path": str(part.path), "format": part.format, "block": block(part.values, part.format)}
            for part in parts
        ]
        then = chosen.then or None
        print_json({"tool": tool, "title": chosen.title, "files": files, "steps": steps, "then": then})
        return
    for part in parts:
        click.echo(f"# {part.path}\n\n{block(part.values, part.format)}")
    for step in steps:
        click.echo(step)
    if chosen.then:
        click.echo(f"# then: {chosen.then}")
