"""dlib's published files: the predictor of 68 landmarks and the network of face identities.

dlib's readers take what a file says of its own sizes at its word, so nothing but the published files is given to them.
"""

from pathlib import Path
from typing import Any

from tasks.errors import BadInput
from tasks.registry import sha256_of


def read_predictor(path: Path, sha256: str) -> Any:
    """``shape_predictor_68_face_landmarks.dat`` as a ``dlib.shape_predictor``; sha256: of the published file.

    Raises BadInput, one line.
    """
    import dlib

    _check(path, sha256, "predictor", "dlib68")
    return dlib.shape_predictor(str(path))


def read_identity(path: Path, sha256: str) -> Any:
    """``dlib_face_recognition_resnet_model_v1.dat`` as a ``dlib.face_recognition_model_v1``; sha256: of the published
    file.  Raises BadInput, one line.
    """
    import dlib

    _check(path, sha256, "network of identities", "dlib-identity")
    return dlib.face_recognition_model_v1(str(path))


def _check(path: Path, sha256: str, what: str, asset: str) -> None:
    if sha256_of(path) != sha256:
        raise BadInput(f"{path} is not the published {what} (wrong checksum): delete it, 'erlnet assets fetch {asset}'")
