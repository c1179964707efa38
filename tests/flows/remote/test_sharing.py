"""Two machines and one subject: what the first computed the second does not."""

import shutil
from collections.abc import Callable

import pytest
import yaml

from flows.remote import sharing
from flows.repro import repro
from tests.flows.machines import git
from tests.flows.toy import Toy

pytestmark = pytest.mark.usefixtures("prefect_server")

Run = Callable[..., str | None]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run the flow in one of the checkouts; None where it completed, else its message."""
    monkeypatch.setenv("ERLNET_SHARE", "true")
    monkeypatch.setattr(sharing, "PAUSES", (0.1,))

    def flow(toy: Toy, *targets: str) -> str | None:
        monkeypatch.setenv("ERLNET_ROOT", str(toy.root))
        state = repro(list(targets) or None, return_state=True)
        return None if state.is_completed() else state.message

    return flow


def assert_locks_are_in_the_remote(toy: Toy) -> None:
    """At every commit of the branch the remote has all outputs of its locks: they are sent first."""
    objects = toy.root.parent / "erlnet-remote" / "files" / "md5"
    for commit in git(toy.root, "rev-list", "refs/erlnet/tip", "^HEAD").splitlines():
        if "dvc.lock" not in git(toy.root, "ls-tree", "-r", "--name-only", commit, "data/subjects/a"):
            continue
        lock = yaml.safe_load(git(toy.root, "show", f"{commit}:data/subjects/a/dvc.lock"))
        for stage in lock["stages"].values():
            for out in stage["outs"]:
                assert (objects / out["md5"][:2] / out["md5"][2:]).exists()


@pytest.mark.parametrize("kind", ["folder", "s3"])
def test_the_second_machine_continues_what_the_first_began(
    clones: tuple[Toy, Toy], run: Run, kind: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    if kind == "s3":
        request.getfixturevalue("s3")
        monkeypatch.setenv("ERLNET_REMOTE", "s3://erlnet/continue")
    one, two = clones
    one.onboard("a")
    assert run(one, "a:track") is None
    assert one.started() == ["a:crop", "a:track"]
    if kind == "folder":
        assert_locks_are_in_the_remote(one)
    assert run(two) is None
    assert two.started() == ["a:report"]
    assert (two.folder("a") / "flame.parquet").read_text() == "video of acroptrack"
    one.forget()
    assert run(one) is None
    assert one.started() == []
    assert (one.folder("a") / "report.html").read_text() == "video of acroptrackreport"
    assert (one.folder("a") / "dvc.lock").read_text() == (two.folder("a") / "dvc.lock").read_text()
    assert one.dvc("status") == "Data and pipelines are up to date."
    log = git(one.root, "log", "--format=%s", "refs/erlnet/tip").splitlines()
    assert log == ["a: report", "a: track", "a: crop", "a: what was not sent before", "a toy"]
    # A machine that comes new has everything without computing anything.
    shutil.rmtree(two.root)
    git(two.root.parent, "clone", "--quiet", "origin.git", "two")
    assert run(two) is None
    assert two.started() == []
    assert (two.folder("a") / "report.html").exists()


def test_while_the_remote_is_away_work_goes_on_and_is_sent_later(
    clones: tuple[Toy, Toy], run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = clones
    one.onboard("a")
    # A file where the folder should be: the remote of a machine whose share is not mounted.
    away = one.root.parent / "erlnet-remote"
    away.write_text("")
    message = run(one)
    assert message is not None
    assert "pull of the shared stages" in message or "push of a with" in message
    away.unlink()
    one.forget()
    assert run(one) is None
    assert run(two) is None
    assert two.started() == []
    assert (two.folder("a") / "report.html").exists()


def test_only_what_a_parameter_touches_is_computed_on_the_other_machine(clones: tuple[Toy, Toy], run: Run) -> None:
    one, two = clones
    one.onboard("a")
    assert run(one) is None
    params = two.root / "params.yaml"
    params.write_text(params.read_text().replace("track: {size: 1}", "track: {size: 2}"))
    assert run(two) is None
    assert two.started() == ["a:track", "a:report"]
    assert (two.folder("a") / "report.html").read_text() == "video of acroptracktrackreport"
