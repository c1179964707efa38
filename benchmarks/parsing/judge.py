"""A better matte than the pipeline can afford, as a judge: U²-Net (Qin et al. 2020),
about 2 s of one core a picture."""

from pathlib import Path

import cv2
import numpy as np

SIDE = 320  # pixels of the network's input
MEAN, SPREAD = np.array([0.485, 0.456, 0.406], np.float32), np.array([0.229, 0.224, 0.225], np.float32)


class Judge:
    """U²-Net from an ONNX file (asset ``u2net``)."""

    def __init__(self, path: Path) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        self._input = self._session.get_inputs()[0].name

    def __call__(self, rgb: np.ndarray) -> np.ndarray:
        """Saliency float32 [H, W] in 0..1 (stretched to that range, as its authors do) of uint8 RGB [H, W, 3]."""
        small = cv2.resize(rgb, (SIDE, SIDE), interpolation=cv2.INTER_AREA).astype(np.float32)
        small = (small / max(float(small.max()), 1e-6) - MEAN) / SPREAD
        output = self._session.run(None, {self._input: np.ascontiguousarray(small.transpose(2, 0, 1)[None])})[0][0, 0]
        low, high = float(output.min()), float(output.max())
        stretched = (output - low) / max(high - low, 1e-6)
        return cv2.resize(stretched, rgb.shape[1::-1], interpolation=cv2.INTER_LINEAR)


def overlap(mine: np.ndarray, other: np.ndarray) -> float:
    """Intersection over union of two masks; 1 where both are empty."""
    union = np.count_nonzero(mine | other)
    return np.count_nonzero(mine & other) / union if union else 1.0
