"""Residual vector quantisation against brute force in float64, and the cure of collapse."""

import numpy as np
import pytest
import torch

from models.adf.quantizer import ResidualQuantizer, nearest_code, perplexity


def test_nearest_code_is_that_of_brute_force() -> None:
    rng = np.random.default_rng(0)
    latents, codes = rng.normal(size=(5, 40, 7)), rng.normal(size=(23, 7))
    expected = np.array([[np.argmin([((z - e) ** 2).sum() for e in codes]) for z in row] for row in latents])
    found = nearest_code(torch.tensor(latents, dtype=torch.float32), torch.tensor(codes, dtype=torch.float32))
    assert np.array_equal(found.numpy(), expected)


def test_levels_quantise_what_is_left_over() -> None:
    torch.manual_seed(0)
    quantizer = ResidualQuantizer(4, 8, 3).eval()
    quantizer.codebooks.copy_(torch.randn_like(quantizer.codebooks))
    latent = torch.randn(2, 9, 4)
    total, indices = quantizer.quantise(latent)
    residual = latent.double().numpy()
    books = quantizer.codebooks.double().numpy()
    for level in range(3):
        index = ((residual[..., None, :] - books[level]) ** 2).sum(-1).argmin(-1)
        assert np.array_equal(indices[..., level].numpy(), index)
        residual = residual - books[level][index]
    assert np.allclose(total.numpy(), latent.numpy() - residual, atol=1e-5)
    assert torch.allclose(quantizer.decode(indices), total, atol=1e-6)


def test_gradients_pass_straight_through() -> None:
    torch.manual_seed(0)
    quantizer = ResidualQuantizer(4, 8, 2).eval()
    quantizer.codebooks.copy_(torch.randn_like(quantizer.codebooks))
    latent = torch.randn(2, 5, 4, requires_grad=True)
    quantised, _, _ = quantizer(latent)
    slope = torch.randn_like(latent)
    (quantised * slope).sum().backward()
    assert torch.allclose(latent.grad, slope)


def test_expectation_of_sure_logits_is_the_code() -> None:
    quantizer = ResidualQuantizer(3, 4, 1)
    quantizer.codebooks.copy_(torch.randn(1, 4, 3))
    sure = torch.full((1, 4), -1e4)
    sure[0, 2] = 0
    assert torch.allclose(quantizer.expectation(0, sure)[0], quantizer.codebooks[0, 2])
    assert torch.allclose(quantizer.expectation(0, torch.zeros(1, 4))[0], quantizer.codebooks[0].mean(0), atol=1e-6)


def test_perplexity_counts_codes_in_use() -> None:
    assert perplexity(torch.tensor([3, 3, 3]), 8) == pytest.approx(1.0)
    assert perplexity(torch.arange(8).repeat(5), 8) == pytest.approx(8.0)
    assert perplexity(torch.tensor([0, 1]), 8) == pytest.approx(2.0)


def test_codebook_follows_the_means_of_its_latents() -> None:
    torch.manual_seed(0)
    centres = torch.tensor([[5.0, 0.0], [-5.0, 0.0], [0.0, 5.0]])
    quantizer = ResidualQuantizer(2, 3, 1, decay=0.9).train()
    for _ in range(200):
        quantizer(centres[torch.randint(3, (1, 60))] + 0.1 * torch.randn(1, 60, 2))
    found = quantizer.codebooks[0][nearest_code(centres, quantizer.codebooks[0])]
    assert torch.allclose(found, centres, atol=0.1)


@pytest.mark.parametrize("revival", [0.0, 0.05])
def test_a_collapsed_codebook_is_revived(revival: float) -> None:
    torch.manual_seed(0)
    quantizer = ResidualQuantizer(2, 16, 1, decay=0.9, revival=revival).train()
    latents = torch.randn(1, 256, 2)
    quantizer(latents)
    quantizer.codebooks[0, 1:] = 1e3  # all but one code far away from every latent
    quantizer.sums[0, 1:] = 1e3 * quantizer.counts[0, 1:, None]
    for _ in range(100):
        quantizer(latents)
    used = perplexity(quantizer.eval()(latents)[1], 16)
    if revival:
        assert used > 10
        assert quantizer.revived >= 15
    else:
        assert used < 2  # without revival it stays collapsed: the cure is what cures
