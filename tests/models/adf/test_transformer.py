"""Attention blocks: agreement with torch's own attention, causality, indifference to where a window starts."""

import torch
import torch.nn.functional as F

from models.adf.transformer import Block, Stack, distance_bias


def test_block_equals_torch_multi_head_attention() -> None:
    torch.manual_seed(0)
    block = Block(16, 4, 0.0).eval()
    x = torch.randn(2, 9, 16)
    mask = distance_bias(9, 4, False).repeat(2, 1, 1)
    normed = block.norm_attention(x).transpose(0, 1)
    attended, _ = F.multi_head_attention_forward(
        normed, normed, normed, 16, 4,
        block.attention_in.weight, block.attention_in.bias, None, None, False, 0.0,
        block.attention_out.weight, block.attention_out.bias, training=False, attn_mask=mask,
    )  # fmt: skip
    expected = x + attended.transpose(0, 1)
    expected = expected + block.feed(block.norm_feed(expected))
    assert torch.allclose(block(x), expected, atol=1e-5)


def test_a_causal_stack_does_not_see_the_future() -> None:
    torch.manual_seed(0)
    stack = Stack(16, 2, 4, 0.0, causal=True).eval()
    x = torch.randn(1, 10, 16)
    changed = x.clone()
    changed[:, 6:] += torch.randn(1, 4, 16)
    assert torch.allclose(stack(x)[:, :6], stack(changed)[:, :6], atol=1e-6)
    assert not torch.allclose(stack(x)[:, 6:], stack(changed)[:, 6:], atol=1e-2)


def test_style_starts_as_no_change_and_then_matters() -> None:
    torch.manual_seed(0)
    block = Block(16, 4, 0.0, condition=5).eval()
    x, style = torch.randn(2, 6, 16), torch.randn(2, 5)
    assert torch.equal(block(x, style), block(x))
    torch.nn.init.normal_(block.modulation.weight)
    assert not torch.allclose(block(x, style), block(x), atol=1e-2)


def test_bias_depends_on_distance_alone() -> None:
    bias = distance_bias(8, 4, False)
    assert torch.equal(bias[:, 2:6, 2:6], bias[:, :4, :4])
    assert torch.all(bias[:, 0].diff(dim=-1) < 0)
