"""wav2vec 2.0 and HuBERT from folders of the official layout, small and with random weights."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers
from hostile import Hostile
from safetensors.torch import save_file

from models.speech.wave_encoder import FRAMING
from tasks.artifacts.wave_encoder import read_wave_encoder
from tasks.errors import BadInput

SMALL = {
    "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 48, "conv_dim": [24] * 7,
    "num_conv_pos_embeddings": 16, "num_conv_pos_embedding_groups": 4, "vocab_size": 12,
}  # fmt: skip


def sound(seconds: float) -> np.ndarray:
    rng = np.random.default_rng(3)
    return (0.1 * rng.normal(size=round(16000 * seconds))).astype(np.float32)


@pytest.fixture(scope="module")
def network() -> transformers.Wav2Vec2ForCTC:
    torch.manual_seed(0)
    return transformers.Wav2Vec2ForCTC(transformers.Wav2Vec2Config(**SMALL)).eval()


@pytest.fixture(scope="module")
def published(network: transformers.Wav2Vec2ForCTC, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """wav2vec2-base-960h as it is published: with a head for letters, weight norm under its old names."""
    folder = tmp_path_factory.mktemp("w") / "wav2vec2"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({**network.config.to_dict(), "architectures": ["Wav2Vec2ForCTC"]}))
    (folder / "preprocessor_config.json").write_text(json.dumps({"do_normalize": True, "sampling_rate": 16000}))
    weights = {
        name.replace("parametrizations.weight.original0", "weight_g").replace(
            "parametrizations.weight.original1", "weight_v"
        ): value.contiguous()
        for name, value in network.state_dict().items()
    }
    assert "wav2vec2.encoder.pos_conv_embed.conv.weight_g" in weights
    save_file(weights, folder / "model.safetensors")
    return folder


def test_features_are_those_of_transformers_itself(network: transformers.Wav2Vec2ForCTC, published: Path) -> None:
    encoder = read_wave_encoder(published)
    extractor = transformers.Wav2Vec2FeatureExtractor(do_normalize=True)
    samples = sound(1.5)
    with torch.no_grad():
        inputs = extractor(samples, sampling_rate=16000, return_tensors="pt").input_values
        expected = network.wav2vec2(inputs).last_hidden_state[0].numpy()
    features = encoder(samples)
    np.testing.assert_allclose(features, expected, atol=1e-4)
    assert len(encoder.times(len(features))) == len(features)
    assert encoder.name.startswith("wav2vec2 ")
    assert len(encoder(sound(6.0))) == FRAMING.count(96000)
    assert len(encoder(sound(0.01))) == 1


def test_hubert_from_a_plain_file(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = transformers.HubertModel(transformers.HubertConfig(**SMALL)).eval()
    (tmp_path / "config.json").write_text(json.dumps(network.config.to_dict()))
    (tmp_path / "preprocessor_config.json").write_text(json.dumps({"do_normalize": False}))
    torch.save(network.state_dict(), tmp_path / "pytorch_model.bin")
    encoder = read_wave_encoder(tmp_path)
    samples = sound(1.0)
    with torch.no_grad():
        expected = network(torch.from_numpy(samples)[None]).last_hidden_state[0].numpy()
    np.testing.assert_allclose(encoder(samples), expected, atol=1e-5)
    assert encoder.name.startswith("hubert ")


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda f: (f / "config.json").unlink(), r"config\.json cannot be read"),
        (lambda f: (f / "config.json").write_text("[]"), "does not hold an object"),
        (lambda f: (f / "config.json").write_text('{"model_type": "bert"}'), "'bert', not wav2vec2 or hubert"),
        (lambda f: (f / "model.safetensors").write_bytes(b"\xff" * 90), r"model\.safetensors is not usable"),
        (lambda f: (f / "model.safetensors").unlink(), r"pytorch_model\.bin is not usable"),
        (lambda f: save_file({"a": torch.zeros(2)}, f / "model.safetensors"), "the weights lack"),
    ],
)
def test_a_folder_that_is_not_one_gets_one_line(published: Path, tmp_path: Path, damage, reason: str) -> None:
    folder = tmp_path / "wav2vec2"
    shutil.copytree(published, folder)
    damage(folder)
    with pytest.raises(BadInput, match=reason) as caught:
        read_wave_encoder(folder)
    assert "\n" not in str(caught.value)


def test_nothing_that_a_file_names_is_run(published: Path, tmp_path: Path) -> None:
    folder, target = tmp_path / "wav2vec2", tmp_path / "made by the file"
    shutil.copytree(published, folder)
    (folder / "model.safetensors").unlink()
    torch.save({"a": Hostile(target)}, folder / "pytorch_model.bin")
    with pytest.raises(BadInput, match="not usable"):
        read_wave_encoder(folder)
    assert not target.exists()
