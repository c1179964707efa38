"""Contrastive losses against closed forms in float64, and the lag that the embedding finds."""

import numpy as np
import torch
import torch.nn.functional as F

from models.adf.contrastive import agreement_by_lag, info_nce, nt_xent


def log_softmax_at(row: np.ndarray, index: int) -> float:
    return float(row[index] - np.log(np.exp(row).sum()))


def test_info_nce_equals_the_closed_form() -> None:
    torch.manual_seed(0)
    windows, frames, gap, temperature = 2, 7, 3, 0.2
    speech = F.normalize(torch.randn(windows, frames, 5, dtype=torch.float64), dim=-1)
    motion = F.normalize(torch.randn(windows, frames, 5, dtype=torch.float64), dim=-1)
    total = 0.0
    for mine, other in ((motion, speech), (speech, motion)):
        for b in range(windows):
            for t in range(frames):
                scores, at = [], -1
                for c in range(windows):
                    for s in range(frames):
                        if c == b and 0 < abs(s - t) < gap:
                            continue
                        at = len(scores) if (c, s) == (b, t) else at
                        scores.append(float(mine[b, t] @ other[c, s]) / temperature)
                total -= log_softmax_at(np.array(scores), at)
    expected = total / (2 * windows * frames)
    assert np.isclose(float(info_nce(speech, motion, temperature, gap)), expected, rtol=1e-10)


def test_nt_xent_equals_the_closed_form() -> None:
    torch.manual_seed(1)
    first, second = torch.randn(4, 6, dtype=torch.float64), torch.randn(4, 6, dtype=torch.float64)
    codes = torch.cat([first, second]).numpy()
    codes = codes / np.linalg.norm(codes, axis=1, keepdims=True)
    total = 0.0
    for i in range(8):
        others = [j for j in range(8) if j != i]
        total -= log_softmax_at(codes[others] @ codes[i] / 0.5, others.index((i + 4) % 8))
    assert np.isclose(float(nt_xent(first, second, 0.5)), total / 8, rtol=1e-10)


def test_agreement_is_highest_at_the_true_lag() -> None:
    torch.manual_seed(2)
    codes = F.normalize(torch.randn(80, 8), dim=-1)
    late = codes.roll(3, 0)  # motion three frames late
    scores = agreement_by_lag(codes[10:70], late[10:70], 6)
    assert int(scores.argmax()) - 6 == 3
    assert np.isclose(float(scores.max()), 1.0, atol=1e-6)
