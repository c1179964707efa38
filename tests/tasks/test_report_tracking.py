"""What the report says of a track: the verdict's words, the limits, what was not seen, and which frames it shows."""

from dataclasses import replace

import numpy as np
import pytest
from made_subject import flame, track_metrics

from tasks.reporting.tracking import shown_rows, track_quality


def test_verdict_and_limits() -> None:
    said = track_quality(track_metrics(), flame())
    assert said["verdict"][0] == "good"
    rows = {row[0]: row[1:] for row in said["rows"]}
    assert rows["Landmark error, of the face width"] == ["0.50 / 1.25 %", "1 / 2 %", "2 / 4 %"]
    assert rows["Jitter of the detector, of the face width"][0] == "0.54 %"
    assert rows["Frames in which the face was seen"] == ["100.0 %", "95 %", "70 %"]
    poor = track_metrics() | {
        "verdict": "poor: something",
        "jitter_percent": {"detector": "not measured", "model": 1.0},
    }
    said = track_quality(poor, flame())
    assert said["verdict"] == ("poor", "The track is poor: something. Look at the frames below before you use it.")
    assert ["Jitter of the detector, of the face width", "not measured", "", ""] in said["rows"]


def test_gaps_are_named_and_shown() -> None:
    sequence = flame()
    tracked = np.ones(len(sequence), bool)
    tracked[[5, 6, 20, 21, 22]] = False
    translation = sequence.translation.copy()
    translation[20:23] = np.nan
    error = sequence.landmark_error.copy()
    error[~tracked] = np.nan
    error[33] = 9.0
    sequence = replace(sequence, tracked=tracked, translation=translation, landmark_error=error)
    metrics = track_metrics() | {"gaps": {"number": 2, "longest": 3, "filled": 1, "split": 1}, "filled_frames": 2}
    said = track_quality(metrics, sequence)["gaps"]
    assert "Not seen in 5 of 44 frames; gaps: 2, the longest 3 frames." in said
    assert "marked (1, 2 frames in all); longer ones stay empty and split the sequence (1)." in said
    assert "Frames 5 to 6 (filled in), 20 to 22 (left empty)." in said
    rows = shown_rows(sequence)
    assert len(rows) <= 8
    assert rows == sorted(set(rows))
    assert {33, 6, 21} <= set(rows)
    assert {0, len(sequence) - 1} <= set(rows)


@pytest.mark.parametrize("seen", [0, 1, 3])
def test_few_frames_are_enough(seen: int) -> None:
    sequence = flame(4)
    tracked = np.arange(4) < seen
    error = np.where(tracked, 1.0, np.nan).astype(np.float32)
    rows = shown_rows(replace(sequence, tracked=tracked, landmark_error=error))
    assert set(np.flatnonzero(tracked).tolist()) <= set(rows)
    assert rows
