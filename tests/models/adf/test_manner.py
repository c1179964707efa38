"""Between styles, beyond them, and louder is livelier: against closed forms."""

import math

import pytest
import torch

from models.adf.manner import MOST, PACE, Manner, amplitude, between, lack, pace, spread, strengthened, swell, trust

OWN = Manner(torch.zeros(1, 3), torch.ones(2), torch.ones(2))
WIDE = Manner(torch.tensor([[1.0, 2.0, -1.0]]), torch.tensor([1.6, 1.0]), torch.tensor([0.5, 2.0]), 1.5, lively=1.0)


def test_between_meets_in_the_middle_and_ends_at_the_ends() -> None:
    middle = between(OWN, WIDE, 0.5)
    assert torch.allclose(middle.code, WIDE.code / 2)
    assert torch.allclose(middle.expression, torch.tensor([1.6**0.5, 1.0]))
    assert middle.tempo == pytest.approx(1.5**0.5)
    assert middle.lively == pytest.approx(0.5)
    for weight, end in ((0.0, OWN), (1.0, WIDE)):
        made = between(OWN, WIDE, weight)
        assert torch.allclose(made.code, end.code)
        assert torch.allclose(made.pose, end.pose)
    with pytest.raises(ValueError, match="between 0 and 1"):
        between(OWN, WIDE, 1.2)


def test_strength_goes_from_own_to_beyond_within_limits() -> None:
    assert torch.allclose(strengthened(OWN, WIDE, 0.0).expression, OWN.expression)
    assert torch.allclose(strengthened(OWN, WIDE, 1.0).pose, WIDE.pose)
    far = strengthened(OWN, WIDE, 2.0)
    assert torch.allclose(far.expression, torch.tensor([2.0, 1.0]))  # 1.6 squared would be 2.56
    assert torch.allclose(far.pose, torch.tensor([0.5, 2.0]))
    assert torch.allclose(far.code, 2 * WIDE.code)
    assert (far.tempo, far.lively) == (2.0, 1.0)
    with pytest.raises(ValueError, match="0 or more"):
        strengthened(OWN, WIDE, -0.1)


def test_amplitude_is_a_ratio_that_still_directions_do_not_shape() -> None:
    own = torch.tensor([1.0, 0.5, 0.001])
    found = amplitude(torch.tensor([1.5, 0.25, 0.004]), own, 1.0)
    assert torch.allclose(found[:2], torch.tensor([1.5, 0.5]), rtol=0.06)
    assert float(found[2]) == pytest.approx(1.0, abs=0.01)
    assert torch.allclose(amplitude(2 * own, own, 0.0), torch.ones(3))


def test_trust_is_the_best_linear_estimate_of_a_logarithmic_ratio() -> None:
    """True ratios with variance v, seen with a noise of variance T / 2n: regression of one on the other."""
    rng, between_people, correlated, frames = torch.Generator().manual_seed(0), 0.2, 8.0, 60
    true = between_people**0.5 * torch.randn(200_000, generator=rng)
    seen = true + (correlated / (2 * frames)) ** 0.5 * torch.randn(200_000, generator=rng)
    slope = float((true * seen).mean() / seen.square().mean())
    assert trust(frames, correlated / 2 / between_people) == pytest.approx(slope, abs=0.01)
    assert trust(0, 20.0) == 0.0


def test_pace_of_a_sine_is_that_of_its_chords() -> None:
    t = torch.arange(400) * (2 * math.pi / 50)  # two periods a piece
    motion = 3.0 * torch.stack([t.sin(), torch.zeros(400)], 1)
    assert torch.allclose(spread(motion), torch.tensor([3 / math.sqrt(2), 0.0]), rtol=1e-3)
    # Sitting elsewhere after each 4 s is no liveliness; less than one piece is a piece.
    moved = motion + torch.arange(4).repeat_interleave(100)[:, None]
    assert torch.allclose(spread(moved), spread(motion), atol=1e-4)
    assert torch.allclose(spread(motion[:30]), motion[:30].std(0, correction=0))
    assert float(pace(motion)) == pytest.approx(2 * math.sin(math.pi * PACE / 50), rel=0.02)
    assert float(pace(10 * motion + 7)) == pytest.approx(float(pace(motion)), rel=1e-4)
    assert float(pace(motion[:10])) == 1.0


def test_what_lacks_is_made_up_for_within_bounds() -> None:
    own = torch.tensor([2.0, 2.0, 2.0, 1e-4])
    found = lack(torch.tensor([1.0, 4.0, 0.01, 0.0]), own)
    assert float(found[0]) == pytest.approx(2.0, rel=0.1)
    assert float(found[1]) == 1.0
    assert float(found[2]) == pytest.approx(MOST)
    assert float(found[3]) == pytest.approx(1.0, abs=0.01)  # nothing to make up for


def test_loud_stretches_swell_and_quiet_ones_shrink() -> None:
    energy = torch.cat([torch.full((40,), -30.0), torch.full((41,), -20.0), torch.full((40,), -40.0)])
    factor = swell(energy, 0.5)
    assert float(factor[20]) == pytest.approx(1.0)
    assert float(factor[60]) == pytest.approx(1.5)
    assert float(factor[105]) == pytest.approx(0.5)
    assert float(factor.diff().abs().max()) < 0.1
    assert torch.equal(swell(energy, 0.0), torch.ones(121))
    assert float(swell(energy, 1.0).min()) == pytest.approx(0.2)
    assert torch.isfinite(swell(torch.full((1,), -100.0), 1.0)).all()
