"""What DECA says of a clip, as a place to start the fit from."""

from collections.abc import Sequence

import torch
from torch import Tensor

from models.deca.camera import pinhole_translation
from models.deca.crop import DecaCrop
from models.deca.encoder import DecaCode
from models.flame.head import FlameHead
from models.flame.initial_pose import InitialGuess
from models.flame.landmark_model import EXPRESSION, GLOBAL, JAW, POSE_SIZE, TRANSLATION, LandmarkModel


def deca_start(
    head: FlameHead,
    code: DecaCode,
    crops: Sequence[DecaCrop],
    rows: Tensor,
    frames: int,
    size: float,
    coefficients: bool,
) -> InitialGuess:
    """The guess for a clip of ``frames`` frames of which ``rows`` [B] were shown to DECA, in ``crops``.

    Identity is the median over the frames; pose, jaw and camera are each frame's own; eyes, which DECA does not know,
    look ahead.  coefficients: whether the head's identity and expression components are DECA's; where they are not,
    the guess has the mean identity and a relaxed face.  Components that only one of the two has are zero or left out.
    """
    shape = torch.zeros(head.shape_size, dtype=torch.float64)
    known = torch.zeros(len(rows), POSE_SIZE + head.expression_size, dtype=torch.float64)
    if coefficients:
        shared = min(head.shape_size, code.shape.shape[1])
        shape[:shared] = code.shape[:, :shared].double().median(0).values
        shared = min(head.expression_size, code.expression.shape[1])
        known[:, EXPRESSION][:, :shared] = code.expression[:, :shared].double()
    known[:, GLOBAL] = code.global_rotation.double()
    known[:, JAW] = code.jaw_rotation.double()
    # Where the face's surface lies, posed but not translated: there the two cameras are made to agree.
    model = LandmarkModel.of(head, head.embeddings["ibug68"]).personal(shape)
    depth = model.points(known)[..., 2].mean(1)

    def parameters(focal: float) -> Tensor:
        whole = torch.full((frames, known.shape[1]), torch.nan, dtype=torch.float64)
        whole[rows] = known
        whole[rows, TRANSLATION] = pinhole_translation(code.camera.double(), crops, focal, size, depth)
        return whole

    return InitialGuess(shape, parameters)
