"""A subject's life on several machines: the others follow a rename, and forget whom one of them removed."""

import boto3
import pytest

from flows.bridge.planner import make_plan
from flows.commands import subjects as commands
from flows.fleet import open_fleet
from flows.limits.claims import Claims
from flows.subjects.objects import local_cache
from flows.subjects.remove import remove
from flows.subjects.rename import rename
from tasks.errors import BadInput
from tests.flows.machines import git
from tests.flows.toy import Toy


def meet(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a flow does before it plans: send what is unsent, take over what others sent."""
    monkeypatch.setenv("ERLNET_ROOT", str(toy.root))
    with open_fleet(toy.root) as fleet:
        fleet.begin()
        assert fleet.unsent == []


def ids(toy: Toy) -> list[str]:
    return sorted(path.name for path in (toy.root / "data" / "subjects").glob("[a-z]*"))


def remote_objects() -> set[str]:
    listed = boto3.client("s3").list_objects_v2(Bucket="erlnet", Prefix="life/").get("Contents", [])
    return {"".join(item["Key"].split("/")[-2:]) for item in listed}


@pytest.mark.usefixtures("s3")
def test_rename_and_removal_reach_the_other_machine_and_the_remote(
    clones: tuple[Toy, Toy], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ERLNET_SHARE", "true")
    monkeypatch.setenv("ERLNET_REMOTE", "s3://erlnet/life")
    one, two = clones
    monkeypatch.setenv("ERLNET_ROOT", str(one.root))
    for subject in ("annabel", "ben"):
        one.onboard(subject)
    one.dvc("repro", "-q", "--all-pipelines")
    meet(one, monkeypatch)
    meet(two, monkeypatch)
    two.dvc("repro", "-q", "head")  # what all subjects share belongs to the code, and every machine makes it
    for subject in ids(two):
        with open_fleet(two.root) as fleet:
            assert fleet.sharing is not None
            fleet.sharing.fetch(subject)
    assert ids(two) == ["annabel", "ben"]

    monkeypatch.setenv("ERLNET_ROOT", str(one.root))
    commands.rename("annabel", "bella")
    meet(two, monkeypatch)
    assert ids(two) == ["bella", "ben"]
    with open_fleet(two.root) as fleet:
        assert fleet.sharing is not None
        fleet.sharing.fetch("bella")
    assert [stage.unit for stage in make_plan(two.root).stages.values() if stage.unit] == []
    assert two.started() == []

    monkeypatch.setenv("ERLNET_ROOT", str(one.root))
    before = local_cache(one.root).objects().keys()
    commands.remove("bella", yes=True)
    gone = before - local_cache(one.root).objects().keys()
    assert len(gone) == 4  # source and three outputs
    assert not gone & remote_objects()
    assert remote_objects()  # ben's are there
    meet(two, monkeypatch)
    assert ids(two) == ["ben"]
    assert gone <= local_cache(two.root).objects().keys()  # the folder went, the cache did not
    proof = remove(two.root, "bella")
    assert proof.left == []
    assert proof.names == ["bella", "annabel"]
    assert not gone & local_cache(two.root).objects().keys()
    assert git(two.root, "ls-tree", "--name-only", "refs/erlnet/tip", "data/subjects/") == "\n".join(
        ["data/subjects/.gitignore", "data/subjects/ben"]
    )
    with pytest.raises(BadInput, match="no subject 'nobody'"):
        remove(two.root, "nobody")


def test_a_subject_that_a_flow_works_on_is_left_alone(finished: Toy) -> None:
    give_back = Claims(finished.root / ".dvc" / "tmp" / "erlnet" / "claims").claim("a")
    assert give_back is not None
    for command in (
        lambda: commands.rename("a", "c"),
        lambda: commands.remove("a", yes=True),
        lambda: commands.freeze("a"),
    ):
        with pytest.raises(BadInput, match="a flow works on subject 'a'"):
            command()
    assert ids(finished) == ["a", "b"]
    give_back()
    commands.rename("a", "c")
    assert ids(finished) == ["b", "c"]
    with pytest.raises(BadInput, match="exists"):
        rename(finished.root, "b", "c")
