"""Dockerfile and compose.yaml: what they say. No container engine is needed; test_wheel.py runs them."""

from __future__ import annotations

import re
import shlex
import tomllib
from typing import Any

import pytest
from ruamel.yaml import YAML

from smart_router.config import parse_config
from smart_router.providers.registry import PROVIDERS
from tests.docs.dockerfile import DOCKERFILE, Stage, stages
from tests.docs.pages import commands
from tests.docs.test_pages import check_start, parse
from tests.testbed.harness import ROOT

COMPOSE: dict[str, Any] = YAML(typ="safe").load(ROOT / "compose.yaml")
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]


@pytest.fixture(scope="module")
def image() -> Stage:
    return stages()[-1]


def test_the_image_has_the_package_alone_and_no_rights(image: Stage) -> None:
    assert [stage.base for stage in stages()] == ["python:3.13-slim"] * 2
    assert image.values("COPY") == ["--from=build /router /router"]
    (user,) = image.values("USER")
    assert int(user) > 0
    assert image.values("VOLUME") == ["/state"]
    assert image.env["SMART_ROUTER_STATE"] == "/state"
    named = set(re.findall(r"^!(\S+)", (ROOT / ".dockerignore").read_text("utf-8"), re.M))
    assert {"addon", "pyproject.toml", "README.md", "LICENSE"} <= named
    assert not named & {"tests", ".git", "certs"}


@pytest.mark.parametrize("service", SERVICES)
async def test_what_a_service_runs_parses(service: str, image: Stage) -> None:
    command = SERVICES[service].get("command") or image.json("CMD")
    check_start(*parse(shlex.join(image.json("ENTRYPOINT") + command)))


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_is_reached_from_this_machine_alone_and_has_no_rights(service: str) -> None:
    about = SERVICES[service]
    assert all(port.startswith("127.0.0.1:") for port in about["ports"])
    assert about["cap_drop"] == ["ALL"]
    assert about["read_only"]
    assert [*COMPOSE["volumes"]] == [about["volumes"][0].partition(":")[0]]
    assert about["environment"] == [one.key_env[0] for one in PROVIDERS.values() if one.kind == "key"]


def test_the_config_of_compose_asks_clients_for_a_key() -> None:
    content = COMPOSE["configs"]["config"]["content"]
    (variable,) = re.findall(r"\$\{(\w+):\?[^}]+\}", content)
    (command,) = [one for one in commands("docs/server.md") if "docker compose" in one]
    key = dict([shlex.split(command)[0].split("=", 1)])[variable]
    config = parse_config(tomllib.loads(re.sub(r"\$\{.*?\}", key, content)), {})
    assert config.clients["compose"].get_secret_value() == key


def test_the_page_builds_and_runs_it_as_the_files_say(image: Stage) -> None:
    build, run, _ = [one for one in commands("docs/server.md") if "docker " in one]
    assert build == "docker build -t smart-router ."
    assert "-p 127.0.0.1:8080:8080" in run
    assert f":{image.values('VOLUME')[0]} " in run
    assert f":{image.env['SMART_ROUTER_CONFIG']}:ro " in run
    assert image.values("EXPOSE") == ["8080"]
    assert DOCKERFILE.name == "Dockerfile"
