"""The iBUG-68 landmark set expressed in points of mediapipe's face mesh.

Sagonas et al., "300 Faces In-The-Wild Challenge" (2013), numbering from 0: 0-16 jaw line from the person's right
ear over the chin to the left ear, 17-21 and 22-26 brows, 27-30 nose bridge, 31-35 nostrils, 36-41 and 42-47 eyes,
48-59 outer and 60-67 inner lip contour.
"""

import numpy as np

JAW = slice(0, 17)
BROWS = slice(17, 27)
NOSE = slice(27, 36)
RIGHT_EYE = slice(36, 42)
LEFT_EYE = slice(42, 48)
MOUTH = slice(48, 68)

_POINTS = {
    "jaw line": "127 234 93 132 58 136 150 176 152 400 379 365 288 361 323 454 356",
    "right brow, left brow": "70 63 105 66 107 336 296 334 293 300",
    "nose bridge, nostrils": "168 197 5 4 75 97 2 326 305",
    "right eye, left eye": "33 160 158 133 153 144 362 385 387 263 373 380",
    "outer lips, from the right corner over the upper lip": "61 39 37 0 267 269 291 405 314 17 84 181",
    "inner lips": "78 82 13 312 308 317 14 87",
}

MESH_TO_IBUG68 = np.array(" ".join(_POINTS.values()).split(), dtype=np.int64)
"""int64 [68]: index into the 478 mesh points for every iBUG-68 landmark."""


def ibug68(mesh: np.ndarray) -> np.ndarray:
    """Pick the iBUG-68 points [..., 68, C] from mesh points [..., L >= 468, C]."""
    return mesh[..., MESH_TO_IBUG68, :]
