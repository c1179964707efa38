"""Clean background plate: what the camera sees where the person never stands, and a guess where it always does."""

import cv2
import numpy as np


class BackgroundPlate:
    """Per-pixel median over the background pixels of a bounded number of frames.

    frames: how many will be added at most; memory is frames * H * W * 3 bytes.  margin: share of the picture's side
    by which the person's mask is widened first, because hair and motion blur reach past it.
    """

    def __init__(self, frames: int, shape: tuple[int, int], margin: float = 0.02) -> None:
        self._pictures = np.zeros((frames, *shape, 3), np.uint8)
        self._seen = np.zeros((frames, *shape), bool)
        self._count = 0
        side = max(1, round(shape[0] * margin))
        self._kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * side + 1, 2 * side + 1))

    def add(self, rgb: np.ndarray, person: np.ndarray) -> None:
        """Add a frame: rgb uint8 [H, W, 3], person bool [H, W]."""
        wide = cv2.dilate(person.astype(np.uint8), self._kernel).astype(bool)
        self._pictures[self._count] = rgb
        self._seen[self._count] = ~wide
        self._count += 1

    def finish(self) -> tuple[np.ndarray, np.ndarray]:
        """(plate uint8 [H, W, 3], seen bool [H, W]); pixels that were never seen are inpainted."""
        pictures, seen = self._pictures[: self._count], self._seen[: self._count]
        shape = self._pictures.shape[1:3]
        plate = np.zeros((*shape, 3), np.uint8)
        ever: np.ndarray = np.logical_or.reduce(seen, axis=0)
        for row in range(shape[0]):  # a row at a time bounds the float copies
            values = np.where(seen[:, row, :, None], pictures[:, row].astype(np.float32), np.nan)
            columns = ever[row]
            if columns.any():
                plate[row, columns] = np.round(np.nanmedian(values[:, columns], axis=0)).astype(np.uint8)
        if ever.any() and not ever.all():
            plate = _inpaint(plate, ~ever)
        return plate, ever


def _inpaint(picture: np.ndarray, hole: np.ndarray) -> np.ndarray:
    """Fill ``hole``: coarse shape from a small picture (Telea 2004), so that large holes stay smooth and cheap."""
    height, width = hole.shape
    small = (max(8, width // 4), max(8, height // 4))
    known = (~hole).astype(np.float32)
    weight = cv2.resize(known, small, interpolation=cv2.INTER_AREA)
    colour = cv2.resize(picture * known[..., None], small, interpolation=cv2.INTER_AREA)
    colour = np.round(colour / np.maximum(weight, 1e-6)[..., None]).clip(0, 255).astype(np.uint8)
    filled = cv2.inpaint(colour, (weight < 0.5).astype(np.uint8), 3, cv2.INPAINT_TELEA)
    large = cv2.resize(cv2.GaussianBlur(filled, (5, 5), 0), (width, height), interpolation=cv2.INTER_CUBIC)
    return np.where(hole[..., None], large, picture)
