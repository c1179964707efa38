"""The whole pipeline for real, small: the sample clip through Prefect and DVC in a checkout of its own.

One checkout serves all tests of this file, in order: what the first onboarded, the later ones look at and disturb.
"""

import copy
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import av
import psutil
import pytest
import yaml

from tasks.artifacts import run_record
from tasks.artifacts.audio import SAMPLE_RATE, read_audio, write_audio
from tasks.artifacts.layout import AssetFolder, SubjectFolder, repository_root
from tasks.artifacts.video import read_frames, read_provenance

pytestmark = pytest.mark.slow

STAGES = ["crop", "track", "parse", "torso", "speech", "adf", "nerf", "evaluate", "report"]
CONSENT = "sample clip, for the project's own tests"


class Checkout:
    """A copy of this working tree as a git repository, with the shared assets and a profile that takes seconds."""

    def __init__(self, root: Path, assets: AssetFolder):
        self.root = root
        source = repository_root()
        listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        files = subprocess.run(listed, cwd=source, check=True, capture_output=True).stdout.decode().split("\0")
        for name in filter(None, files):
            if (source / name).is_file():
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(source / name, root / name)
        shutil.rmtree(root / "data" / "subjects", ignore_errors=True)
        for path in (assets.open_head, assets.moonshine, assets.lpips, assets.sample):
            shutil.copy2(path, root / "data" / "assets" / path.name)
        params = yaml.safe_load((root / "params.yaml").read_text())
        tiny = copy.deepcopy(params["profiles"]["demo"])
        tiny["crop"]["size"] = 128
        for stage, changes in TINY.items():
            tiny[stage] = {**(tiny.get(stage) or {}), **changes}
        params["profiles"]["tiny"] = tiny
        (root / "params.yaml").write_text(yaml.safe_dump(params))
        self.environment = {
            **os.environ,
            "ERLNET_ROOT": str(root),
            "PREFECT_HOME": str(root / ".prefect"),
            "PYTHONPATH": str(root),
        }
        self.run("git", "init", "--quiet")
        self.run("git", "add", "--all")
        identity = ["-c", "user.name=test", "-c", "user.email=test@example.invalid"]
        self.run("git", *identity, "commit", "--quiet", "--message", "checkout")

    def run(self, *command: str, status: int | None = 0) -> subprocess.CompletedProcess[str]:
        """Run ``command`` here; check its exit status unless ``status`` is None."""
        result = subprocess.run(
            command, cwd=self.root, env=self.environment, capture_output=True, text=True, check=False, timeout=600
        )
        if status is not None:
            assert result.returncode == status, f"{command}: {result.returncode}\n{result.stdout}\n{result.stderr}"
        return result

    def erlnet(self, *arguments: str, status: int | None = 0) -> subprocess.CompletedProcess[str]:
        return self.run(sys.executable, "-m", "flows.cli", *arguments, status=status)

    def dvc(self, *arguments: str) -> str:
        return self.run(sys.executable, "-m", "dvc", *arguments).stdout

    def states(self) -> dict[str, str]:
        subjects = json.loads(self.erlnet("status", "--json").stdout)["subjects"]
        assert [subject["id"] for subject in subjects] == ["anna"]
        return {name: stage["state"] for name, stage in subjects[0]["stages"].items()}

    def onboard(self, status: int | None = 0) -> subprocess.CompletedProcess[str]:
        sample = self.root / "data" / "assets" / "sample.mp4"
        return self.erlnet(
            "onboard", str(sample), "--subject", "anna", "--profile", "tiny", "--consent", CONSENT, status=status
        )


# Small enough for seconds a stage; every stage still does all of its work.
TINY = {
    "adf": {"embedding_steps": 20, "expression_steps": 20, "pose_steps": 20, "space_steps": 20},
    "nerf": {"steps": 60},
    "evaluate": {"render_seconds": 1.0, "self_driven_seconds": 0.5},
}


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory, assets: AssetFolder) -> Checkout:
    return Checkout(tmp_path_factory.mktemp("checkout"), assets)


@pytest.fixture(scope="module")
def onboarded(checkout: Checkout) -> Checkout:
    """The checkout after its subject was onboarded through the flow."""
    output = checkout.onboard().stdout
    folder = SubjectFolder.of("anna", checkout.root)
    assert str(folder.render) in output
    assert str(folder.report) in output
    return checkout


def started(checkout: Checkout) -> dict[str, float]:
    """When each stage last began."""
    records = {stage: run_record.read(SubjectFolder.of("anna", checkout.root).runs, stage) for stage in STAGES}
    return {stage: record.started for stage, record in records.items() if record}


def test_every_stage_is_done_and_dvc_agrees(onboarded: Checkout):
    assert onboarded.states() == dict.fromkeys(STAGES, "done")
    assert "up to date" in onboarded.dvc("status")
    assert "Data and pipelines are up to date." in onboarded.dvc("repro", "--all-pipelines")


def test_git_sees_one_new_folder_and_nothing_else(onboarded: Checkout):
    changes = onboarded.run("git", "status", "--porcelain").stdout.splitlines()
    assert changes == ["?? data/subjects/"] or changes == ["?? data/subjects/anna/"]
    listed = onboarded.run("git", "ls-files", "--others", "--exclude-standard").stdout.split()
    names = {Path(name).name for name in listed}
    assert {"subject.yaml", "dvc.yaml", "dvc.lock", ".gitignore", "metrics.json"} <= names
    assert not any(Path(name).suffix in {".mp4", ".safetensors", ".parquet", ".wav"} for name in names)


def test_the_video_speaks_and_says_what_it_is(onboarded: Checkout):
    folder = SubjectFolder.of("anna", onboarded.root)
    with av.open(str(folder.render)) as container:
        frames = sum(1 for _ in container.decode(video=0))
    with av.open(str(folder.render)) as container:
        samples = sum(frame.samples for frame in container.decode(audio=0))
        rate = container.streams.audio[0].rate
    assert frames >= 25
    assert abs(frames / 25 - samples / rate) < 0.2
    provenance = read_provenance(folder.render)
    assert provenance is not None
    assert CONSENT in json.dumps(provenance)


def test_metrics_stand_beside_their_baselines(onboarded: Checkout):
    metrics = json.loads(SubjectFolder.of("anna", onboarded.root).metrics.read_text())
    for method in ("self_driven", "speech_driven", "mean_frame", "nearest_frame"):
        assert 5 < metrics[method]["psnr"] < 60, method
    assert "psnr" in onboarded.dvc("metrics", "show")


def test_a_second_onboarding_changes_nothing(onboarded: Checkout):
    folder = SubjectFolder.of("anna", onboarded.root)
    before = {path: path.stat().st_mtime_ns for path in folder.root.iterdir()}
    assert "up to date" in onboarded.onboard().stdout
    assert {path: path.stat().st_mtime_ns for path in folder.root.iterdir()} == before


def test_animate_speaks_other_audio(onboarded: Checkout, tmp_path: Path):
    sound = SubjectFolder.of("anna", onboarded.root).audio
    out = tmp_path / "out.mp4"
    onboarded.erlnet("animate", "--subject", "anna", "--audio", str(sound), "--out", str(out))
    with av.open(str(out)) as container:
        assert sum(1 for _ in container.decode(video=0)) == pytest.approx(144, abs=1)
    assert read_provenance(out) is not None
    refused = onboarded.erlnet(
        "animate", "--subject", "anna", "--audio", "none.wav", "--out", str(tmp_path / "x.mp4"), status=2
    )
    assert refused.stderr.count("\n") == 1
    assert not (tmp_path / "x.mp4").exists()


@pytest.fixture
def sentence(onboarded: Checkout, tmp_path: Path) -> Path:
    """The first second and a half of the subject's own sound."""
    samples = read_audio(SubjectFolder.of("anna", onboarded.root).audio)
    write_audio(tmp_path / "sentence.wav", samples[: SAMPLE_RATE * 3 // 2])
    return tmp_path / "sentence.wav"


def test_an_exported_avatar_speaks_the_same_in_an_empty_checkout(
    onboarded: Checkout, assets: AssetFolder, sentence: Path, tmp_path: Path
):
    avatar, here, there = tmp_path / "anna.erlnet", tmp_path / "here.mp4", tmp_path / "there.mp4"
    onboarded.erlnet("export", "anna", "--out", str(avatar))
    onboarded.erlnet("animate", "--subject", "anna", "--audio", str(sentence), "--out", str(here))
    empty = Checkout(tmp_path / "empty", assets)
    for path in (empty.root / "data" / "assets").iterdir():
        if path.name != "manifest.yaml":
            path.unlink()
    assert list((empty.root / "data").glob("**/*.safetensors")) == []
    empty.erlnet("animate", "--avatar", str(avatar), "--audio", str(sentence), "--out", str(there))
    frames = [list(read_frames(path)) for path in (here, there)]
    assert len(frames[0]) == len(frames[1]) >= 37
    assert all((a == b).all() for a, b in zip(*frames, strict=True))
    said = [read_provenance(path) for path in (here, there)]
    assert said[0]["weights"] == said[1]["weights"]
    assert said[1]["consent"]["statement"] == CONSENT

    # The video leads back to everything in the checkout that made the avatar, and says so where that is not.
    found = json.loads(onboarded.erlnet("lineage", str(there), "--audio", str(sentence), "--json").stdout)
    assert found["agrees"] is True
    assert {stage["name"] for stage in found["stages"]} == set(STAGES)
    assert all(stage["code"]["commit"] for stage in found["stages"])
    elsewhere = json.loads(empty.erlnet("lineage", str(there), "--json").stdout)
    assert elsewhere["subject"] is None
    assert "open head (stands in for FLAME)" in elsewhere["parts"].values()
    refused = empty.erlnet("animate", "--avatar", str(sentence), "--audio", str(sentence), "--out", "x.mp4", status=2)
    assert "is not a usable avatar" in refused.stderr


def test_the_report_says_what_every_stage_was_run_with(onboarded: Checkout):
    text = SubjectFolder.of("anna", onboarded.root).report.read_text()
    assert "erlnet lineage anna" in text
    assert onboarded.run("git", "rev-parse", "HEAD").stdout.strip() in text


def test_rename_computes_nothing_and_a_render_of_before_still_leads_back(onboarded: Checkout):
    before = started(onboarded)
    onboarded.erlnet("rename", "anna", "annabel")
    assert "Data and pipelines are up to date." in onboarded.dvc("repro", "--all-pipelines")
    plan = json.loads(onboarded.erlnet("plan", "--json").stdout)
    assert plan["up_to_date"] == ["annabel"]
    render = onboarded.root / "data" / "subjects" / "annabel" / "render.mp4"
    assert read_provenance(render)["subject"] == "anna"
    found = json.loads(onboarded.erlnet("lineage", str(render), "--json").stdout)
    assert (found["subject"]["id"], found["agrees"]) == ("annabel", True)
    onboarded.erlnet("rename", "annabel", "anna")
    assert started(onboarded) == before
    assert onboarded.states() == dict.fromkeys(STAGES, "done")


def test_kill_9_of_a_stage_then_repro_runs_only_what_is_left(onboarded: Checkout):
    params = yaml.safe_load((onboarded.root / "params.yaml").read_text())
    params["profiles"]["tiny"]["nerf"]["steps"] = 61
    (onboarded.root / "params.yaml").write_text(yaml.safe_dump(params))
    assert onboarded.states()["nerf"] == "stale"
    before = started(onboarded)

    folder = SubjectFolder.of("anna", onboarded.root)
    process = subprocess.Popen(
        [sys.executable, "-m", "flows.cli", "repro"],
        cwd=onboarded.root,
        env=onboarded.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        deadline = time.monotonic() + 120
        while not ((record := run_record.read(folder.runs, "nerf")) and record.started > before["nerf"]):
            assert time.monotonic() < deadline, "the nerf stage did not start"
            time.sleep(0.05)
        os.kill(record.pid, signal.SIGKILL)
        _, errors = process.communicate(timeout=120)
    finally:
        process.kill()
    assert process.returncode == 1
    assert "nerf" in errors.splitlines()[-1]
    assert onboarded.states()["nerf"] == "failed"

    onboarded.erlnet("repro")
    after = started(onboarded)
    assert onboarded.states() == dict.fromkeys(STAGES, "done")
    assert {stage for stage in STAGES if after[stage] != before[stage]} == {"nerf", "evaluate", "report"}


def test_nothing_is_left_running(onboarded: Checkout):
    root = str(onboarded.root)
    left = [p.info for p in psutil.process_iter(["pid", "cmdline", "cwd"]) if p.info["cwd"] == root]
    assert left == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["none.mp4", "--subject", "bob"], "does not exist"),
        (["params.yaml", "--subject", "bob"], "params.yaml"),
        (["data/assets/sample.mp4", "--subject", "../bob"], "not allowed"),
        (["data/assets/sample.mp4", "--subject", "anna"], "exists"),
    ],
)
def test_bad_input_is_one_line_and_registers_nothing(onboarded: Checkout, arguments: list[str], words: str):
    refused = onboarded.erlnet("onboard", *arguments, "--consent", "yes", "--profile", "tiny", status=2)
    assert words in refused.stderr
    assert refused.stderr.count("\n") == 1
    assert [path.name for path in (onboarded.root / "data" / "subjects").glob("*") if path.is_dir()] == ["anna"]


def test_missing_consent_is_refused(onboarded: Checkout):
    refused = onboarded.erlnet("onboard", "data/assets/sample.mp4", "--subject", "bob", status=2)
    assert "consent" in refused.stderr
