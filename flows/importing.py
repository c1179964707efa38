"""Makes subjects of a published set of clips, for a prior to be learned from (docs/corpus.md).

One after the other, each whole or not at all; what is there already is passed by, so that the same import again goes on
where the last one was.
"""

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tqdm import tqdm

from flows.environment import stage_environment
from flows.fleet import Fleet
from flows.gates import Quarantined
from flows.half_made import in_the_making
from flows.onboarding import Request, check
from tasks.artifacts.layout import SubjectFolder
from tasks.artifacts.subject import Clip
from tasks.datasets.layouts import Layout, Planned, read_layout
from tasks.errors import BadInput, StageFailed


@dataclass
class Imported:
    """Ids of subjects by what became of them; left_out: files that were not taken, or subjects that could not be made,
    each with the reason."""

    new: list[str] = field(default_factory=list)
    there: list[str] = field(default_factory=list)
    quarantined: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)


def import_set(
    fleet: Fleet,
    layout: Layout,
    source: Path,
    consent: str,
    profile: str,
    say: Callable[[str], None] = lambda _: None,
) -> Imported:
    """Register every subject that ``source`` holds by its ``layout``.

    say: gets a line for whatever is not taken.  Raises BadInput where the folder is not of that layout or the request
    cannot be used, StageFailed where DVC cannot take a video in.
    """
    contents = read_layout(layout, source)
    first = contents.subjects[0]
    check(
        fleet.root, Request(first.takes[0].video, first.id, consent, first.style, profile)
    )  # once rather than for all
    done = Imported()

    def leave_out(line: str) -> None:
        done.left_out.append(line)
        say(f"left out: {line}")

    for line in contents.passed_by:
        leave_out(line)
    for planned in tqdm(contents.subjects, "importing", unit="subject", mininterval=1.0):
        if SubjectFolder.of(planned.id, fleet.root).record.is_file():
            done.there.append(planned.id)
            continue
        try:
            _make(fleet, planned, consent, profile, leave_out)
            done.new.append(planned.id)
        except Quarantined as error:
            done.quarantined.append(planned.id)
            say(str(error))
        except BadInput as error:
            leave_out(f"{planned.id}: {error}")
    return done


def _make(fleet: Fleet, planned: Planned, consent: str, profile: str, leave_out: Callable[[str], None]) -> None:
    request = Request(
        planned.takes[0].video,
        planned.id,
        consent,
        planned.style,
        profile,
        use="corpus",
        person=planned.person,
    )
    if len(planned.takes) == 1 and planned.takes[0].sound is None:
        fleet.register(request)
        return
    with in_the_making(fleet.root / "data" / "subjects") as place:  # not left there by a kill: it may be gigabytes
        video = place / f"{planned.id}.mkv"
        clips = _join(fleet.root, planned, video, leave_out)
        fleet.register(
            Request(video, planned.id, consent, planned.style, profile, False, "corpus", planned.person, clips)
        )


def _join(root: Path, planned: Planned, out: Path, leave_out: Callable[[str], None]) -> tuple[Clip, ...]:
    """Join the takes in a process of its own.  Raises BadInput where none can be used."""
    listed = [{"video": str(take.video), "sound": str(take.sound) if take.sound else None} for take in planned.takes]
    clips = out.with_suffix(".json")
    clips.write_text(json.dumps(listed), encoding="utf-8")
    command = [sys.executable, "-m", "tasks.join", f"--out={out}", f"--clips={clips}"]
    result = subprocess.run(command, cwd=root, env=stage_environment(), capture_output=True, text=True, check=False)
    complaints = [line for line in result.stderr.splitlines() if line.startswith("join: error: ")]
    if result.returncode:
        last = (complaints or result.stderr.strip().splitlines() or [f"exit status {result.returncode}"])[-1]
        message = last.removeprefix("join: error: ")
        raise BadInput(message) if result.returncode == 2 else StageFailed(f"joining {planned.id}: {message}")
    found = json.loads(result.stdout)
    for name, why in found["damaged"].items():
        leave_out(f"{name} of {planned.id}: {why}")
    return tuple(Clip.model_validate(clip) for clip in found["clips"])
