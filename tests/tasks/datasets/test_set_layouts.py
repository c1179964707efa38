"""Folders of MEAD and HDTF: what is taken, under which id, person and style, and what is not."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.artifacts.layout import SUBJECT_ID
from tasks.datasets.layouts import read_layout
from tasks.errors import BadInput


def touch(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x")
    return path


def mead_take(root: Path, actor: str, emotion: str, level: int, name: str, sound: bool = True) -> Path:
    if sound:
        touch(root / actor / "audio" / emotion / f"level_{level}" / f"{name}.m4a")
    return touch(root / actor / "video" / "front" / emotion / f"level_{level}" / f"{name}.mp4")


def test_mead_makes_one_subject_of_an_actor_an_emotion_and_a_level(tmp_path: Path) -> None:
    second, first = (mead_take(tmp_path, "M003", "angry", 3, name) for name in ("002", "001"))
    mead_take(tmp_path, "M003", "neutral", 1, "001")
    mead_take(tmp_path, "W011", "angry", 3, "001")
    touch(tmp_path / "M003" / "video" / "left_30" / "angry" / "level_3" / "001.mp4")
    contents = read_layout("mead", tmp_path)
    assert [(s.id, s.person, s.style) for s in contents.subjects] == [
        ("mead-m003-angry-3", "mead-m003", "angry-3"),
        ("mead-m003-neutral-1", "mead-m003", "neutral-1"),
        ("mead-w011-angry-3", "mead-w011", "angry-3"),
    ]
    takes = contents.subjects[0].takes
    assert [take.video for take in takes] == [first, second]
    assert takes[0].sound == tmp_path / "M003" / "audio" / "angry" / "level_3" / "001.m4a"
    assert contents.passed_by == []


def test_hdtf_makes_one_subject_of_a_file(tmp_path: Path) -> None:
    for name in ("WDA_BarackObama_000.mp4", "WDA_BarackObama_001.mp4", "RD_Radio1_000.mp4", "notes.txt"):
        touch(tmp_path / name)
    contents = read_layout("hdtf", tmp_path)
    assert [(s.id, s.person, s.style) for s in contents.subjects] == [
        ("hdtf-rd_radio1-000", "hdtf-rd_radio1", "neutral"),
        ("hdtf-wda_barackobama-000", "hdtf-wda_barackobama", "neutral"),
        ("hdtf-wda_barackobama-001", "hdtf-wda_barackobama", "neutral"),
    ]
    assert contents.subjects[0].takes[0].sound is None
    assert contents.passed_by == ["'notes.txt': no such name in this layout"]


def test_names_that_differ_in_case_only_are_one_subject(tmp_path: Path) -> None:
    touch(tmp_path / "Ab_0.mp4")
    touch(tmp_path / "ab_0.mp4")
    contents = read_layout("hdtf", tmp_path)
    assert [subject.id for subject in contents.subjects] == ["hdtf-ab-0"]
    assert contents.passed_by == ["ab_0.mp4: would be subject hdtf-ab-0, as Ab_0.mp4"]


def test_odd_names_links_and_silent_takes_are_passed_by(tmp_path: Path) -> None:
    root, outside = tmp_path / "set", touch(tmp_path / "outside.mp4")
    mead_take(root, "M003", "angry", 3, "001")
    mead_take(root, "M003", "angry", 3, "002", sound=False)
    level = root / "M003" / "video" / "front" / "angry" / "level_3"
    (level / "003.mp4").symlink_to(outside)
    (level / "004.mp4").mkdir()
    touch(level / "05.mp4")
    touch(root / "M003" / "video" / "front" / "angry" / "level_4" / "001.mp4")
    touch(root / "M003" / "video" / "front" / "bored" / "level_1" / "001.mp4")
    (root / "M004").mkdir()
    (root / "M005").symlink_to(root / "M003")
    contents = read_layout("mead", root)
    assert [len(subject.takes) for subject in contents.subjects] == [1]
    text = "\n".join(contents.passed_by)
    for what in ("002.mp4: no sound", "'003.mp4': a link", "'004.mp4': no file", "'05.mp4'", "'level_4'", "'bored'",
                 "M004: no folder video/front", "'M005': a link"):  # fmt: skip
        assert what in text
    assert len(contents.passed_by) == 8


def test_a_link_on_the_way_out_of_the_folder_is_not_followed(tmp_path: Path) -> None:
    root = tmp_path / "set"
    mead_take(tmp_path / "elsewhere", "M003", "angry", 3, "001")
    (root / "M003").mkdir(parents=True)
    (root / "M003" / "video").symlink_to(tmp_path / "elsewhere" / "M003" / "video")
    with pytest.raises(BadInput, match="holds no file"):
        read_layout("mead", root)


def test_a_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    touch(tmp_path / "holiday.mp4")
    for layout in ("mead", "hdtf"):
        with pytest.raises(BadInput, match=f"is this a folder of {layout.upper()}"):
            read_layout(layout, tmp_path)
    with pytest.raises(BadInput, match="does not exist"):
        read_layout("mead", tmp_path / "nowhere")
    with pytest.raises(BadInput, match="no folder"):
        read_layout("mead", tmp_path / "holiday.mp4")


@settings(max_examples=40, deadline=None)
@given(name=st.text(st.characters(codec="utf-8", exclude_characters="/\0"), min_size=1, max_size=60))
def test_whatever_a_file_is_called_its_subject_has_a_legal_id(
    tmp_path_factory: pytest.TempPathFactory, name: str
) -> None:
    folder = tmp_path_factory.mktemp("set")
    try:
        (folder / f"{name}_1.mp4").write_bytes(b"x")
    except OSError:
        return  # the file system has no such name
    touch(folder / "known_1.mp4")
    for subject in read_layout("hdtf", folder).subjects:
        assert SUBJECT_ID.fullmatch(subject.id)
