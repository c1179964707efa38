"""A person's objects on DVC's remotes, whatever storage they are: found, deleted, looked for again."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from flows.subjects.traces import Person, Trace
from tasks.errors import StageFailed


def names(root: Path) -> list[str]:
    """Names of the configured remotes."""
    from dvc.config import Config

    return sorted(Config(str(root / ".dvc"))["remote"])


def forget(root: Path, person: Person) -> int:
    """Delete the person's objects and remembered runs on every remote; returns how many files that were."""
    count = 0
    for name in names(root):
        with _remote(root, name) as (odb, runs):
            for path in [*_objects(odb, person), *(path for path, _ in _named_runs(odb.fs, runs, person))]:
                odb.fs.remove(path)
                count += 1
    return count


def search(root: Path, person: Person) -> list[Trace]:
    """What of the person is still on a remote."""
    found = []
    for name in names(root):
        with _remote(root, name) as (odb, runs):
            found += [Trace(f"remote {name}", str(path)) for path in _objects(odb, person)]
            found += [Trace(f"remote {name}", f"{path}: {what}") for path, what in _named_runs(odb.fs, runs, person)]
    return found


@contextmanager
def _remote(root: Path, name: str) -> Iterator[tuple[Any, str]]:
    """The remote's object store, and where it keeps DVC's run cache.  Raises StageFailed where it does not answer."""
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    try:
        with Repo(str(root)) as repo:
            odb = repo.cloud.get_remote_odb(name=name)
            _check_there(odb)
            yield odb, odb.fs.join(repo.cloud.get_remote_odb(name=name, hash_name="md5-dos2unix").path, "runs")
    except (DvcException, OSError) as error:
        first = (str(error) or repr(error)).splitlines()[0]
        raise StageFailed(
            f"the DVC remote {name!r} cannot be searched ({first}): make it reachable and run the same command again"
        ) from error


def _check_there(odb: Any) -> None:
    """Raises OSError: storage that is not there answers like one that holds nothing, and would prove anything."""
    if odb.fs.protocol == "local":
        root = Path(odb.path).parent.parent
        if not root.is_dir():
            raise OSError(f"its folder {root} is not there")
    else:
        odb.fs.ls(str(odb.path).split("/", 1)[0])


def _objects(odb: Any, person: Person) -> Iterator[str]:
    for oid in person.objects:
        path = odb.oid_to_path(oid)
        if odb.fs.exists(path):
            yield path


def _named_runs(fs: Any, runs: str, person: Person) -> Iterator[tuple[str, str]]:
    if not fs.exists(runs):
        return
    named = person.named()
    for path in fs.find(runs):
        with fs.open(path, "rb") as file:
            match = named.search(file.read().decode("utf-8", errors="replace"))
        if match:
            yield path, match.group()
