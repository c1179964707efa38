"""``background.png``: what the camera sees behind the person, one RGB picture of the crop's size."""

from pathlib import Path

import cv2
import numpy as np

from tasks.artifacts.atomic import atomic_path
from tasks.errors import DamagedArtifact, MissingInput


def write_background(path: Path, rgb: np.ndarray) -> None:
    """Write uint8 RGB [H, W, 3] atomically."""
    if rgb.dtype != np.uint8 or rgb.ndim != 3 or rgb.shape[2] != 3:
        raise ValueError(f"not an RGB picture: {rgb.dtype} {rgb.shape}")
    ok, data = cv2.imencode(".png", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR))
    if not ok:
        raise ValueError("the background could not be encoded")
    with atomic_path(path) as temporary:
        temporary.write_bytes(data.tobytes())


def read_background(path: Path) -> np.ndarray:
    """uint8 RGB [H, W, 3].  Raises MissingInput or DamagedArtifact."""
    if not Path(path).exists():
        raise MissingInput(Path(path), "the parse stage")
    data = np.frombuffer(Path(path).read_bytes(), np.uint8)
    picture = cv2.imdecode(data, cv2.IMREAD_UNCHANGED) if len(data) else None
    if picture is None or picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3:
        raise DamagedArtifact(Path(path), "not an RGB PNG")
    return cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)
