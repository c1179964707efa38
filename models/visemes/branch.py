"""Named facial actions on a head model: the expression branch that the ADF learns."""

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from models.adf.motion import EYES, JAW, expression_channels
from models.flame.head import FlameHead
from models.visemes.shapes import SHAPES


def expression_branch(head: FlameHead, actions: Mapping[str, np.ndarray]) -> Tensor:
    """``to_actions``'s curves [N] by name -> expression branch [N, E + 9]; what they do not name is zero.

    Raises ValueError for a head whose expressions are not named actions (FLAME's are principal components).
    """
    missing = sorted(set(actions) - {"jaw"} - set(head.expression_names))
    if missing:
        raise ValueError(f"the head model has no action {missing[0]!r}: visemes need named facial actions")
    branch = torch.zeros(len(actions["jaw"]), expression_channels(head.expression_size))
    for name, values in actions.items():
        column = head.expression_size if name == "jaw" else head.expression_names.index(name)
        branch[:, column] = torch.from_numpy(np.asarray(values, np.float32))
    assert branch.shape[1] == head.expression_size + JAW + EYES
    return branch


def lip_closure(head: FlameHead, branch: Tensor) -> Tensor:
    """How far a branch [N, E + 9] made of visemes has its lips together for m, b or p [N], 0 to 1.

    Pressed lips tell those from a mouth that is shut because it rests.  Raises ValueError for a head without that
    action.
    """
    if "mouthPressLeft" not in head.expression_names:
        raise ValueError("the head model has no action 'mouthPressLeft': visemes need named facial actions")
    return (branch[:, head.expression_names.index("mouthPressLeft")] / SHAPES["closed"].press).clamp(0.0, 1.0)
