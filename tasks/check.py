"""Is this video worth hours of work?  Runs every gate on a source video, in seconds, and changes nothing.

    python -m tasks.check VIDEO [--json] [--pause START END ...]

``erlnet check VIDEO`` prints the same as a table; onboarding and the inbox ask here before anything is registered.
"""

import argparse
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

from tasks.artifacts.subject import GateRecord, overall
from tasks.gates import face, mouth, picture, recording, sync, voice
from tasks.gates.limits import GateLimits
from tasks.gates.survey import Survey, look_at
from tasks.gates.verdict import Limits
from tasks.ingest.facts import treatments
from tasks.intake import inspect
from tasks.params import load_shared

Gate = Callable[[Survey, Limits], GateRecord]

GATES: dict[str, Gate] = {
    "duration": recording.duration,
    "frame_rate": recording.frame_rate,
    "face_size": face.face_size,
    "face_in_view": face.face_in_view,
    "other_faces": face.other_faces,
    "cuts": recording.cuts,
    "camera_motion": picture.camera_motion,
    "head_turn": face.head_turn,
    "blur": picture.blur,
    "exposure": picture.exposure,
    "mouth_hidden": mouth.mouth_hidden,
    "mouth_closed": mouth.mouth_closed,
    "mouth_open": mouth.mouth_open,
    "speech": voice.speech,
    "noise": voice.noise,
    "lip_sync": sync.lips_follow_sound,
    "sound_offset": sync.sound_offset,
}
"""Every gate, by the name of its limits, in the order they are shown in."""
assert list(GATES) == [field.name for field in fields(GateLimits)]


@dataclass(frozen=True)
class Checked:
    """gates: what every gate says.  treatments: what the crop would do to the source beyond cutting and scaling (HDR
    tone-mapped, a sound track chosen, ...), in words; no reason to refuse it."""

    gates: list[GateRecord]
    treatments: list[str]


def check(video: Path, limits: GateLimits | None = None, pauses: Sequence[tuple[float, float]] = ()) -> Checked:
    """Look at ``video``, apart from ``pauses`` (see ``look_at``).

    Raises BadInput, in one line, for a file that cannot be used at all.
    """
    limits = limits or load_shared(GateLimits, "gates")
    facts = inspect(video)
    survey = look_at(video, facts.duration, pauses)
    gates = [gate(survey, getattr(limits, name)) for name, gate in GATES.items()]
    return Checked(gates, treatments(facts.streams))


def main(argv: list[str] | None = None) -> int:
    """Command line; exit status 0 pass or warn, 2 where a gate fails or the file cannot be used."""
    from tasks.command_line import exit_status

    parser = argparse.ArgumentParser(prog="python -m tasks.check", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("video", type=Path)
    parser.add_argument("--json", action="store_true", help="print the verdicts as JSON")
    parser.add_argument("--pause", type=float, nargs=2, action="append", default=[], help="between joined clips")
    arguments = parser.parse_args(argv)
    found: list[Checked] = []
    status = exit_status("check", lambda: found.append(check(arguments.video, pauses=arguments.pause)))
    if status:
        return status
    [checked] = found
    verdict = overall(checked.gates)
    if arguments.json:
        said = [record.model_dump() for record in checked.gates]
        print(json.dumps({"verdict": verdict, "gates": said, "treatments": checked.treatments}, indent=2))
    else:
        for treatment in checked.treatments:
            print(f"will be treated: {treatment}")
        for record in checked.gates:
            print(f"{record.verdict:12} {record.gate}: {record.measured} ({record.limits}) {record.advice}".rstrip())
        print(verdict)
    return 2 if verdict == "fail" else 0


if __name__ == "__main__":
    raise SystemExit(main())
