"""Decoded frames to pictures: HDR by the tags, and the turned cut against turning first."""

import itertools

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from synthetic_media import constant_times, write_clip

from tasks.ingest.facts import treatments
from tasks.ingest.source import SourceVideo
from tasks.ingest.tone_mapping import to_bt709
from tasks.ingest.upright import Upright, before_turning

TAGS = {"pq": (9, 1, 16, 9), "hlg": (9, 1, 18, 9), "wide": (9, 1, 14, 9)}


def patches() -> np.ndarray:
    """25 colours of 24 x 24 pixels: uint8 [120, 120, 3]."""
    levels = np.array(list(itertools.product((40, 110, 190), repeat=3)))[:25].reshape(5, 5, 3)
    return levels.repeat(24, 0).repeat(24, 1).astype(np.uint8)


@pytest.mark.parametrize("transfer", TAGS)
def test_hdr_is_mapped_by_its_tags_and_said(tmp_path, transfer):
    """The pictures' RGB codes are taken as BT.2020 codes; what comes out is the reference function of them."""
    path = write_clip(
        tmp_path / "a.mp4", lambda _: patches(), constant_times(0.2, 25), None, codec="libx265",
        pixels="yuv444p10le", colour=TAGS[transfer],
        options={"preset": "ultrafast", "crf": "2", "x265-params": "log-level=none"},
    )  # fmt: skip
    with SourceVideo(path) as source:
        frame = next(source.frames())[1]
        facts = source.facts
        # What the file holds, read without this project: 10-bit YCbCr by the BT.2020 matrix.
        y, cb, cr = (
            np.frombuffer(plane, "<u2").reshape(plane.height, -1)[:, :120].astype(float) for plane in frame.planes
        )
        out = Upright(facts, (120, 120))(frame)
    assert (facts.transfer, facts.bits) == (transfer, 10)
    assert any(("HDR" if transfer != "wide" else "BT.2020") in said for said in treatments(facts))
    y, cb, cr = (y - 64) / 876, (cb - 512) / 896, (cr - 512) / 896
    red, blue = y + 1.4746 * cr, y + 1.8814 * cb
    green = (y - 0.2627 * red - 0.0593 * blue) / 0.6780
    truth = to_bt709(np.clip(np.stack([red, green, blue], -1), 0, 1), transfer) * 255
    inner = np.zeros((120, 120), bool)
    for row, column in itertools.product(range(5), repeat=2):
        inner[row * 24 + 6 : row * 24 + 18, column * 24 + 6 : column * 24 + 18] = True
    assert np.abs(out[inner] - truth[inner]).mean() < 1.5
    assert np.quantile(np.abs(out[inner] - truth[inner]), 0.99) < 5


@settings(max_examples=100, deadline=None)
@given(st.integers(2, 40), st.integers(2, 40), st.sampled_from([0, 90, 180, 270]), st.data())
def test_cutting_before_turning_is_turning_before_cutting(width, height, rotation, data):
    coded = np.arange(width * height).reshape(height, width)
    upright = np.rot90(coded, -rotation // 90)
    high, wide = upright.shape
    x0, y0 = data.draw(st.integers(0, wide - 1)), data.draw(st.integers(0, high - 1))
    x1, y1 = data.draw(st.integers(x0 + 1, wide)), data.draw(st.integers(y0 + 1, high))
    a0, b0, a1, b1 = before_turning((x0, y0, x1, y1), rotation, width, height)
    assert np.array_equal(np.rot90(coded[b0:b1, a0:a1], -rotation // 90), upright[y0:y1, x0:x1])


@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
def test_a_turned_cut_shows_what_turning_and_cutting_shows(rotation):
    rng = np.random.default_rng(rotation)
    coded = np.kron(rng.integers(0, 255, (12, 16, 3)), np.ones((10, 10, 1))).astype(np.uint8)
    frame = av.VideoFrame.from_ndarray(coded, format="rgb24")
    upright = np.rot90(coded, -rotation // 90)
    facts = SimpleFacts(rotation, upright.shape[1], upright.shape[0])
    box = (20, 40, 80, 100)
    out = Upright(facts, (60, 60), box)(frame)
    assert np.abs(out.astype(int) - upright[40:100, 20:80]).max() <= 2


class SimpleFacts:
    """The three facts that Upright reads."""

    def __init__(self, rotation: int, width: int, height: int):
        self.rotation, self.width, self.height = rotation, width, height
