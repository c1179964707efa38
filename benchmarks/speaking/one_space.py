"""An ADF with one latent space: a single VQ-VAE whose codes say face and head together, both foretold from speech.

Built of the models' own parts: to the network, the nine numbers of the head's pose are nine more channels of the face.
What ``models.adf`` does with two spaces, the head sampled code by code and the face by expectation, is what it is
compared with.
"""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from models.adf.data import Run
from models.adf.geometry import expression_metric
from models.adf.motion import POSE, pose_metric
from models.adf.network import Adf, Motion
from models.adf.training import train
from models.flame.head import FlameHead
from tasks import adf
from tasks.artifacts.speech import SpeechTrack
from tasks.speaker import STYLE_FRAMES


@dataclass(frozen=True)
class OneSpace:
    """The trained network and the motion [N, 9 + E + 9] that is the subject's own style."""

    network: Adf
    style: Motion

    def speak(self, speech: SpeechTrack) -> Motion:
        """Motion of all rows; nothing is sampled, so no seed."""
        features, energy = (torch.tensor(x, dtype=torch.float32) for x in (speech.features, speech.energy))
        both = self.network.generate(features, energy, self.style, 0.0, torch.Generator().manual_seed(0)).expression
        return Motion(both[:, POSE:], both[:, :POSE])


def learn(
    head: FlameHead,
    shape: Tensor,
    runs: list[Run],
    groups: tuple[tuple[str, int], ...],
    whole: adf.AdfParams,
) -> OneSpace:
    """As ``tasks.adf.learn`` on the same ``runs`` with the ``whole`` ADF's parameters."""
    params = replace(whole, expression_components=whole.expression_components + whole.pose_components, pose_steps=1)
    faces, poses = (torch.cat([getattr(run, name) for run in runs]) for name in ("expression", "pose"))
    joined = [Run(run.features, run.energy, torch.cat([run.pose, run.expression], 1), run.pose) for run in runs]
    faces_metric = expression_metric(head, shape, faces.mean(0))
    metric = joint_metric(faces, poses, faces_metric, whole.expression_components, whole.pose_components)
    network = adf.build(params, POSE + head.expression_size, groups, sum(map(len, runs)))
    torch.set_num_threads(1)
    train(network, joined, metric, adf.training_plan(params), params.seed)
    longest = max(joined, key=len)
    length = slice(STYLE_FRAMES)
    return OneSpace(network, Motion(longest.expression[length], longest.pose[length]))


def joint_metric(faces: Tensor, poses: Tensor, metric: Tensor, face_components: int, pose_components: int) -> Tensor:
    """Metric [9 + E + 9, 9 + E + 9] of the pose and the expression branch side by side.

    A head moves by centimetres and lips by millimetres.  So that the head does not take all components, each branch is
    measured by its own mean squared length over the frames ``faces`` [N, E + 9] and ``poses`` [N, 9], as it is where
    it has a space of its own; the head's share is that of its components.
    """
    blocks = [
        weight * block / _mean_square(branch, block)
        for weight, branch, block in ((pose_components, poses, pose_metric()), (face_components, faces, metric))
    ]
    return torch.block_diag(*blocks)


def _mean_square(branch: Tensor, metric: Tensor) -> Tensor:
    centred = (branch - branch.mean(0)).double()
    return torch.einsum("na,ab,nb->n", centred, metric.double(), centred).mean().float().clamp_min(1e-12)
