"""Labels of BiSeNet face parsing (models/parsing/bisenet.py), with a temporal vote over its logits."""

from collections.abc import Generator, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from models.parsing.bisenet import CLASSES, enlarged, normalised
from models.parsing.vote import vote
from tasks.ahead import ahead
from tasks.artifacts.bisenet import read_bisenet
from tasks.artifacts.masks import Label
from tasks.artifacts.video import read_frames, read_some_frames
from tasks.errors import DamagedArtifact
from tasks.registry import sha256_of

LABELS = {
    "background": Label.BACKGROUND, "skin": Label.HEAD, "left brow": Label.HEAD, "right brow": Label.HEAD,
    "left eye": Label.EYES, "right eye": Label.EYES, "glasses": Label.HEAD, "left ear": Label.HEAD,
    "right ear": Label.HEAD, "earring": Label.HEAD, "nose": Label.HEAD, "mouth": Label.MOUTH, "upper lip": Label.LIPS,
    "lower lip": Label.LIPS, "neck": Label.NECK, "necklace": Label.NECK, "cloth": Label.TORSO, "hair": Label.HAIR,
    "hat": Label.HAIR,
}  # fmt: skip
"""Our label of each of the network's classes; a hat is hair, because it moves with the head."""
LABEL_OF_CLASS = np.array([LABELS[name] for name in CLASSES], np.uint8)
PERHAPS = 0.3  # probability of not being background above which a pixel is kept out of the background plate


class NetworkLabels:
    """LabelSource of a video by BiSeNet.

    count: frames that the video must have.  weights: of the temporal vote.
    Raises BadInput where the weights are missing or are not the published ones.
    """

    def __init__(self, video: Path, file: Path, count: int, weights: tuple[float, ...]) -> None:
        self._video, self._count, self._weights = video, count, weights
        self._network = read_bisenet(file)
        self._facts = {"parts": {"parsing": f"BiSeNet {file.name} {sha256_of(file)}"}}

    def learn(self, wanted: Sequence[int]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for _, rgb in read_some_frames(self._video, wanted):
            shares = enlarged(self._logits(rgb), (rgb.shape[0], rgb.shape[1])).softmax(1)
            yield rgb, (1 - shares[0, 0] > PERHAPS).numpy()

    def labels(self) -> Generator[np.ndarray, None, None]:
        def scored() -> Iterator[tuple[tuple[int, int], np.ndarray, np.ndarray]]:
            for i, rgb in enumerate(read_frames(self._video)):
                if i >= self._count:
                    raise DamagedArtifact(self._video, f"more than the {self._count} frames of the tables")
                yield (rgb.shape[0], rgb.shape[1]), self._logits(rgb)[0].numpy(), NO_MATTE

        with ahead(scored()) as frames:
            for shape, logits, _ in vote(frames, self._weights):
                yield LABEL_OF_CLASS[enlarged(torch.from_numpy(logits)[None], shape)[0].argmax(0).numpy()]

    def facts(self) -> dict[str, Any]:
        return self._facts

    @torch.inference_mode()
    def _logits(self, rgb: np.ndarray) -> torch.Tensor:
        """[1, 19, 64, 64] of a picture uint8 [H, W, 3]."""
        return self._network(normalised(torch.from_numpy(np.ascontiguousarray(rgb))[None]))


NO_MATTE = np.zeros((1, 1), np.float32)  # the network tells background from person itself
