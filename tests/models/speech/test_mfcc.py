"""MFCC against a transcription of their definition that shares no step with the code: sums, no transforms."""

import math

import numpy as np

from models.speech.mfcc import COEFFICIENTS, mfcc


def by_definition(frame: np.ndarray, before: float | None) -> list[float]:
    """One row from 400 samples; ``before``: the sample ahead of them, None at the start of the sound."""
    ahead = [0.0 if before is None else before, *frame[:-1]]
    shaped = [float(x) - 0.97 * float(y) for x, y in zip(frame, ahead, strict=True)]
    power = []
    for k in range(257):
        turn = -2j * math.pi * k / 512
        total = sum(x * np.exp(turn * n) for n, x in enumerate(shaped))
        power.append(abs(total) ** 2 / 512)

    def mel(hertz: float) -> float:
        return 2595 * math.log10(1 + hertz / 700)

    def hertz(value: float) -> float:
        return 700 * (10 ** (value / 2595) - 1)

    edges = [math.floor(513 * hertz(mel(8000) * i / 27) / 16000) for i in range(28)]
    logs = []
    for j in range(26):
        low, middle, high = edges[j : j + 3]
        band = sum(power[i] * (i - low) / (middle - low) for i in range(low, middle))
        band += sum(power[i] * (high - i) / (high - middle) for i in range(middle, high))
        logs.append(math.log(band))
    out = []
    for n in range(COEFFICIENTS):
        total = sum(2 * value * math.cos(math.pi * n * (2 * i + 1) / 52) for i, value in enumerate(logs))
        total *= math.sqrt(1 / 104) if n == 0 else math.sqrt(1 / 52)
        out.append(total * (1 + 11 * math.sin(math.pi * n / 22)))
    return [math.log(sum(power)), *out[1:]]


def test_against_the_definition() -> None:
    sound = np.random.default_rng(0).normal(0, 3000, 1000)
    found = mfcc(sound)
    assert found.shape == (5, 13)  # 400 samples every 160; the fifth row is filled up with silence
    np.testing.assert_allclose(found[0], by_definition(sound[:400], None), rtol=1e-8)
    np.testing.assert_allclose(found[2], by_definition(sound[320:720], sound[319]), rtol=1e-8)


def test_lengths_and_silence() -> None:
    assert mfcc(np.zeros(0)).shape == (0, 13)
    assert mfcc(np.zeros(1)).shape == (1, 13)
    assert mfcc(np.zeros(400)).shape == (1, 13)
    assert mfcc(np.zeros(16000)).shape == (99, 13)  # the last whole window begins at 15,520
    assert np.isfinite(mfcc(np.zeros(16000))).all()
