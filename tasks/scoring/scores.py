"""The score sheet of the evaluate stage: figures per frame as pictures come in, and their summary at the end."""

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from models.landmarks.face_mesh import FaceMesh
from models.landmarks.ibug68 import ibug68
from models.metrics.identity import FaceIdentity
from models.metrics.judge import PER_FRAME, Truth, judge, to_grey
from models.metrics.landmarks import mouth_opening
from models.metrics.lpips import Lpips
from models.metrics.motion import best_lag, flicker, follows, jitter
from models.metrics.regions import face_box, neck_band
from models.metrics.sharpness import cpbd
from tasks.artifacts.evaluation import Evaluation
from tasks.artifacts.masks import HEAD_LABELS, Label

REACH = 12  # frames either way in which the best lag of the mouth is sought
METHODS = ("self_driven", "flame_driven", "speech_driven", "mean_frame", "nearest_frame")


@dataclass
class _Method:
    figures: np.ndarray  # [N, K]
    points: np.ndarray  # [N, 68, 2]
    missed: int = 0  # measured frames in which no face was found
    flicker: list[float] = field(default_factory=list)
    neck_flicker: list[float] = field(default_factory=list)
    last: tuple[int, np.ndarray] | None = None


class ScoreSheet:
    """Scores every method on the same held-out frames with the same networks.

    frames: ids of the held-out frames, consecutive.  measured: bool [N], which of them get per-frame figures.
    size: side of the pictures.  mesh: a FaceMesh in static mode, so that no frame's landmarks depend on another's;
    it looks at the truth too, so that its own bias cancels.  identity: None leaves CSIM out.
    """

    def __init__(
        self,
        frames: np.ndarray,
        measured: np.ndarray,
        size: int,
        lpips: Lpips,
        mesh: FaceMesh,
        identity: FaceIdentity | None = None,
    ):
        self.frames, self.measured, self.size = frames, measured, size
        self._lpips, self._mesh, self._identity = lpips, mesh, identity
        shape = (len(frames), len(PER_FRAME))
        self._methods = {
            name: _Method(np.full(shape, np.nan, np.float32), np.full((len(frames), 68, 2), np.nan)) for name in METHODS
        }
        self._true_points = np.full((len(frames), 68, 2), np.nan)
        self._true_last: np.ndarray | None = None
        self._true_now: np.ndarray | None = None
        self._truth: Truth | None = None
        self._neck = np.zeros((size, size), bool)
        self._sharpness: list[float] = []
        self._cache: dict[Any, np.ndarray | None] = {}

    def truth(self, index: int, picture: np.ndarray, labels: np.ndarray) -> None:
        """Begin held-out frame ``index`` (0-based): the recorded picture and its label map."""
        self._true_last, self._true_now, self._truth = self._true_now, picture.copy(), None
        head, neck, torso = np.isin(labels, HEAD_LABELS), labels == Label.NECK, labels == Label.TORSO
        self._neck = neck_band(head, neck, torso)
        if not self.measured[index]:
            return
        mesh = self._mesh(picture)
        if mesh is None:
            return
        self._true_points[index] = ibug68(mesh)[:, :2]
        self._sharpness.append(cpbd(to_grey(picture)))
        self._truth = Truth(
            picture=self._true_now,
            landmarks=self._true_points[index],
            face=face_box(mesh, self.size),
            person=labels != Label.BACKGROUND,
            neck=self._neck,
            embedding=self._identity.embed(picture, self._true_points[index]) if self._identity else None,
        )

    def add(self, method: str, index: int, picture: np.ndarray, same_as: Any = None) -> None:
        """Score ``picture`` of ``method`` against the frame begun last.

        same_as: a key under which the landmarks of a picture that is shown several times are remembered.
        """
        sheet = self._methods[method]
        if sheet.last is not None and sheet.last[0] == index - 1:
            assert self._true_last is not None
            assert self._true_now is not None
            change = (sheet.last[1], picture, self._true_last, self._true_now)
            sheet.flicker.append(flicker(*change))
            sheet.neck_flicker.append(flicker(*change, self._neck))
        sheet.last = (index, picture.copy())
        if self._truth is None:
            return
        points = self._landmarks(picture, same_as)
        if points is None:
            sheet.missed += 1
        else:
            sheet.points[index] = points
        found = judge(self._truth, picture, points, self._lpips, self._identity)
        sheet.figures[index] = [found[name] for name in PER_FRAME]

    def points(self, method: str, index: int) -> np.ndarray:
        """iBUG-68 points [68, 2] found in a method's frame, or in the recording's ("truth"); NaN where none were."""
        return self._true_points[index] if method == "truth" else self._methods[method].points[index]

    def _landmarks(self, picture: np.ndarray, key: Any) -> np.ndarray | None:
        if key is not None and key in self._cache:
            return self._cache[key]
        mesh = self._mesh(picture)
        points = None if mesh is None else ibug68(mesh)[:, :2]
        if key is not None:
            self._cache[key] = points
        return points

    def evaluation(self) -> Evaluation:
        """The table of per-frame figures."""
        return Evaluation(self.frames, PER_FRAME, {name: sheet.figures for name, sheet in self._methods.items()})

    @property
    def with_face(self) -> int:
        """Measured frames whose truth shows a face; the figures are means over these."""
        return int(np.isfinite(self._true_points[:, 0, 0]).sum())

    def summary(self) -> dict[str, Any]:
        """Nested metrics: method -> figure -> mean over the measured frames, or a string that says why none."""
        return {name: self._summarise(sheet) for name, sheet in self._methods.items()} | {
            "truth": {"jitter": self._jitter(self._true_points), "cpbd": number(_mean(self._sharpness), "no edge")}
        }

    def _summarise(self, sheet: _Method) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for name, column in zip(PER_FRAME, sheet.figures.T, strict=True):
            finite = column[np.isfinite(column)].astype(np.float64)
            result[name] = number(finite.mean() if len(finite) else math.nan, "no frame shows what it needs")
        openings = (mouth_opening(points, self.size) for points in (sheet.points, self._true_points))
        rendered, recorded = openings
        correlation, ratio = follows(rendered, recorded)
        lag = best_lag(rendered, recorded, REACH)
        still = "the recorded or the rendered mouth does not move, or fewer than 3 frames"
        return result | {
            "faces_missed": sheet.missed,
            "flicker": number(_mean(sheet.flicker), "fewer than 2 frames"),
            "flicker_neck": number(_mean(sheet.neck_flicker), "no neck seen in 2 frames"),
            "jitter": self._jitter(sheet.points),
            "mouth_correlation": number(correlation, still),
            "mouth_dynamics": number(ratio, still),
            "mouth_lag": number(lag, f"a mouth does not move, or fewer than {4 * REACH} frames"),
        }

    def _jitter(self, points: np.ndarray) -> float | str:
        return number(jitter(points, self.size), "fewer than 3 consecutive measured frames")


def _mean(values: list[float]) -> float:
    finite = [value for value in values if math.isfinite(value)]
    return float(np.mean(finite)) if finite else math.nan


def number(value: float, otherwise: str) -> float | str:
    """A finite figure rounded to six digits, or the sentence that takes its place."""
    return float(f"{value:.6g}") if math.isfinite(value) else f"not measured ({otherwise})"


def spread(frames: int, at_most: int) -> np.ndarray:
    """bool [frames]: which frames are measured; all where ``at_most`` is 0, else that many, evenly spread."""
    chosen = np.zeros(frames, bool)
    count = frames if at_most <= 0 else min(at_most, frames)
    chosen[np.round(np.linspace(0, frames - 1, count)).astype(int)] = True
    return chosen
