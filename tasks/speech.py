"""speech: speech features of the sound, one row a video frame.

The first come from an encoder (Moonshine, 41.7 Hz, or another one that ``speech.encoder`` names) and are interpolated
linearly at the frames' centres; spectrum, pitch and voicing (models/speech/acoustics.py) follow, and last the
probability that somebody speaks (models/speech/voice_activity.py).
"""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from models.speech.acoustics import CHANNELS, acoustics
from models.speech.voice_activity import GROUP, VoiceActivity, at_frames
from tasks.artifacts.audio import SAMPLE_RATE, read_audio
from tasks.artifacts.frames import read_frame_table
from tasks.artifacts.layout import AssetFolder, SubjectFolder
from tasks.artifacts.speech import ENCODER, SpeechTrack, write_speech
from tasks.errors import BadInput, DamagedArtifact
from tasks.ingest.timing import sound_samples
from tasks.speech_encoder import EncoderKind, SpeechEncoder, encoder_path, open_encoder
from tasks.stage import main

SILENCE_DB = -100.0  # what digital silence is reported as
CHUNK = 4  # frames whose features are made at once where look-ahead is bounded
CAUSAL_SECONDS = 4.0  # the encoder's window
BLOCK = 5000  # frames at a time
ACTIVE_RANGE_DB = 30.0  # frames at most this far under the loudest count as voice
MEASURED = (*CHANNELS, (GROUP, 1))  # groups of features after the encoder's


@dataclass(frozen=True)
class SpeechParams:
    """Parameters of the speech stage.

    loudness: level in dBFS (RMS of the frames with voice) the sound is brought to before it is encoded; the stated
    energy is that of the sound as recorded.  max_gain: dB it is amplified by at most: enough for a voice at
    -70 dBFS; what 16 bits hold below that is their rounding.  encoder: moonshine, or wav2vec2 or hubert, whose files
    one has to get ('erlnet doctor' says where).
    """

    loudness: float = -23.0
    max_gain: float = 50.0
    encoder: EncoderKind = "moonshine"


def run(folder: SubjectFolder, params: SpeechParams) -> SpeechTrack:
    """Encode ``audio.wav`` to ``speech.parquet``, row for row with ``frames.parquet``.

    Raises MissingInput, or DamagedArtifact where sound and table do not belong together.
    """
    frames = read_frame_table(folder.frames)
    samples = read_audio(folder.audio)
    expected = sound_samples(len(frames), frames.header["fps"], SAMPLE_RATE)
    if abs(len(samples) - expected) >= SAMPLE_RATE / frames.header["fps"]:
        raise DamagedArtifact(
            folder.audio, f"{len(samples)} samples do not go with {len(frames)} frames, {expected} would"
        )
    track = encode(samples, len(frames), frames.header["fps"], params)
    write_speech(folder.speech, track)
    return track


def encode(
    samples: np.ndarray,
    frames: int | None = None,
    fps: float = 25.0,
    params: SpeechParams | None = None,
    encoder_file: Path | None = None,
    lookahead: int | None = None,
) -> SpeechTrack:
    """Encode sound (float32 [T], 16 kHz mono) to one row of features a video frame.

    frames: number of rows; None: as many frames as the sound fills, at least one.  Past the sound's end the last
    feature is held and the energy is that of silence.  encoder_file: the encoder's file or folder; None: the asset
    that ``params`` names.  lookahead: at least 1; a row then depends on no sound more than so many frames (and the rest
    of its piece of CHUNK frames) after it; None: all sound may matter.

    Raises BadInput for sound that is not one-dimensional, empty or not finite; BadInput, MissingInput or
    DamagedArtifact where there is no such encoder.
    """
    params = params or SpeechParams()
    samples = np.asarray(samples, np.float32)
    if samples.ndim != 1 or not len(samples):
        raise BadInput(f"the sound has shape {samples.shape}: one channel with at least one sample is needed")
    if not np.isfinite(samples).all():
        raise BadInput("the sound holds values that are not numbers: decode it again")
    count = max(1, round(len(samples) / SAMPLE_RATE * fps)) if frames is None else frames
    encoder = open_encoder(encoder_file or encoder_path(params.encoder, AssetFolder.default()))
    energy = frame_energy(samples, count, fps)
    features = (
        _features(samples * np.float32(normalising_gain(samples, params)), count, fps, encoder)
        if lookahead is None
        else _causal_features(samples, count, fps, encoder, params, lookahead)
    )
    measured = sum(width for _, width in MEASURED)
    return SpeechTrack(
        frame=np.arange(count, dtype=np.int64),
        features=features,
        energy=energy,
        encoder=encoder.name,
        fps=fps,
        groups=((ENCODER, features.shape[1] - measured), *MEASURED),
    )


def _features(level: np.ndarray, count: int, fps: float, encoder: SpeechEncoder, first: int = 0) -> np.ndarray:
    """Rows ``first`` to ``count`` of all groups of sound that has been brought to its loudness."""
    features = encoder(level)
    centres = (np.arange(first, count) + 0.5) / fps
    heard = interpolate(features, encoder.times(len(features)), centres)
    voice = at_frames(_voice_activity()(level), count, fps)[first:, None].astype(np.float32)
    return np.concatenate([heard, acoustics(level, count, fps)[first:], voice], axis=1)


@cache
def _voice_activity() -> VoiceActivity:
    return VoiceActivity()


def _causal_features(
    samples: np.ndarray, count: int, fps: float, encoder: SpeechEncoder, params: SpeechParams, lookahead: int
) -> np.ndarray:
    """The same, piece by piece of CHUNK frames, each from the last CAUSAL_SECONDS of the sound known by then."""
    if lookahead < 1:
        raise BadInput(f"a look-ahead of {lookahead} frames: at least 1 is needed")
    rows = []
    for first in range(0, count, CHUNK):
        stop = min(first + CHUNK, count)
        start = max(0, first - round(CAUSAL_SECONDS * fps))
        begin, end = round(start / fps * SAMPLE_RATE), round((stop + lookahead) / fps * SAMPLE_RATE)
        known = samples[max(0, end - 60 * SAMPLE_RATE) : end]
        if not len(known):
            known = np.zeros(1, np.float32)
        level = samples[begin:end] * np.float32(normalising_gain(known, params))
        rows.append(_features(level, stop - start, fps, encoder, first - start))
    return np.concatenate(rows)


def interpolate(values: np.ndarray, times: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Linear interpolation of ``values`` [T, C] given at ascending ``times``; the ends are held.  float32 [N, C]."""
    if len(times) == 1:
        return np.repeat(values.astype(np.float32), len(at), axis=0)
    right = np.clip(np.searchsorted(times, at), 1, len(times) - 1)
    share = np.clip((at - times[right - 1]) / (times[right] - times[right - 1]), 0.0, 1.0)[:, None]
    return (values[right - 1] * (1 - share) + values[right] * share).astype(np.float32)


def frame_energy(samples: np.ndarray, frames: int, fps: float) -> np.ndarray:
    """RMS loudness of every frame's stretch of sound in dBFS, float32 [frames]; SILENCE_DB at the least."""
    edges = np.round(np.arange(frames + 1) * SAMPLE_RATE / fps).astype(np.int64)
    inside = np.clip(edges, 0, len(samples))
    mean = np.zeros(frames)
    for first in range(0, frames, BLOCK):  # an hour of squares in float64 would be half a gigabyte
        at = inside[first : first + BLOCK + 1]
        power = np.concatenate([[0.0], np.cumsum(np.square(samples[at[0] : at[-1]], dtype=np.float64))])
        mean[first : first + BLOCK] = np.diff(power[at - at[0]]) / np.maximum(
            1, np.diff(edges[first : first + BLOCK + 1])
        )
    return (10 * np.log10(np.maximum(mean, 10 ** (SILENCE_DB / 10)))).astype(np.float32)


def normalising_gain(samples: np.ndarray, params: SpeechParams) -> float:
    """Factor that brings the frames with voice to ``params.loudness``, at most ``params.max_gain`` dB."""
    energy = frame_energy(samples, max(1, len(samples) * 25 // SAMPLE_RATE), 25.0).astype(np.float64)
    active = energy[energy >= energy.max() - ACTIVE_RANGE_DB]
    level = 10 * np.log10(np.mean(10 ** (active / 10)))
    return float(10 ** (min(params.max_gain, params.loudness - level) / 20))


if __name__ == "__main__":
    raise SystemExit(main("speech", SpeechParams, run))
