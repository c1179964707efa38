"""Animate: let a subject say any sound, repeat what another person does, or say something else in its own video.

    python -m tasks.animate (--subject ID | --avatar FILE) --out OUT.mp4
        (--audio A.wav [--style ID|LABEL|VIDEO ...] | --drive VIDEO | --redub A.wav)
        [--size PIXELS] [--background plate|transparent|#rrggbb] [--turn YAW[,PITCH]]

Not a stage: it reads a subject's trained networks and writes one file wherever it is told to.  Frames go to the
encoder as they are rendered; the file appears under its name only when it is whole.  Exit status: 0 done, 1 failed,
2 bad input.
"""

import argparse
import math
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from tasks.artifacts.layout import AssetFolder, SubjectFolder, repository_root
from tasks.artifacts.video import VideoWriter
from tasks.avatar import Avatar, of_subject, unpacked
from tasks.code_history import git_commit
from tasks.command_line import exit_status
from tasks.errors import BadInput, StageFailed
from tasks.ingest.media import decode_sound
from tasks.performance import SOUND_RATE, Performance
from tasks.portrait import Portrait, View
from tasks.provenance import provenance
from tasks.redub import redubbed
from tasks.reenact import reenacted
from tasks.registry import sha256_of
from tasks.speaker import Delivery, Speaker
from tasks.speech import encode
from tasks.speech_encoder import encoder_path
from tasks.style import resolve_style

SMALLEST, LARGEST = 64, 2048  # pixels a side
MOST_YAW, MOST_PITCH = 10.0, 6.0  # degrees: beyond, the unseen side of head and shoulders shows
CONTAINERS = (".mp4", ".webm")


@dataclass(frozen=True)
class AnimateParams:
    """What to do and how it is shown.

    Exactly one of: audio: any file with sound, to be said; drive: a video of a person, to be repeated; redub: any file
    with sound, to be said in the subject's own video.  out: the MP4 or WebM to write.  style: a subject id, a style
    label or a video file; None: the subject's own.  second_style: another one, towards which to go by ``blend`` (0..1);
    None with a blend: the subject's own.  strength: of the style, 0..2; emphasis: of loud stretches, 0..1; lookahead:
    frames of the future that a frame may depend on; None: all (Delivery in tasks/speaker.py).  seed: of head motion,
    blinks and glances.  temperature: 0 takes the likeliest head motion.  size: pixels a side of the picture, even;
    None: as trained.  background: "plate" (what was filmed behind the person), "transparent" (WebM only) or a colour as
    #rrggbb.  turn: degrees by which the camera is turned, "YAW" or "YAW,PITCH"; positive: from the right of the
    picture, from above.  crf: quality on x264's scale.
    """

    out: Path
    audio: Path | None = None
    drive: Path | None = None
    redub: Path | None = None
    style: str | None = None
    second_style: str | None = None
    blend: float = 0.0
    strength: float = 1.0
    emphasis: float = 0.0
    lookahead: int | None = None
    seed: int = 0
    temperature: float = 1.0
    size: int | None = None
    background: str = "plate"
    turn: str = "0"
    crf: int = 18

    @property
    def view(self) -> View:
        """How the portrait is looked at.  Raises BadInput."""
        return View(_background(self.background), *_turn(self.turn))


@dataclass(frozen=True)
class Written:
    """frames: how many.  seconds: from the first picture's beginning to the whole file, loading left out."""

    frames: int
    seconds: float


def run(folder: SubjectFolder, params: AnimateParams) -> Written:
    """Animate a subject of this checkout: write ``params.out``.

    Raises BadInput for what the user can mend, MissingInput, DamagedArtifact or StageFailed otherwise.
    """
    avatar = of_subject(folder)
    _check(params)
    return animate(avatar, params)


def run_file(path: Path, params: AnimateParams) -> Written:
    """As ``run``, for an avatar in a single file."""
    _check(params)
    with unpacked(path) as avatar:
        return animate(avatar, params)


def animate(avatar: Avatar, params: AnimateParams) -> Written:
    """Render.  A style that is named is looked for among this checkout's subjects and files."""
    view = params.view
    portrait = Portrait.load(avatar.nerf, avatar.head)
    acted = perform(avatar, params)
    motion = acted.motion
    about = provenance(
        avatar.record,
        motion.head,
        {"adf": avatar.adf, "nerf": avatar.nerf},
        {**motion.parts, **portrait.identity.get("parts", {})},
        driven_by=acted.driven_by,
        view={"background": params.background, "yaw": view.yaw, "pitch": view.pitch},
        code=git_commit(repository_root()),
        **acted.more,
    )
    started = time.monotonic()
    with VideoWriter(params.out, motion.fps, params.crf, acted.sound, SOUND_RATE, about) as video:
        pictures: Iterator[np.ndarray] = portrait.render(motion, params.size, acted.torso, view)
        for picture in tqdm(pictures, "animate", len(motion), unit="frame", mininterval=2.0):
            video.write(picture)
        if video.frames != len(motion):
            raise StageFailed(f"the portrait {avatar.nerf} gave {video.frames} of {len(motion)} frames")
    return Written(video.frames, time.monotonic() - started)


def perform(avatar: Avatar, params: AnimateParams) -> Performance:
    """What is to be seen and heard."""
    if params.drive is not None:
        return reenacted(avatar, params.drive)
    if params.redub is not None:
        return redubbed(avatar, spoken(avatar, params.redub, params))
    assert params.audio is not None
    return spoken(avatar, params.audio, params)


def spoken(avatar: Avatar, audio: Path, params: AnimateParams) -> Performance:
    """The subject saying ``audio`` in the style that ``params`` name."""
    voice = decode_sound(audio)
    sound = decode_sound(audio, rate=SOUND_RATE)
    speaker = Speaker.load(avatar.adf)
    folder, profile = SubjectFolder.of(avatar.record.id), avatar.record.profile
    style, second = (
        resolve_style(folder, wanted, profile, avatar.head) for wanted in (params.style, params.second_style)
    )
    delivery = Delivery(second.sequence, params.blend, params.strength, params.emphasis, params.lookahead)
    encoder = avatar.encoder or encoder_path(speaker.encoder, AssetFolder.default())
    speech = encode(voice, encoder_file=encoder, lookahead=params.lookahead)
    motion = speaker.speak(speech, style.sequence, params.seed, params.temperature, delivery)
    more = {
        "style": style.origin,
        **({"second_style": second.origin, "blend": params.blend} if params.blend else {}),
        "strength": params.strength,
        "emphasis": params.emphasis,
        "seed": params.seed,
        "temperature": params.temperature,
    }
    return Performance(motion, sound, {"audio": audio.name, "sha256": sha256_of(audio)}, more)


def _check(params: AnimateParams) -> None:
    """Everything that can be refused before anything is loaded."""
    sources = {name: getattr(params, name) for name in ("audio", "drive", "redub")}
    given = {name: path for name, path in sources.items() if path is not None}
    if len(given) != 1:
        raise BadInput("say what to do: give exactly one of --audio SOUND, --drive VIDEO and --redub SOUND")
    if params.drive is not None and (params.style is not None or params.second_style is not None):
        raise BadInput("--style has no effect on --drive, whose video decides how the subject moves: leave one out")
    [(name, source)] = given.items()
    view = params.view
    if params.out.suffix.lower() not in CONTAINERS:
        raise BadInput(f"--out {params.out}: give a name that ends in {' or '.join(CONTAINERS)}")
    if view.background == "transparent" and params.out.suffix.lower() != ".webm":
        raise BadInput(f"--out {params.out}: only WebM can be transparent: give a name that ends in .webm")
    if params.out.is_dir():
        raise BadInput(f"--out {params.out} is a folder: give the name of a file")
    if not params.out.parent.is_dir():
        raise BadInput(f"--out {params.out}: the folder {params.out.parent} does not exist")
    if source.exists() and params.out.exists() and source.samefile(params.out):
        raise BadInput(f"--out {params.out} is the file of --{name}: it would be overwritten")
    Delivery(None, params.blend, params.strength, params.emphasis, params.lookahead).check()
    if params.size is not None and not (SMALLEST <= params.size <= LARGEST and params.size % 2 == 0):
        raise BadInput(f"--size {params.size}: give an even number of pixels from {SMALLEST} to {LARGEST}")


def _background(text: str) -> str | tuple[int, int, int]:
    if text in ("plate", "transparent"):
        return text
    if not re.fullmatch("#[0-9a-fA-F]{6}", text):
        raise BadInput(f"--background {text}: give plate, transparent or a colour as #rrggbb")
    red, green, blue = bytes.fromhex(text[1:])
    return red, green, blue


def _turn(text: str) -> tuple[float, float]:
    """Yaw and pitch in degrees."""
    try:
        values = [float(part) for part in text.replace(",", " ").split()]
    except ValueError:
        values = []
    if len(values) not in (1, 2) or not all(map(math.isfinite, values)):
        raise BadInput(f"--turn {text}: give degrees as YAW or YAW,PITCH, for example 8,-3")
    yaw, pitch = (*values, 0.0)[:2]
    if abs(yaw) > MOST_YAW or abs(pitch) > MOST_PITCH:
        raise BadInput(
            f"--turn {text}: the camera turns by at most {MOST_YAW:g} degrees to a side and {MOST_PITCH:g} up or down, "
            "because what was not filmed would show"
        )
    return yaw, pitch


def styles(wanted: list[str], blend: float | None) -> dict[str, Any]:
    """Parameters of the styles that were named, in order; one style and a blend: from the subject's own to it."""
    if len(wanted) > 2:
        raise BadInput(f"--style was given {len(wanted)} times: give one style, or two to go between")
    if blend is not None and not wanted:
        raise BadInput("--blend needs a --style to go to")
    if len(wanted) == 1 and blend is not None:
        return {"style": None, "second_style": wanted[0], "blend": blend}
    first, second = [*wanted, None, None][:2]
    return {"style": first, "second_style": second, "blend": (0.5 if blend is None else blend) if second else 0.0}


def main(argv: list[str] | None = None) -> int:
    """The command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tasks.animate", description="Let a subject say any sound.")
    who = parser.add_mutually_exclusive_group(required=True)
    who.add_argument("--subject", help="id of the subject")
    who.add_argument("--avatar", type=Path, help="file that 'erlnet export' wrote")
    parser.add_argument("--audio", type=Path, help="any file with sound, to be said")
    parser.add_argument("--drive", type=Path, help="video of a person whose motion is repeated, with its sound")
    parser.add_argument("--redub", type=Path, help="any file with sound, to be said in the subject's own video")
    parser.add_argument("--out", required=True, type=Path, help="the MP4 or WebM to write")
    parser.add_argument(
        "--style",
        action="append",
        default=[],
        help="subject id, style label or video file to take the style from; given twice: two styles, see --blend",
    )
    parser.add_argument("--blend", type=float, help="share of the second of two styles, 0 to 1 (default: half)")
    parser.add_argument("--strength", type=float, default=1.0, help="of the style: 0 none, 1 as it is, 2 exaggerated")
    parser.add_argument("--emphasis", type=float, default=0.0, help="how much livelier loud stretches are, 0 to 1")
    parser.add_argument("--lookahead", type=int, help="frames of the future that a frame may hear; default: all")
    parser.add_argument("--seed", type=int, default=0, help="of head motion, blinks and glances")
    parser.add_argument("--temperature", type=float, default=1.0, help="0: the likeliest head motion, always the same")
    parser.add_argument("--size", type=int, help="pixels a side; default: as trained")
    parser.add_argument("--background", default="plate", help="plate (as filmed), transparent (WebM) or #rrggbb")
    parser.add_argument("--turn", default="0", help="turn the camera by YAW[,PITCH] degrees (write --turn=-8,3)")
    values: dict[str, Any] = vars(parser.parse_args(argv))

    def work() -> None:
        started = time.monotonic()
        subject, avatar = values.pop("subject"), values.pop("avatar")
        manner = styles(values.pop("style"), values.pop("blend"))
        params = AnimateParams(**values, **manner)
        written = run_file(avatar, params) if avatar else run(SubjectFolder.of(subject), params)
        speed = written.frames / max(written.seconds, 1e-9)
        print(
            f"{params.out}: {written.frames} frames in {time.monotonic() - started:.1f} s, of which "
            f"{written.seconds:.1f} s rendering and encoding: {speed:.1f} frames a second"
        )

    return exit_status("animate", work)


if __name__ == "__main__":
    raise SystemExit(main())
