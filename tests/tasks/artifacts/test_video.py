"""Video in and out: every frame, in order, with its sound and its provenance."""

from pathlib import Path

import av
import numpy as np
import pytest

from tasks.artifacts.video import VideoWriter, read_frames, read_provenance
from tasks.errors import DamagedArtifact, MissingInput


def numbered_frames(count: int) -> list[np.ndarray]:
    """Frames whose brightness says which one they are."""
    return [np.full((64, 48, 3), 20 + 8 * i, np.uint8) for i in range(count)]


def test_frames_come_back_in_order(tmp_path: Path):
    path = tmp_path / "v.mp4"
    with VideoWriter(path, crf=5) as writer:
        for frame in numbered_frames(20):
            writer.write(frame)
    read = list(read_frames(path))
    assert [frame.shape for frame in read] == [(64, 48, 3)] * 20
    for i, frame in enumerate(read):
        assert abs(float(frame.mean()) - (20 + 8 * i)) < 2


@pytest.mark.parametrize("to_be_read", [False, True])
def test_reading_may_begin_at_any_frame(tmp_path: Path, to_be_read: bool):
    """Over two groups of pictures, with and without B-frames."""
    path = tmp_path / "v.mp4"
    rng = np.random.default_rng(0)
    with VideoWriter(path, crf=5, preset="veryfast", to_be_read=to_be_read) as writer:
        for i in range(280):
            frame = rng.integers(0, 40, (48, 64, 3), np.uint8)
            frame[:, : 16 + i % 48] += 100
            writer.write(frame)
    whole = list(read_frames(path))
    assert len(whole) == 280
    for first in (1, 139, 249, 250, 251, 279):
        rest = list(read_frames(path, first=first))
        assert len(rest) == 280 - first
        np.testing.assert_array_equal(rest[:3], whole[first : first + 3])
        np.testing.assert_array_equal(rest[-1], whole[-1])
    with av.open(str(path)) as container:
        kinds = {frame.pict_type for frame in container.decode(video=0)}
    assert (av.video.frame.PictureType.B in kinds) is not to_be_read


def test_sound_is_as_long_as_the_picture(tmp_path: Path):
    path = tmp_path / "v.mp4"
    tone = np.sin(np.arange(32000) / 16000 * 2 * np.pi * 440).astype(np.float32) * 0.5
    with VideoWriter(path, audio=tone) as writer:
        for frame in numbered_frames(25):
            writer.write(frame)
    with av.open(str(path)) as container:
        sound = sum(frame.samples for frame in container.decode(audio=0))
        assert abs(sound / 16000 - 1.0) < 1024 * 2 / 16000
        assert container.streams.video[0].average_rate == 25


def test_provenance_travels_in_the_file(tmp_path: Path):
    path = tmp_path / "v.mp4"
    record = {"synthetic": True, "subject": "a", "consent": 'said "yes" – ok'}
    with VideoWriter(path, provenance=record) as writer:
        writer.write(numbered_frames(1)[0])
    assert read_provenance(path) == record
    with av.open(str(path)) as container:
        assert "Synthetic" in container.metadata["comment"]


@pytest.mark.parametrize("frames", [0, 3])
def test_a_failure_leaves_nothing_behind(tmp_path: Path, frames: int):
    with pytest.raises(RuntimeError, match="stop"), VideoWriter(tmp_path / "v.mp4") as writer:
        for frame in numbered_frames(frames):
            writer.write(frame)
        raise RuntimeError("stop")
    assert list(tmp_path.iterdir()) == []


def test_no_frame_is_an_error_and_leaves_nothing(tmp_path: Path):
    with pytest.raises(ValueError, match="no frame"), VideoWriter(tmp_path / "v.mp4"):
        pass
    assert list(tmp_path.iterdir()) == []


def test_missing_and_damaged(tmp_path: Path):
    with pytest.raises(MissingInput, match="the crop stage"):
        next(read_frames(tmp_path / "none.mp4"))
    (tmp_path / "bad.mp4").write_bytes(b"\0" * 500)
    with pytest.raises(DamagedArtifact, match=r"bad\.mp4"):
        next(read_frames(tmp_path / "bad.mp4"))
