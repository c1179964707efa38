"""How near two results must be."""

import torch


def close(found: torch.Tensor, expected: torch.Tensor, tolerance: float) -> None:
    """Equal shape and type, and every value within ``tolerance`` times the largest one expected (or 1)."""
    assert found.shape == expected.shape
    assert found.dtype == expected.dtype
    scale = max(float(expected.detach().abs().max()), 1.0) if expected.numel() else 1.0
    torch.testing.assert_close(found, expected, atol=tolerance * scale, rtol=0)
