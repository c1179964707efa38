"""The front's benchmark: the repeated clip keeps its clock, costs are those of each process, the table adds up."""

import sys

import numpy as np
import pytest

from benchmarks.front import Cost, _run, repeat, table
from tasks.ingest.source import SourceVideo


def test_a_repeated_clip_is_as_long_as_asked_and_its_clock_goes_on(sample_clip, tmp_path):
    with SourceVideo(sample_clip) as source:
        once = [time for time, _ in source.frames()]
    repeat(sample_clip, tmp_path / "long.mkv", 20.0)
    with SourceVideo(tmp_path / "long.mkv") as source:
        times = np.array([time for time, _ in source.frames()])
        assert source.facts.audio_codec is not None
    rounds = int(np.ceil(20.0 / (once[-1] - once[0] + 0.2)))
    assert len(times) == pytest.approx(rounds * len(once), abs=rounds)
    assert times[-1] - times[0] > 20.0
    assert (np.diff(times) > 0).all()
    assert np.diff(times).max() < 0.4


def test_each_process_has_its_own_cost():
    busy = "x = b'x' * 300_000_000\nimport time\nwhile time.process_time() < 0.3: pass"
    costs = _run({"idle": [sys.executable, "-c", ""], "busy": [sys.executable, "-c", busy]})
    assert list(costs) == ["idle", "busy"]
    assert costs["busy"].processor > 0.29
    assert costs["busy"].processor > costs["idle"].processor
    assert 300e6 < costs["busy"].memory < 20e9  # bytes; not less than this process was at the fork
    with pytest.raises(SystemExit, match="broken ended with status 3"):
        _run({"broken": [sys.executable, "-c", "raise SystemExit(3)"]})


def test_the_sums_of_the_table():
    costs = {name: Cost(4.0, 6.0, 10**8) for name in ("crop", "track", "speech", "parse")}
    text = table(512, 800, costs, 12.0, dict.fromkeys(costs, 1.0))
    assert "| **crop + parse** | 8.0 | 12.0 | 2.0 | **100** | 15.0 | |" in text
    assert "| **whole front** | 12.0 | 24.0 | 4.0 | **67** | 30.0 | |" in text
