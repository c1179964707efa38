"""The pictures of the report: contact sheets drawn from the artifacts, as data URIs."""

import base64
from collections.abc import Iterable, Sequence
from pathlib import Path

import cv2
import numpy as np

from tasks.artifacts.masks import Label
from tasks.artifacts.video import read_frames

LINE = (64, 224, 208)
WARM = (255, 176, 59)
COLOURS: dict[Label, tuple[int, int, int]] = {
    Label.BACKGROUND: (70, 80, 100),
    Label.TORSO: (66, 135, 245),
    Label.NECK: (245, 130, 48),
    Label.HEAD: (245, 208, 66),
    Label.HAIR: (150, 90, 220),
    Label.LIPS: (230, 50, 80),
    Label.MOUTH: (120, 20, 40),
    Label.EYES: (60, 200, 120),
}


def jpeg_uri(picture: np.ndarray, quality: int = 88) -> str:
    """``data:`` URI of a JPEG of ``picture`` (uint8 RGB [H, W, 3])."""
    ok, data = cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not ok:
        raise ValueError(f"a picture of shape {picture.shape} could not be encoded")
    return "data:image/jpeg;base64," + base64.b64encode(data.tobytes()).decode()


def file_uri(path: Path, kind: str) -> str:
    """``data:`` URI of a file of media type ``kind``."""
    return f"data:{kind};base64," + base64.b64encode(path.read_bytes()).decode()


def spread_rows(count: int, wanted: int) -> list[int]:
    """At most ``wanted`` row numbers, evenly spread over 0..count - 1, first and last included."""
    return sorted({round(x) for x in np.linspace(0, count - 1, min(count, wanted))}) if count else []


def pick_frames(path: Path, rows: Iterable[int], made_by: str = "the crop stage") -> dict[int, np.ndarray]:
    """The frames of ``rows`` of a project video, decoding no further than the last of them."""
    wanted = set(rows)
    found: dict[int, np.ndarray] = {}
    for row, picture in enumerate(read_frames(path, made_by)):
        if row in wanted:
            found[row] = picture
            if len(found) == len(wanted):
                break
    return found


def grid(pictures: Sequence[np.ndarray], columns: int, side: int, gap: int = 6) -> np.ndarray:
    """Pictures scaled to height ``side`` and laid out in rows of ``columns`` on white; uint8 RGB."""
    scaled = []
    for picture in pictures:
        width = round(picture.shape[1] * side / picture.shape[0])
        shrinks = side < picture.shape[0]
        scaled.append(cv2.resize(picture, (width, side), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC))
    columns = min(columns, len(scaled))
    rows = -(-len(scaled) // columns)
    width = max(picture.shape[1] for picture in scaled)
    sheet = np.full((rows * side + (rows - 1) * gap, columns * width + (columns - 1) * gap, 3), 255, np.uint8)
    for index, picture in enumerate(scaled):
        y, x = divmod(index, columns)
        sheet[y * (side + gap) :, x * (width + gap) :][:side, : picture.shape[1]] = picture
    return sheet


def with_box(picture: np.ndarray, box: Sequence[float], colour: tuple[int, int, int] = LINE) -> np.ndarray:
    """``picture`` with the rectangle x0, y0, x1, y1 drawn; unchanged where the box is NaN."""
    picture = picture.copy()
    if np.isfinite(box).all():
        x0, y0, x1, y1 = (round(float(v)) for v in box)
        thickness = max(1, round(min(picture.shape[:2]) / 180))
        cv2.rectangle(picture, (x0, y0), (x1 - 1, y1 - 1), colour, thickness, cv2.LINE_AA)
    return picture


def with_labels(picture: np.ndarray, labels: np.ndarray, strength: float = 0.5) -> np.ndarray:
    """The picture tinted by the colour of each pixel's label; the background only darkened."""
    table = np.zeros((256, 3), np.uint8)
    for label, colour in COLOURS.items():
        table[label] = colour
    tint = table[labels]
    return np.round(picture * (1 - strength) + tint * strength).astype(np.uint8)


def error_map(truth: np.ndarray, render: np.ndarray, full_scale: float = 64.0) -> np.ndarray:
    """Mean absolute difference over channels, 0 black to ``full_scale`` levels or more white-yellow; uint8 RGB."""
    difference = np.abs(truth.astype(np.int16) - render).mean(2) / full_scale * 255
    return cv2.applyColorMap(np.clip(difference, 0, 255).astype(np.uint8), cv2.COLORMAP_INFERNO)[..., ::-1]
