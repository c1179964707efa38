"""What of an ADF is fitted in closed form, before any step: means, motion bases, the prior's share, the skip path.

Each function fills its part of the network and returns figures by name.
"""

import torch
from torch import Tensor

from models.adf.calibration import shrinkage
from models.adf.data import Run, Segment
from models.adf.manner import pace, spread
from models.adf.motion import pose_metric
from models.adf.network import Adf
from models.adf.silence import resting_frames
from models.adf.skip import KernelSkip


def fit_statistics(adf: Adf, runs: list[Run], metric: Tensor, opening: Tensor | None) -> dict[str, float]:
    """Bases of motion and speech, spreads, limits and the mouth's rest.

    metric [E + 9, E + 9]: see MotionBasis.  opening [N]: of the mouth, of all frames (None: the quietest frames say
    where it rests).
    """
    seen, held = (torch.cat([getattr(run, name) for run in runs]) for name in ("expression", "pose"))
    features, energy = (torch.cat([getattr(run, name) for run in runs]) for name in ("features", "energy"))
    if adf.common_coordinates:
        kept = adf.expression_basis.centre(seen, metric)
        adf.pose_basis.centre(held, pose_metric())
        adf.front.centre(features, energy)
    else:
        kept = adf.expression_basis.fit(seen, metric)
        adf.pose_basis.fit(held, pose_metric())
        adf.front.fit(features, energy)
    voice = adf.voice(features)
    adf.silence.fit(energy, voice)
    adf.lower.copy_(seen.min(0).values)
    adf.upper.copy_(seen.max(0).values)
    faces = adf.expression_basis(seen)
    adf.expression_spread.copy_(spread(faces))
    turns = adf.pose_basis(held)
    adf.pose_spread.copy_(spread(turns))
    adf.pose_pace.copy_(pace(turns))
    adf.rest.copy_(faces[resting_frames(energy, voice, opening)].mean(0))
    return {"expression_basis_share": kept}


def segment_of(adf: Adf, run: Run) -> Segment:
    """A run in the network's coordinates; its skip path's predictions are still zero."""
    expression = adf.expression_basis(run.expression)
    return Segment(
        adf.front(run.features, run.energy), torch.zeros_like(expression), expression, adf.pose_basis(run.pose)
    )


def fit_prior(adf: Adf, runs: list[Run]) -> tuple[Tensor | float, dict[str, float]]:
    """What the prior, fitted to these runs, expects of all frames [N, components]; 0 without a prior."""
    prior, basis = adf.prior, adf.expression_basis
    if prior is None:
        return 0.0, {}
    fit = prior.fit([(run.features, run.energy, run.expression) for run in runs], basis)
    expected = torch.cat([prior(run.features, run.energy, basis) for run in runs])
    return expected, {"prior_lead": float(fit.lead), "prior_gain": fit.gain, "prior_explained": fit.explained}


def fit_skip(adf: Adf, segments: list[Segment], expected: Tensor | float, folds: int) -> dict[str, float]:
    """Fit the skip path on all frames, to what ``expected`` leaves over; fill the segments' ``skipped`` with
    predictions of fits that did not see the frame.

    Otherwise the transformer would learn to trust a path that is far better on its own training frames.  With a
    prior the kernel's share is what its out-of-fold predictions deserve: seconds of video teach it little.
    """
    skip = adf.skip
    facts = {}
    windows = torch.cat([skip.windows(segment.heard) for segment in segments])
    motion = torch.cat([segment.expression for segment in segments]) - expected
    predicted = torch.zeros_like(motion)
    scratch = KernelSkip.like(skip)
    for fold in torch.arange(len(motion)).tensor_split(folds):
        first, last = int(fold[0]) - skip.radius, int(fold[-1]) + skip.radius
        rows = torch.arange(len(motion))
        others = rows[(rows < first) | (rows > last)]
        scratch.fit(windows[others], motion[others])
        predicted[fold] = scratch(windows[fold])
    skip.fit(windows, motion)
    if adf.prior is not None:
        share = shrinkage(predicted - skip.offset, motion - skip.offset)
        skip.alpha.mul_(share)
        predicted = skip.offset + share * (predicted - skip.offset)
        facts["skip_share"] = float(share)
    predicted = predicted + expected
    for segment, part in zip(segments, predicted.split([len(s) for s in segments]), strict=True):
        segment.skipped.copy_(part)
    return facts
