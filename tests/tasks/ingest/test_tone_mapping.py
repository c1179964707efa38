"""HDR to SDR: against the published formulae written out for one colour, and known points of the standards."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.ingest.tone_mapping import cube, hlg_light, method_a, pq_light, to_bt709

codes = st.tuples(*[st.floats(0, 1)] * 3)


def reference_method_a(r: float, g: float, b: float) -> tuple[float, float, float]:
    """BT.2446-1, 4.2 to 4.4, step by step, in scalars."""
    y = 0.2627 * r + 0.6780 * g + 0.0593 * b
    rho = 1 + 32 * (1000 / 10000) ** (1 / 2.4)
    yp = math.log(1 + (rho - 1) * y) / math.log(rho)
    if yp <= 0.7399:
        yc = 1.0770 * yp
    elif yp < 0.9909:
        yc = -1.1510 * yp * yp + 2.7811 * yp - 0.6302
    else:
        yc = 0.5 * yp + 0.5
    rho = 1 + 32 * (100 / 10000) ** (1 / 2.4)
    sdr = (rho**yc - 1) / (rho - 1)
    scale = sdr / (1.1 * y) if y > 1e-6 else 0.0
    cb, cr = scale * (b - y) / 1.8814, scale * (r - y) / 1.4746
    toned = sdr - max(0.1 * cr, 0)
    red, blue = toned + 1.4746 * cr, toned + 1.8814 * cb
    green = (toned - 0.2627 * red - 0.0593 * blue) / 0.6780
    return tuple(min(1.0, max(0.0, value)) for value in (red, green, blue))  # type: ignore[return-value]


@settings(max_examples=300, deadline=None)
@given(codes)
def test_method_a_is_the_reports(colour):
    if max(colour) > 0.01:
        assert method_a(np.array(colour)) == pytest.approx(reference_method_a(*colour), abs=1e-3)


def test_known_points_of_the_standards():
    # BT.2408: HDR reference white is 203 cd/m2: 58 % PQ, 75 % HLG.  BT.2100: PQ ends at 10,000.
    assert pq_light(np.array([0.0, 0.5806, 1.0])) == pytest.approx([0, 203, 10000], rel=2e-3)
    assert hlg_light(np.full(3, 0.75))[0] == pytest.approx(203, rel=2e-3)
    assert hlg_light(np.ones(3)) == pytest.approx(1000, rel=1e-3)


@pytest.mark.parametrize("transfer", ["pq", "hlg", "wide"])
def test_greys_stay_grey_and_brighter_stays_brighter(transfer):
    ramp = np.repeat(np.linspace(0, 1, 200)[:, None], 3, 1)
    out = to_bt709(ramp, transfer)
    assert np.ptp(out, axis=1).max() < 2e-3
    assert (np.diff(out[:, 0]) >= -1e-6).all()
    assert out[0].max() < 0.01
    assert out[-1].min() > 0.99


@settings(max_examples=100, deadline=None)
@given(codes, st.sampled_from(["pq", "hlg", "wide"]))
def test_every_colour_stays_in_range(colour, transfer):
    out = to_bt709(np.array(colour), transfer)
    assert np.isfinite(out).all()
    assert ((out >= 0) & (out <= 1)).all()


def test_a_colour_that_both_gamuts_hold_keeps_its_chromaticity():
    """BT.709 red of 60 % written in BT.2020 comes back; the matrix is BT.2087's, inverted here by hand."""
    to_2020 = np.array([[0.6274, 0.3293, 0.0433], [0.0691, 0.9195, 0.0114], [0.0164, 0.0880, 0.8956]])
    code = (to_2020 @ (np.array([0.6, 0.2, 0.1]) ** 2.4)) ** (1 / 2.4)
    assert to_bt709(code, "wide") == pytest.approx([0.6, 0.2, 0.1], abs=2e-3)


def test_unknown_transfers_and_the_table():
    with pytest.raises(ValueError, match="expected one of pq"):
        to_bt709(np.zeros(3), "sdr")
    lines = cube("hlg", 3).splitlines()
    assert lines[0] == "LUT_3D_SIZE 3"
    rows = np.array([[float(value) for value in line.split()] for line in lines[1:]])
    assert rows.shape == (27, 3)
    assert rows[2] == pytest.approx(to_bt709(np.array([1.0, 0, 0]), "hlg"), abs=1e-5)  # red is fastest
    assert rows[18] == pytest.approx(to_bt709(np.array([0, 0, 1.0]), "hlg"), abs=1e-5)
