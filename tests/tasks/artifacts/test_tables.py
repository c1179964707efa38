"""The per-frame tables (frames, landmarks, speech) and the label maps."""

from pathlib import Path

import numpy as np
import pytest

from tasks.artifacts.frames import FrameTable, read_frame_table, write_frames
from tasks.artifacts.landmarks import LandmarkTrack, read_landmarks, write_landmarks
from tasks.artifacts.masks import ROW_GROUP, Label, MaskReader, write_masks
from tasks.artifacts.speech import SpeechTrack, read_speech, write_speech
from tasks.artifacts.tables import write_table
from tasks.errors import DamagedArtifact, MissingInput


def test_frames_round_trip(tmp_path: Path):
    box = np.array([[1, 2, 3, 4], [np.nan] * 4], np.float32)
    table = FrameTable(
        np.arange(2), np.array([0, 0.04]), np.array([0.1, 0.14]), box, np.array([0.9, 0], np.float32), {"fps": 25}
    )
    write_frames(tmp_path / "f.parquet", table)
    read = read_frame_table(tmp_path / "f.parquet")
    np.testing.assert_array_equal(read.box, box)
    np.testing.assert_array_equal(read.source_pts, table.source_pts)
    assert read.header["fps"] == 25


def test_landmarks_round_trip_and_found(tmp_path: Path):
    points = np.random.default_rng(0).normal(size=(5, 478, 3)).astype(np.float32)
    points[2] = np.nan
    write_landmarks(tmp_path / "l.parquet", LandmarkTrack(np.arange(5), points, "mesh", 256))
    read = read_landmarks(tmp_path / "l.parquet")
    np.testing.assert_array_equal(read.points, points)
    assert read.found.tolist() == [True, True, False, True, True]
    assert (read.detector, read.image_size) == ("mesh", 256)
    assert read.layout.name == "mesh"


def test_sixty_eight_landmarks_are_a_set_and_fifty_one_are_none(tmp_path: Path):
    points = np.zeros((3, 68, 3), np.float32)
    path = tmp_path / "l.parquet"
    write_landmarks(path, LandmarkTrack(np.arange(3), points, "dlib", 256))
    assert read_landmarks(path).layout.name == "ibug68"
    write_landmarks(path, LandmarkTrack(np.arange(3), points[:, :51], "dlib", 256))
    with pytest.raises(DamagedArtifact, match="no set of landmarks has 51 points"):
        read_landmarks(path)
    write_table(path, "erlnet.landmarks/1", {"frame": np.arange(3), "points": points}, {"landmarks": 67})
    with pytest.raises(DamagedArtifact, match="reshape"):
        read_landmarks(path)
    write_table(path, "erlnet.landmarks/1", {"frame": np.arange(3), "points": points}, {})
    with pytest.raises(DamagedArtifact, match="the header lacks 'landmarks'"):
        read_landmarks(path)


def test_speech_round_trip_and_wrong_kind(tmp_path: Path):
    features = np.random.default_rng(0).normal(size=(3, 288)).astype(np.float32)
    path = tmp_path / "s.parquet"
    energy = np.array([-20, -30, -90], np.float32)
    write_speech(path, SpeechTrack(np.arange(3), features, energy, "tiny"))
    assert read_speech(path).groups == (("encoder", 288),)
    write_speech(path, SpeechTrack(np.arange(3), features, energy, "tiny", groups=(("encoder", 280), ("mel", 8))))
    read = read_speech(path)
    assert read.groups == (("encoder", 280), ("mel", 8))
    np.testing.assert_array_equal(read.features, features)
    assert read.encoder == "tiny"
    with pytest.raises(DamagedArtifact, match=r"erlnet\.speech/2"):
        read_landmarks(path)
    write_speech(path, SpeechTrack(np.arange(3), features, energy, "tiny", groups=(("encoder", 280),)))
    with pytest.raises(DamagedArtifact, match="groups of 280 feature columns, there are 288"):
        read_speech(path)
    with pytest.raises(MissingInput, match="the speech stage"):
        read_speech(tmp_path / "none.parquet")


def test_masks_random_access_over_row_groups(tmp_path: Path):
    rng = np.random.default_rng(0)
    maps = [rng.integers(0, max(Label) + 1, (20, 30)).astype(np.uint8) for _ in range(2 * ROW_GROUP + 3)]
    path = tmp_path / "m.parquet"
    assert write_masks(path, iter(maps), {"parts": {}}) == len(maps)
    reader = MaskReader(path)
    assert len(reader) == len(maps)
    for frame in (52, 0, 25, 24, 51, 1):
        np.testing.assert_array_equal(reader[frame], maps[frame])
    np.testing.assert_array_equal(np.stack(list(reader)), np.stack(maps))
    with pytest.raises(IndexError, match="outside"):
        reader[len(maps)]


def test_a_mask_that_is_no_label_map_is_refused_and_leaves_nothing(tmp_path: Path):
    maps = [np.zeros((4, 4), np.uint8)] * 30 + [np.full((4, 4), 99, np.uint8)]
    with pytest.raises(ValueError, match="not a label map"):
        write_masks(tmp_path / "m.parquet", iter(maps), {})
    assert list(tmp_path.iterdir()) == []
