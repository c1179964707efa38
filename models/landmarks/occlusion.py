"""Whether something covers a face whose mesh was found all the same.

A mesh network that follows a face goes on reporting one when a hand or a cup comes before it: plausible points, freely
invented, that a head model fits well.  The picture under them tells: a face keeps its colours point by point through a
clip, what comes before it has others.  A cover of the skin's own colour over the mouth alone is not noticed.
"""

import cv2
import numpy as np
from scipy.ndimage import binary_dilation

from models.landmarks import parts
from models.landmarks.face_mesh import MESH_POINTS

SKIN = np.setdiff1d(np.arange(MESH_POINTS), np.concatenate([parts.OVAL_POINTS, parts.LIP_POINTS]))
"""Points that are looked at: not the outline, where the background shows, nor the lips, which open."""
USUAL_SPREAD = 6.0
"""Levels of 255 by which a point's colour varies in any recording: noise, compression, shading as heads turn."""
STRANGE = 4.0
"""Robust standard deviations from which a point does not look like itself."""
COVERED = 0.25
"""Share of strange points in any ninth of the face from which it counts as covered.  In 3,200 frames of five clips with
nothing before the face the largest share was 0.20."""
MARGIN = 2
"""Frames before and after a covered one that count as covered too: the cover is on its way."""
FEWEST = 25
"""Frames that have to show a face before it is known what that looks like."""


def sample_colours(picture: np.ndarray, mesh: np.ndarray) -> np.ndarray:
    """uint8 [468, 3]: the colour round every point of mesh [>= 468, >= 2] (pixels) in an RGB picture [H, W, 3]."""
    extent = float(np.ptp(mesh[:MESH_POINTS, 0]))
    side = max(int(extent / 40), 1) * 2 + 1
    height, width = picture.shape[:2]
    column = mesh[:MESH_POINTS, 0].astype(np.int64).clip(0, width - 1)
    row = mesh[:MESH_POINTS, 1].astype(np.int64).clip(0, height - 1)
    return cv2.blur(picture, (side, side))[row, column]


def strange_points(colours: np.ndarray, found: np.ndarray) -> np.ndarray:
    """bool [N, 468]: points whose colour is not what it is in the rest of the clip.

    colours uint8 [N, 468, 3]; found bool [N], frames with a face.  Every frame's own brightness and tint are taken out.
    """
    values = colours.astype(np.float32)
    values -= np.median(values[:, SKIN], axis=1, keepdims=True)
    usual = np.median(values[found], axis=0)
    spread = 1.4826 * np.median(np.abs(values[found] - usual), axis=0)
    return (np.abs(values - usual) / np.hypot(spread, USUAL_SPREAD)).max(-1) > STRANGE


def ninths(mesh: np.ndarray) -> np.ndarray:
    """int64 [len(SKIN)] in 0..8: where on the face each point of ``SKIN`` lies, of mesh [N, >= 468, >= 2]."""
    points = mesh[:, :MESH_POINTS, :2]
    x, y = np.nanmedian(points - points.mean(1, keepdims=True), axis=0)[SKIN].T
    thirds = [np.digitize(values, np.quantile(values, [1 / 3, 2 / 3])) for values in (x, y)]
    return 3 * thirds[1] + thirds[0]


def covered(colours: np.ndarray, mesh: np.ndarray) -> np.ndarray:
    """bool [N]: frames whose face is covered, of colours uint8 [N, 468, 3] and mesh [N, 478, >= 2] (NaN: no face).

    None is where fewer than ``FEWEST`` frames show a face, or where it is covered in most of them.
    """
    found = np.isfinite(mesh).all((1, 2))
    if found.sum() < FEWEST:
        return np.zeros(len(mesh), bool)
    strange = strange_points(colours, found)[:, SKIN]
    where = ninths(mesh)
    share = np.stack([strange[:, where == part].mean(1) for part in range(9)], 1).max(1)
    hidden = found & (share > COVERED)
    return binary_dilation(hidden, iterations=MARGIN) & found if hidden.any() else hidden
