"""Speech features: wav2vec 2.0 or HuBERT, as transformers builds them.

Baevski et al., "wav2vec 2.0: A Framework for Self-Supervised Learning of Speech Representations" (2020); Hsu et al.,
"HuBERT" (2021).  Both read 16 kHz samples through seven convolutions (field 400 samples, hop 320: 50 Hz) into a
transformer, whose last layer is taken.
"""

from collections.abc import Mapping
from typing import Any, Literal, get_args

import numpy as np
import torch
from torch import Tensor

from models.speech.windows import Framing, encode_in_windows

Kind = Literal["wav2vec2", "hubert"]
KINDS: tuple[Kind, ...] = get_args(Kind)
FRAMING = Framing(hop=320, field=400, window=199, step=50)  # 4.0 s, every second
_STRIDES, _KERNELS = [5, 2, 2, 2, 2, 2, 2], [10, 3, 3, 3, 3, 2, 2]
_HEADS = ("lm_head.", "quantizer.", "project_", "final_proj.", "label_embs", "classifier.", "projector.")


class WaveEncoder:
    """One encoder.

    config: what ``config.json`` says; weights: tensors by name, of the bare network or of one with a head for
    recognition or training, which is left out; normalise: whether the network was trained on sound of mean 0 and
    variance 1; digest: of the weights, for the name.

    Raises ValueError where they are not such a network, ImportError without transformers.
    """

    def __init__(self, config: Mapping[str, Any], weights: Mapping[str, Tensor], normalise: bool, digest: str) -> None:
        import transformers

        kind = config.get("model_type")
        if kind not in KINDS:
            raise ValueError(f"config.json names the network {kind!r}, not {' or '.join(KINDS)}")
        shape = config.get("conv_stride", _STRIDES), config.get("conv_kernel", _KERNELS)
        if shape != (_STRIDES, _KERNELS):
            raise ValueError(f"its convolutions have strides {shape[0]} and widths {shape[1]}, not of 20 ms")
        make_config, make = {
            "wav2vec2": (transformers.Wav2Vec2Config, transformers.Wav2Vec2Model),
            "hubert": (transformers.HubertConfig, transformers.HubertModel),
        }[kind]
        try:
            network = make(make_config(**config))
            report = network.load_state_dict(_renamed(weights, kind), strict=False)
        except (RuntimeError, TypeError, ValueError, AttributeError) as error:
            raise ValueError((str(error).splitlines() or [type(error).__name__])[-1].strip()) from error
        missing = [name for name in report.missing_keys if name != "masked_spec_embed"]  # of training only
        if missing:
            raise ValueError(f"the weights lack {missing[0]}" + (f" and {len(missing) - 1} more" * (len(missing) > 1)))
        unknown = report.unexpected_keys
        if unknown:
            raise ValueError(f"the weights hold {unknown[0]}, which the network has not")
        self._network: Any = network.eval().requires_grad_(False)
        self._normalise = normalise
        self.name = f"{kind} {digest}"

    def __call__(self, samples: np.ndarray) -> np.ndarray:
        """Features float32 [T', C] of sound float32 [T] at 16 kHz."""
        return encode_in_windows(self._encode, samples, FRAMING)

    def times(self, count: int) -> np.ndarray:
        """Centres of the features' windows in seconds, float64 [count]."""
        return FRAMING.times(count)

    @torch.inference_mode()
    def _encode(self, samples: np.ndarray) -> np.ndarray:
        if self._normalise:  # a window is what an utterance was in training
            samples = (samples - samples.mean()) / np.sqrt(samples.var() + 1e-7)
        return self._network(torch.from_numpy(samples)[None]).last_hidden_state[0].numpy()


def _renamed(weights: Mapping[str, Tensor], kind: str) -> dict[str, Tensor]:
    """Names as the bare network has them: without the prefix and the head, and with torch's present weight norm."""
    names = {}
    for name, value in weights.items():
        short = name.removeprefix(f"{kind}.")
        if short.startswith(_HEADS):
            continue
        for old, new in (("weight_g", "original0"), ("weight_v", "original1")):
            short = short.replace(f"pos_conv_embed.conv.{old}", f"pos_conv_embed.conv.parametrizations.weight.{new}")
        names[short] = value.float()
    return names
