"""Deletes from Prefect's database what names a subject: its flow runs, its stages' task runs, logs, events.

The database is read and written with its own connection rather than through the server: the server has no call that
deletes single log lines or events, and the embedded one does not run when nobody works.
"""

import asyncio
import re
from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from flows.server.postgres import Postgres
from flows.subjects.traces import Person

# Rows that are deleted where any text in them names the subject; in other tables only that text is blanked.
_DELETED = ("flow_run", "task_run", "log", "events", "event_resources", "artifact", "artifact_collection", "variable")
_BELONGS = {"flow_run_id": "flow_run", "task_run_id": "task_run", "event_id": "events"}
_MANY = 500  # ids in one statement
LOCKED = 60.0  # seconds to wait for whoever writes to a SQLite file


def database_url() -> str | None:
    """Where the database is; None where this machine only knows the address of a server that has it."""
    from prefect.settings import PREFECT_API_DATABASE_CONNECTION_URL, PREFECT_API_URL, PREFECT_HOME

    url: Any = PREFECT_API_DATABASE_CONNECTION_URL.value()
    if url is not None:
        return url.get_secret_value() if hasattr(url, "get_secret_value") else str(url)
    running = PREFECT_HOME.value() / "postgres" / "data" / "postmaster.pid"
    if running.exists():  # that of 'make server', on this machine; PostgreSQL writes its port into the fourth line
        return Postgres(PREFECT_HOME.value() / "postgres", int(running.read_text().splitlines()[3])).url
    if PREFECT_API_URL.value():
        return None
    path = PREFECT_HOME.value() / "prefect.db"
    return f"sqlite+aiosqlite:///{path}" if path.exists() else None


def forget(url: str, person: Person) -> dict[str, int]:
    """Delete or blank every row that names ``person``; returns how many rows by table."""
    return asyncio.run(_with_connection(url, person, delete=True))


def mentions(url: str, person: Person) -> dict[str, int]:
    """How many rows still name ``person``, by table."""
    return asyncio.run(_with_connection(url, person, delete=False))


async def _with_connection(url: str, person: Person, delete: bool) -> dict[str, int]:
    # A server that runs may be writing to its SQLite file just now.
    engine = create_async_engine(url, connect_args={"timeout": LOCKED} if url.startswith("sqlite") else {})
    try:
        async with engine.begin() as connection:
            meta = sa.MetaData()
            await connection.run_sync(lambda sync: meta.reflect(sync))
            count = await _walk(connection, meta, person, delete)
        if delete and engine.dialect.name == "sqlite":
            # What was deleted stays in free pages and in the write-ahead log until both are written anew.
            async with engine.connect() as connection:
                bare = await connection.execution_options(isolation_level="AUTOCOMMIT")
                await bare.execute(sa.text("VACUUM"))
                await bare.execute(sa.text("PRAGMA wal_checkpoint(TRUNCATE)"))
        elif delete and count:
            async with engine.connect() as connection:
                bare = await connection.execution_options(isolation_level="AUTOCOMMIT")
                await bare.execute(sa.text(f"VACUUM FULL {', '.join(sorted(count))}"))
        return count
    finally:
        await engine.dispose()


async def _walk(connection: AsyncConnection, meta: sa.MetaData, person: Person, delete: bool) -> dict[str, int]:
    named = person.named()
    count: dict[str, int] = {}
    gone: dict[str, list[Any]] = {}
    for name in sorted(meta.tables, key=lambda name: (name not in _DELETED, _rank(name))):
        table = meta.tables[name]
        texts = [column for column in table.columns if _is_text(column)]
        if not texts or "id" not in table.columns:
            continue
        found = await _found(connection, table, texts, person.names, named)
        if found:
            count[name] = len(found)
        if not delete:
            continue
        if name in _DELETED:
            gone[name] = list(found)
        else:
            for key, columns in found.items():
                blank = {column.name: _blank(column, key) for column in columns}
                await connection.execute(sa.update(table).where(table.c.id == key).values(**blank))
    if delete:
        await _delete(connection, meta, gone)
    return count


def _rank(name: str) -> int:
    return _DELETED.index(name) if name in _DELETED else 0


async def _found(
    connection: AsyncConnection, table: sa.Table, texts: list[Any], names: Iterable[str], named: "re.Pattern[str]"
) -> dict[Any, list[Any]]:
    """Ids of the rows that name the subject, each with the columns that do."""
    cast = [sa.cast(column, sa.Text) for column in texts]
    anywhere = sa.or_(*(text.like(f"%{name}%") for text in cast for name in names))
    # A subject's id may hold '_', which LIKE takes for any character: the pattern decides.
    rows = await connection.execute(sa.select(table.c.id, *cast).where(anywhere))
    found = {}
    for key, *values in rows:
        columns = [column for column, value in zip(texts, values, strict=True) if value and named.search(value)]
        if columns:
            found[key] = columns
    return found


async def _delete(connection: AsyncConnection, meta: sa.MetaData, gone: dict[str, list[Any]]) -> None:
    """Delete the rows and everything that belongs to them: states and logs of a run, resources of an event."""
    if runs := gone.get("flow_run"):
        tasks = meta.tables["task_run"]
        for some in _some(runs):
            rows = await connection.execute(sa.select(tasks.c.id).where(tasks.c.flow_run_id.in_(some)))
            gone.setdefault("task_run", []).extend(key for (key,) in rows)
    for table in meta.tables.values():
        for column, of in _BELONGS.items():
            if column in table.columns and table.name not in ("flow_run", "task_run"):
                for some in _some(gone.get(of, [])):
                    await connection.execute(sa.delete(table).where(table.c[column].in_(some)))
    for name in reversed(_DELETED):
        for some in _some(gone.get(name, [])):
            table = meta.tables[name]
            await connection.execute(sa.delete(table).where(table.c.id.in_(some)))


def _some(keys: list[Any]) -> Iterable[list[Any]]:
    return (keys[start : start + _MANY] for start in range(0, len(keys), _MANY))


def _is_text(column: Any) -> bool:
    return isinstance(column.type, sa.String | sa.JSON) or "JSON" in str(column.type).upper()


def _blank(column: Any, key: Any) -> Any:
    if isinstance(column.type, sa.JSON) or "JSON" in str(column.type).upper():
        return None if column.nullable else {}
    return f"removed {key}"  # names must stay different from each other
