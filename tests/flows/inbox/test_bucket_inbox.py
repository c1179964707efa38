"""The inbox in an S3 bucket: exactly once, whatever happens in between."""

from collections.abc import Callable

import pytest
import yaml

from flows.fleet import Fleet, open_fleet
from flows.inbox import bucket
from flows.inbox.taking import Taken, take_in
from tasks.artifacts.subject import read_subject
from tasks.errors import BadInput, StageFailed
from tests.flows.toy import Toy


class Bucket:
    """The test's view of ``s3://erlnet/PREFIX``."""

    def __init__(self, client, prefix: str):
        self.client = client
        self.prefix = prefix

    def put(self, name: str, content: bytes | dict) -> None:
        body = yaml.safe_dump(content).encode() if isinstance(content, dict) else content
        self.client.put_object(Bucket="erlnet", Key=f"{self.prefix}/{name}", Body=body)

    def names(self) -> list[str]:
        answer = self.client.list_objects_v2(Bucket="erlnet", Prefix=f"{self.prefix}/")
        return [item["Key"].removeprefix(f"{self.prefix}/") for item in answer.get("Contents", ())]

    def read(self, name: str) -> bytes:
        return self.client.get_object(Bucket="erlnet", Key=f"{self.prefix}/{name}")["Body"].read()


@pytest.fixture
def inbox(toy: Toy, s3: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Bucket:
    import boto3

    prefix = f"inbox/{request.node.name.replace('[', '-').strip(']')}"
    monkeypatch.setenv("ERLNET_INBOX", f"s3://erlnet/{prefix}")
    return Bucket(boto3.client("s3"), prefix)


def take(toy: Toy, quiet: float = 0.0) -> Taken:
    with open_fleet(toy.root) as fleet:
        return take_in(fleet, quiet)


ANNA = {"id": "anna", "consent": "she signed", "profile": "demo"}


def test_a_whole_pair_becomes_a_subject_and_leaves_the_bucket(toy: Toy, inbox: Bucket) -> None:
    inbox.put("take 1.mp4", b"a video")
    inbox.put("take 1.yaml", ANNA)
    inbox.put("below/other.mp4", b"not directly in the inbox")
    assert take(toy).subjects == ["anna"]
    assert (toy.folder("anna") / "source.video").read_bytes() == b"a video"
    assert "name: take 1.mp4" in (toy.folder("anna") / "subject.yaml").read_text()
    assert inbox.names() == ["below/other.mp4"]
    assert take(toy).subjects == []


def test_what_is_not_whole_waits(toy: Toy, inbox: Bucket) -> None:
    inbox.put("alone.mp4", b"its ticket comes last")
    inbox.put("ticket.yaml", ANNA)
    inbox.put("two.mp4", b"x")
    inbox.put("two.mov", b"x")
    inbox.put("two.yaml", ANNA)
    # A multipart upload that is not completed is no object yet.
    inbox.client.create_multipart_upload(Bucket="erlnet", Key=f"{inbox.prefix}/ticket.mp4")
    assert take(toy) == Taken()
    assert inbox.names() == ["alone.mp4", "ticket.yaml", "two.mov", "two.mp4", "two.yaml"]
    inbox.put("alone.yaml", ANNA)
    assert take(toy, quiet=60) == Taken()  # just arrived
    assert take(toy).subjects == ["anna"]


def cut_accept(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    def die(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(bucket.ObjectPair, "accept", die)


def cut_second_delete(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    delete = bucket.ObjectPair._delete

    def once(pair: bucket.ObjectPair, listed: dict) -> None:
        if listed["Key"].endswith(".yaml"):
            raise KeyboardInterrupt
        delete(pair, listed)

    monkeypatch.setattr(bucket.ObjectPair, "_delete", once)


def cut_registering(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    def die(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("flows.onboarding.add_to_dvc", die)


@pytest.mark.parametrize("cut", [cut_registering, cut_accept, cut_second_delete])
def test_cut_short_anywhere_it_is_taken_exactly_once(
    toy: Toy, inbox: Bucket, cut: Callable[[Fleet, pytest.MonkeyPatch], None]
) -> None:
    inbox.put("anna.mp4", b"a video")
    inbox.put("anna.yaml", ANNA)
    with open_fleet(toy.root) as fleet, pytest.MonkeyPatch.context() as patch:
        cut(fleet, patch)
        with pytest.raises(KeyboardInterrupt):
            take_in(fleet, 0.0)
    taken = take(toy)
    assert taken.rejected == {}
    assert [path.parent.name for path in toy.root.glob("data/subjects/*/subject.yaml")] == ["anna"]
    assert (toy.folder("anna") / "source.video.dvc").exists()
    # Cut between the two deletions a ticket stays, which makes no other video a subject.
    assert inbox.names() == (["anna.yaml"] if cut is cut_second_delete else [])


def test_a_version_that_arrives_meanwhile_is_neither_mixed_in_nor_deleted(
    toy: Toy, inbox: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    inbox.put("anna.mp4", b"first")
    inbox.put("anna.yaml", ANNA)
    ticket = bucket.ObjectPair.ticket

    def replaced(pair: bucket.ObjectPair) -> bytes:
        text = ticket(pair)
        inbox.put("anna.mp4", b"second")
        return text

    monkeypatch.setattr(bucket.ObjectPair, "ticket", replaced)
    assert take(toy) == Taken()
    monkeypatch.undo()
    monkeypatch.setenv("ERLNET_ROOT", str(toy.root))
    monkeypatch.setenv("ERLNET_INBOX", f"s3://erlnet/{inbox.prefix}")
    assert take(toy).subjects == ["anna"]
    assert (toy.folder("anna") / "source.video").read_bytes() == b"second"


def test_what_cannot_be_used_is_put_aside_in_the_bucket_with_the_reason(toy: Toy, inbox: Bucket) -> None:
    inbox.put("anna.mp4", b"bad video")
    inbox.put("anna.yaml", ANNA)
    inbox.put("ben.mp4", b"fine")
    inbox.put("ben.yaml", b"\xff")
    taken = take(toy)
    assert taken.rejected == {
        "anna.mp4": "no face in the first 100 frames: film one face",
        "ben.mp4": taken.rejected["ben.mp4"],
    }
    assert "ben.yaml is not a YAML file" in taken.rejected["ben.mp4"]
    names = inbox.names()
    assert [name.partition("-")[0] for name in names] == ["rejected/anna"] * 3 + ["rejected/ben"] * 3
    reason = next(name for name in names if name.startswith("rejected/anna") and name.endswith(".reason.txt"))
    assert inbox.read(reason) == b"no face in the first 100 frames: film one face\n"
    assert inbox.read(reason.replace(".reason.txt", ".mp4")) == b"bad video"


def test_what_fails_the_gates_goes_to_quarantine_in_the_bucket_and_can_be_forced(toy: Toy, inbox: Bucket) -> None:
    inbox.put("anna.mp4", b"short")
    inbox.put("anna.yaml", ANNA)
    taken = take(toy)
    assert taken.subjects == []
    assert taken.rejected == {}
    assert taken.quarantined["anna.mp4"].id == "anna"
    names = inbox.names()
    assert [name.partition("-")[0] for name in names] == ["quarantine/anna"] * 3
    by_kind = {name.partition(".")[2]: name for name in names}
    assert b"duration 4.2 s" in inbox.read(by_kind["reason.txt"])
    assert inbox.read(by_kind["mp4"]) == b"short"
    assert read_subject(toy.folder("anna") / "subject.yaml").status == "quarantined"
    assert not (toy.folder("anna") / "source.video").exists()
    assert take(toy) == Taken()  # what is aside stays aside

    # Put back with a word to force it, it is taken.
    ticket = yaml.safe_load(inbox.read(by_kind["yaml"]))
    inbox.put("anna.mp4", inbox.read(by_kind["mp4"]))
    inbox.put("anna.yaml", {**ticket, "force": True})
    assert take(toy).subjects == ["anna"]
    assert read_subject(toy.folder("anna") / "subject.yaml").forced == ["duration"]
    assert inbox.names() == names


@pytest.mark.parametrize("place", ["put_object", "copy", "_delete"])
def test_quarantine_cut_short_anywhere_ends_with_one_copy_aside(
    toy: Toy, inbox: Bucket, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cut before the reason, between the copies, or between the deletions; the next run makes it whole."""
    inbox.put("anna.mp4", b"short")
    inbox.put("anna.yaml", ANNA)
    calls = 0

    def second_dies(function: Callable[..., object]) -> Callable[..., object]:
        def called(*arguments: object, **named: object) -> object:
            nonlocal calls
            calls += 1
            if calls == (1 if place == "put_object" else 2):
                raise KeyboardInterrupt
            return function(*arguments, **named)

        return called

    with pytest.MonkeyPatch.context() as patch:
        aside = bucket.ObjectPair.set_aside

        def cut(pair: bucket.ObjectPair, where: str, reason: str) -> None:
            target = pair if place == "_delete" else pair._client
            patch.setattr(target, place, second_dies(getattr(target, place)))
            aside(pair, where, reason)

        patch.setattr(bucket.ObjectPair, "set_aside", cut)
        with pytest.raises(KeyboardInterrupt):
            take(toy)
    taken = take(toy)
    assert taken.subjects == []
    assert taken.rejected == {}
    names = inbox.names()
    left = ["anna.yaml"] if place == "_delete" else []  # a ticket alone makes no other video a subject
    assert [name for name in names if "/" not in name] == left
    kinds = [name.partition(".")[2] for name in names if name.startswith("quarantine/")]
    assert kinds == ["mp4", "reason.txt", "yaml"]
    assert read_subject(toy.folder("anna") / "subject.yaml").status == "quarantined"


def test_no_bucket_and_no_server_are_one_line(toy: Toy, inbox: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ERLNET_INBOX", "s3://nowhere/x")
    with pytest.raises(BadInput, match="there is no bucket 'nowhere': check the setting 'inbox'"):
        take(toy)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    with pytest.raises(StageFailed, match="the inbox s3://nowhere cannot be reached"):
        take(toy)
