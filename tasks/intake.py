"""Can this file be worked with at all?  Looks at headers only, unless they do not say how long the video is.

    python -m tasks.intake VIDEO [--json]

``inspect`` returns what the source is, or raises BadInput with the one reason why it cannot be used.  Whether it is
good enough to become a subject is for the gates to say (tasks/check.py).
"""

import argparse
import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

from tqdm import tqdm

from tasks.errors import BadInput
from tasks.ingest.facts import StreamFacts, treatments
from tasks.ingest.source import SourceVideo

MAX_SECONDS = 3600.0
MIN_SIDE = 128  # pixels of the picture's short side


@dataclass(frozen=True)
class SourceFacts:
    """What a source video is by its headers: codecs, size, rates (see StreamFacts), duration in seconds."""

    streams: StreamFacts
    duration: float


def inspect(path: Path) -> SourceFacts:
    """Describe a source video.  Raises BadInput, in one line, with the first thing that makes it unusable."""
    path = Path(path)
    with SourceVideo(path) as source:
        facts = source.facts
        if facts.audio_codec is None:
            raise BadInput(f"{path} has no audio stream: the voice is needed to learn how this person speaks")
        if min(facts.width, facts.height) < MIN_SIDE:
            raise BadInput(
                f"{path}: the picture is {facts.width}x{facts.height}, too small: at least {MIN_SIDE} pixels a side"
            )
        duration = facts.duration or _measured_duration(source)
        if duration <= 0:
            raise BadInput(f"{path} holds no video that lasts: the file is damaged, or a still picture")
        if duration > MAX_SECONDS:
            raise BadInput(
                f"{path} says it is {duration / 3600:.1f} hours long, at most {MAX_SECONDS / 3600:.0f} is accepted: "
                "cut out 1 to 5 minutes in which the person speaks"
            )
    return SourceFacts(facts, duration)


def _measured_duration(source: SourceVideo) -> float:
    """Seconds from first to last picture, by decoding: for containers whose header does not say."""
    first, last = None, 0.0
    bar = tqdm(source.frames(), "intake: no length in the header", unit="frame", delay=3, mininterval=1, leave=False)
    for time, _ in bar:
        first = time if first is None else first
        last = time
        if last - first > MAX_SECONDS:
            break
    return last - first + 1 / source.facts.fps if first is not None else 0.0


def main(argv: list[str] | None = None) -> int:
    """Command line of this module; exit status 0 usable, 2 refused."""
    parser = argparse.ArgumentParser(prog="python -m tasks.intake", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("video", type=Path)
    parser.add_argument("--json", action="store_true", help="print the facts as JSON")
    arguments = parser.parse_args(argv)
    try:
        facts = inspect(arguments.video)
    except BadInput as error:
        print(f"intake: error: {error}", file=sys.stderr)
        return 2
    if arguments.json:
        print(json.dumps(asdict(facts), indent=2))
    else:
        streams = facts.streams
        print(
            f"{arguments.video}: {streams.width}x{streams.height}, {streams.fps:.2f} frames/s, {facts.duration:.1f} s, "
            f"{streams.video_codec} and {streams.audio_codec} {streams.audio_rate} Hz"
        )
        for said in treatments(streams):
            print(f"  will be treated: {said}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
