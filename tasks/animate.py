"""Animate: let a subject say any sound.

    python -m tasks.animate (--subject ID | --avatar FILE) --audio A.wav [--style ID|LABEL|VIDEO] --out OUT.mp4

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

from tasks.artifacts.layout import SubjectFolder, repository_root
from tasks.artifacts.video import VideoWriter
from tasks.avatar import Avatar, of_subject, unpacked
from tasks.code_history import git_commit
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
    """Let a subject of this checkout speak: write ``params.out``; returns the number of frames.

    Raises BadInput for what the user can mend, MissingInput, DamagedArtifact or StageFailed otherwise.
    """
    avatar = of_subject(folder)
    _check(params)
    return speak(avatar, params)


def run_file(path: Path, params: AnimateParams) -> int:
    """As ``run``, for an avatar in a single file."""
    _check(params)
    with unpacked(path) as avatar:
        return speak(avatar, params)


def speak(avatar: Avatar, params: AnimateParams) -> int:
    """Render.  A style that is named is looked for among this checkout's subjects and files."""
    voice = decode_sound(params.audio)
    sound = decode_sound(params.audio, rate=SOUND_RATE)
    speaker = Speaker.load(avatar.adf)
    portrait = Portrait.load(avatar.nerf, avatar.head)
    style = resolve_style(SubjectFolder.of(avatar.record.id), params.style, avatar.record.profile)
    motion = speaker.speak(encode(voice, encoder_path=avatar.encoder), style.sequence, params.seed, params.temperature)
    about = provenance(
        avatar.record,
        motion.head,
        {"adf": avatar.adf, "nerf": avatar.nerf},
        {**motion.parts, **portrait.identity.get("parts", {})},
        driven_by={"audio": params.audio.name, "sha256": sha256_of(params.audio)},
        style=style.origin,
        seed=params.seed,
        temperature=params.temperature,
        code=git_commit(repository_root()),
    )
    with VideoWriter(params.out, motion.fps, params.crf, sound, SOUND_RATE, about) as video:
        pictures: Iterator[np.ndarray] = portrait.render(motion, params.size)
        for picture in tqdm(pictures, "animate", len(motion), unit="frame", mininterval=2.0):
            video.write(picture)
        if video.frames != len(motion):
            raise StageFailed(f"the portrait {avatar.nerf} gave {video.frames} of {len(motion)} frames")
    return video.frames


def _check(params: AnimateParams) -> None:
    """Everything that can be refused before anything is loaded."""
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


def main(argv: list[str] | None = None) -> int:
    """The command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tasks.animate", description="Let a subject say any sound.")
    who = parser.add_mutually_exclusive_group(required=True)
    who.add_argument("--subject", help="id of the subject")
    who.add_argument("--avatar", type=Path, help="file that 'erlnet export' wrote")
    parser.add_argument("--audio", required=True, type=Path, help="any file with sound")
    parser.add_argument("--out", required=True, type=Path, help="the MP4 to write")
    parser.add_argument("--style", help="subject id, style label or video file to take the style from")
    parser.add_argument("--seed", type=int, default=0, help="of head motion, blinks and glances")
    parser.add_argument("--temperature", type=float, default=1.0, help="0: the likeliest head motion, always the same")
    parser.add_argument("--size", type=int, help="pixels a side; default: as trained")
    values = vars(parser.parse_args(argv))

    def work() -> None:
        started = time.monotonic()
        subject, avatar = values.pop("subject"), values.pop("avatar")
        params = AnimateParams(**values)
        frames = run_file(avatar, params) if avatar else run(SubjectFolder.of(subject), params)
        seconds = time.monotonic() - started
        print(f"{values['out']}: {frames} frames in {seconds:.1f} s ({frames / seconds:.1f} frames a second, all told)")

    return exit_status("animate", work)


if __name__ == "__main__":
    raise SystemExit(main())
