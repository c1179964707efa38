"""What is deleted from the database and what only blanked, on both kinds that Prefect uses."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import create_async_engine

from flows.server.postgres import Postgres, free_port, program
from flows.subjects.prefect_data import forget, mentions
from flows.subjects.traces import Person
from tasks.errors import BadInput

META = sa.MetaData()
ID = sa.String(36)
sa.Table("flow_run", META, sa.Column("id", ID, primary_key=True), sa.Column("name", sa.String),
         sa.Column("parameters", sa.JSON))  # fmt: skip
for name, text in (("task_run", "name"), ("log", "message"), ("flow_run_state", "message")):
    sa.Table(name, META, sa.Column("id", ID, primary_key=True), sa.Column(text, sa.String, nullable=False),
             sa.Column("flow_run_id", ID))  # fmt: skip
sa.Table("concurrency_limit_v2", META, sa.Column("id", ID, primary_key=True), sa.Column("name", sa.String, unique=True))
ROWS = {
    "flow_run": [("1", "onboard-eva", {"subject": "eva"}), ("2", "refresh", {}), ("3", "swift-fox", {"t": ["eva"]})],
    "task_run": [("1", "data/subjects/eva/dvc.yaml:crop", "2"), ("2", "data/subjects/evan/dvc.yaml:crop", "2"),
                 ("3", "head", "1")],
    "log": [("1", "new subject eva", "2"), ("2", "hello", "3"), ("3", "new subject evan", "2"), ("4", "eva", "2")],
    "flow_run_state": [("1", "crop of subject eva failed", "2"), ("2", "", "1")],
    "concurrency_limit_v2": [("1", "erlnet-subject-eva"), ("2", "erlnet-subject-evan")],
}  # fmt: skip


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield f"sqlite+aiosqlite:///{tmp_path / 'prefect.db'}"
        return
    try:
        program("initdb")
    except BadInput as error:
        pytest.skip(str(error))
    folder = tmp_path / "postgres"
    for parent in (tmp_path, *tmp_path.parents[:2]):  # its server runs as another user where the tests run as root
        parent.chmod(parent.stat().st_mode | 0o055)
    postgres = Postgres(folder, free_port())
    postgres.start()
    yield postgres.url
    postgres.stop()


async def run(url: str, *statements: str, rows: bool = False) -> list[list[tuple]]:
    engine = create_async_engine(url)
    async with engine.begin() as connection:
        if rows:
            await connection.run_sync(META.create_all)
            for table, values in ROWS.items():
                await connection.execute(sa.insert(META.tables[table]).values(values))
        found = [[tuple(row) for row in await connection.execute(sa.text(statement))] for statement in statements]
    await engine.dispose()
    return found


def test_runs_of_the_subject_go_and_those_of_several_keep_the_rest(url: str) -> None:
    asyncio.run(run(url, rows=True))
    eva, evan = Person(["eva"]), Person(["evan"])
    before = mentions(url, evan)
    assert mentions(url, eva) == {
        "flow_run": 2, "task_run": 1, "log": 1, "flow_run_state": 1, "concurrency_limit_v2": 1,
    }  # fmt: skip
    forget(url, eva)
    assert mentions(url, eva) == {}
    assert mentions(url, evan) == before
    runs, tasks, logs, states = asyncio.run(
        run(
            url,
            "select id from flow_run order by id",
            "select id from task_run order by id",
            "select id from log order by id",
            "select id, message from flow_run_state order by id",
        )
    )
    assert runs == [("2",)]
    assert tasks == [("2",)]
    assert logs == [("3",), ("4",)]  # a short id alone in a line may be anything
    assert states == [("1", "removed 1")]
