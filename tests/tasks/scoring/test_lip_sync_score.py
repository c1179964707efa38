"""LSE of pictures as they come in, with a network whose embeddings are brightness and loudness, about zero."""

import numpy as np
import pytest
import torch

from models.metrics.syncnet import LEAST
from tasks.scoring.lip_sync import STEADY, LipSyncScore

FRAMES = 60


class Loudness:
    """Embeds a window of pictures as its mean brightness, one of sound as its mean log energy, on one scale."""

    def embed_lips(self, pictures: torch.Tensor) -> torch.Tensor:
        assert pictures.shape[1:] == (3, 5, 224, 224)
        return pictures.mean((1, 2, 3, 4))[:, None].expand(-1, 4) - 130

    def embed_sound(self, coefficients: torch.Tensor) -> torch.Tensor:
        assert coefficients.shape[1:] == (1, 13, 20)
        loudness = coefficients[:, 0, 0].mean(-1)[:, None]
        return (10 * (loudness - loudness.mean())).expand(-1, 4)


def level(frame: float) -> float:
    """Log energy that the sound has during a frame."""
    return 17 + 3 * np.sin(frame / 3) + 2 * np.sin(frame / 1.7)


def points() -> np.ndarray:
    return np.random.default_rng(0).uniform(20, 44, (68, 2))


def scored(late: int, frames: int = FRAMES, lost: tuple[int, ...] = ()) -> object:
    """Pictures as bright as the sound was loud ``late`` frames before."""
    rng = np.random.default_rng(1)
    gain = np.exp([level(k / 640) / 2 for k in range(frames * 640)])
    sound = rng.normal(size=frames * 640) * gain / 6000
    score = LipSyncScore(Loudness())  # type: ignore[arg-type]
    for frame in range(frames):
        brightness = np.clip(10 * level(frame + 0.5 - late) - 40, 0, 255)
        found = np.full((68, 2), np.nan) if frame in lost else points()
        score.add(np.full((64, 64, 3), brightness, np.uint8), found)
        assert len(score._waiting) <= STEADY + 1
    return score.result(sound)


@pytest.mark.parametrize("late", [0, 5])
def test_offset_and_confidence(late: int) -> None:
    found = scored(late)
    assert found.offset == late  # type: ignore[attr-defined]
    assert found.confidence > 10  # type: ignore[attr-defined]


def test_frames_without_a_face() -> None:
    assert scored(0, lost=(20, 21)).offset == 0  # type: ignore[attr-defined]
    assert scored(0, lost=tuple(range(20, 20 + 2 * STEADY + 1))) is None
    assert scored(0, frames=LEAST - 1) is None
