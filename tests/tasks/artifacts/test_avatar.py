"""The avatar file: what goes in comes out, and a file from a stranger can do no harm."""

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tasks.artifacts import avatar as format
from tasks.artifacts.avatar import MANIFEST, REQUIRED, read_manifest, unpack_avatar, write_avatar
from tasks.errors import BadInput

RECORD = {
    "id": "anna",
    "source": {"name": "a.mp4", "sha256": "0" * 64, "bytes": 7},
    "consent": {"statement": "she signed", "recorded": "2026-03-01T00:00:00+00:00"},
    "profile": "demo",
}
SAID: dict[str, Any] = {
    "record": RECORD,
    "head": {"name": "open", "sha256": "1" * 64},
    "parts": {"tracker": "mesh"},
    "params": {"nerf": {"steps": 3}},
    "training": {},
    "licences": [{"part": "x", "licence": "MIT"}],
    "tool": "erlnet 0.1.0",
    "commit": "abc",
}


@pytest.fixture
def made(tmp_path: Path) -> Path:
    members = {}
    for name in REQUIRED:
        members[name] = tmp_path / f"in-{name}"
        members[name].write_bytes(name.encode() * 100)
    write_avatar(tmp_path / "anna.erlnet", SAID, members)
    return tmp_path / "anna.erlnet"


def rewritten(made: Path, change: Any = None, **options: Any) -> Path:
    """The file again, member by member, with ``change(name, data)`` returning a list of (name or entry, data)."""
    out = made.with_name("hostile.erlnet")
    with zipfile.ZipFile(made) as old, zipfile.ZipFile(out, "w", **options) as new:
        for entry in old.infolist():
            for name, data in (
                change(entry.filename, old.read(entry)) if change else [(entry.filename, old.read(entry))]
            ):
                new.writestr(name, data)
    return out


def unpacked(path: Path, place: Path) -> dict[str, bytes]:
    place.mkdir(exist_ok=True)
    unpack_avatar(path, place)
    return {file.name: file.read_bytes() for file in place.iterdir()}


def test_round_trip_and_the_same_avatar_is_the_same_file(made: Path, tmp_path: Path) -> None:
    assert unpacked(made, tmp_path / "out") == {name: name.encode() * 100 for name in REQUIRED}
    manifest = read_manifest(made)
    assert (manifest.record.id, manifest.record.consent.statement) == ("anna", "she signed")
    first = made.read_bytes()
    write_avatar(made, SAID, {name: tmp_path / f"in-{name}" for name in REQUIRED})
    assert made.read_bytes() == first


def test_other_names_are_refused_wherever_they_point(made: Path, tmp_path: Path) -> None:
    for name in ("../../evil", "/etc/evil", "adf.safetensors/../../evil", "run.py", "C:\\evil", "x"):

        def add(member: str, data: bytes, name: str = name) -> list[tuple[str, bytes]]:
            return [(member, data), *([(name, b"x")] if member == MANIFEST else [])]

        with pytest.raises(BadInput, match=r"which is no part of an avatar"):
            unpacked(rewritten(made, add), tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []
    assert not (tmp_path.parent / "evil").exists()


def test_a_compressed_member_is_refused_unread(made: Path, tmp_path: Path) -> None:
    def blow(name: str, data: bytes) -> list[tuple[str, bytes]]:
        return [(name, b"\0" * 50_000_000 if name == REQUIRED[0] else data)]

    bomb = rewritten(made, blow, compression=zipfile.ZIP_DEFLATED)
    assert bomb.stat().st_size < 100_000
    with pytest.raises(BadInput, match="is compressed or encrypted"):
        unpacked(bomb, tmp_path / "out")


def test_what_the_manifest_says_must_be_so(made: Path, tmp_path: Path) -> None:
    def change(**values: Any) -> Any:
        def apply(name: str, data: bytes) -> list[tuple[str, bytes]]:
            return [(name, json.dumps({**json.loads(data), **values}).encode() if name == MANIFEST else data)]

        return apply

    files = json.loads(zipfile.ZipFile(made).read(MANIFEST))["files"]
    wrong = {**files, REQUIRED[0]: {**files[REQUIRED[0]], "sha256": "f" * 64}}
    short = {**files, REQUIRED[0]: {**files[REQUIRED[0]], "bytes": 3}}
    cases = [
        (change(files=wrong), "is not what the manifest says"),
        (change(files=short), "its members are not those that its manifest lists"),
        (change(files={}), "its members are not those"),
        (change(format="erlnet.avatar/9"), "format is 'erlnet.avatar/9'"),
        (change(surprise=1), "surprise: Extra inputs"),
        (change(record={**RECORD, "id": "../x"}), "is not allowed"),
        (change(record={**RECORD, "consent": None}), "record.consent"),
        (lambda name, data: [(name, data)] if name != MANIFEST else [(name, b"[" * 900_000)], "cannot be read"),
        (lambda name, data: [(name, data)] if name != MANIFEST else [(name, b"[1]")], "format is"),
        (lambda name, data: [(name, data)] if name != MANIFEST else [(name, b" " * 2_000_000)], "is longer than"),
        (lambda name, data: [(name, data)] if name != REQUIRED[1] else [], "is missing"),
    ]
    for number, (apply, message) in enumerate(cases):
        with pytest.raises(BadInput, match=message) as caught:
            unpacked(rewritten(made, apply), tmp_path / f"out{number}")
        assert "\n" not in str(caught.value)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_member_that_is_there_twice_is_refused(made: Path, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="there twice"):
        unpacked(rewritten(made, lambda name, data: [(name, data)] * 2), tmp_path / "out")


def test_no_file_no_zip_and_too_long(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "text.erlnet").write_text("not a zip")
    for path, message in [(tmp_path / "none.erlnet", "does not exist"), (tmp_path / "text.erlnet", "not a usable")]:
        with pytest.raises(BadInput, match=message):
            read_manifest(path)
    monkeypatch.setattr(format, "MOST_BYTES", 10)
    with pytest.raises(BadInput, match="it is longer than"):
        read_manifest(made)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_damage_goes_unnoticed(made: Path, tmp_path: Path, data: st.DataObject) -> None:
    """Any one damage: either one line of complaint, or exactly the members that were written."""
    good = made.read_bytes()
    place = data.draw(st.integers(0, len(good) - 1))
    if data.draw(st.booleans()):
        bad = good[:place] + bytes([good[place] ^ data.draw(st.integers(1, 255))]) + good[place + 1 :]
    else:
        bad = good[:place]
    path = tmp_path / "damaged.erlnet"
    path.write_bytes(bad)
    out = tmp_path / "damaged"
    out.mkdir(exist_ok=True)
    for old in out.iterdir():
        old.unlink()
    found, complaint = None, ""
    try:
        found = unpacked(path, out)
    except BadInput as error:
        complaint = str(error)
    assert complaint.count("\n") == 0
    assert complaint or found == {name: name.encode() * 100 for name in REQUIRED}
