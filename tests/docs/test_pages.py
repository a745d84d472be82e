"""Every command, config and address of every page works: it is run, or checked as its rule says."""

from __future__ import annotations

import asyncio
import json
import re
import shlex
import subprocess
import sys
import tomllib
import types
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import click
import openai
import pytest
import pytest_asyncio
from click.testing import CliRunner
from mitmproxy.options import Options
from mitmproxy.proxy.mode_specs import ProxyMode
from mitmproxy.tools import cmdline
from mitmproxy.tools.dump import DumpMaster
from mitmproxy.tools.web.webaddons import WebAddon, WebAuth
from ruamel.yaml import YAML

from smart_router.api.intercept import read_interception
from smart_router.cli.main import main
from smart_router.config import parse_config
from smart_router.options import OPTIONS
from tests.clients.tools import TOOLS
from tests.docs.pages import ADDRESS, PAGES, blocks, commands, inline, own_command, text_of
from tests.testbed.harness import ROOT, Router, provider_env
from tests.testbed.provider import Provider

pytestmark = pytest.mark.asyncio(loop_scope="module")

HI = [{"role": "user", "content": "Hi"}]
STARTS = ("start", "serve", "demo", "run")
PARSED = {
    "login": "asks the vendor: tests/auth",
    "import": "reads the vendor's file: tests/cli/test_logins.py",
    "doctor": "asks providers: tests/cli/test_doctor.py",
    "certs": "runs programs behind a proxy: tests/cli/test_certs.py",
    "profiles move": "needs a keyring: tests/auth",
    "cluster join": "needs a database: tests/cli/test_cluster.py",
    "cluster status": "needs a database: tests/cli/test_cluster.py",
    "start": "runs until it is ended: tests/docs/test_starts.py",
    "serve": "runs until it is ended: tests/docs/test_starts.py",
    "demo": "listens at a port of its own: tests/cli/test_demo.py",
    "run": "needs the tool: tests/clients/test_run.py",
}
"""Commands that are only parsed here, and what runs them."""

RULES: dict[str, str] = {
    r"pip install uv( && uv (sync|run .*))?$": "CI, and test_readme.py for the router's start",
    r"uv sync$|uv run pytest|\.ci/run$": "CI",
    r"uv run ruff": "CI",
    r"git tag .* && uv build$|uv build$": "tests/end_to_end/test_wheel.py",
    r"uv tool install smart-router$": "tests/end_to_end/test_wheel.py",
    r"docker (build|run|compose) |ROUTER_KEY=\S+ docker compose ": "tests/docs/test_container.py",
    r"pip install 'smart-router\[cluster\]'$": "the extra is in the dev group",
    r"export SMART_ROUTER_CLUSTER_(KEY|URL)=": "tests/cli/test_cluster.py",
    r"curl ": "run below",
    r"(mitmdump|mitmweb) ": "parsed below",
    r'eval "\$\((uv run )?smart-router env\)"': "run below",
    r"([A-Z_]+=\S+ )+(claude|codex|gemini|aider|open-webui serve|python agent\.py)( |$)": "asked below",
    r"opencode run -m router/auto ": "tests/clients",
    r"export HTTPS_PROXY=http://ann:KEY@": "tests/end_to_end/test_proxy_keys.py",
    r"uv run .*python scripts/\w+\.py": "its options are compared with --help below",
}
"""Commands that are not `smart-router`, and what checks them."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def router(
    shared_provider: Provider, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Router]:
    folder = tmp_path_factory.mktemp("pages") / "router"
    async with Router(folder, env=provider_env(shared_provider.url, "openai")) as router:
        (folder / ".mitmproxy").symlink_to(folder / "confdir")
        yield router


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder of the user's, with the files that commands read."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "flows.mitm").touch()


def environment(router: Router) -> dict[str, str]:
    return {
        "HOME": str(router.folder),
        "SMART_ROUTER_CONFIG": str(router.config_file),
        "SMART_ROUTER_STATE": str(router.state_folder),
        "OPENAI_API_KEY": "a-key",
        "EDITOR": "true",
    }


def of_pages(find: Callable[[str], Any]) -> list[Any]:
    """One parameter for each page in which there is something."""
    return [pytest.param(page, id=page) for page in PAGES if find(page)]


def smart_router(page: str) -> list[str]:
    """The page's `smart-router` commands with at least one argument, those outside blocks included."""
    written = [*commands(page), *(one for one in inline(page) if " " in one)]
    return list(dict.fromkeys(own for one in written if (own := own_command(one)) and "…" not in own))


def is_mitmproxy(command: str) -> bool:
    return command.startswith(("mitmdump ", "mitmweb "))


# commands


@pytest.mark.parametrize("page", PAGES)
async def test_a_rule_says_how_each_command_is_checked(page: str) -> None:
    unknown = [
        one for one in commands(page) if own_command(one) is None and not any(re.match(r, one) for r in RULES)
    ]
    assert not unknown, "add a rule to RULES that says what checks this"


@pytest.mark.parametrize("page", of_pages(smart_router))
async def test_its_commands_of_the_router_parse(page: str) -> None:
    for command in smart_router(page):
        if not command.endswith((" --help", " --version")):  # these end the parsing
            parse(command, inline(page))


def parse(command: str, mentioned: Sequence[str] = ()) -> tuple[str, click.Context]:
    """Parse a command's arguments and options; returns its name and context. Fails if they are wrong."""
    arguments = shlex.split(re.sub(r"[A-Z]{2,}\b(?=$| )", "1", command))[1:]
    found: click.Command = main
    parent, name = main.make_context("smart-router", arguments), ""
    while isinstance(found, click.Group) and (arguments or not found.invoke_without_command):
        if not arguments or (not name and arguments[0].startswith("-")):
            arguments = ["start", *arguments]
        name = f"{name} {arguments[0]}".strip()
        inner = found.get_command(parent, arguments[0])
        assert inner, f"there is no command {name!r}: {command}"
        found, arguments = inner, arguments[1:]
    try:
        context = found.make_context(name, list(arguments), parent=parent)
    except click.MissingParameter:  # a text names the command
        assert command in mentioned, command
        return name, parent
    context.close()
    return name, context


@pytest.mark.parametrize("page", of_pages(lambda page: [one for one in commands(page) if own_command(one)]))
async def test_its_commands_of_the_router_run(page: str, router: Router) -> None:
    for command in dict.fromkeys(filter(None, map(own_command, commands(page)))):
        name, context = parse(command)
        if name.split()[0] in STARTS:
            check_start(name, context)
        elif name not in PARSED and name.split()[0] not in PARSED:
            await asyncio.to_thread(invoke, command, router)


def invoke(command: str, router: Router) -> None:
    done = CliRunner(env=environment(router)).invoke(main, shlex.split(command)[1:])
    assert done.exit_code == 0, f"{command}: {done.output}"


def check_start(name: str, context: click.Context) -> None:
    """The arguments of mitmproxy's that a start passes on; starts themselves: tests/cli, tests/workers."""
    modes = context.params.get("modes") or ["reverse:https://api.openai.com"]
    settings = [f"--set={one}" for one in context.params.get("settings") or ()]
    arguments = [*(f"--mode={mode}" for mode in modes), *settings, *(context.params.get("arguments") or ())]
    if name in ("start", "serve"):
        check_mitmproxy("mitmweb" if context.params["web"] else "mitmdump", arguments)


def check_mitmproxy(program: str, arguments: list[str]) -> None:
    known = Options()
    master = DumpMaster(known, with_termlog=False, with_dumper=False)  # its addons have options, too
    if program == "mitmweb":
        master.addons.add(WebAddon(), WebAuth())
    parsed = getattr(cmdline, program)(known).parse_args(arguments)
    for mode in parsed.mode or ():
        ProxyMode.parse(mode)
    for setting in parsed.setoptions:
        option, _, value = setting.partition("=")
        assert option in {one.name for one in OPTIONS} | known.keys(), setting
        if option == "router_intercept":
            read_interception([value], [])


@pytest.mark.parametrize("page", of_pages(lambda page: any(map(is_mitmproxy, commands(page)))))
async def test_mitmproxy_knows_its_arguments(page: str) -> None:
    for command in commands(page):
        if is_mitmproxy(command):
            program, *arguments = shlex.split(command.replace('"$(smart-router script)"', "script.py"))
            check_mitmproxy(program, arguments)


async def test_a_shell_gets_the_variables_of_the_proxy(router: Router) -> None:
    found = {one for page in PAGES for one in commands(page) if one.startswith("eval ")}
    tools = {one.partition(" && ")[2].partition(" ")[0] for one in found}
    assert tools <= {"", *TOOLS, "aider", "python"}, "a tool that no page describes"
    programs = str(Path(sys.executable).parent)
    shell = 'eval "$(smart-router env)" && echo "$HTTPS_PROXY" && test -f "$SSL_CERT_FILE"'
    env = {**environment(router), "PATH": f"{programs}:/usr/bin:/bin"}
    printed = await asyncio.to_thread(subprocess.check_output, ["sh", "-c", shell], env=env, text=True)
    assert printed == f"{ADDRESS}\n"


@pytest.mark.parametrize("page", of_pages(lambda page: any(c.startswith("curl ") for c in commands(page))))
async def test_its_curl_commands(page: str, router: Router, provider: Provider) -> None:
    for command in commands(page):
        if command.startswith("curl "):
            assert ADDRESS in command
            here = command.replace(ADDRESS, router.url)
            printed = await asyncio.to_thread(subprocess.check_output, ["sh", "-c", f"{here} -sS"], text=True)
            assert "HTTP/1.1 200 OK" in printed
            assert "x-router-model: " in printed


async def test_scripts_know_the_options_that_pages_name() -> None:
    named: dict[str, set[str]] = {}
    for page in PAGES:
        for command in (*commands(page), *inline(page)):
            if script := re.match(r"uv run .*python (scripts/\w+\.py)(.*)", command):
                named.setdefault(script[1], set()).update(re.findall(r"--[a-z-]+", script[2]))
    assert named
    for script, flags in named.items():
        assert (ROOT / script).exists()
        source = (ROOT / script).read_text("utf-8")
        helped = source + "".join(
            path.read_text("utf-8")
            for path in (ROOT / "scripts").glob("*/*.py")
            if path.parent.name in source
        )
        assert all(f'"{flag}"' in helped for flag in flags), script


# configs and requests


@pytest.mark.parametrize("page", of_pages(lambda page: blocks(page, "toml")))
async def test_its_config_is_valid(page: str) -> None:
    for block in blocks(page, "toml"):
        tables = tomllib.loads(block)
        if "model_providers" in tables:
            mine = tomllib.loads(TOOLS["codex"].by_base_url(ADDRESS).files[".codex/config.toml"])
            assert tables == mine
        elif not page.startswith("CONTRIBUTING"):  # a model's rules
            assert not parse_config(tables, {}).warnings


@pytest.mark.parametrize(
    "page", of_pages(lambda page: page.startswith("docs/tools/") and "## By base URL" in text_of(page))
)
async def test_the_addresses_and_models_of_a_tool_answer(page: str, router: Router) -> None:
    pairs = {*of_settings(page), *of_variables(page), *of_code(page), *of_tables(page)}
    assert pairs, "no address with a model"
    async with router.http() as http:
        for url, model in pairs:
            path, body = request_for(url, model)
            answer = await http.post(path, json=body)
            assert answer.status_code == 200, f"{url} {model}: {answer.text}"


def request_for(url: str, model: str) -> tuple[str, Any]:
    """Path and body of what a tool with this base URL and model sends."""
    path = url.removeprefix(ADDRESS)
    if path == "":  # Anthropic's and Google's clients add the version themselves
        return "/v1/messages", {"model": model, "messages": HI, "max_tokens": 100}
    path = path if path.endswith("/completions") else f"{path}/chat/completions"
    return path, {"model": model, "messages": HI}


def of_settings(page: str) -> Iterator[tuple[str, str]]:
    """Addresses and models of JSON and YAML settings."""
    for block in blocks(page, "json", "yaml"):
        settings = YAML(typ="safe").load(block)
        yield from of_object(settings, None)


def of_object(value: Any, url: str | None) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        named = value.get("apiBase") or value.get("api_url") or value.get("url")
        url = named or (value.get("options") or {}).get("baseURL") or url
        model = value.get("id") or value.get("model") or value.get("name")
        models = value.get("models")
        if url and isinstance(models, dict):
            yield from ((url, name) for name in models)
        elif url and isinstance(model, str) and "models" not in value and "available_models" not in value:
            yield url, model
        for one in value.values():
            yield from of_object(one, url)
    elif isinstance(value, list):
        for one in value:
            yield from of_object(one, url)


def of_variables(page: str) -> Iterator[tuple[str, str]]:
    """Addresses of variables, with the model of the command."""
    for command in commands(page):
        if (url := re.search(rf"_BASE(?:_URL)?=({ADDRESS}\S*) ", command)) and "=http" in command:
            model = re.search(r"--model (?:openai/)?(\S+)", command)
            yield url[1], model[1] if model else "auto"


def of_code(page: str) -> Iterator[tuple[str, str]]:
    for block in blocks(page, "python"):
        if found := re.search(r'base_url="([^"]+)".*model="([^"]+)"', block):
            yield found[1], found[2]
    if "model_providers" in text_of(page):
        yield f"{ADDRESS}/v1", "auto"


def of_tables(page: str) -> Iterator[tuple[str, str]]:
    """The settings of a form: a row for the address and one for the model."""
    url = re.search(r"^\| Base URL \| `([^`]+)` \|", text_of(page), re.M)
    model = re.search(r"^\| Model \| `([^`]+)` \|", text_of(page), re.M)
    if url and model:
        yield url[1], model[1]


async def test_the_python_blocks(router: Router, provider: Provider, capsys: Any) -> None:
    class ChatOpenAI:
        """LangChain's class as the page uses it, on the SDK that it is built on."""

        def __init__(self, *, base_url: str, api_key: str, model: str) -> None:
            self._client, self._model = openai.OpenAI(base_url=base_url, api_key=api_key), model

        def invoke(self, text: str) -> Any:
            with self._client as client:
                messages: Any = [{"role": "user", "content": text}]
                answer = client.chat.completions.create(model=self._model, messages=messages)
            return answer.choices[0].message

    module = types.ModuleType("langchain_openai")
    module.ChatOpenAI = ChatOpenAI  # type: ignore[attr-defined]
    block, *_ = blocks("docs/tools/langchain.md", "python")  # all with LangChain itself: tests/clients
    code = compile(block.replace(ADDRESS, router.url), "langchain.md", "exec")
    sys.modules["langchain_openai"] = module
    try:
        await asyncio.to_thread(exec, code, {})
    finally:
        del sys.modules["langchain_openai"]
    assert capsys.readouterr().out == "You said: Write a haiku about proxies.\n"


async def test_settings_of_tools_are_those_that_the_tools_are_tested_with() -> None:
    (block,) = blocks("docs/tools/opencode.md", "json")
    mine = json.loads(TOOLS["opencode"].by_base_url(ADDRESS).files[".config/opencode/opencode.json"])
    shown = json.loads(block)["provider"]["router"]
    assert shown["npm"] == mine["provider"]["router"]["npm"]
    assert shown["options"].keys() == mine["provider"]["router"]["options"].keys()
    assert shown["models"].keys() >= mine["provider"]["router"]["models"].keys()
    for page, tool in (("claude-code", "claude"), ("gemini-cli", "gemini")):
        (line,) = [one for one in commands(f"docs/tools/{page}.md") if "=http" in one]
        variables = dict(one.split("=", 1) for one in shlex.split(line) if re.match(r"[A-Z_]+=", one))
        tested = TOOLS[tool].by_base_url(ADDRESS).env
        assert variables.keys() <= tested.keys()
        assert [value for name, value in variables.items() if "URL" in name] == [ADDRESS]


# links


@pytest.mark.parametrize("page", PAGES)
async def test_what_a_page_names_exists(page: str) -> None:
    text = re.sub(r"^```.*?^```", "", text_of(page), flags=re.M | re.S)
    for path in re.findall(r"\b(?<![`/])(?:addon|scripts|certs|tests|docs)/[\w./-]+\w|\.ci/\w+", text):
        assert (ROOT / path).exists() or "acme" in path, path
    for link in re.findall(r"\]\((?!http|#)([^)#]+)[)#]", text):
        assert (ROOT / page).parent.joinpath(link).exists(), link
    named = set(re.findall(r"(?<!~meta )(?<![\w.])router_[a-z_]+", text))
    assert named <= {option.name for option in OPTIONS}


async def test_every_page_is_in_the_site() -> None:
    nav = (ROOT / "mkdocs.yml").read_text("utf-8").partition("\nnav:\n")[2]
    listed = set(re.findall(r"[\w/.-]+\.md", nav))
    assert listed == {str(path.relative_to(ROOT / "docs")) for path in (ROOT / "docs").rglob("*.md")}


async def test_readme_is_short_and_leads_to_every_page() -> None:
    readme = text_of("README.md")
    assert len(readme.splitlines()) < 200
    reachable = readme + text_of("docs/tools/index.md") + text_of("docs/routing.md")
    for page in PAGES:
        name = page.rpartition("/")[2]
        assert page == "README.md" or f"{name})" in reachable or name in ("index.md", "certificates.md"), page
