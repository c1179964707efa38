"""track: fit the head model to every frame: landmarks, one identity, one focal length, pose and expression a frame.

Landmarks (mediapipe's face mesh, or iBUG-68) are read from every frame of ``video.mp4``; identity and focal length come
from a few frames that differ most in pose and mouth opening; then all frames are fitted together, tied in time.  The
whole head's rotation is stored as ``global_rotation`` with ``neck_rotation`` zero: from a face alone only their product
is seen.

There is one row for every frame of the video, always: a frame without a face has ``tracked`` False, and NaN unless
it lies in a gap short enough to be filled in from its neighbours.
"""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import Event
from typing import Any, Literal

import numpy as np
import torch
from tqdm import tqdm

from models.flame.head import FlameHead
from models.flame.initial_pose import InitialGuess
from models.flame.tracker import Track, TrackerSettings, face_width, track_landmarks
from models.landmarks.detector import LandmarkDetector
from models.landmarks.face_mesh import LANDMARKS, MESH_POINTS
from models.landmarks.occlusion import covered, sample_colours
from tasks.artifacts.flame import FlameSequence, write_flame
from tasks.artifacts.frames import FrameTable, read_frame_table
from tasks.artifacts.head import head_identity, head_info, read_head
from tasks.artifacts.landmarks import LandmarkTrack, write_landmarks
from tasks.artifacts.layout import AssetFolder, SubjectFolder
from tasks.artifacts.metrics import write_metrics
from tasks.artifacts.video import read_frames
from tasks.errors import BadInput, DamagedArtifact
from tasks.initial_guess import guess, open_deca
from tasks.landmark_source import Source, open_source
from tasks.scoring.tracking import quality
from tasks.stage import main

CLOSED_FORM = {
    True: "without DECA: similarity fit to the landmarks' depth",
    False: "without DECA: scaled orthographic fit to the landmarks",
}
"""What the artifact says of the pose the fit begins at, by whether the landmarks have a depth."""
SPLIT_FROM = 250
"""Frames from which a clip is read in two halves at the same time."""
WARM_UP = 10
"""Frames before the second half that its detector sees, so that it follows the face when the half begins."""


@dataclass(frozen=True)
class TrackParams:
    """Parameters of the track stage.

    longest_gap: frames; longer stretches without a face are left untracked, shorter ones are filled in.
    minimum_coverage: share of the frames that must show a face.
    identity_frames: frames that identity and focal length are fitted to.
    smoothing: factor on the strength of the terms that tie neighbouring frames; 0 leaves frames alone.
    iterations: most steps of the fit of all frames.
    stabilise: fit once more with the head held where it rests, so that speech moves the face and not the head.
    worst_error: share of the face width; a frame with a larger RMS error counts as not seen (another thing for a face).
    mark_covered: frames in which a hand or a thing comes before the face count as not seen, whatever the detector
        reports there (by the colours under the mesh; 68 landmarks are not looked at).
    landmarks: mesh (mediapipe's 478 points), dlib68 or fan68 (iBUG's 68 points by dlib or FAN, whose files one has to
        get: 'erlnet doctor' says where).  68 points show neither the gaze nor the cheeks.
    initial: landmarks (a pose in closed form), or deca (DECA's encoder; needs its file and a FLAME head).
    """

    longest_gap: int = 8
    minimum_coverage: float = 0.5
    identity_frames: int = 32
    smoothing: float = 1.0
    iterations: int = 10
    stabilise: bool = True
    worst_error: float = 0.06
    mark_covered: bool = True
    landmarks: Source = "mesh"
    initial: Literal["landmarks", "deca"] = "landmarks"


def run(folder: SubjectFolder, params: TrackParams, head_file: Path | None = None) -> FlameSequence:
    """Track one subject; writes landmarks.parquet, flame.parquet and track.json and returns the sequence.

    head_file: the head model to fit; None: the one of data/assets.  Raises BadInput where fewer than
    ``minimum_coverage`` of the frames show a face or a part that ``params`` asks for is not here, MissingInput or
    DamagedArtifact.
    """
    assets = AssetFolder.default()
    head_file = head_file or assets.open_head
    head, info = read_head(head_file), head_info(head_file)
    table = read_frame_table(folder.frames)
    encoder = open_deca(assets, info) if params.initial == "deca" else None
    started = time.monotonic()
    landmarks, hidden = detect(folder, table, partial(open_source, params.landmarks, assets), params.mark_covered)
    detected = time.monotonic()
    coverage = float(landmarks.found.mean())
    if coverage < params.minimum_coverage:
        raise BadInput(
            f"{folder.video}: a face is seen in {100 * coverage:.0f} % of the {len(table)} frames, "
            f"{100 * params.minimum_coverage:.0f} % are needed: use a video in which the face stays in view"
        )
    write_landmarks(folder.landmarks, landmarks)
    start, begun_with = guess(folder, landmarks, head, info, encoder) if encoder is not None else (None, "")
    sequence, track = fit(head, landmarks, table, params, head_part(info), start)
    if begun_with:
        sequence.parts["initialisation"] = begun_with
    sequence.head = head_identity(head_file)
    write_flame(folder.flame, sequence)
    metrics = quality(landmarks, track, sequence) | {"covered_frames": int(hidden.sum())}
    write_metrics(folder.track_metrics, metrics)
    ended = time.monotonic()
    print(
        f"track: {len(table)} frames in {ended - started:.1f} s ({len(table) / (ended - started):.0f} frames/s, "
        f"landmarks {detected - started:.1f} s); error {metrics['mesh_error_percent']['median']} % of the face width "
        f"(p95 {metrics['mesh_error_percent']['p95']} %), {metrics['verdict']}"
    )
    return sequence


def detect(
    folder: SubjectFolder,
    table: FrameTable,
    open_detector: Callable[[], LandmarkDetector],
    mark_covered: bool = True,
) -> tuple[LandmarkTrack, np.ndarray]:
    """Landmarks of every frame of the subject's video; NaN where no face is found.

    Also bool [N]: frames whose face is covered; with ``mark_covered`` and a mesh they are NaN too, else none is.

    A detector that follows a face has to see its frames in order, and keeps one core busy.  A long clip is therefore
    read in two halves at the same time, whatever the machine, the second from a few frames before its first one on.
    """
    count = len(table)
    parts = [(0, 0, count)] if count < SPLIT_FROM else [(0, 0, count // 2), (count // 2 - WARM_UP, count // 2, count)]
    size = int(table.header["image_size"])
    with ExitStack() as opened:
        detectors = [opened.enter_context(open_detector()) for _ in parts]
        number, name = detectors[0].points, detectors[0].name
        looked_at = mark_covered and number == LANDMARKS
        colours = np.zeros((count if looked_at else 0, MESH_POINTS, 3), np.uint8)
        points = np.full((count, number, 3), np.nan, np.float32)
        bar = opened.enter_context(tqdm(total=count, desc="landmarks", unit="frame", mininterval=1.0))
        failed = Event()

        def look(detector: LandmarkDetector, begin: int, first: int, end: int) -> bool:
            """Fill in rows ``first`` to ``end``; whether the video has just those frames."""
            row = begin - 1
            for row, picture in enumerate(read_frames(folder.video, first=begin), start=begin):
                if failed.is_set() or row >= count or picture.shape[:2] != (size, size):
                    return False
                if row == end:
                    return True
                found = detector(picture)
                if row < first:
                    continue
                bar.update()
                if found is not None:
                    points[row] = found
                    if looked_at:
                        colours[row] = sample_colours(picture, found)
            return row == count - 1

        def guarded(detector: LandmarkDetector, part: tuple[int, int, int]) -> bool:
            whole = False
            try:
                whole = look(detector, *part)
            finally:
                if not whole:
                    failed.set()
            return whole

        with ThreadPoolExecutor(len(parts)) as pool:
            whole = all(pool.map(guarded, detectors, parts))
    if not whole:
        raise DamagedArtifact(
            folder.video, f"it does not hold the {count} frames of {size} pixels that {folder.frames.name} lists"
        )
    hidden = covered(colours, points) if looked_at else np.zeros(count, bool)
    points[hidden] = np.nan
    return LandmarkTrack(table.frame.astype(np.int64), points, name, size), hidden


def fit(
    head: FlameHead,
    landmarks: LandmarkTrack,
    table: FrameTable,
    params: TrackParams,
    part: str,
    start: InitialGuess | None = None,
) -> tuple[FlameSequence, Track]:
    """Fit ``head`` to the landmarks of consecutive frames; one row of the result for every row of the input.

    part: what the artifact says of the head model.  start: where to begin, if not at a pose in closed form.
    """
    torch.set_num_threads(1)  # the fit runs its own threads over chunks of frames
    settings = TrackerSettings(
        identity_frames=params.identity_frames,
        smoothing=params.smoothing,
        iterations=params.iterations,
        worst_error=params.worst_error,
        longest_gap=params.longest_gap,
        stabilise=params.stabilise,
    )
    with tqdm(total=params.iterations, desc="fitting all frames", unit="step", mininterval=1.0) as bar:
        track = track_landmarks(
            head,
            landmarks.points,
            expected_focal(table),
            landmarks.image_size,
            settings,
            progress=lambda step, cost: bar.update(),
            guess=start,
        )
    width = face_width(landmarks.points)
    error = track.error
    confidence = np.where(track.seen, np.clip(1 - error / (params.worst_error * width), 0, 1), 0.0)
    x = track.parameters.astype(np.float32)
    sequence = FlameSequence(
        frame=landmarks.frame,
        t=table.t,
        expression=x[:, 15:],
        global_rotation=x[:, 0:3],
        neck_rotation=np.where(np.isfinite(x[:, :3]), np.float32(0), np.float32(np.nan)),
        jaw_rotation=x[:, 6:9],
        eyes_rotation=x[:, 9:15],
        translation=x[:, 3:6],
        landmark_error=error.astype(np.float32),
        confidence=confidence.astype(np.float32),
        tracked=track.seen,
        shape=track.shape.astype(np.float32),
        focal=track.focal,
        image_size=landmarks.image_size,
        fps=float(table.header["fps"]),
        parts={
            "landmark detector": landmarks.detector,
            "head model": part,
            "initialisation": CLOSED_FORM[landmarks.layout.depth],
        },
    )
    if not landmarks.layout.irises:
        sequence.parts["gaze"] = "not seen (68 landmarks show no iris): eyes look ahead"
    return sequence, track


def head_part(info: dict[str, Any]) -> str:
    """What a track says of its head model, from the facts stored with that."""
    return f"{info['name']} (stands in for FLAME)" if "stands_in_for" in info else str(info["name"])


def expected_focal(table: FrameTable) -> float:
    """Focal length in pixels of the crop that an ordinary camera would have: 1.2 times the source's long side.

    Only a guess to start from and to lean on: a face says little about it.
    """
    source = table.header.get("source", {})
    scale = float(table.header.get("scale", 1.0))
    long_side = max(float(source.get("width", 0)), float(source.get("height", 0)))
    size = float(table.header["image_size"])
    return max(1.2 * long_side * scale, 1.2 * size)


__all__ = ["TrackParams", "detect", "expected_focal", "fit", "head_part", "run"]

if __name__ == "__main__":
    raise SystemExit(main("track", TrackParams, run))
