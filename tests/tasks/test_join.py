"""Joined clips: where each lies, what is between them, that sound and picture stay together, what is left out."""

import json
from pathlib import Path

import av
import numpy as np
import pytest
from synthetic_media import clicking, constant_times, flashing, write_clip

from models.flame.tracker import TrackerSettings
from tasks.artifacts.subject import pauses_between
from tasks.errors import BadInput
from tasks.gates.survey import without
from tasks.ingest.media import decode_sound
from tasks.ingest.source import SourceVideo
from tasks.join import PAUSE, Part, join, main
from tasks.registry import sha256_of

PICTURE = np.full((96, 128, 3), 90, np.uint8)


def take(folder: Path, name: str, seconds: float = 1.6, event: float = 0.8, fps: float = 30.0, **more: object) -> Part:
    """A silent video and its sound in a file of its own, with a flash and a click at ``event``."""
    picture = more.pop("picture", PICTURE)
    video = write_clip(folder / f"{name}.mp4", flashing(picture, [event]), constant_times(seconds, fps), None, **more)
    sound = folder / f"{name}.m4a"
    samples = clicking(seconds + 0.3, 48000, [event])
    with av.open(str(sound), "w", format="mp4") as out:
        track = out.add_stream("aac", rate=48000, layout="mono")
        for first in range(0, samples.shape[1], 1024):
            frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples[:, first : first + 1024]), "fltp", "mono")
            frame.sample_rate, frame.pts = 48000, first
            out.mux(track.encode(frame))
        out.mux(track.encode(None))
    return Part(video, sound)


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> list[Part]:
    folder = tmp_path_factory.mktemp("takes")
    return [take(folder, "001"), take(folder, "002", 2.0, 1.0, 25.0), take(folder, "003", 1.2, 0.4)]


def test_every_clip_lies_where_it_is_said_with_its_sound(parts: list[Part], tmp_path: Path) -> None:
    out = tmp_path / "joined.mkv"
    clips, damaged = join(parts, out)
    assert damaged == {}
    assert [clip.name for clip in clips] == ["001.mp4", "002.mp4", "003.mp4"]
    assert [clip.sha256 for clip in clips] == [sha256_of(part.video) for part in parts]
    assert [clip.seconds for clip in clips] == pytest.approx([1.6, 2.0, 1.2], abs=0.002)
    assert [clip.start for clip in clips] == pytest.approx([0.0, 2.04, 4.48], abs=0.005)
    with SourceVideo(out) as source:
        frames = [(time, frame.to_ndarray(format="gray")) for time, frame in source.frames()]
    with av.open(str(out)) as container:
        keys = [packet.pts * packet.time_base for packet in container.demux(video=0) if packet.is_keyframe]
    lit = [time for time, picture in frames if picture[:8].mean() > 180]
    flashes = [time for place, time in enumerate(lit) if not place or time - lit[place - 1] > 0.3]
    assert flashes == pytest.approx([0.8, 3.04, 4.88], abs=0.005)
    sound = decode_sound(out)
    loud = np.flatnonzero(np.abs(sound) > 0.3) / 16000
    clicks = [time for place, time in enumerate(loud) if not place or time - loud[place - 1] > 0.3]
    assert clicks == pytest.approx(flashes, abs=0.025)  # AAC spreads a click's beginning
    assert [float(key) for key in keys] == pytest.approx([clip.start for clip in clips], abs=0.005)


def test_a_pause_has_no_picture_no_sound_and_is_longer_than_the_tracker_fills_in(
    parts: list[Part], tmp_path: Path
) -> None:
    out = tmp_path / "joined.mkv"
    clips, _ = join(parts, out)
    with SourceVideo(out) as source:
        frames = [(time, frame.to_ndarray(format="gray")) for time, frame in source.frames()]
    sound = decode_sound(out)
    for start, end in pauses_between(clips):
        assert end - start == pytest.approx(PAUSE, abs=0.002)
        inside = [picture for time, picture in frames if start - 1e-3 <= time < end - 1e-3]
        assert len(inside) > TrackerSettings().longest_gap
        assert all(picture.std() < 2 for picture in inside)
        assert np.abs(sound[round((start + 0.01) * 16000) : round((end - 0.01) * 16000)]).max() == 0


def test_clips_that_cannot_be_used_are_named_and_left_out(parts: list[Part], tmp_path: Path) -> None:
    (tmp_path / "004.mp4").write_bytes(parts[0].video.read_bytes()[:3000])
    silent = Part(parts[1].video, tmp_path / "none.m4a")
    other = take(tmp_path, "005", picture=np.full((64, 64, 3), 90, np.uint8))
    clips, damaged = join([parts[0], Part(tmp_path / "004.mp4"), silent, other, parts[2]], tmp_path / "joined.mkv")
    assert [clip.name for clip in clips] == ["001.mp4", "003.mp4"]
    assert sorted(damaged) == ["002.mp4", "004.mp4", "005.mp4"]
    assert "64x64, that of the others 128x96" in damaged["005.mp4"]
    assert all("\n" not in why for why in damaged.values())
    with pytest.raises(BadInput, match="none of 1 clips"):
        join([Part(tmp_path / "004.mp4")], tmp_path / "nothing.mkv")
    assert not list(tmp_path.glob("nothing*"))


def test_the_command_prints_json_or_one_line(
    parts: list[Part], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    listed = tmp_path / "clips.json"
    listed.write_text(json.dumps([{"video": str(parts[2].video), "sound": str(parts[2].sound)}]))
    assert main(["--out", str(tmp_path / "o.mkv"), "--clips", str(listed)]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [clip["name"] for clip in found["clips"]] == ["003.mp4"]
    listed.write_text("[]")
    assert main(["--out", str(tmp_path / "p.mkv"), "--clips", str(listed)]) == 2
    assert "join: error: none of 0 clips can be used" in capsys.readouterr().err


def test_what_is_looked_at_without_the_pauses() -> None:
    assert without([(0.0, 10.0)], [(2.0, 3.0), (5.0, 6.0)]) == [(0.0, 2.0), (3.0, 5.0), (6.0, 10.0)]
    assert without([(0.0, 4.0), (8.0, 12.0)], [(3.0, 9.0)]) == [(0.0, 3.0), (9.0, 12.0)]
    assert without([(0.0, 4.0)], [(-1.0, 5.0)]) == []
    assert without([(0.0, 4.0)], [(4.0, 5.0)]) == [(0.0, 4.0)]
    assert without([(0.0, 4.0)], []) == [(0.0, 4.0)]
