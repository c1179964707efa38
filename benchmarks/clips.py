"""Real clips to measure on: never part of the project, found in a folder that the user names."""

import os
from pathlib import Path

SUFFIXES = (".mp4", ".mov", ".mkv", ".webm", ".avi")
ANCHOR = "anchor_71s_512.mp4"


def clip_folder(named: Path | None = None) -> Path | None:
    """The folder that was named, else ``$ERLNET_CLIPS``, else none."""
    default = os.environ.get("ERLNET_CLIPS")
    return named or (Path(default) if default else None)


def real_clips(named: Path | None = None) -> list[Path]:
    """Videos of ``clip_folder``, sorted; none where there is no such folder."""
    folder = clip_folder(named)
    return sorted(path for path in folder.iterdir() if path.suffix in SUFFIXES) if folder and folder.is_dir() else []


def anchor_clip(named: Path | None = None) -> Path | None:
    """The clip that was named, else the anchor clip of ``$ERLNET_CLIPS``; None where that file is not there."""
    folder = clip_folder()
    clip = named or (folder / ANCHOR if folder else None)
    return clip if clip is not None and clip.is_file() else None
