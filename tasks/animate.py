"""Animate: let a subject say any sound.

    python -m tasks.animate --subject ID --audio A.wav [--style ID|LABEL|VIDEO] --out OUT.mp4

Not a stage: it reads a subject's trained networks and writes one file wherever it is told to.  Frames go to the
encoder as they are rendered; the file appears under its name only when it is whole.  Exit status: 0 done, 1 failed,
2 bad input.
"""

import argparse
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from tasks.artifacts.layout import AssetFolder, SubjectFolder
from tasks.artifacts.subject import SubjectRecord, read_subject
from tasks.artifacts.video import VideoWriter
from tasks.command_line import exit_status
from tasks.errors import BadInput, StageFailed
from tasks.ingest.media import decode_sound
from tasks.portrait import Portrait
from tasks.provenance import provenance
from tasks.registry import sha256_of
from tasks.speaker import Speaker
from tasks.speech import encode
from tasks.style import resolve_style

SOUND_RATE = 48_000  # Hz of the written sound; speech features are made from 16 kHz
SMALLEST, LARGEST = 64, 2048  # pixels a side


@dataclass(frozen=True)
class AnimateParams:
    """What to say and how.

    audio: any file with sound.  out: the MP4 to write.  style: a subject id, a style label or a video file; None: the
    subject's own.  seed: of head motion, blinks and glances.  temperature: 0 takes the likeliest head motion.
    size: pixels a side of the picture, even; None: as trained.  crf: x264 quality.
    """

    audio: Path
    out: Path
    style: str | None = None
    seed: int = 0
    temperature: float = 1.0
    size: int | None = None
    crf: int = 18


def run(folder: SubjectFolder, params: AnimateParams) -> int:
    """Write ``params.out``; returns the number of frames.

    Raises BadInput for what the user can mend, MissingInput, DamagedArtifact or StageFailed otherwise.
    """
    record = _check(folder, params)
    voice = decode_sound(params.audio)
    sound = decode_sound(params.audio, rate=SOUND_RATE)
    speaker = Speaker.load(folder.adf)
    portrait = Portrait.load(folder.nerf, AssetFolder.default().open_head)
    style = resolve_style(folder, params.style, record.profile)
    motion = speaker.speak(encode(voice), style.sequence, params.seed, params.temperature)
    about = provenance(
        record,
        motion.head,
        {"adf": folder.adf, "nerf": folder.nerf},
        {**motion.parts, **portrait.identity.get("parts", {})},
        driven_by={"audio": params.audio.name, "sha256": sha256_of(params.audio)},
        style=style.origin,
        seed=params.seed,
        temperature=params.temperature,
    )
    with VideoWriter(params.out, motion.fps, params.crf, sound, SOUND_RATE, about) as video:
        pictures: Iterator[np.ndarray] = portrait.render(motion, params.size)
        for picture in tqdm(pictures, "animate", len(motion), unit="frame", mininterval=2.0):
            video.write(picture)
        if video.frames != len(motion):
            raise StageFailed(f"the portrait {folder.nerf} gave {video.frames} of {len(motion)} frames")
    return video.frames


def _check(folder: SubjectFolder, params: AnimateParams) -> SubjectRecord:
    """Everything that can be refused before anything is loaded."""
    if not folder.record.is_file():
        raise BadInput(f"no subject {folder.id!r}: 'erlnet status' lists subjects")
    record = read_subject(folder.record)
    if record.status == "quarantined":
        raise BadInput(f"subject {folder.id!r} is quarantined: {'; '.join(record.reasons) or 'no reason recorded'}")
    if params.out.suffix.lower() != ".mp4":
        raise BadInput(f"--out {params.out}: the result is an MP4 file: give a name that ends in .mp4")
    if params.out.is_dir():
        raise BadInput(f"--out {params.out} is a folder: give the name of a file")
    if not params.out.parent.is_dir():
        raise BadInput(f"--out {params.out}: the folder {params.out.parent} does not exist")
    if params.audio.exists() and params.out.exists() and params.audio.samefile(params.out):
        raise BadInput(f"--out {params.out} is the audio file: it would be overwritten")
    if params.size is not None and not (SMALLEST <= params.size <= LARGEST and params.size % 2 == 0):
        raise BadInput(f"--size {params.size}: give an even number of pixels from {SMALLEST} to {LARGEST}")
    return record


def main(argv: list[str] | None = None) -> int:
    """The command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tasks.animate", description="Let a subject say any sound.")
    parser.add_argument("--subject", required=True, help="id of the subject")
    parser.add_argument("--audio", required=True, type=Path, help="any file with sound")
    parser.add_argument("--out", required=True, type=Path, help="the MP4 to write")
    parser.add_argument("--style", help="subject id, style label or video file to take the style from")
    parser.add_argument("--seed", type=int, default=0, help="of head motion, blinks and glances")
    parser.add_argument("--temperature", type=float, default=1.0, help="0: the likeliest head motion, always the same")
    parser.add_argument("--size", type=int, help="pixels a side; default: as trained")
    values = vars(parser.parse_args(argv))

    def work() -> None:
        started = time.monotonic()
        folder = SubjectFolder.of(values.pop("subject"))
        frames = run(folder, AnimateParams(**values))
        seconds = time.monotonic() - started
        print(f"{values['out']}: {frames} frames in {seconds:.1f} s ({frames / seconds:.1f} frames a second, all told)")

    return exit_status("animate", work)


if __name__ == "__main__":
    raise SystemExit(main())
