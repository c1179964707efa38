"""``shape_predictor_68_face_landmarks.dat``: dlib's published predictor of 68 landmarks."""

from pathlib import Path
from typing import Any

from tasks.errors import BadInput
from tasks.registry import sha256_of


def read_predictor(path: Path, sha256: str) -> Any:
    """``dlib.shape_predictor`` of ``path``.

    sha256: of the published file.  dlib's reader takes what a file says of its own sizes at its word, so nothing but
    that file is given to it.  Raises BadInput, one line.
    """
    import dlib

    if sha256_of(path) != sha256:
        raise BadInput(
            f"{path} is not the published predictor (wrong checksum): delete it, 'erlnet assets fetch dlib68'"
        )
    return dlib.shape_predictor(str(path))
