"""The GPU's benchmark, as far as it runs without one: at toy sizes, on the processor."""

import pytest
import torch

from benchmarks import nerf_gpu
from benchmarks.gpu import bounds
from benchmarks.gpu.parts import Person
from models.nerf import kernels
from tasks.nerf import NerfParams

TOY = NerfParams(frames=2, head_rays=8, other_rays=4, head_resolution=16, static_resolution=16, basis=2)


def test_without_a_gpu_it_is_skipped_by_name(monkeypatch, capsys):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert nerf_gpu.main([]) == 0
    assert capsys.readouterr().out == "nerf_gpu: skipped: no CUDA device\n"


def test_every_part_is_timed_beside_its_floor():
    told = nerf_gpu.table(Person(TOY, 64, torch.device("cpu"), mixed=False), (1e9, 1e9), 1, "float32")
    rows = [line.split(" | ")[0] for line in told.splitlines() if line.startswith("| ")]
    parts = ["sampling", "lookup", "perceptrons", "compositing", "whole picture", "training step"]
    assert rows[1:] == [f"| {name}" for name in parts]


def test_equality_is_judged(monkeypatch, capsys):
    person = Person(TOY, 64, torch.device("cpu"), mixed=False)
    assert nerf_gpu.equal(person)
    compared = person.compared

    def off():
        pictures, gradients = compared()
        wrong = 0.01 if kernels.chosen() == "auto" else 0.0
        return {name: value + wrong for name, value in pictures.items()}, gradients

    monkeypatch.setattr(person, "compared", off)
    assert not nerf_gpu.equal(person)
    assert "colours and opacities apart by 1.0e-02" in capsys.readouterr().out


def test_floors_by_hand():
    config = Person(TOY, 64, torch.device("cpu"), mixed=False).config
    parts = bounds.picture(config, frames=1, head_rays=10, other_rays=0)
    assert parts["sampling"].bytes == 4 * (4 * 96 * 96 + 10 * 9)
    # 80 samples and 30 static ones of 32 features: weights of each multiplied and added.
    assert parts["compositing"].operations == 2 * 110 * 32 + 80 * 3 * 3
    assert bounds.Work(2e9, 1e9).milliseconds(1e12, 1e12) == pytest.approx(2.0)
    assert bounds.Work(1e9, 4e9).milliseconds(1e12, 1e12) == pytest.approx(4.0)
