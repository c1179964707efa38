"""What is decided after the steps: the gate and the gain, from frames held back for them, and how far made motion falls
short of tracked motion.

Each function fills its part of the network, which is in eval mode, and returns figures by name.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from models.adf.brows import brow_gain, enlarged
from models.adf.calibration import best_gate, gain_matrix
from models.adf.data import Segment
from models.adf.manner import LIMITS, amplitude, lack, pace, spread
from models.adf.network import Adf

MEASURED = 1500  # frames of made head motion that are compared with the tracked one


@torch.no_grad()
def own_style(adf: Adf, segments: list[Segment]) -> Tensor:
    """The subject's own style [1, style channels]: mean over the segments' longest windows."""
    both = [torch.cat([s.expression, s.pose], -1) for s in segments]
    windows = [w for part in both for w in part.split(adf.config.window)]
    longest = max(len(w) for w in windows)
    return torch.stack([adf.style(w[None])[0] for w in windows if len(w) == longest]).mean(0, keepdim=True)


@torch.no_grad()
def predict(
    adf: Adf, segments: list[Segment], style: Tensor, network: Callable[..., Tensor]
) -> tuple[Tensor, Tensor, Tensor]:
    """decoded (by ``network``), skipped and true expression motion [N, components] of the segments' frames."""
    space = adf.expression_space
    decoded = [network(s.heard[None], s.skipped[None], style, space)[0] for s in segments]
    return torch.cat(decoded), torch.cat([s.skipped for s in segments]), torch.cat([s.expression for s in segments])


@torch.no_grad()
def settle(
    adf: Adf,
    segments: list[Segment],
    late: list[Segment],
    style: Tensor,
    lively: float,
    brows: tuple[Tensor, Tensor] | None = None,
) -> dict[str, float]:
    """Gate, by the frames held back (``late``), and gain.  lively: share of the truth's spread it aims at.

    brows: forms of ``geometry.brow_metrics``; without them the brows stay as calm as the networks make them.
    """
    decoded, skipped, truth = predict(adf, late, style, adf.to_expression)
    adf.gate.copy_(best_gate(skipped, decoded, truth))
    every, real = (torch.cat([getattr(s, name) for s in segments]) for name in ("skipped", "expression"))
    matrix, gains = gain_matrix(every, real, skipped, skipped + adf.gate * (decoded - skipped), lively)
    adf.gain.copy_(matrix)
    facts = {"gate": float(adf.gate), "gain": max(gains, default=1.0), "gained": float(len(gains))}
    if brows is not None:
        facts["brow_gain"] = brow_gain(adf.expression_basis, brows[0], adf.fuse(skipped, decoded), real)
        adf.gain.copy_(matrix @ enlarged(adf.expression_basis, *brows, facts["brow_gain"]))
    return facts


@torch.no_grad()
def measure_lack(adf: Adf, segments: list[Segment], style: Tensor, generator: torch.Generator) -> dict[str, float]:
    """How much larger (and faster) tracked motion is than what the networks make of the training sound, the closed form
    without having seen the frame."""
    faces = [adf.fuse(s.skipped, adf.decoded(s.heard, s.skipped, style)) for s in segments]
    adf.expression_made.copy_(spread(torch.cat(faces)))
    # Head motion for the training sound is half remembered.  Backwards it is as quick and as loud, and unheard.
    longest = max(segments, key=len).heard[:MEASURED].flip(0)
    times = max(1, round(MEASURED / len(longest)))  # a few seconds of sampled motion say little
    heads = [adf.turned(longest, style, 1.0, generator) for _ in range(times)]
    adf.pose_made.copy_(spread(torch.cat(heads)))
    made = torch.stack([pace(head) for head in heads]).mean()
    adf.pace_lack.copy_((adf.pose_pace / made.clamp_min(1e-6)).clamp(*LIMITS))
    return {
        "expression_lack": float(lack(adf.expression_made, adf.expression_spread).mean()),
        "pose_lack": float(amplitude(adf.pose_spread, adf.pose_made, 1.0).mean()),
        "pace_lack": float(adf.pace_lack),
    }
