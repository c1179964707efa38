"""A closed loop with truth: a head whose motion and camera are known is drawn, and the track stage has to find them.

The real face detector looks at the pictures, encoded as the crop stage encodes them; nothing is told to the tracker but
the video and the usual table.  Kinder than life in two ways: the drawn head is the head model that is fitted, and its
landmarks were once embedded by showing the detector heads drawn like these (others: the seeds differ).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from scipy.spatial.transform import Rotation
from tqdm import tqdm

from models.flame.camera import project
from models.flame.head import FlameHead
from models.flame.shading import Light, brow_weights, face_colours, shade
from models.flame.views import SKINS
from tasks import track
from tasks.artifacts.flame import FlameSequence, read_flame
from tasks.artifacts.frames import FrameTable, write_frames
from tasks.artifacts.layout import SubjectFolder
from tasks.artifacts.metrics import read_metrics
from tasks.artifacts.video import VideoWriter
from tasks.landmark_source import Source

SIZE = 256
FACE_WIDTH = 0.14  # metres, about; only to place the head at a distance where its face fills 45 % of the picture
BLINK = (0.35, 0.9, 1.0, 0.6, 0.2)
LIDS = ((386, 374), (159, 145))
LIPS = (13, 14)
BROW_ACTIONS = ("browDownLeft", "browDownRight", "browInnerUp", "browOuterUpLeft", "browOuterUpRight")
WINDOW, LAG = 50, 4
BLOCK = 32
RESTING = 70


@dataclass(frozen=True)
class Truth:
    """What is drawn: ``motion``: FlameHead's arguments but for shape; ``hidden`` frames show the background alone."""

    shape: torch.Tensor
    motion: dict[str, torch.Tensor]
    focal: float
    hidden: np.ndarray
    blinks: np.ndarray


def animate(head: FlameHead, frames: int, seed: int, resting: int = 0) -> Truth:
    """A random identity and camera; a head that turns, nods, speaks, smiles and blinks; some frames without it.

    resting: frames at the beginning in which the head rests while the face goes on; then none is without it.
    """
    rng = np.random.default_rng(seed)
    t = np.arange(frames)

    def wave(amplitude: float, period: float) -> np.ndarray:
        """Two incommensurable oscillations of random phase: no window of the clip repeats."""
        a, b = rng.uniform(0, 2 * np.pi, 2)
        return amplitude * (0.7 * np.sin(2 * np.pi * t / period + a) + 0.3 * np.sin(5.3 * t / period + b))

    syllables = np.cumsum(2 * np.pi / rng.uniform(6, 12, frames))  # radians; two to four a second
    loudness = np.clip(0.65 + wave(0.6, 70), 0, 1)
    expression = np.zeros((frames, head.expression_size))
    for name, size, period in (("mouthSmile", 0.5, 90), ("browOuterUp", 0.4, 120), ("mouthLowerDown", 0.3, 17)):
        values = np.clip(wave(size, period), 0, 1)
        for side in ("Left", "Right"):
            expression[:, head.expression_names.index(name + side)] = values
    expression[:, head.expression_names.index("mouthPucker")] = np.clip(wave(0.5, 31), 0, 1)
    blinks = np.arange(20, frames - 8, 45) + rng.integers(-8, 9, len(np.arange(20, frames - 8, 45)))
    for middle in blinks:
        for side in ("Left", "Right"):
            expression[middle - 2 : middle + 3, head.expression_names.index(f"eyeBlink{side}")] = BLINK
    hidden = rng.random(frames) < 0.05
    for middle in blinks:
        hidden[middle - 3 : middle + 4] = False
    gap = blinks[len(blinks) // 2] + 6
    hidden[gap : gap + 15] = True  # longer than a gap that is filled, and over before the next blink
    focal = float(rng.uniform(1.3, 2.7) * SIZE)
    gaze = np.stack([wave(0.06, 60), wave(0.15, 80), np.zeros(frames)], 1)
    depth = focal * FACE_WIDTH / (0.45 * SIZE)
    motion = {
        "expression": expression,
        "global_rotation": np.stack([wave(0.12, 55), wave(0.30, 85), wave(0.06, 70)], 1),
        "neck_rotation": np.stack([wave(0.04, 45), wave(0.06, 60), np.zeros(frames)], 1),
        "jaw_rotation": np.stack([0.09 * loudness * (1 - np.cos(syllables)), 0 * t, 0 * t], 1),
        "eyes_rotation": np.concatenate([gaze, gaze], 1),
        "translation": np.stack([wave(0.012, 100), wave(0.008, 75) + 0.0, wave(0.02, 110) - depth], 1),
    }
    if resting:
        hidden[:] = False
        gate = np.clip((t - resting) / 20, 0, 1)[:, None]
        for name in ("global_rotation", "neck_rotation", "translation"):
            at_rest = motion[name][resting]
            motion[name] = at_rest + gate**2 * (3 - 2 * gate) * (motion[name] - at_rest)
    shape = torch.from_numpy(rng.normal(0, 0.8, (1, head.shape_size)))
    return Truth(shape, {k: torch.from_numpy(v) for k, v in motion.items()}, focal, hidden, blinks)


def draw(head: FlameHead, truth: Truth, folder: SubjectFolder, seed: int) -> None:
    """Write ``video.mp4`` and ``frames.parquet`` as the crop stage would: smooth edges, some noise, H.264."""
    rng = np.random.default_rng(seed)
    head = head.double()
    template = head.template.numpy()
    basis = head.expression_basis.numpy()
    moved = sum(np.linalg.norm(basis[head.expression_names.index(name)], axis=1) for name in BROW_ACTIONS)
    regions = {name: index.numpy() for name, index in head.regions.items()}
    joints = head.joints(head.template[None])[0, 3:].numpy()
    tint = np.asarray(SKINS[seed % len(SKINS)]) / np.asarray(SKINS[0])
    colours = (face_colours(template, regions, joints, brow_weights(template, np.asarray(moved))) * tint).clip(0, 255)
    light = Light((float(rng.normal(0, 0.4)), 0.35, 0.9), 0.35)
    count = len(truth.hidden)
    posed = heads(head, truth.shape, truth.motion)
    folder.root.mkdir(parents=True)
    with VideoWriter(folder.video, crf=10, preset="veryfast") as video:
        for i in tqdm(range(count), desc=f"drawing head {seed}", unit="frame", mininterval=2.0):
            vertices = next(posed)
            if truth.hidden[i]:
                vertices = vertices + torch.tensor([0.0, 0.0, 10.0])  # behind the camera
            # Twice the size, averaged: edges without steps.
            picture, _ = shade(vertices.numpy(), head.faces.numpy(), colours, 2 * truth.focal, 2 * SIZE, light)
            video.write(filmed(picture, rng))
    write_drawn_table(folder, count)


def filmed(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A picture drawn at twice SIZE as a camera of SIZE pixels gives it: uint8, with a little noise."""
    small = cv2.resize(picture, (SIZE, SIZE), interpolation=cv2.INTER_AREA).astype(np.float32)
    return (small + rng.normal(0, 2.0, small.shape)).clip(0, 255).astype(np.uint8)


def write_drawn_table(folder: SubjectFolder, count: int) -> None:
    """The crop stage's table of a drawn clip."""
    index = np.arange(count)
    header = {"image_size": SIZE, "fps": 25.0, "source": {"width": 640, "height": 360}, "scale": 256 / 360}
    nowhere = np.full((count, 4), np.nan)
    write_frames(folder.frames, FrameTable(index, index / 25, index / 25, nowhere, np.zeros(count), header))


def measure(head: FlameHead, frames: int, seed: int, scratch: Path, landmarks: Source = "mesh") -> dict[str, float]:
    """Draw one head, track it, and compare."""
    truth = animate(head, frames, seed)
    folder = SubjectFolder(scratch / f"head-{seed}")
    draw(head, truth, folder, seed)
    track.run(folder, track.TrackParams(landmarks=landmarks))
    return compare(head.double(), truth, read_flame(folder.flame)) | {
        "mesh": read_metrics(folder.track_metrics, "the track stage")["mesh_error_percent"]["median"]
    }


def measure_rest(head: FlameHead, seed: int, scratch: Path) -> dict[str, float]:
    """A head that rests for ``RESTING`` frames and then moves, tracked without and with the second pass.

    still: RMS rotation from frame to frame while it rests, degrees (truth: none); moving: median rotation error without
    its constant part over all frames; jaw: correlation of the angle while it rests; blink: furthest, frames.
    """
    truth = animate(head, RESTING + 60, seed, RESTING)
    folder = SubjectFolder(scratch / f"resting-head-{seed}")
    draw(head, truth, folder, seed)
    row: dict[str, float] = {"number": seed + 1}
    for name, stabilise in (("one", False), ("two", True)):
        track.run(folder, track.TrackParams(stabilise=stabilise))
        found = read_flame(folder.flame)
        row |= {f"{key}_{name}": value for key, value in rest_figures(head.double(), truth, found).items()}
    return row


def rest_figures(head: FlameHead, truth: Truth, found: FlameSequence) -> dict[str, float]:
    """What ``measure_rest`` says of one track."""
    calm = np.arange(RESTING - 4)
    rotation = Rotation.from_rotvec(found.global_rotation[calm])
    steps = np.degrees((rotation[1:] * rotation[:-1].inv()).magnitude())
    errors = compare(head, truth, found)
    jaw = np.corrcoef(found.jaw_rotation[calm, 0], truth.motion["jaw_rotation"][calm, 0])[0, 1]
    return {
        "still": float(np.sqrt(np.square(steps).mean())),
        "moving": errors["turning"],
        "jaw": float(jaw),
        "blink": errors["blink"],
    }


def compare(head: FlameHead, truth: Truth, found: FlameSequence) -> dict[str, float]:
    """Errors of a track.  Rotations are compared as the skull's, in the camera frame; frame by frame, by frame id.

    rotation, filled: degrees, median over seen frames and over filled ones.  turning: the same as rotation with the
    constant part taken out, which is the tracker's idea of where an unknown identity's forward is.
    jaw: correlation of the jaw joint's angle; lips: of the distance between the inner lips in the picture.
    blinks: share found; blink: largest distance in frames.  shifted: frames in windows of ``WINDOW`` frames in which
    the jaw fits the truth better at another lag than zero, and frames whose row is not that of their id.
    invented: frames without a head that are called tracked; missed: frames with one that are not.
    """
    shown = found.tracked & ~truth.hidden
    zero = torch.zeros(len(found), 3, dtype=torch.float64)
    real, _ = head.head_pose(truth.shape, *(truth.motion[k] for k in ("global_rotation", "neck_rotation")), zero)
    fitted = Rotation.from_rotvec(np.nan_to_num(found.global_rotation)) * Rotation.from_rotvec(
        np.nan_to_num(found.neck_rotation)
    )
    difference = Rotation.from_matrix(real.numpy()).inv() * fitted  # in the head's own axes, where identity lives
    degrees = np.degrees(difference.magnitude())
    turning = np.degrees((difference[shown] * difference[shown].mean().inv()).magnitude())
    filled = found.usable & ~found.tracked
    jaw, wanted = found.jaw_rotation[:, 0].astype(np.float64), truth.motion["jaw_rotation"][:, 0].numpy()
    own = distances_between(head, truth.shape, truth.motion, truth.focal)
    motion = {name: torch.tensor(getattr(found, name), dtype=torch.float64) for name in truth.motion}
    track_own = distances_between(head, torch.tensor(found.shape, dtype=torch.float64)[None], motion, found.focal)
    openings = [own[:, 0], track_own[:, 0]]
    distances = []
    for middle in truth.blinks:
        near = np.arange(max(middle - 6, 0), min(middle + 7, len(found)))
        near = near[found.usable[near]]
        if len(near) and openings[1][near].min() < 0.6 * np.nanmedian(openings[1]):
            times = [closure_time(near, opening[near], float(np.nanmedian(opening))) for opening in openings]
            distances.append(abs(times[1] - times[0]))
    return {
        "rotation": float(np.median(degrees[shown])),
        "turning": float(np.median(turning)),
        "filled": float(np.median(degrees[filled])) if filled.any() else float("nan"),
        "jaw": float(np.corrcoef(jaw[shown], wanted[shown])[0, 1]),
        "lips": float(np.corrcoef(own[shown, 1], track_own[shown, 1])[0, 1]),
        "blinks": len(distances) / len(truth.blinks),
        "blink": float(max(distances, default=-1)),
        "focal": 100 * (found.focal / truth.focal - 1),
        "shifted": float(shifted_frames(jaw, wanted, shown) + (found.frame != np.arange(len(truth.hidden))).sum()),
        "invented": float((found.tracked & truth.hidden).sum()),
        "missed": float((~found.tracked & ~truth.hidden).sum()),
        "hidden": float(truth.hidden.sum()),
        "shown": float((~truth.hidden).sum()),
    }


def closure_time(frames: np.ndarray, opening: np.ndarray, usual: float) -> float:
    """When lids were shut: the mean of ``frames`` [K] weighted by how far ``opening`` [K] is below two thirds of usual.

    (The frame of the smallest opening is no good: lids stay shut for some frames, which of them is last is noise.)
    """
    return float(np.average(frames, weights=np.maximum(2 / 3 * usual - opening, 1e-9)))


def distances_between(
    head: FlameHead, shape: torch.Tensor, motion: dict[str, torch.Tensor], focal: float
) -> np.ndarray:
    """Pixels [N, 2] between the lids (both eyes together) and between the inner lips."""
    embedding = head.embeddings["mesh"]
    opening = []
    for vertices in heads(head, shape, motion):
        points = project(embedding.points(vertices, head.faces), focal, SIZE)
        lids = sum(float((points[a] - points[b]).norm()) for a, b in LIDS)
        opening.append((lids, float((points[LIPS[0]] - points[LIPS[1]]).norm())))
    return np.array(opening)


def heads(head: FlameHead, shape: torch.Tensor, motion: dict[str, torch.Tensor]) -> Iterator[torch.Tensor]:
    """Vertices [V, 3] of every frame, computed a block at a time."""
    for start in range(0, len(motion["expression"]), BLOCK):
        with torch.no_grad():
            yield from head(shape, **{name: value[start : start + BLOCK] for name, value in motion.items()})


def shifted_frames(found: np.ndarray, truth: np.ndarray, shown: np.ndarray) -> int:
    """Frames [N] in windows where ``found`` correlates best with ``truth`` at a lag other than zero."""
    shifted = 0
    for start in range(0, len(found), WINDOW):
        inside = np.arange(max(start, LAG), min(start + WINDOW, len(found) - LAG))
        inside = inside[shown[inside]]
        if len(inside) < 10:
            continue  # mostly hidden: nothing to compare
        scores = [np.corrcoef(found[inside], truth[inside + lag])[0, 1] for lag in range(-LAG, LAG + 1)]
        shifted += len(inside) if int(np.argmax(scores)) != LAG else 0
    return shifted


COLUMNS = {
    "head": "{number}",
    "rotation error, ° median": "{rotation:.2f}",
    "without its constant part": "{turning:.2f}",
    "in filled gaps": "{filled:.2f}",
    "jaw angle, correlation": "{jaw:.3f}",
    "lip opening, correlation": "{lips:.3f}",
    "blinks found": "{blinks:.0%}",
    "furthest blink, frames": "{blink:.1f}",
    "focal error, %": "{focal:+.1f}",
    "shifted frames": "{shifted:.0f}",
    "invented / hidden": "{invented:.0f} / {hidden:.0f}",
    "missed / shown": "{missed:.0f} / {shown:.0f}",
    "mesh error, % of face width": "{mesh:.2f}",
}


REST_COLUMNS = {
    "head": "{number}",
    "rotation from frame to frame while it rests, ° RMS": "{still_one:.3f} → {still_two:.3f}",
    "rotation error without its constant part, ° median": "{moving_one:.2f} → {moving_two:.2f}",
    "jaw angle while it rests, correlation": "{jaw_one:.3f} → {jaw_two:.3f}",
    "furthest blink, frames": "{blink_one:.1f} → {blink_two:.1f}",
}


def table(rows: list[dict[str, float]]) -> str:
    """Markdown, one line a head."""
    return _table(COLUMNS, [{"number": number} | row for number, row in enumerate(rows, start=1)])


def rest_table(rows: list[dict[str, float]]) -> str:
    """Markdown, one line a resting head: first pass alone → with the second."""
    return _table(REST_COLUMNS, rows)


def _table(columns: dict[str, str], rows: list[dict[str, float]]) -> str:
    lines = [f"| {' | '.join(columns)} |", "|" + "---|" * len(columns)]
    lines += [f"| {' | '.join(cell.format(**row) for cell in columns.values())} |" for row in rows]
    return "\n".join(lines)
