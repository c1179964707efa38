"""Overlay: what the track stage found: the fitted head's mesh over the face, with the detector's landmarks and its own.

    erlnet overlay --subject ID [--out OUT.mp4], or python -m tasks.overlay --subject ID --out OUT.mp4

Not a stage: it reads a subject's crop and track and writes one file wherever it is told to.  Grey lines: the fitted
mesh (the face's, where it looks at the camera).  Green: the detector's landmarks.  Red: the fitted head's.  A frame
that was not tracked says so in words; where a gap was filled in, the mesh is yellow.  Exit status: 0 done, 1 failed,
2 bad input.
"""

import argparse
import time
from pathlib import Path

import cv2
import numpy as np
import torch
from tqdm import tqdm

from models.flame.camera import project
from models.flame.head import FlameHead
from tasks.artifacts.flame import FlameSequence, read_flame
from tasks.artifacts.head import head_identity, read_head
from tasks.artifacts.landmarks import LandmarkTrack, read_landmarks
from tasks.artifacts.layout import AssetFolder, SubjectFolder
from tasks.artifacts.video import VideoWriter, read_frames
from tasks.command_line import exit_status
from tasks.errors import BadInput, DamagedArtifact, StageFailed

SIZE = 512  # least pixels a side: on a smaller picture the lines of a mesh run together
MESH, FILLED = (205, 210, 215), (250, 205, 60)
DETECTED, FITTED = (60, 220, 90), (235, 60, 60)
BLOCK = 32  # frames whose vertices are computed together: the head model is faster that way
FRACTION_BITS = 4  # of the drawing functions' fixed-point coordinates


class Overlay:
    """Draws the fitted head and the landmarks of one row over its picture."""

    def __init__(self, head: FlameHead, sequence: FlameSequence, landmarks: LandmarkTrack) -> None:
        self.head = head
        self.sequence = sequence
        self.landmarks = landmarks
        self.usable = sequence.usable
        self.shape = torch.tensor(sequence.shape)[None]
        self._start, self._block = -1, (np.empty(0), np.empty(0))
        face = np.isin(head.faces.numpy(), head.regions["face"].numpy()).all(1)
        self.triangles = head.faces.numpy()[face]

    def draw(self, picture: np.ndarray, row: int) -> np.ndarray:
        """``picture`` (uint8 RGB, square) enlarged to at least SIZE, with row ``row`` of the track over it."""
        factor = max(1, -(-SIZE // picture.shape[0]))
        canvas = np.ascontiguousarray(cv2.resize(picture, None, fx=factor, fy=factor, interpolation=cv2.INTER_CUBIC))
        seen = bool(self.sequence.tracked[row])
        if self.usable[row]:
            vertices, points = self._fitted(row)
            self._mesh(canvas, vertices * factor, MESH if seen else FILLED)
            _dots(canvas, points * factor, FITTED)
        if np.isfinite(self.landmarks.points[row]).all():
            _dots(canvas, self.landmarks.points[row, :, :2] * factor, DETECTED)
        words = f"frame {self.sequence.frame[row]}"
        if seen:
            words += f"   error {self.sequence.landmark_error[row]:.1f} px"
        else:
            words += "   NOT TRACKED" + (": filled in from its neighbours" if self.usable[row] else "")
        _write(canvas, words, MESH if seen else FILLED)
        return canvas

    def _fitted(self, row: int) -> tuple[np.ndarray, np.ndarray]:
        """Vertices [V, 2] and landmarks [L, 2] of the fitted head, pixels of the crop."""
        start = row - row % BLOCK
        if start != self._start:
            self._start, self._block = start, self._rows(start, start + BLOCK)
        return self._block[0][row - start], self._block[1][row - start]

    def _rows(self, start: int, stop: int) -> tuple[np.ndarray, np.ndarray]:
        """The same of rows ``start`` to ``stop``: [B, V, 2] and [B, L, 2]."""
        names = ("expression", "global_rotation", "neck_rotation", "jaw_rotation", "eyes_rotation", "translation")
        values = {name: torch.tensor(getattr(self.sequence, name)[start:stop]) for name in names}
        with torch.no_grad():
            vertices = self.head(self.shape, **values)
            points = self.head.embeddings[self.landmarks.layout.name].points(vertices, self.head.faces)
            focal, size = self.sequence.focal, self.sequence.image_size
            return project(vertices, focal, size).numpy(), project(points, focal, size).numpy()

    def _mesh(self, canvas: np.ndarray, vertices: np.ndarray, colour: tuple[int, int, int]) -> None:
        a, b, c = (vertices[self.triangles[:, k]] for k in range(3))
        area = (b[:, 0] - a[:, 0]) * (c[:, 1] - a[:, 1]) - (b[:, 1] - a[:, 1]) * (c[:, 0] - a[:, 0])
        outlines = _fixed(vertices[self.triangles[area < 0]])  # counter-clockwise from outside, v down
        lines = canvas.copy()
        cv2.polylines(lines, list(outlines), True, colour, 1, cv2.LINE_AA, FRACTION_BITS)
        cv2.addWeighted(lines, 0.45, canvas, 0.55, 0, canvas)


def _fixed(points: np.ndarray) -> np.ndarray:
    """Drawing coordinates of pixel positions: theirs count from the centre of the first pixel."""
    return np.round((points.clip(-1e4, 1e4) - 0.5) * (1 << FRACTION_BITS)).astype(np.int32)


def _dots(canvas: np.ndarray, points: np.ndarray, colour: tuple[int, int, int]) -> None:
    for x, y in _fixed(points).tolist():
        cv2.circle(canvas, (x, y), 1 << FRACTION_BITS, colour, -1, cv2.LINE_AA, FRACTION_BITS)


def _write(canvas: np.ndarray, words: str, colour: tuple[int, int, int]) -> None:
    canvas[:32] //= 4
    cv2.putText(canvas, words, (10, 21), cv2.FONT_HERSHEY_SIMPLEX, 0.5, colour, 1, cv2.LINE_AA)


def run(folder: SubjectFolder, out: Path) -> int:
    """Write the overlay of one subject to ``out``; returns the number of frames.

    Raises BadInput for what the user can mend, MissingInput, DamagedArtifact or StageFailed otherwise.
    """
    if out.suffix.lower() != ".mp4":
        raise BadInput(f"--out {out}: the result is an MP4 file: give a name that ends in .mp4")
    if not out.parent.is_dir():
        raise BadInput(f"--out {out}: the folder {out.parent} does not exist")
    if out.exists() and folder.video.exists() and out.samefile(folder.video):
        raise BadInput(f"--out {out} is the subject's own video: it would be overwritten")
    sequence, landmarks = read_flame(folder.flame), read_landmarks(folder.landmarks)
    model = AssetFolder.default().open_head
    if sequence.head != head_identity(model):
        raise StageFailed(f"{folder.flame} was made with another head model than {model}: run the track stage again")
    if len(landmarks) != len(sequence):
        raise DamagedArtifact(folder.landmarks, f"{len(landmarks)} rows, {folder.flame.name} has {len(sequence)}")
    overlay = Overlay(read_head(model), sequence, landmarks)
    # No provenance: that record calls a video synthetic, and this one is recorded.
    row = -1
    with VideoWriter(out, sequence.fps) as video:
        bar = tqdm(read_frames(folder.video), "overlay", len(sequence), unit="frame", mininterval=1.0)
        for row, picture in enumerate(bar):
            if row >= len(sequence):
                break
            video.write(overlay.draw(picture, row))
        if row + 1 != len(sequence):
            raise DamagedArtifact(folder.video, f"it does not hold the {len(sequence)} frames of {folder.flame.name}")
    return video.frames


def main(argv: list[str] | None = None) -> int:
    """The command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tasks.overlay", description=__doc__)
    parser.add_argument("--subject", required=True, help="id of the subject")
    parser.add_argument("--out", required=True, type=Path, help="the MP4 to write")
    arguments = parser.parse_args(argv)

    def work() -> None:
        started = time.monotonic()
        folder = SubjectFolder.of(arguments.subject)
        if not folder.root.is_dir():
            raise BadInput(f"no subject {folder.id!r}: 'erlnet status' lists subjects")
        frames = run(folder, arguments.out)
        seconds = time.monotonic() - started
        print(f"{arguments.out}: {frames} frames in {seconds:.1f} s ({frames / seconds:.1f} frames a second)")

    return exit_status("overlay", work)


if __name__ == "__main__":
    raise SystemExit(main())
