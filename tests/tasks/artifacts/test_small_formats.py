"""audio.wav, weights, metrics, subject.yaml, run records and atomic writing."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
import torch
from pydantic import ValidationError

from tasks.artifacts import run_record
from tasks.artifacts.atomic import atomic_path, write_text
from tasks.artifacts.audio import read_audio, write_audio
from tasks.artifacts.layout import SubjectFolder
from tasks.artifacts.metrics import read_metrics, write_metrics
from tasks.artifacts.subject import Consent, Source, SubjectRecord, read_subject, write_subject
from tasks.artifacts.weights import read_weights, write_weights
from tasks.errors import BadInput, DamagedArtifact, MissingInput


def test_audio_round_trip_to_half_a_step(tmp_path: Path):
    samples = np.random.default_rng(0).uniform(-1.2, 1.2, 5000).astype(np.float32)
    write_audio(tmp_path / "a.wav", samples)
    np.testing.assert_allclose(read_audio(tmp_path / "a.wav"), np.clip(samples, -1, 1), atol=0.51 / 32767)


def test_audio_damage(tmp_path: Path):
    (tmp_path / "a.wav").write_bytes(b"RIFFxxxxWAVE")
    with pytest.raises(DamagedArtifact, match=r"a\.wav"):
        read_audio(tmp_path / "a.wav")


def test_weights_round_trip_with_config(tmp_path: Path):
    state = {"a": torch.randn(3, 4), "b": torch.arange(5)}
    write_weights(tmp_path / "w.safetensors", state, {"format": "x/1", "width": 4})
    read, config = read_weights(tmp_path / "w.safetensors", "x/1", "nobody")
    assert config == {"format": "x/1", "width": 4}
    for name in state:
        assert torch.equal(read[name], state[name])
    with pytest.raises(DamagedArtifact, match="x/1"):
        read_weights(tmp_path / "w.safetensors", "y/1", "nobody")


def test_a_pickle_posing_as_weights_is_not_run(tmp_path: Path):
    marker = tmp_path / "ran"

    class Hostile:
        def __reduce__(self):
            return (os.mkdir, (str(marker),))

    torch.save({"a": Hostile()}, tmp_path / "w.safetensors")
    with pytest.raises(DamagedArtifact):
        read_weights(tmp_path / "w.safetensors", "x/1", "nobody")
    assert not marker.exists()


def test_metrics_refuse_nan_by_name(tmp_path: Path):
    with pytest.raises(ValueError, match=r"self\.psnr is nan"):
        write_metrics(tmp_path / "m.json", {"self": {"psnr": float("nan")}})
    assert not (tmp_path / "m.json").exists()
    write_metrics(tmp_path / "m.json", {"self": {"psnr": 30.5, "lse": "not measured"}})
    assert read_metrics(tmp_path / "m.json", "x")["self"]["psnr"] == 30.5
    (tmp_path / "m.json").write_text("{")
    with pytest.raises(DamagedArtifact):
        read_metrics(tmp_path / "m.json", "x")


def make_record(**changes) -> SubjectRecord:
    values = {
        "id": "anna-1",
        "source": Source(name="ä.mp4", sha256="a" * 64, bytes=1),
        "consent": Consent(statement="yes: she <b>agreed</b>", recorded="2026-01-01T00:00:00Z"),
        "profile": "demo",
    }
    return SubjectRecord(**(values | changes))


def test_subject_round_trip(tmp_path: Path):
    write_subject(tmp_path / "s.yaml", make_record(style="happy"))
    assert read_subject(tmp_path / "s.yaml") == make_record(style="happy")
    with pytest.raises(MissingInput, match="erlnet onboard"):
        read_subject(tmp_path / "none.yaml")


@pytest.mark.parametrize("text", ["", "id: [", "id: x", "- 1", "id: ../x\nprofile: demo", "\x00"])
def test_subject_damage_is_one_line(tmp_path: Path, text: str):
    (tmp_path / "s.yaml").write_text(text)
    with pytest.raises(DamagedArtifact) as caught:
        read_subject(tmp_path / "s.yaml")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("bad", ["", "A", "../x", "a/b", "a b", "-a", "a" * 64, "ä", "a\n", "a;rm"])
def test_illegal_ids(bad: str):
    with pytest.raises(BadInput, match="not allowed"):
        SubjectFolder.of(bad)


def test_consent_cannot_be_empty():
    with pytest.raises(ValidationError):
        Consent(statement="", recorded="now")


def test_atomic_write_survives_failure(tmp_path: Path):
    path = tmp_path / "x.txt"
    write_text(path, "old")
    with pytest.raises(OSError, match="full"), atomic_path(path) as temporary:
        temporary.write_text("half")
        raise OSError(28, "full")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_run_record_tells_running_done_and_killed(tmp_path: Path):
    assert run_record.read(tmp_path, "crop") is None
    record = run_record.begin(tmp_path, "crop")
    read = run_record.read(tmp_path, "crop")
    assert read is not None
    assert read.outcome == "running"
    run_record.finish(tmp_path, record, "done")
    read = run_record.read(tmp_path, "crop")
    assert read is not None
    assert read.outcome == "done"
    assert read.peak_memory > 1 << 20

    code = (
        "import sys, time; from pathlib import Path; from tasks.artifacts import run_record as r;"
        "r.begin(Path(sys.argv[1]), 'track'); print('up', flush=True); time.sleep(60)"
    )
    process = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    read = run_record.read(tmp_path, "track")
    assert read is not None
    assert read.outcome == "running"
    process.kill()
    process.wait()
    read = run_record.read(tmp_path, "track")
    assert read is not None
    assert read.outcome == "killed"


def test_a_clock_that_is_set_while_a_stage_runs_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    real = psutil.Process.create_time
    record = run_record.begin(tmp_path, "crop")
    # Processes' starting times are reckoned from the wall clock, so they move when it is set; so does what time it is.
    monkeypatch.setattr(psutil.Process, "create_time", lambda self: real(self) - 7200)
    monkeypatch.setattr(time, "time", lambda: record.started - 7200)
    read = run_record.read(tmp_path, "crop")
    assert read is not None
    assert read.outcome == "running"
    run_record.finish(tmp_path, record, "done")
    read = run_record.read(tmp_path, "crop")
    assert read is not None
    assert 0 <= read.seconds < 60


def test_a_recycled_pid_is_not_running(tmp_path: Path):
    record = run_record.begin(tmp_path, "crop")
    data = json.loads((tmp_path / "crop.json").read_text())
    data["process"] = data["process"].replace(":", ":9")
    (tmp_path / "crop.json").write_text(json.dumps(data))
    assert record.pid == os.getpid()
    read = run_record.read(tmp_path, "crop")
    assert read is not None
    assert read.outcome == "killed"
