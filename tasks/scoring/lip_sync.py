"""LSE-C and LSE-D of a video as its pictures come in: no more than a few face crops are held."""

from collections import deque

import numpy as np
import torch

from models.metrics.syncnet import FRAMES, LEAST, Agreement, SyncNet, agreement, crop_face, face_square, sound_windows
from models.speech.mfcc import mfcc

STEADY = 6  # frames before and after over whose median a crop's place is taken
BATCH = 8  # windows embedded at once


class LipSyncScore:
    """Feed it every frame of a video in order, then ask for ``result``."""

    def __init__(self, network: SyncNet):
        self._network = network
        self._waiting: deque[np.ndarray] = deque()  # pictures whose crop is not placed yet
        self._squares: list[tuple[float, float, float]] = []
        self._crops: deque[np.ndarray] = deque(maxlen=FRAMES)
        self._windows: list[np.ndarray] = []
        self._embedded: list[torch.Tensor] = []
        self._placed = 0

    def add(self, picture: np.ndarray, points: np.ndarray) -> None:
        """picture: uint8 RGB [H, W, 3]; points [68, 2]: its iBUG-68 landmarks, NaN where no face was found."""
        self._waiting.append(picture.copy())
        self._squares.append(face_square(points))
        if len(self._squares) > STEADY:
            self._place()

    def result(self, sound: np.ndarray) -> Agreement | None:
        """sound: float [T] in -1..1 at 16 kHz, from the first frame on.  None where the video has fewer than LEAST
        frames, or a stretch without a face."""
        while self._waiting:
            self._place()
        self._embed()
        windows = min(len(self._squares), len(sound) // 640) - FRAMES
        if len(self._squares) < LEAST or windows < 1 or not np.isfinite(self._all_squares()).all():
            return None
        lips = torch.cat(self._embedded)[:windows]
        coefficients = mfcc(np.round(np.clip(sound, -1, 1) * 32767))
        with torch.no_grad():
            parts = [self._network.embed_sound(part) for part in sound_windows(coefficients, len(lips)).split(64)]
        return agreement(lips, torch.cat(parts))

    def _all_squares(self) -> np.ndarray:
        return np.array([self._steady(index) for index in range(len(self._squares))])

    def _steady(self, index: int) -> np.ndarray:
        """Median over the frames round it in which a face was found; NaN where there is none."""
        near = np.array(self._squares[max(0, index - STEADY) : index + STEADY + 1])
        near = near[np.isfinite(near).all(1)]
        return np.median(near, axis=0) if len(near) else np.full(3, np.nan)

    def _place(self) -> None:
        picture, square = self._waiting.popleft(), self._steady(self._placed)
        self._placed += 1
        if not np.isfinite(square).all():
            square = np.array([picture.shape[1] / 2, picture.shape[0] / 2, picture.shape[0] / 4])  # for the length only
        self._crops.append(crop_face(picture, square))
        if len(self._crops) == FRAMES:
            self._windows.append(np.stack(self._crops))
            if len(self._windows) == BATCH:
                self._embed()

    def _embed(self) -> None:
        if self._windows:
            # [B, frame, row, column, channel] -> [B, channel, frame, row, column]
            pictures = torch.from_numpy(np.stack(self._windows)).permute(0, 4, 1, 2, 3).float()
            with torch.no_grad():
                self._embedded.append(self._network.embed_lips(pictures))
            self._windows = []
