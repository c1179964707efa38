"""What every kind of inbox has to offer."""

from collections.abc import Iterable
from contextlib import AbstractContextManager
from pathlib import Path, PurePosixPath
from typing import Protocol


class Pair(Protocol):
    """A video that nobody is writing any more, with its ticket."""

    name: str
    ticket_name: str

    def ticket(self) -> bytes:
        """What the YAML file holds.  Raises Vanished where it is not there any more."""

    def video(self) -> AbstractContextManager[Path]:
        """The video as a file of this machine, for as long as the body runs.  Raises Vanished."""

    def accept(self) -> None:
        """Take both out of the inbox.  The video goes first: a ticket alone never makes another video a subject."""

    def set_aside(self, where: str, reason: str) -> None:
        """Move both to ``where``, a folder of the inbox, beside a file with ``reason``; replaces nothing there."""


class Vanished(Exception):
    """Somebody else took the pair, or replaced it, since it was listed."""


def paired(names: Iterable[str]) -> list[tuple[str, str]]:
    """Video and ticket of every name that has exactly one of each, by ticket."""
    of_stem: dict[str, list[str]] = {}
    for name in names:
        of_stem.setdefault(PurePosixPath(name).stem, []).append(name)
    found = []
    for stem in sorted(of_stem):
        tickets = [name for name in of_stem[stem] if name.endswith(".yaml")]
        videos = [name for name in of_stem[stem] if not name.endswith(".yaml")]
        if len(tickets) == len(videos) == 1:
            found.append((videos[0], tickets[0]))
    return found
