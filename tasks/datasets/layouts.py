"""What lies where in published sets of talking-head video: whose each file is, in which style.

MEAD (Wang et al., ECCV 2020), unpacked:  <actor>/video/front/<emotion>/level_<n>/<nnn>.mp4, silent, with its sound in
<actor>/audio/<emotion>/level_<n>/<nnn>.m4a.  HDTF (Zhang et al., CVPR 2021), cut by its own lists: <ID>_<n>.mp4 in one
folder.  Only names of exactly these forms are taken; links are never followed.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tasks.artifacts.layout import check_subject_id
from tasks.errors import BadInput

Layout = Literal["mead", "hdtf"]
LAYOUTS: dict[str, Layout] = {"mead": "mead", "hdtf": "hdtf"}

EMOTIONS = ("angry", "contempt", "disgusted", "fear", "happy", "neutral", "sad", "surprised")
VIEW = "front"
_ACTOR = re.compile(r"[MW][0-9]{3}")
_LEVEL = re.compile(r"level_([123])")
_TAKE = re.compile(r"[0-9]{3}\.mp4")
_PIECE = re.compile(r"(?P<id>[A-Za-z0-9][A-Za-z0-9_-]{0,40})_(?P<number>[0-9]{1,4})\.mp4")


@dataclass(frozen=True)
class Take:
    """One uninterrupted clip.  sound: the file that its voice is in; None: the video itself."""

    video: Path
    sound: Path | None = None


@dataclass(frozen=True)
class Planned:
    """A subject to make of ``takes``, in their order."""

    id: str
    person: str
    style: str
    takes: tuple[Take, ...]


@dataclass(frozen=True)
class Contents:
    """subjects: sorted by id.  passed_by: what was not taken, with the reason."""

    subjects: list[Planned]
    passed_by: list[str]


def read_layout(layout: Layout, folder: Path) -> Contents:
    """What ``folder`` holds.  Raises BadInput where it is no folder, or nothing in it has the layout's names."""
    if not folder.is_dir():
        raise BadInput(f"{folder} {'is no folder' if folder.exists() else 'does not exist'}: give the set's folder")
    passed_by: list[str] = []
    subjects = _mead(folder, passed_by) if layout == "mead" else _hdtf(folder, passed_by)
    if not subjects:
        expected = f"<actor>/video/{VIEW}/<emotion>/level_<n>/<nnn>.mp4" if layout == "mead" else "<ID>_<n>.mp4"
        raise BadInput(f"{folder} holds no file {expected}: is this a folder of {layout.upper()}?")
    return Contents(sorted(subjects, key=lambda subject: subject.id), passed_by)


def _mead(folder: Path, passed_by: list[str]) -> list[Planned]:
    found = []
    for actor in _entries(folder, _ACTOR, passed_by, folders=True):
        view = actor / "video" / VIEW
        if not _own(view, folder):
            passed_by.append(f"{actor.name}: no folder video/{VIEW}")
            continue
        emotions = re.compile("|".join(EMOTIONS))
        for emotion in _entries(view, emotions, passed_by, folders=True):
            for level in _entries(emotion, _LEVEL, passed_by, folders=True):
                takes = []
                for video in _entries(level, _TAKE, passed_by):
                    sound = actor / "audio" / emotion.name / level.name / f"{video.stem}.m4a"
                    if sound.is_file() and not sound.is_symlink() and _own(sound, folder):
                        takes.append(Take(video, sound))
                    else:
                        passed_by.append(f"{video.relative_to(folder)}: no sound {sound.relative_to(folder)}")
                style = f"{emotion.name}-{level.name.removeprefix('level_')}"
                if takes:
                    person = f"mead-{actor.name.lower()}"
                    found.append(Planned(check_subject_id(f"{person}-{style}"), person, style, tuple(takes)))
    return found


def _hdtf(folder: Path, passed_by: list[str]) -> list[Planned]:
    found: dict[str, Planned] = {}
    for video in _entries(folder, _PIECE, passed_by):
        match = _PIECE.fullmatch(video.name)
        assert match is not None
        person = f"hdtf-{match['id'].lower()}"
        subject = f"{person}-{match['number']}"
        if subject in found:
            passed_by.append(f"{video.name}: would be subject {subject}, as {found[subject].takes[0].video.name}")
            continue
        found[subject] = Planned(check_subject_id(subject), person, "neutral", (Take(video),))
    return list(found.values())


def _entries(folder: Path, pattern: "re.Pattern[str]", passed_by: list[str], folders: bool = False) -> list[Path]:
    """Files (or folders) of ``folder`` with names of the pattern, sorted; others are noted, hidden ones are not."""
    kept = []
    for path in sorted(folder.iterdir()):
        if path.name.startswith("."):
            continue
        if path.is_symlink():
            passed_by.append(f"{path.name!r}: a link")
        elif not pattern.fullmatch(path.name):
            passed_by.append(f"{path.name!r}: no such name in this layout")
        elif path.is_dir() != folders:
            passed_by.append(f"{path.name!r}: {'no folder' if folders else 'no file'}")
        else:
            kept.append(path)
    return kept


def _own(path: Path, folder: Path) -> bool:
    """Whether ``path`` is there and really lies below ``folder``: no link on the way leads out."""
    return path.exists() and path.resolve().is_relative_to(folder.resolve())
