"""The second pass of the tracker: a head that rests is held, so that speech moves the face and not the head.

A landmark detector shakes, and it leans with the mouth: when the jaw opens, its whole mesh tilts.  A first fit of a
clip cannot tell that from small motion of the head.  Here the first fit's rigid motion is looked at over half a second:
where the head does next to nothing in that time, its pose is tied to its neighbours' much more tightly, and the clip is
fitted once more, so that what the pose gives up goes to the jaw and the expression if the landmarks ask for it.  (To
separate rigid motion from expression in a step of its own is the idea of "Learning to Stabilize Faces", Eurographics
2024; nothing is learned here.)
"""

import numpy as np
import torch
from scipy.ndimage import gaussian_filter1d
from torch import Tensor

from models.flame.landmark_model import GLOBAL, TRANSLATION, LandmarkModel
from models.flame.rotation import axis_angle_to_matrix
from models.flame.sequence_fit import Smoothness

SLOW = 4.0
"""Frames (standard deviation) over which poses are averaged before their motion is looked at: syllables are faster."""
NEARBY = 8.0
"""Frames (standard deviation) within which motion keeps a frame from counting as resting."""
MOVING = 8e-3
"""Metres a quarter of a second, RMS over the face: a head that moves so much is left as it is."""
QUARTER = 6.25
"""Frames in a quarter of a second."""
HELD = 0.05
"""Smallest factor on the standard deviations of the pose's second difference."""


def activity(model: LandmarkModel, parameters: Tensor) -> np.ndarray:
    """How far the head moves round each frame: metres in a quarter of a second [N], across the line of sight (depth is
    what a face shows least).

    parameters [N, 15 + E] of consecutive frames.
    """
    rest = model.rest - model.joints[0]
    centre, reach = rest.mean(0), rest.std(0)
    frame = torch.stack([centre, *(centre + torch.diag(reach))])  # four points stand for all of a rigid body
    x = parameters.to(rest)
    points = frame @ axis_angle_to_matrix(x[:, GLOBAL]).transpose(1, 2) + x[:, None, TRANSLATION]
    slow = gaussian_filter1d(points[..., :2].numpy(), SLOW, axis=0, mode="nearest")
    speed = np.gradient(slow, axis=0) if len(slow) > 1 else np.zeros_like(slow)
    square = np.square(QUARTER * speed).sum(-1).mean(-1)
    return np.sqrt(gaussian_filter1d(square, NEARBY, mode="nearest"))


def hold_resting(ties: Smoothness, model: LandmarkModel, parameters: Tensor) -> Smoothness:
    """``ties`` [P] with the pose's tightened (second: [N - 2, P]) where the head rests in a first fit [N, 15 + E]."""
    if len(parameters) < 3:
        return ties
    factor = torch.from_numpy(np.clip(activity(model, parameters) / MOVING, HELD, 1.0))[1:-1, None]
    second = ties.second.double().expand(len(parameters) - 2, -1).clone()
    second[:, GLOBAL] *= factor
    second[:, TRANSLATION] *= factor
    return Smoothness(ties.first, second)
