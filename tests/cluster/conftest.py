"""A fresh database for each test, and machines that share it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.machine import Machine, MakeMachine
from tests.testbed.postgres import Postgres


@pytest.fixture
def database(postgres: Postgres) -> Iterator[str]:
    """The address of a database with current tables."""
    url = postgres.new_database()
    yield url
    postgres.return_database(url)


@pytest.fixture
def machine(database: str, tmp_path: Path) -> Iterator[MakeMachine]:
    """Makes machines with a replica and a link each, and ends them with the test."""
    machines: list[Machine] = []

    def make(name: str = "", url: str = database) -> Machine:
        machines.append(Machine(tmp_path / (name or f"machine-{len(machines)}"), url))
        return machines[-1]

    yield make
    for one in machines:
        one.close()
