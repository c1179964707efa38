"""Takes in what is new: every whole pair becomes a subject exactly once, or is put aside with the reason."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from flows.fleet import Fleet
from flows.gates import Quarantined
from flows.inbox.bucket import SCHEME, bucket_pairs
from flows.inbox.folder import folder_pairs
from flows.inbox.pairs import Pair, Vanished
from flows.limits.files import FileLock
from flows.onboarding import Request
from tasks.artifacts.subject import SubjectRecord
from tasks.errors import BadInput

QUIET = 30.0  # seconds a file must have been left alone before it counts as whole


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


def take_in(fleet: Fleet, quiet: float = QUIET) -> Taken:
    """Register every video of the inbox that is whole.

    A registered video leaves the inbox after that: the subject's folder has it, by checksum.  Cut short in between, the
    next time finds the same request, changes nothing and takes it out.  One that cannot be used goes to ``rejected/``
    beside a file with the reason, one that fails the gates to ``quarantine/`` beside its reasons: it can be put back
    with ``force: true`` in its ticket.  Where registering fails for a reason that is not the video's (disk full, DVC),
    it stays for the next time and the error is raised.
    """
    taken = Taken()
    lock = FileLock(fleet.root / ".dvc" / "tmp" / "erlnet" / "inbox.lock")
    if not lock.acquire():  # another flow of this checkout is at it
        return taken
    try:
        for pair in _pairs(fleet, quiet):
            try:
                _take(fleet, pair, taken)
            except Vanished:
                continue  # another machine took it, or a new version arrived: the next time
    finally:
        lock.release()
    return taken


def _pairs(fleet: Fleet, quiet: float) -> Iterator[Pair]:
    inbox = fleet.settings.inbox
    if inbox.startswith(SCHEME):
        yield from bucket_pairs(inbox, quiet, fleet.root / ".dvc" / "tmp" / "erlnet" / "inbox")
    else:
        yield from folder_pairs(fleet.root / inbox, quiet)


def _take(fleet: Fleet, pair: Pair, taken: Taken) -> None:
    try:
        ticket = _read(pair)
        with pair.video() as video:
            fleet.register(Request(video, ticket.id, ticket.consent, ticket.style, ticket.profile, ticket.force))
    except Quarantined as error:
        pair.set_aside("quarantine", "\n".join(error.record.reasons))
        taken.quarantined[pair.name] = error.record
    except BadInput as error:
        pair.set_aside("rejected", str(error))
        taken.rejected[pair.name] = str(error)
    else:
        pair.accept()
        taken.subjects.append(ticket.id)


def _read(pair: Pair) -> Ticket:
    try:
        return Ticket.model_validate(yaml.safe_load(pair.ticket().decode("utf-8")))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "content"
        raise BadInput(f"{pair.ticket_name}: {where}: {first['msg']}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise BadInput(f"{pair.ticket_name} is not a YAML file: {str(error).splitlines()[0]}") from None
