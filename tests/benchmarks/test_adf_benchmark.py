"""Parts of ``python -m benchmarks adf`` that need no trained subject."""

import numpy as np
import pytest
import torch

from benchmarks import adf as benchmark
from benchmarks.speaking.ablations import DirectExpression
from benchmarks.speaking.sounds import RATE, damaged, not_speech
from models.adf.config import AdfConfig, BranchConfig, SpeechGroup
from models.adf.vqvae import MotionVqVae


def test_without_a_subject_it_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert benchmark.main([]) == 0
    assert "skipped: give --subject" in capsys.readouterr().err


def test_sounds_are_what_they_are_called() -> None:
    t = np.arange(RATE) / RATE
    voice = (0.2 * np.sin(2 * np.pi * 200 * t) + 0.1 * np.sin(2 * np.pi * 6000 * t)).astype(np.float32)
    made = damaged(voice)
    assert all(len(sound) == len(voice) and sound.dtype == np.float32 for sound in made.values())
    spectrum = np.abs(np.fft.rfft(made["8 kHz (telephone)"]))
    assert spectrum[6000] < 0.01 * spectrum[200]
    clipped = made["clipped, 8 times over full scale"]
    assert np.mean(np.abs(clipped) > 0.999) > 0.5
    others = not_speech(1.0)
    assert not others["digital silence"].any()
    assert all(np.abs(sound).max() < 1 and np.isfinite(sound).all() for sound in others.values())


def test_direct_regression_begins_as_the_closed_form() -> None:
    branch = BranchConfig(12, 6, 2, 8, 2, 16, 1)
    config = AdfConfig(branch, branch, (SpeechGroup("encoder", 5, 5),), 3, 40, 8, 8, 16, 1, 2, 0.0, 1)
    network, space = DirectExpression(config, 6), MotionVqVae(branch, 2, 0.0)
    skip = torch.randn(1, 31, 6)
    said = network(torch.randn(1, 31, 6), skip, torch.zeros(1, 8), space)
    assert torch.allclose(said.motion, skip)
    assert said.logits.shape == (1, 16, 2, 8)
