"""Do the lips move with the sound, and how far apart are the two?

This project's own measure, not SyncNet's LSE-C and LSE-D.

Nothing is trained beforehand.  A ridge regression from the sound's spectrum (three neighbouring frames, so that the
map itself cannot shift time) to the shape of the mouth is fitted on four fifths of the clip and foretells the last
fifth, for every shift of the mouth against the sound round the whole clip.  At the true offset the held-out
correlation stands above what the shifts of more than two seconds give, which are this person's own mouth beside sound
that is not of that moment: the clip brings its own chance level.  Frames without voice are left out, so that pauses
alone (which a dubbed voice may share) do not count.

Then the foretold mouth is compared with the seen one in stretches of three seconds: in a clip in sync each stretch has
its best lag at the common offset; where the voice is another's they scatter, or agree now and then.
"""

from dataclasses import dataclass

import numpy as np

FPS = 25.0
SAMPLE_RATE = 16000
BANDS = 24
RIDGE = 0.3  # of the mean squared length of the features
FOLDS = 5
APART = 8  # frames between what a fold is fitted on and what it foretells
MOST_LAG = 15  # frames: 0.6 s
CHANCE_FROM = 50  # frames: shifts at least this far are chance
TREND = 25  # frames to each side of the mean that is taken off the mouth
STRETCH, STRIDE = 75, 25  # frames
NEAR = 1  # frames: a stretch agrees if its own best lag is this close to the common one
LEAST_ROWS = 60  # frames with voice and mouth: below, nothing is computed
CLEAR = 4.0
"""Standard deviations above chance from which an offset counts as found: 31 lags of pure chance reach it in 1 of
1,000.
"""


@dataclass(frozen=True)
class LipSync:
    """offset: seconds by which the sound is late (negative: early), where ``above_chance`` is CLEAR or more.

    correlation: held-out, at that offset, mean over the mouth's measures.  above_chance: the same in standard
    deviations of the chance level.  agreement: share of the ``stretches`` (3 s, one a second) whose own best lag is the
    common one within a frame; chance gives some 0.1 to 0.4.
    """

    offset: float
    correlation: float
    above_chance: float
    agreement: float
    stretches: int

    @property
    def found(self) -> bool:
        return self.above_chance >= CLEAR


def lip_sync(mouth: np.ndarray, sound: np.ndarray, voiced: np.ndarray, part: np.ndarray) -> LipSync | None:
    """Compare ``mouth`` [N, K] (any measures of its shape, NaN where not seen) with ``sound`` [N, B] (``log_mel``).

    One row is 1/25 s.  voiced [N]: frames with voice.  part [N]: number of the uninterrupted part of the clip that the
    frame belongs to, ascending.  None where voice and mouth are seen together in fewer than LEAST_ROWS frames, or the
    whole is too short for a chance level.
    """
    if not len(mouth):
        return None
    seen = np.isfinite(mouth).all(1)
    if seen.sum() < LEAST_ROWS or len(mouth) < 2 * CHANCE_FROM + MOST_LAG:
        return None
    index = np.arange(len(mouth))
    filled = np.stack([np.interp(index, index[seen], column[seen]) for column in mouth.T], 1)
    target = _standard(np.concatenate([_without_trend(filled[part == p]) for p in np.unique(part)]))
    features = np.concatenate([_neighbours(sound[part == p]) for p in np.unique(part)])
    inside = _inside(part)
    rows = np.flatnonzero(voiced & seen & inside)
    if len(rows) < LEAST_ROWS:
        return None
    score = _held_out_correlation(features, target, rows)
    shift = np.where(index > len(index) // 2, index - len(index), index)
    chance = score[np.abs(shift) >= CHANCE_FROM]
    near = np.flatnonzero(np.abs(shift) <= MOST_LAG)
    best = near[np.argmax(score[near])]
    lag = int(shift[best])
    foretold = _foretell(features, np.roll(target, -lag, axis=0), rows)
    lags = _local_lags(foretold, target, rows, part)
    agreement = float(np.mean(np.abs(lags - lag) <= NEAR)) if len(lags) else 0.0
    spread = max(float(chance.std()), 1e-6)
    above = float((score[best] - chance.mean()) / spread)
    return LipSync(-(lag + _summit(score, best)) / FPS, float(score[best]), above, agreement, len(lags))


def log_mel(samples: np.ndarray, frames: int) -> np.ndarray:
    """Log energies float64 [frames, BANDS] of 80 to 7,600 Hz on the mel scale, of float32 [T] at 16 kHz.

    Frame i is the mean of two windows of 32 ms that are centred a quarter and three quarters into it.  Energies more
    than 35 dB under the loudest of their band are raised to that: silence is not an event.
    """
    size, hop = 512, SAMPLE_RATE / FPS
    frequency = np.linspace(0, SAMPLE_RATE / 2, size // 2 + 1)
    lowest, highest = 2595 * np.log10(1 + np.array([80, 7600]) / 700)
    edges = np.linspace(lowest, highest, BANDS + 2)
    edges = 700 * (10 ** (edges / 2595) - 1)
    low, middle, high = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    bank = np.minimum((frequency - low) / (middle - low), (high - frequency) / (high - middle)).clip(0)
    padded = np.pad(np.asarray(samples, np.float64), (size, size + max(0, round(frames * hop) - len(samples))))
    energy = np.zeros((frames, BANDS))
    for share in (0.25, 0.75):
        starts = ((np.arange(frames) + share) * hop).astype(int) + size // 2
        for first in range(0, frames, 500):  # bounded memory
            block = padded[starts[first : first + 500, None] + np.arange(size)] * np.hanning(size)
            energy[first : first + 500] += np.square(np.abs(np.fft.rfft(block, axis=1))) @ bank.T
    decibel = 10 * np.log10(energy + 1e-9)
    return np.maximum(decibel, np.quantile(decibel, 0.98, axis=0) - 35) if frames else decibel


def _neighbours(rows: np.ndarray) -> np.ndarray:
    """Each row with the one before and the one after it: [N, 3 B]."""
    padded = np.pad(rows, ((1, 1), (0, 0)), mode="edge")
    return np.concatenate([padded[:-2], padded[1:-1], padded[2:]], 1)


def _without_trend(rows: np.ndarray) -> np.ndarray:
    total = np.concatenate([np.zeros((1, rows.shape[1])), np.cumsum(rows, axis=0)])
    index = np.arange(len(rows))
    first, last = np.maximum(index - TREND, 0), np.minimum(index + TREND + 1, len(rows))
    return rows - (total[last] - total[first]) / (last - first)[:, None]


def _standard(rows: np.ndarray) -> np.ndarray:
    spread = rows.std(0)
    return (rows - rows.mean(0)) / np.where(spread > 1e-9, spread, 1.0)


def _inside(part: np.ndarray) -> np.ndarray:
    """Frames whose neighbours up to MOST_LAG belong to the same part."""
    inside = np.zeros(len(part), bool)
    if len(part) > 2 * MOST_LAG:
        inside[MOST_LAG:-MOST_LAG] = part[2 * MOST_LAG :] == part[: -2 * MOST_LAG]
    return inside


def _folds(rows: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """(rows to fit on, rows to foretell), consecutive rows together and kept apart from the others."""
    pairs = []
    for test in np.array_split(rows, FOLDS):
        pairs.append((rows[(rows < test[0] - APART) | (rows > test[-1] + APART)], test))
    return [(fit, test) for fit, test in pairs if len(fit)]


def _map(features: np.ndarray, fit: np.ndarray, test: np.ndarray) -> np.ndarray:
    """[test, fit]: what turns the targets of the fitted rows into those foretold (dual ridge regression)."""
    mean = features[fit].mean(0)
    known = features[fit] - mean
    kernel = known @ known.T
    kernel[np.diag_indices_from(kernel)] += RIDGE * np.trace(kernel) / len(kernel) + 1e-9
    return np.linalg.solve(kernel, known @ (features[test] - mean).T).T


def _held_out_correlation(features: np.ndarray, target: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """[N]: mean correlation of foretold and seen mouth, for every circular shift of the mouth."""
    features = _standard(features)
    count = len(target)
    shifted = (np.arange(count)[:, None] + np.arange(count)) % count  # row, shift
    products = np.zeros((3, count, target.shape[1]))
    for fit, test in _folds(rows):
        mapping = _map(features, fit, test)
        for column in range(target.shape[1]):
            known = target[:, column][shifted[fit]]
            foretold = mapping @ (known - known.mean(0))
            seen = target[:, column][shifted[test]]
            foretold, seen = foretold - foretold.mean(0), seen - seen.mean(0)
            for total, a, b in zip(products, (foretold, foretold, seen), (seen, foretold, seen), strict=True):
                total[:, column] += np.einsum("ts,ts->s", a, b)
    return (products[0] / np.sqrt(products[1] * products[2] + 1e-12)).mean(1)


def _foretell(features: np.ndarray, target: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Foretold mouth [N, K] at ``rows``, NaN elsewhere."""
    features = _standard(features)
    out = np.full_like(target, np.nan)
    for fit, test in _folds(rows):
        out[test] = _map(features, fit, test) @ (target[fit] - target[fit].mean(0))
    return out


def _local_lags(foretold: np.ndarray, target: np.ndarray, rows: np.ndarray, part: np.ndarray) -> np.ndarray:
    """Best lag in frames of every stretch that is mostly speech."""
    known = np.zeros(len(target), bool)
    known[rows] = True
    lags = []
    for start in range(0, len(target) - STRETCH + 1, STRIDE):
        inside = np.arange(start, start + STRETCH)
        inside = inside[known[inside] & (part[inside] == part[start])]
        if len(inside) < 0.6 * STRETCH:
            continue
        a = foretold[inside] - foretold[inside].mean(0)
        scores = []
        for lag in range(-MOST_LAG, MOST_LAG + 1):
            b = target[inside + lag] - target[inside + lag].mean(0)
            scores.append(((a * b).sum(0) / np.sqrt((a * a).sum(0) * (b * b).sum(0) + 1e-12)).mean())
        lags.append(int(np.argmax(scores)) - MOST_LAG)
    return np.array(lags, np.int64)


def _summit(score: np.ndarray, best: int) -> float:
    """Where the parabola through a peak and its neighbours is highest, in -0.5..0.5 frames from the peak."""
    before, peak, after = score[best - 1], score[best], score[(best + 1) % len(score)]
    bend = before - 2 * peak + after
    return float(np.clip(0.5 * (before - after) / bend, -0.5, 0.5)) if bend < -1e-12 else 0.0
