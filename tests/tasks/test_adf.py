"""The adf stage on a synthetic subject whose mouth follows its speech."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from spoken_subject import FRAMES, HASTY, QUICK, sequence, speech
from toy_head import NAMES, write_toy_head

from tasks.adf import AdfParams, run, training_runs
from tasks.artifacts.adf import read_adf
from tasks.artifacts.curve import read_curve
from tasks.artifacts.flame import read_flame, write_flame
from tasks.artifacts.head import head_identity
from tasks.artifacts.layout import AssetFolder, SubjectFolder
from tasks.artifacts.metrics import read_metrics
from tasks.artifacts.speech import read_speech, write_speech
from tasks.errors import DamagedArtifact, MissingInput, StageFailed
from tasks.split import train_length
from tasks.stage import main


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with the toy head and a subject."""
    root = tmp_path_factory.mktemp("repository")
    asset = AssetFolder(root / "data" / "assets").open_head
    asset.parent.mkdir(parents=True)
    write_toy_head(asset)
    folder = SubjectFolder.of("someone", root)
    folder.root.mkdir(parents=True)
    track = speech()
    write_speech(folder.speech, track)
    write_flame(folder.flame, sequence(track, head_identity(asset)))
    (root / "params.yaml").write_text("profiles: {demo: {adf: {space_steps: 2}}}")
    return root


@pytest.fixture(autouse=True)
def _here(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ERLNET_ROOT", str(root))


@pytest.fixture(scope="module")
def done(root: Path) -> SubjectFolder:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ERLNET_ROOT", str(root))
        folder = SubjectFolder.of("someone", root)
        run(folder, QUICK)
    return folder


@pytest.fixture
def other(root: Path, tmp_path: Path) -> SubjectFolder:
    """A fresh subject with the same inputs."""
    folder, source = (
        SubjectFolder.of(f"copy-{tmp_path.name.replace('_', '-').lower()}"[:60], root),
        SubjectFolder.of("someone", root),
    )
    folder.root.mkdir()
    write_speech(folder.speech, read_speech(source.speech))
    write_flame(folder.flame, read_flame(source.flame))
    return folder


def test_held_out_motion_beats_mean_motion(done: SubjectFolder) -> None:
    metrics = read_metrics(done.adf_metrics, "x")
    ours, mean, ridge = (metrics["held_out"][name] for name in ("adf", "mean_motion", "ridge_regression"))
    assert metrics["frames"] == {"train": 600, "test": 60}
    assert ours["opening_correlation"] > 0.6
    assert ridge["opening_correlation"] > 0.6  # the baseline is a real one
    assert ours["lip_error_mm"] < 0.8 * mean["lip_error_mm"]
    assert 0.6 < ours["dynamics"] < 1.3
    assert mean["dynamics"] == pytest.approx(0, abs=1e-3)
    assert isinstance(mean["opening_correlation"], str)
    assert mean["head_spread"] == pytest.approx(0, abs=1e-3)
    assert ours["head_spread"] > 0.1
    assert set(metrics["spaces"]) == {
        "expression_lip_error_mm", "pose_rotation_error_deg", "pose_translation_error_mm",
    }  # fmt: skip
    assert metrics["sync"] == "not measured: the held-out part is too short"
    assert metrics["parts"]["speech encoder"] == "e"


def test_curve_runs_through_all_phases(done: SubjectFolder) -> None:
    curve = read_curve(done.adf_curve, "x")
    assert next(iter(curve)) == "step"
    assert curve["step"][-1] == 2 * 40 + 40 + 40 + 30
    for phase in ("expression_space", "pose_space", "embedding", "expression", "pose"):
        assert any(name.startswith(f"{phase}.") for name in curve), phase


def test_weights_come_back_as_they_were(done: SubjectFolder) -> None:
    trained = read_adf(done.adf)
    sequence_ = read_flame(done.flame)
    assert trained.encoder == "e"
    assert trained.head == sequence_.head
    assert (trained.focal, trained.image_size, trained.fps) == (300.0, 128, 25.0)
    assert trained.habits.channels == (NAMES.index("eyeBlinkLeft"), NAMES.index("eyeBlinkRight"))
    assert not trained.network.training
    again = read_adf(done.adf)
    for name, value in trained.network.state_dict().items():
        assert torch.equal(value, again.network.state_dict()[name])
    assert bool(trained.network.expression_space.quantizer.started)


def test_training_never_sees_the_held_out_part(other: SubjectFolder) -> None:
    run(other, HASTY)
    first = {name: value.clone() for name, value in read_adf(other.adf).network.state_dict().items()}
    last = train_length(FRAMES)
    flame, track = read_flame(other.flame), read_speech(other.speech)
    for name in ("expression", "jaw_rotation", "translation", "eyes_rotation"):
        changed = getattr(flame, name).copy()
        changed[last:] = 9.0
        setattr(flame, name, changed)
    features = track.features.copy()
    features[last:] = -9.0
    track.features = features
    write_flame(other.flame, flame)
    write_speech(other.speech, track)
    run(other, HASTY)
    again = read_adf(other.adf)
    for name, value in again.network.state_dict().items():
        assert torch.equal(value, first[name]), name


def test_untracked_frames_are_left_out_and_ids_are_followed(root: Path, other: SubjectFolder) -> None:
    flame, track = read_flame(other.flame), read_speech(other.speech)
    expression = flame.expression.copy()
    expression[100:130] = np.nan
    flame.expression = expression
    # The speech begins ten frames earlier than the sequence: rows differ, ids agree.
    flame.frame = flame.frame + 10
    runs = training_runs(flame, track, 0, 600)
    assert [len(part) for part in runs] == [100, 470]
    assert torch.equal(runs[0].features[0], torch.tensor(track.features[10]))
    assert torch.equal(runs[1].features[0], torch.tensor(track.features[140]))
    assert torch.equal(runs[1].expression[0, :6], torch.tensor(flame.expression[130]))
    write_flame(other.flame, flame)
    run(other, HASTY)
    assert read_metrics(other.adf_metrics, "x")["frames"]["train"] == 570


def test_too_little_to_learn_from_is_said(other: SubjectFolder) -> None:
    flame = read_flame(other.flame)
    expression = flame.expression.copy()
    expression[40:] = np.nan
    flame.expression = expression
    write_flame(other.flame, flame)
    with pytest.raises(StageFailed, match="40 of the 600 training frames can be used"):
        run(other, HASTY)
    assert not other.adf.exists()


def test_another_head_is_refused(other: SubjectFolder) -> None:
    flame = read_flame(other.flame)
    flame.head = {"name": "another", "sha256": "0" * 64}
    write_flame(other.flame, flame)
    with pytest.raises(StageFailed, match="tracked with head model 'another'"):
        run(other, HASTY)


def test_a_missing_input_names_its_maker(other: SubjectFolder, capsys: pytest.CaptureFixture[str]) -> None:
    other.speech.unlink()
    with pytest.raises(MissingInput, match="the speech stage"):
        run(other, HASTY)
    assert main("adf", AdfParams, run, ["--subject", other.id, "--profile", "demo"]) == 1
    assert "speech.parquet is missing; it is made by the speech stage" in capsys.readouterr().err


@pytest.mark.parametrize("damage", ["truncated", "header", "tensor"])
def test_damaged_weights_are_named(done: SubjectFolder, tmp_path: Path, damage: str) -> None:
    from safetensors import safe_open
    from safetensors.torch import load_file, save_file

    path = tmp_path / "adf.safetensors"
    if damage == "truncated":
        path.write_bytes(done.adf.read_bytes()[:5000])
    else:
        with safe_open(str(done.adf), "pt") as file:
            config = json.loads(file.metadata()["config"])
        state = load_file(done.adf)
        if damage == "header":
            del config["encoder"]
        else:
            state["gain"] = torch.full_like(state["gain"], torch.nan)
        save_file(state, path, metadata={"config": json.dumps(config)})
    with pytest.raises(DamagedArtifact, match=r"adf\.safetensors is damaged"):
        read_adf(path)
