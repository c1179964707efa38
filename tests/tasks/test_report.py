"""The report of a synthetic subject: complete, escaped, self-contained, and whole in a real browser."""

import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from made_subject import FRAMES, FakeMesh, FakePortrait, FakeSpeaker, make_subject

import tasks.evaluate as evaluate
import tasks.report as report
import tasks.reporting.tracking as tracking
from models.metrics.lpips import Lpips
from tasks.artifacts import run_record
from tasks.artifacts.flame import FlameSequence
from tasks.artifacts.landmarks import LandmarkTrack
from tasks.artifacts.layout import SubjectFolder
from tasks.artifacts.subject import Consent
from tasks.errors import MissingInput, StageFailed
from tasks.preview import PreviewStrip
from tasks.reporting.curves import against_time, training_panels
from tasks.reporting.facts import metrics_table, verdict
from tasks.reporting.lineage import stage_rows

HOSTILE = '<img src=x onerror="window.hacked=1"><script>window.hacked=2</script>"\'&{{7*7}}'


class FakeOverlay:
    def __init__(self, head: None, flame: FlameSequence, landmarks: LandmarkTrack) -> None:
        assert len(flame) == len(landmarks) == FRAMES

    def draw(self, picture: np.ndarray, row: int) -> np.ndarray:
        return picture


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> SubjectFolder:
    torch.manual_seed(0)
    network = Lpips()
    for parameter in network.parameters():
        parameter.normal_(0, 0.05).abs_()
    consent = Consent(statement=HOSTILE, recorded="2026-01-01T00:00:00Z")
    made = make_subject(tmp_path_factory.mktemp("report"), {"consent": consent, "style": HOSTILE})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(evaluate, "read_lpips", lambda path: network)
        patch.setattr(evaluate, "FaceMesh", FakeMesh)
        patch.setattr(evaluate, "Portrait", FakePortrait)
        patch.setattr(evaluate, "Speaker", FakeSpeaker)
        evaluate.run(made, evaluate.EvaluateParams())
        run_record.finish(made.runs, run_record.begin(made.runs, "crop"), "done")
        PreviewStrip(made.nerf_preview, [np.zeros((8, 8, 3), np.uint8)], False).add(
            [np.ones((8, 8, 3), np.uint8)], ["a"]
        )

        patch.setattr(tracking, "read_head", lambda path: None)
        patch.setattr(tracking, "Overlay", FakeOverlay)
        report.run(made, report.ReportParams())
    return made


class Page(HTMLParser):
    def __init__(self, text: str):
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


def test_text_from_outside_stays_text(folder: SubjectFolder) -> None:
    text = folder.report.read_text()
    page = Page(text)
    assert "<img src=x" not in text
    assert "49" not in re.findall(r"“(.*?)”", text)[0]
    assert "{{7*7}}" in text
    assert sum(tag == "script" for tag, _ in page.tags) == 1
    assert not any(name.startswith("on") for _, attributes in page.tags for name in attributes)


def test_everything_is_inside(folder: SubjectFolder) -> None:
    text = folder.report.read_text()
    page = Page(text)
    sources = [value for _, attributes in page.tags for key, value in attributes.items()
               if key in ("src", "href", "xlink:href", "poster")]  # fmt: skip
    assert sources
    assert all(value and value.startswith(("data:", "#")) for value in sources)
    assert not re.search(r"url\((?!#|data:)", text)
    assert sum(tag == "video" for tag, _ in page.tags) == 3
    assert sum(tag == "img" for tag, _ in page.tags) >= 7
    assert sum(tag == "svg" for tag, _ in page.tags) >= 6
    ids = [attributes["id"] for _, attributes in page.tags if attributes.get("id")]
    marked = [i for i in ids if not i.startswith(("axes", "patch", "line2d", "matplotlib", "xtick", "ytick", "text",
                                                  "figure", "legend", "PathCollection", "FillBetween"))]  # fmt: skip
    assert len(set(marked)) == len(marked), "two elements share an id that is referred to"


def test_it_says_what_matters(folder: SubjectFolder) -> None:
    text = folder.report.read_text()
    for expected in (
        "only 4 held-out frames were measured", "LSE-C", "SyncNet weights absent", "open head (stands in for FLAME)",
        "fake matte", "ab" * 8, "4 of 44 frames held out", "the first 1.6 s were trained on", "nerf.safetensors",
        "BiSeNet", "no record (restored from the cache?)", "The track is good", "0.50 / 1.25 %", "0.37 %",
        "The face was seen in every frame.", "erlnet overlay --subject", "How the portrait came along",
    ):  # fmt: skip
        assert expected in text, expected


def test_real_browser(folder: SubjectFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
    browser = shutil.which("chromium") or shutil.which("google-chrome") or shutil.which("chromium-browser")
    driver_path = shutil.which("chromedriver")
    if not browser or not driver_path:
        pytest.skip("no Chromium with chromedriver is installed")
    monkeypatch.setenv("SE_OFFLINE", "true")
    monkeypatch.setenv("SE_AVOID_STATS", "true")
    options = webdriver.ChromeOptions()
    options.binary_location = browser
    for argument in ("--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking",
                     "--disable-dev-shm-usage", "--mute-audio", f"--user-data-dir={tmp_path}"):  # fmt: skip
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options, webdriver.ChromeService(driver_path))
    try:
        driver.set_script_timeout(30)
        driver.get(folder.report.as_uri())
        videos = driver.execute_async_script(
            """const done = arguments[0], videos = [...document.querySelectorAll('video')];
            Promise.all(videos.map(v => v.readyState >= 1 ? v : new Promise(r => {
              v.addEventListener('loadedmetadata', r); v.addEventListener('error', r); })))
              .then(() => done(videos.map(v => [v.duration, v.videoWidth, v.error && v.error.message])));"""
        )
        assert len(videos) == 3
        for seconds, width, error in videos:
            assert error is None
            assert seconds == pytest.approx(FRAMES / 25, abs=0.1)
            assert width > 0
        assert driver.execute_script("return [...document.images].every(i => i.complete && i.naturalWidth > 0)")
        assert driver.execute_script("return window.hacked === undefined")
        assert HOSTILE in driver.find_element("tag name", "header").text
        driver.find_element("id", "both").click()
        assert driver.find_element("id", "both").text == "Pause both"
        assert driver.execute_script("return !document.getElementById('truth').paused")
        # The page is as wide as a phone's screen without scrolling sideways.
        driver.set_window_size(500, 900)
        assert driver.execute_script("return document.documentElement.scrollWidth <= window.innerWidth")
        console = [line for line in driver.get_log("browser") if line["level"] in ("SEVERE", "WARNING")]
        assert console == []
        requests = [json.loads(line["message"])["message"] for line in driver.get_log("performance")]
        addresses = [r["params"]["request"]["url"] for r in requests if r["method"] == "Network.requestWillBeSent"]
        assert addresses
        # chrome: is the browser's own start page and player.
        assert {a.split(":", 1)[0] for a in addresses} <= {"file", "data", "chrome"}
        assert [a for a in addresses if a.startswith("file")] == [folder.report.as_uri()]
    finally:
        driver.quit()


def test_the_stages_are_told_with_what_they_were_run_with(folder: SubjectFolder) -> None:
    assert "the stages were run without DVC" in folder.report.read_text()
    files = [{"path": "tasks/nerf.py", "md5": "0" * 32}, {"path": "data/subjects/made/flame.parquet", "md5": "1" * 32}]
    params = {"params.yaml": {"profiles.demo.nerf": {"steps": 7}}}
    stages = {"nerf": {"cmd": "x", "deps": files, "params": params}, "report": {"cmd": "x"}}
    folder.lock.write_text(yaml.safe_dump({"schema": "2.0", "stages": stages}))
    try:
        (row,) = stage_rows(folder)
    finally:
        folder.lock.unlink()
    assert (row["stage"], row["params"]) == ("nerf", "steps 7")
    assert row["code"].endswith("(1 files)")
    assert row["commit"] == "not committed as it was run"


def test_missing_input_names_its_stage(folder: SubjectFolder, tmp_path: Path) -> None:
    copy = SubjectFolder(tmp_path / "made")
    shutil.copytree(folder.root, copy.root)
    for path, maker in ((copy.render, "evaluate"), (copy.metrics, "evaluate"), (copy.masks, "parse")):
        path.unlink()
        with pytest.raises(MissingInput, match=f"the {maker} stage"):
            report.run(copy, report.ReportParams())


def test_large_renders_are_made_smaller_and_too_large_pages_refused(
    folder: SubjectFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tasks.reporting.players import repeated_player

    whole = repeated_player(folder, 25.0, 10**9)
    small = repeated_player(folder, 25.0, 10)
    assert len(small.render) < len(whole.render)
    monkeypatch.setattr(report, "MOST_BYTES", 1000)
    monkeypatch.setattr(report, "gather", lambda *a: {})
    monkeypatch.setattr(report, "render_page", lambda context: "x" * 2000)
    before = folder.report.read_bytes()
    with pytest.raises(StageFailed, match=r"evaluate\.render_seconds"):
        report.run(folder, report.ReportParams())
    assert folder.report.read_bytes() == before


def made_metrics(own: float, nearest: float, mean: float) -> dict[str, Any]:
    return {
        "self_driven": {"psnr_face": own, "lmd": 2.0, "jitter": 1.0, "mouth_dynamics": 0.5},
        "speech_driven": {"psnr_face": 15.0, "lmd": "not measured (x)", "jitter": 3.4, "mouth_dynamics": 1.2},
        "nearest_frame": {"psnr_face": nearest, "lmd": 3.0},
        "mean_frame": {"psnr_face": mean, "lmd": 2.001},
        "truth": {"jitter": 3.0},
        "held_out": {"measured": 160},
    }


def test_verdict() -> None:
    assert verdict(made_metrics(26, 21.3, 18.6))[0] == "good"
    assert "21.3" in verdict(made_metrics(26, 21.3, 18.6))[1]
    assert verdict(made_metrics(21.8, 21.3, 18.6))[0] == "fair"
    kind, sentence = verdict(made_metrics(20, 19.3, 20.6))
    assert kind == "poor"
    assert "mean training frame has 20.6" in sentence
    short = made_metrics(26, 21.3, 18.6) | {"held_out": {"measured": 13}}
    assert verdict(short)[0] == "fair"
    assert verdict(short)[1].startswith("Too short to judge: only 13")


def test_training_panels_group_phases_and_parts() -> None:
    steps = np.arange(5.0)
    columns = {"step": steps, "space.loss": steps + 1, "space.rate": steps + 2, "psnr_train": steps,
               "psnr_held_out": steps, "empty": np.full(5, np.nan)}  # fmt: skip
    panels = training_panels("x", columns)
    assert [title for title, _ in panels] == ["space", "psnr"]
    assert "psnr held out" in panels[1][1]


def test_psnr_against_time() -> None:
    steps = np.arange(3.0)
    panels = dict(against_time("nerf", {"step": steps, "seconds": steps * 7, "loss": steps, "psnr_train": steps + 20}))
    assert list(panels) == ["PSNR of whole pictures against training time", "loss"]
    assert "seconds of training" in panels["PSNR of whole pictures against training time"]
    assert [title for title, _ in against_time("nerf", {"step": steps, "loss": steps})] == ["loss"]


def test_best_marks() -> None:
    groups = {g["title"]: {r["figure"].key: r for r in g["rows"]} for g in metrics_table(made_metrics(26, 21, 18))}

    def best(group: str, key: str) -> list[bool]:
        return [cell["best"] for cell in groups[group][key]["cells"]]

    assert best("Face box", "psnr_face") == [True, False, False, False, False]
    assert best("Landmarks", "lmd") == [True, False, False, False, True]  # equal as shown; a string takes no part
    assert best("Motion", "jitter") == [False, False, True, False, False]  # closest to the recording's 3.0
    assert best("Motion", "mouth_dynamics") == [False, False, True, False, False]  # closest to 1
    assert groups["Landmarks"]["lmd"]["cells"][2] == {"text": "–", "best": False, "reason": "not measured (x)"}
