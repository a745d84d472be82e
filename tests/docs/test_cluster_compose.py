"""docs/compose.cluster.yaml, without a container engine; its HAProxy config in a real HAProxy."""

from __future__ import annotations

import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from smart_router.cluster.sealing import new_key
from smart_router.config import parse_config
from tests.testbed.harness import ROOT

COMPOSE: dict[str, Any] = YAML(typ="safe").load(ROOT / "docs" / "compose.cluster.yaml")
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
HAPROXY = shutil.which("haproxy") or "/usr/sbin/haproxy"
VALUES = {
    "${POSTGRES_PASSWORD}": "secret",
    "${SMART_ROUTER_CLUSTER_KEY:?set it}": new_key(),
    "${ROUTER_KEY}": "a key for checks",
}


@pytest.mark.parametrize("name", ["router-1", "router-2"])
def test_each_router_joins_the_database_with_a_state_of_its_own(name: str) -> None:
    service = SERVICES[name]
    env = {key: str(value) for key, value in service["environment"].items()}
    for variable, value in VALUES.items():
        env = {key: text.replace(variable, value) for key, text in env.items()}
    text = COMPOSE["configs"]["config"]["content"].replace("${ROUTER_KEY}", VALUES["${ROUTER_KEY}"])
    cluster = parse_config(tomllib.loads(text), env).cluster
    assert cluster is not None and cluster.seal is not None
    assert cluster.url.get_secret_value() == "postgresql://router:secret@database/router"
    assert service["volumes"] == [f"{name}:/state"] and service["hostname"] == name


def test_the_balancer_finds_both_routers(tmp_path: Path) -> None:
    if not Path(HAPROXY).exists():
        pytest.skip("haproxy is not installed")
    text = (ROOT / "docs" / "haproxy.cfg").read_text("utf-8")
    for name in ("router-1", "router-2"):
        assert f"{SERVICES[name]['networks']['default']['ipv4_address']}:8080" in text
    outside = tmp_path / "outside.cfg"
    outside.write_text(COMPOSE["configs"]["outside"]["content"])
    checked = subprocess.run(
        [HAPROXY, "-c", "-f", ROOT / "docs" / "haproxy.cfg", "-f", outside],
        env={"ROUTER_KEY": "k"},
        capture_output=True,
        text=True,
    )
    assert checked.returncode == 0, checked.stderr
    assert "WARNING" not in checked.stderr
