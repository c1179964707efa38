"""What the face mesh says about pose and mouth, in units that do not depend on the picture's size."""

import numpy as np

RIGHT_CHEEK, LEFT_CHEEK = 234, 454
FOREHEAD, CHIN = 10, 152
RIGHT_EYE, LEFT_EYE = 33, 263  # outer corners
NOSE_ROOT, NOSE_BASE = 168, 2
INNER_LIPS = ((13, 14), (82, 87), (312, 317))  # above, below
OUTER_LIPS = (0, 17)
MOUTH_CORNERS = (61, 291)


def turn(mesh: np.ndarray) -> np.ndarray:
    """Angle in degrees [N] by which the face is turned to the side, from frontal; mesh [N, 478, 3], NaN where not
    seen.

    Positive: towards the picture's left.  From the line between the cheeks in the mesh's own relative depth; the
    detector's depth itself was not compared with known heads.
    """
    across = mesh[:, LEFT_CHEEK].astype(np.float64) - mesh[:, RIGHT_CHEEK]
    return np.degrees(np.arctan2(-across[:, 2], np.linalg.norm(across[:, :2], axis=1)))


def mouth_shape(mesh: np.ndarray) -> np.ndarray:
    """[N, 3]: opening between the inner lips, width, height of the outer lips, of mesh [N, 478, 3].

    In the geometric mean of the distance between the eyes' outer corners and the length of the nose: both change
    little with speech, and a turn of the head shortens one of them as it shortens the mouth.
    """
    points = mesh[..., :2].astype(np.float64)

    def distance(a: int, b: int) -> np.ndarray:
        return np.linalg.norm(points[:, a] - points[:, b], axis=1)

    unit = np.sqrt(distance(RIGHT_EYE, LEFT_EYE) * distance(NOSE_ROOT, NOSE_BASE))
    opening = np.mean([distance(above, below) for above, below in INNER_LIPS], axis=0)
    return np.stack([opening, distance(*MOUTH_CORNERS), distance(*OUTER_LIPS)], 1) / unit[:, None]


def covered_share(lips: np.ndarray, hands: list[np.ndarray]) -> float:
    """Share of the lips' hull (points [P, 2]) that the hulls of ``hands`` ([21, 2] each) cover."""
    import cv2

    if not hands:
        return 0.0
    corner = np.floor(lips.min(0)) - 1
    size = np.ceil(np.ptp(lips, axis=0) + 3).astype(int)
    mouth, cover = np.zeros((2, size[1], size[0]), np.uint8)
    cv2.fillConvexPoly(mouth, cv2.convexHull(np.round(lips - corner).astype(np.int32)), 1)
    for hand in hands:
        cv2.fillConvexPoly(cover, cv2.convexHull(np.round(hand - corner).astype(np.int32)), 1)
    return float((mouth & cover).sum() / max(1, mouth.sum()))
