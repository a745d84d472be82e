"""A connection to the shared database on which no call takes long."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Self, cast

import psycopg
from pydantic import SecretStr

STATEMENT_WITHIN = 0.25
"""Seconds that the database gives a statement."""

ANSWER_WITHIN = 0.5
"""Seconds that this side waits for an answer: a frozen server or a lost network keeps no limit of its own."""

MIGRATION_WITHIN = 60.0
"""Seconds that a migration may take, and wait for another machine's."""

CONNECT_WITHIN = 2
"""Seconds that a connection may take; libpq knows no shorter time."""

DataError = psycopg.DataError

LOST = (psycopg.Error, OSError)
"""Errors of a database that is away. An OSError may also be this machine's."""


def reason(error: Exception) -> str:
    """Return why a database is away, in one line."""
    return str(error).strip().partition("\n")[0] or type(error).__name__


Values = Sequence[object] | Mapping[str, object] | None

CHANNEL = "smart_router"


class _Bounded(psycopg.Connection[Any]):
    """A connection that gives up after `within` seconds, whatever the server does."""

    within = ANSWER_WITHIN

    def wait(self, gen: Any, interval: float = 0.1, timeout: float | None = None) -> Any:
        """Run one exchange with the server."""
        limit = timeout or self.within
        try:
            return super().wait(gen, interval, limit)
        except psycopg.OperationalError as error:
            if type(error).__name__ == "_WaitTimeout":
                raise TimeoutError(f"no answer within {limit:g} s") from None
            raise


class SharedDatabase:
    """One connection, for one thread. Its methods raise one of `LOST` when the database cannot be used."""

    def __init__(self, url: SecretStr, within: float = ANSWER_WITHIN) -> None:
        self._within = within
        # prepared statements belong to a session, which PgBouncer may change under us
        self._connection = _Bounded.connect(
            url.get_secret_value(),
            autocommit=True,
            connect_timeout=CONNECT_WITHIN,
            prepare_threshold=None,
            application_name="smart-router",
        )
        self._connection.within = within

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection, without a word to a server that may be frozen."""
        self._connection.close()

    def fileno(self) -> int:
        """The socket, which becomes readable when a notification is there."""
        return self._connection.fileno()

    @contextmanager
    def transaction(self, *, unlimited: bool = False) -> Iterator[Self]:
        """Commit all or nothing; an error closes the connection. `unlimited` statements (migrations) have a
        minute."""
        within = MIGRATION_WITHIN if unlimited else STATEMENT_WITHIN
        self._connection.within = MIGRATION_WITHIN if unlimited else self._within
        try:
            # in each transaction: behind PgBouncer the next one may run in another session
            self.execute(f"BEGIN; SET LOCAL statement_timeout = {int(within * 1000)}")
            yield self
            self.execute("COMMIT")
        except BaseException:
            self.close()  # which rolls back; a server that does not answer could not be asked to
            raise
        finally:
            self._connection.within = self._within

    def execute(self, sql: str, values: Values = None) -> list[tuple[Any, ...]]:
        """Run a statement; return its rows, none for a statement without any."""
        cursor = self._connection.execute(cast("Any", sql), values)
        return cursor.fetchall() if cursor.description else []

    def value(self, sql: str, values: Values = None) -> Any:
        """Return the only column of the only row, None without a row."""
        rows = self.execute(sql, values)
        return rows[0][0] if rows else None

    def copy(self, table: str, columns: Sequence[str], text: str) -> None:
        """Add rows to a table: much cheaper than INSERT, but no row may be there already. Each is a line of
        SQL literals, separated by commas."""
        options = "FORMAT csv, QUOTE '''', NULL 'NULL'"
        into = f"COPY smart_router.{table} ({', '.join(columns)}) FROM STDIN ({options})"
        with self._connection.cursor() as cursor, cursor.copy(cast("Any", into)) as rows:
            rows.write(text)

    def listen(self) -> None:
        """Have notifications sent to this connection."""
        self.execute(f"LISTEN {CHANNEL}")

    def notify(self, text: str) -> None:
        """Tell all machines, when the transaction commits, that there is something new."""
        self.execute("SELECT pg_notify(%s, %s)", (CHANNEL, text))
