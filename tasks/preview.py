"""A strip that shows how a portrait comes along while it is trained: one row a look, the recording on top.

``runs/nerf_preview.png`` beside the run records, outside git and DVC: it is written again and again while the stage
runs, and is there after a kill.
"""

from pathlib import Path

import cv2
import numpy as np

from tasks.artifacts.atomic import atomic_path

SIDE = 160  # pixels of one picture
MARGIN = 132  # pixels of the text beside it
MOST_ROWS = 8  # under the recording's; beyond, every other one is left out, never the first and the newest


class PreviewStrip:
    """The strip at ``path``.

    pictures: what the recording shows, uint8 RGB [H, W, 3] each.  resumed: go on with the strip that is there, if it
    is one of as many pictures.
    """

    def __init__(self, path: Path, pictures: list[np.ndarray], resumed: bool):
        self.path = path
        self._truth = _row(pictures, ["recording"])
        rows = self._read() if resumed else []
        self._rows = dict(enumerate(rows))  # by the number of the look
        self._looks = len(rows)
        self._every = 1  # this many looks lie between two rows, but for the newest

    def add(self, pictures: list[np.ndarray], text: list[str]) -> None:
        """Write the strip with one more row: renders as for ``pictures``, a few short lines beside them."""
        self._rows[self._looks] = _row(pictures, text)
        kept = self._kept()
        if len(kept) > MOST_ROWS:
            self._every *= 2
            kept = self._kept()
        self._rows = kept
        self._looks += 1
        with atomic_path(self.path) as temporary:
            cv2.imwrite(str(temporary), np.concatenate([self._truth, *kept.values()])[..., ::-1])

    def _kept(self) -> dict[int, np.ndarray]:
        """Rows evenly spread over the looks, and the newest."""
        return {look: row for look, row in self._rows.items() if look % self._every == 0 or look == self._looks}

    def _read(self) -> list[np.ndarray]:
        strip = cv2.imread(str(self.path)) if self.path.exists() else None
        if strip is None or strip.shape[1:] != self._truth.shape[1:] or strip.shape[0] % SIDE:
            return []
        return list(strip[..., ::-1].reshape(-1, *self._truth.shape))[1:]


def _row(pictures: list[np.ndarray], text: list[str]) -> np.ndarray:
    """uint8 [SIDE, MARGIN + n * SIDE, 3]."""
    margin = np.full((SIDE, MARGIN, 3), 255, np.uint8)
    for index, line in enumerate(text):
        cv2.putText(margin, line, (6, 24 + 22 * index), cv2.FONT_HERSHEY_SIMPLEX, 0.42, (40, 40, 40), 1, cv2.LINE_AA)
    scaled = [cv2.resize(picture, (SIDE, SIDE), interpolation=cv2.INTER_AREA) for picture in pictures]
    return np.concatenate([margin, *scaled], axis=1)
