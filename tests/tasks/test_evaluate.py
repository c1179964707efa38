"""The evaluate stage on a synthetic subject with fake networks that keep the contracts: what it measures is known."""

from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import torch
from made_subject import FRAMES, SIZE, FakeMesh, FakePortrait, FakeSpeaker, flame, make_subject, paint

import tasks.evaluate as evaluate
from models.metrics.lpips import Lpips
from models.metrics.syncnet import Agreement
from models.nerf.torso.motion import COEFFICIENTS
from tasks.artifacts.evaluation import read_evaluation
from tasks.artifacts.layout import AssetFolder, SubjectFolder
from tasks.artifacts.metrics import read_metrics
from tasks.artifacts.speech import write_speech
from tasks.artifacts.video import read_frames, read_provenance
from tasks.errors import BadInput, DamagedArtifact, MissingInput, StageFailed
from tasks.evaluate import EvaluateParams
from tasks.scoring.baselines import Baselines, nearest_rows
from tasks.scoring.scores import spread

TRAIN = 40


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SubjectFolder:
    torch.manual_seed(0)
    network = Lpips()
    for parameter in network.parameters():
        parameter.normal_(0, 0.05).abs_()
    monkeypatch.setattr(evaluate, "read_lpips", lambda path: network)
    monkeypatch.setattr(evaluate, "FaceMesh", FakeMesh)
    monkeypatch.setattr(evaluate, "Portrait", FakePortrait)
    monkeypatch.setattr(evaluate, "Speaker", FakeSpeaker)
    monkeypatch.setattr(FakeMesh, "blind", False)
    return make_subject(tmp_path)


def mean_psnr(pictures: list[np.ndarray], truths: list[np.ndarray]) -> float:
    errors = [np.mean((p / 255.0 - t / 255.0) ** 2) for p, t in zip(pictures, truths, strict=True)]
    return float(np.mean([-10 * np.log10(e) for e in errors]))


def test_figures_equal_a_direct_computation(folder: SubjectFolder) -> None:
    evaluate.run(folder, EvaluateParams(render_seconds=1.0, self_driven_seconds=0.0))
    metrics = read_metrics(folder.metrics, "x")
    truths = list(read_frames(folder.video))
    own = [np.clip(paint(flame(), row).astype(int) + 10, 0, 255).astype(np.uint8) for row in range(TRAIN, FRAMES)]
    mean = np.round(np.mean(truths[:TRAIN], 0)).astype(np.uint8)
    assert metrics["self_driven"]["psnr"] == pytest.approx(mean_psnr(own, truths[TRAIN:]), rel=1e-4)
    assert metrics["mean_frame"]["psnr"] == pytest.approx(mean_psnr([mean] * 4, truths[TRAIN:]), rel=1e-4)
    # The portrait repeats pose and mouth exactly, its only fault is brightness.
    assert metrics["self_driven"]["f_lmd"] == pytest.approx(0, abs=1.5)
    assert metrics["self_driven"]["f_lmd"] < metrics["mean_frame"]["f_lmd"]
    assert metrics["self_driven"]["psnr"] > metrics["nearest_frame"]["psnr"] > metrics["mean_frame"]["psnr"]
    assert metrics["speech_driven"]["lse_c"] == "not measured (SyncNet weights absent: evaluate.lip_sync is none)"
    assert metrics["mean_frame"]["csim"] == "not measured (evaluate.identity is none)"
    assert (metrics["speech_driven"]["av_offset"], metrics["self_driven"]["av_confidence"]) == (2, 0.5)
    assert metrics["self_driven"]["mouth_lag"].startswith("not measured (a mouth does not move, or fewer than 48")
    assert metrics["self_driven"]["au_proxy"] < metrics["mean_frame"]["au_proxy"]
    assert metrics["held_out"] == {
        "first_frame": TRAIN, "frames": 4, "measured": 4, "without_face": 0,
        "image_size": SIZE, "landmarks": "fake mesh", "identity": "not measured (evaluate.identity is none)",
    }  # fmt: skip
    table = read_evaluation(folder.frame_metrics)
    np.testing.assert_array_equal(table.frame, np.arange(TRAIN, FRAMES))
    assert table.column("self_driven", "psnr").mean() == pytest.approx(metrics["self_driven"]["psnr"], rel=1e-5)


def test_only_the_self_driven_render_gets_the_measured_torso(folder: SubjectFolder) -> None:
    FakePortrait.torsos.clear()
    evaluate.run(folder, EvaluateParams(self_driven_seconds=0.2))
    spoken, measured, foretold = FakePortrait.torsos
    assert spoken is None
    assert foretold is None
    np.testing.assert_array_equal(measured, np.zeros((5, 2, COEFFICIENTS)))


def test_nothing_held_out_reaches_the_speaker_or_the_baselines(folder: SubjectFolder) -> None:
    evaluate.run(folder, EvaluateParams(render_seconds=1.0))
    assert FakeSpeaker.style is not None
    assert FakeSpeaker.heard is not None
    assert FakeSpeaker.style.frame.max() == TRAIN - 1
    assert FakeSpeaker.heard.frame.tolist() == list(range(FRAMES - 25, FRAMES))


def test_videos_and_what_they_say_of_themselves(folder: SubjectFolder) -> None:
    evaluate.run(folder, EvaluateParams(render_seconds=1.0, self_driven_seconds=0.4))
    for path, frames, width in ((folder.render, 25, SIZE), (folder.self_driven, 10, 2 * SIZE)):
        with av.open(str(path)) as container:
            assert container.streams.audio
            assert container.streams.video[0].width == width
        assert sum(1 for _ in read_frames(path)) == frames
        record = read_provenance(path)
        assert record is not None
        assert record["synthetic"] is True
        assert record["subject"] == "made"
        assert record["source"]["sha256"] == "ab" * 32
        assert record["consent"]["statement"] == "I agree"
        assert set(record["weights"]) == {"adf", "nerf"}
        assert record["parts"]["head model"] == "open head (stands in for FLAME)"
        assert record["frames"] == {"first": FRAMES - frames, "held_out_from": TRAIN, "end": FRAMES}
        assert record["trained_on_seconds"] == pytest.approx((frames - 4) / 25)


def test_never_less_than_the_held_out_part_never_more_than_the_clip(folder: SubjectFolder) -> None:
    evaluate.run(folder, EvaluateParams(render_seconds=1000, self_driven_seconds=0))
    assert sum(1 for _ in read_frames(folder.render)) == FRAMES
    assert sum(1 for _ in read_frames(folder.self_driven)) == FRAMES - TRAIN


def test_syncnet_is_asked_where_it_is_wanted(folder: SubjectFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BadInput, match=r"syncnet_v2\.model is missing, and evaluate\.lip_sync is syncnet"):
        evaluate.run(folder, EvaluateParams(lip_sync="syncnet"))
    seen: dict[int, list[np.ndarray]] = {}

    class Score:
        def __init__(self, network: str):
            assert network == "the network"

        def add(self, picture: np.ndarray, points: np.ndarray) -> None:
            assert points.shape == (68, 2)
            seen.setdefault(id(self), []).append(picture.copy())

        def result(self, sound: np.ndarray) -> Agreement | None:
            assert len(sound) == 4 * 640
            return None if len(seen) == 0 else Agreement(7.5, 6.5, 1)

    monkeypatch.setattr(evaluate, "read_syncnet", lambda path: "the network")
    monkeypatch.setattr(evaluate, "LipSyncScore", Score)
    evaluate.run(folder, EvaluateParams(lip_sync="syncnet", render_seconds=0))
    metrics = read_metrics(folder.metrics, "x")
    for method in ("truth", "self_driven", "speech_driven"):
        assert (metrics[method]["lse_d"], metrics[method]["lse_c"], metrics[method]["lse_offset"]) == (7.5, 6.5, 1)
    assert metrics["flame_driven"]["lse_c"].startswith("not measured")
    truth, own, _ = seen.values()
    assert [len(pictures) for pictures in seen.values()] == [4, 4, 4]
    np.testing.assert_array_equal(truth, list(read_frames(folder.video))[TRAIN:])
    assert np.mean(np.array(own, int) - truth) == pytest.approx(FakePortrait.offset, abs=3)


def test_same_input_gives_the_same_files(folder: SubjectFolder) -> None:
    def outputs() -> list[bytes]:
        evaluate.run(folder, EvaluateParams(render_seconds=0.2))
        # Of the videos the pictures: x264 may spell the same pictures in different bits.
        pictures = [b"".join(f.tobytes() for f in read_frames(p)) for p in (folder.render, folder.self_driven)]
        return [folder.metrics.read_bytes(), folder.frame_metrics.read_bytes(), *pictures]

    assert outputs() == outputs()


def test_spread_frames(folder: SubjectFolder) -> None:
    assert np.flatnonzero(spread(9, 3)).tolist() == [0, 4, 8]
    assert spread(9, 0).all()
    assert spread(9, 50).all()
    evaluate.run(folder, EvaluateParams(measured_frames=2, render_seconds=0))
    metrics = read_metrics(folder.metrics, "x")
    assert metrics["held_out"]["measured"] == 2
    assert metrics["self_driven"]["jitter"].startswith("not measured")
    assert np.isfinite(read_evaluation(folder.frame_metrics).column("mean_frame", "psnr")).tolist() == [
        True, False, False, True,
    ]  # fmt: skip


def test_failures_name_their_cause(folder: SubjectFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FakeMesh, "blind", True)
    with pytest.raises(StageFailed, match="no held-out frame of the recording shows a face"):
        evaluate.run(folder, EvaluateParams())
    assert not folder.metrics.exists()
    monkeypatch.setattr(FakeMesh, "blind", False)
    monkeypatch.setattr(FakePortrait, "render", lambda *a, **b: iter([np.zeros((SIZE, SIZE, 3), np.uint8)]))
    with pytest.raises(StageFailed, match="stopped before the last frame"):
        evaluate.run(folder, EvaluateParams())
    track = __import__("made_subject").speech(FRAMES - 1)
    write_speech(folder.speech, track)
    with pytest.raises(DamagedArtifact, match=r"speech\.parquet.*43 frames, but flame\.parquet has 44"):
        evaluate.run(folder, EvaluateParams())
    folder.masks.unlink()
    with pytest.raises(MissingInput, match="the parse stage"):
        evaluate.run(folder, EvaluateParams())


def test_nearest_rows_against_a_loop() -> None:
    rng = np.random.default_rng(0)
    train, test = rng.normal(size=(30, 68, 2)), rng.normal(size=(6, 68, 2))
    train[4, 3] = np.nan
    test[2, 0, 1] = np.nan
    expected: list[Any] = []
    for one in test:
        distances = [np.mean([np.hypot(*(p - q)) for p, q in zip(one, other, strict=True)]) for other in train]
        expected.append(-1 if np.isnan(one).any() else int(np.nanargmin(distances)))
    assert nearest_rows(train, test).tolist() == expected
    with pytest.raises(ValueError, match="no training frame"):
        nearest_rows(np.full((3, 68, 2), np.nan), test)


def test_baselines_keep_only_what_is_wanted_and_clean_up() -> None:
    rng = np.random.default_rng(0)
    pictures = rng.integers(0, 256, (5, 8, 8, 3), np.uint8)
    with Baselines([3, -1, 1, 3], 8) as baselines:
        with pytest.raises(ValueError, match="no training frame"):
            baselines.mean()
        for row, picture in enumerate(pictures):
            baselines.see(row, picture)
        place = Path(baselines._folder.name)
        assert place.exists()
        np.testing.assert_array_equal(baselines.nearest(3), pictures[3])
        np.testing.assert_array_equal(baselines.nearest(1), pictures[1])
        with pytest.raises(KeyError):
            baselines.nearest(0)
        np.testing.assert_array_equal(baselines.mean(), np.round(pictures.astype(float).mean(0)))
    assert not place.exists()


def test_identities_need_their_file_and_only_the_published_one(folder: SubjectFolder) -> None:
    with pytest.raises(BadInput, match="erlnet assets fetch dlib-identity"):
        evaluate.run(folder, EvaluateParams(identity="dlib"))
    path = AssetFolder.default().dlib_identity
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"not a network")
    manifest = Path(__file__).parents[2] / "data/assets/manifest.yaml"
    AssetFolder.default().manifest.write_bytes(manifest.read_bytes())
    with pytest.raises(BadInput, match="wrong checksum"):
        evaluate.run(folder, EvaluateParams(identity="dlib"))
