"""Reports about all machines, from the records in the database."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from pydantic import SecretStr

from smart_router.stats.report import build_report

if TYPE_CHECKING:
    from smart_router.cluster.database import SharedDatabase

ANSWER_WITHIN = 30.0
"""Seconds that a report may take."""

_BY_MACHINE = """
SELECT coalesce(m.name, r.machine), count(*), coalesce(sum(r.cost), 0.0)
FROM requests AS r LEFT JOIN machines AS m ON m.id = r.machine WHERE r.time >= ? GROUP BY 1 ORDER BY 2 DESC, 1
"""


class SharedRecords:
    """The database's records as `build_report` reads them."""

    def __init__(self, db: SharedDatabase) -> None:
        self._db = db

    def execute(self, sql: str, values: Sequence[Any] = (), /) -> Iterable[Any]:
        """Return the rows that a query finds; `?` stands for a value."""
        return self._db.execute(sql.replace("?", "%s"), values)


def shared_report(url: SecretStr, since: float, until: float) -> dict[str, Any] | None:
    """Return `build_report` about all machines, with their shares in `machines`; None if the database is
    away. Slow."""
    from smart_router.cluster.database import LOST, SharedDatabase

    try:
        with SharedDatabase(url, within=ANSWER_WITHIN) as db, db.transaction(unlimited=True):
            db.execute("SET LOCAL search_path = smart_router")
            records = SharedRecords(db)
            report = build_report(records, since, until)
            shares = records.execute(_BY_MACHINE, (since,))
            report["machines"] = [
                {"name": name, "requests": count, "cost": cost} for name, count, cost in shares
            ]
            return report
    except LOST:
        return None
