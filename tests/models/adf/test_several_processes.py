"""Two processes train both priors as one process does: the embedded one up to rounding, the corpus prior to the bit."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.multiprocessing as processes

HERE = str(Path(__file__).parent)


def _embedded() -> tuple[dict[str, torch.Tensor], list[float]]:
    from test_mouth_prior import taught, together

    prior, losses = taught(steps=12, closure=together)
    return prior.state_dict(), losses


def _corpus() -> tuple[dict[str, torch.Tensor], dict[str, float]]:
    from test_corpus_training import HASTY, PLAIN, corpus, fresh

    from models.adf.corpus_training import train_corpus

    prior = fresh()
    figures = train_corpus(prior, corpus(), PLAIN, HASTY, 0)
    return prior.state_dict(), figures


def _one_of_two(rank: int, folder: str) -> None:
    sys.path.insert(0, HERE)
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2)
    torch.save((_embedded(), _corpus()), f"{folder}/{rank}.pt")
    torch.distributed.destroy_process_group()


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Any]]:
    """What each of two processes had in the end: (embedded, corpus), each a state and figures."""
    folder = tmp_path_factory.mktemp("processes")
    processes.spawn(_one_of_two, (str(folder),), nprocs=2)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield [torch.load(folder / f"{rank}.pt", weights_only=True) for rank in (0, 1)]
    torch.set_num_threads(threads)


def test_the_embedded_prior(pair: list[Any]) -> None:
    ((first, losses), _), ((second, others), _) = pair
    alone, expected = _embedded()
    assert losses == others
    assert losses == pytest.approx(expected, rel=2e-3)
    for name, value in alone.items():
        assert torch.equal(first[name], second[name])
        assert torch.allclose(first[name], value, atol=2e-3), name


def test_the_corpus_prior(pair: list[Any]) -> None:
    alone, expected = _corpus()
    for _, (state, figures) in pair:
        assert figures == expected
        for name, value in alone.items():
            assert torch.equal(state[name], value), name
