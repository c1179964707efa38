"""An inbox that is a folder."""

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

from flows.inbox.pairs import Vanished, paired
from tasks.artifacts.atomic import write_text

LOOK_TWICE = 1.0  # seconds between two looks at sizes


class FilePair:
    """A video file and its ticket."""

    def __init__(self, video: Path, ticket: Path):
        self._video = video
        self._ticket = ticket
        self.name = video.name
        self.ticket_name = ticket.name

    def ticket(self) -> bytes:
        try:
            return self._ticket.read_bytes()
        except FileNotFoundError:
            raise Vanished from None

    @contextlib.contextmanager
    def video(self) -> Iterator[Path]:
        if not self._video.is_file():
            raise Vanished
        yield self._video

    def accept(self) -> None:
        self._video.unlink(missing_ok=True)
        self._ticket.unlink(missing_ok=True)

    def set_aside(self, where: str, reason: str) -> None:
        folder = self._video.parent / where
        folder.mkdir(exist_ok=True)
        # A second video of the same name must not overwrite the first.
        stem, number = self._video.stem, 1
        while (folder / f"{stem}{self._video.suffix}").exists():
            number += 1
            stem = f"{self._video.stem}-{number}"
        write_text(folder / f"{stem}.reason.txt", reason + "\n")
        # The ticket first: where this is cut short, the video waits for a ticket and is not taken for another.
        self._ticket.rename(folder / f"{stem}{self._ticket.suffix}")
        self._video.rename(folder / f"{stem}{self._video.suffix}")


def folder_pairs(inbox: Path, quiet: float, look_twice: float = LOOK_TWICE) -> Iterator[FilePair]:
    """Pairs of ``inbox`` that nobody has written for ``quiet`` seconds and that do not grow between two looks."""
    if not inbox.is_dir():
        return
    names = paired(path.name for path in inbox.iterdir() if path.is_file() and not path.name.startswith("."))
    sizes = {name: (inbox / name).stat().st_size for pair in names for name in pair}
    if names:
        time.sleep(look_twice)
    for pair in names:
        with contextlib.suppress(FileNotFoundError):
            states = [(inbox / name).stat() for name in pair]
            settled = all(time.time() - state.st_mtime >= quiet for state in states)
            if settled and all(sizes[name] == state.st_size for name, state in zip(pair, states, strict=True)):
                yield FilePair(inbox / pair[0], inbox / pair[1])
