"""``data/inbox``: videos handed in as files, each with a YAML file of the same name that says who it is.

data/inbox/anna.mp4
data/inbox/anna.yaml     id: anna / consent: "..." / style: neutral / profile: cpu
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from flows.fleet import Fleet
from flows.gates import Quarantined
from flows.onboarding import Request
from tasks.artifacts.atomic import write_text
from tasks.artifacts.subject import SubjectRecord
from tasks.errors import BadInput

QUIET = 30.0  # seconds a file must have been left alone before it counts as whole
LOOK_TWICE = 1.0  # seconds between two looks at its size


class Ticket(BaseModel):
    """The YAML file beside a video: the parameters of ``erlnet onboard``."""

    model_config = ConfigDict(extra="forbid")
    id: str
    consent: str = Field(min_length=1, max_length=2000)
    style: str = "neutral"
    profile: str = "cpu"
    force: bool = False


@dataclass(frozen=True)
class Taken:
    """What became of the inbox.

    subjects: new ids.  rejected: why a video cannot be used at all, by file name.  quarantined: records of those that
    failed the gates, by file name.
    """

    subjects: list[str] = field(default_factory=list)
    rejected: dict[str, str] = field(default_factory=dict)
    quarantined: dict[str, SubjectRecord] = field(default_factory=dict)


def take_in(fleet: Fleet, quiet: float = QUIET, look_twice: float = LOOK_TWICE) -> Taken:
    """Register every video of the inbox that is whole.

    A registered video leaves the inbox: the subject's folder has it, by checksum.  One that cannot be used goes to
    ``rejected/`` beside a file with the reason, one that fails the gates to ``quarantine/`` beside its reasons: it can
    be put back with ``force: true`` in its ticket.  Where registering fails for a reason that is not the video's (disk
    full, DVC), it stays for the next time and the error is raised.
    """
    taken = Taken()
    for video, ticket in _whole(fleet.root / "data" / "inbox", quiet, look_twice):
        try:
            request = _request(video, ticket)
            fleet.register(request)
        except Quarantined as error:
            taken.quarantined[video.name] = error.record
            _set_aside("quarantine", video, ticket, "\n".join(error.record.reasons))
        except BadInput as error:
            taken.rejected[video.name] = str(error)
            _set_aside("rejected", video, ticket, str(error))
        else:
            taken.subjects.append(request.subject)
            video.unlink()
            ticket.unlink()
    return taken


def _whole(inbox: Path, quiet: float, look_twice: float) -> Iterator[tuple[Path, Path]]:
    """Pairs of video and ticket that nobody is writing any more, by name."""
    pairs = []
    for ticket in sorted(inbox.glob("*.yaml")):
        videos = [path for path in sorted(inbox.glob(f"{_escape(ticket.stem)}.*")) if path.suffix != ".yaml"]
        if len(videos) == 1 and videos[0].is_file():
            pairs.append((videos[0], ticket))
    sizes = {path: path.stat().st_size for pair in pairs for path in pair}
    if pairs:
        time.sleep(look_twice)
    for pair in pairs:
        states = [path.stat() for path in pair]
        settled = all(time.time() - state.st_mtime >= quiet for state in states)
        if settled and all(sizes[path] == state.st_size for path, state in zip(pair, states, strict=True)):
            yield pair


def _request(video: Path, ticket: Path) -> Request:
    try:
        data = Ticket.model_validate(yaml.safe_load(ticket.read_text(encoding="utf-8")))
    except ValidationError as error:
        first = error.errors()[0]
        raise BadInput(f"{ticket.name}: {'.'.join(map(str, first['loc'])) or 'content'}: {first['msg']}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise BadInput(f"{ticket.name} is not a YAML file: {str(error).splitlines()[0]}") from None
    return Request(video, data.id, data.consent, data.style, data.profile, data.force)


def _set_aside(name: str, video: Path, ticket: Path, reason: str) -> None:
    """Move the pair to the folder ``name`` of the inbox, beside a file with the reason."""
    folder = video.parent / name
    folder.mkdir(exist_ok=True)
    # A second video of the same name must not overwrite the first.
    stem, number = video.stem, 1
    while any(folder.glob(f"{_escape(stem)}.*")):
        number += 1
        stem = f"{video.stem}-{number}"
    write_text(folder / f"{stem}.reason.txt", reason + "\n")
    video.rename(folder / f"{stem}{video.suffix}")
    ticket.rename(folder / f"{stem}{ticket.suffix}")


def _escape(name: str) -> str:
    return "".join(f"[{character}]" if character in "*?[" else character for character in name)
