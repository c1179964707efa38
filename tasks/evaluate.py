"""Evaluate stage: how well the portrait does on frames that nothing was trained on.

    python -m tasks.evaluate --subject ID --profile demo

On the held-out last 1/11 of the clip:

* *self-driven*: the tracked FLAME parameters and the measured torso motion of each held-out frame are rendered (how
  well the NeRF paints);
* *FLAME-driven*: the same without the measured torso, which is foretold from the head's pose instead;
* *speech-driven*: FLAME parameters spoken from the held-out sound in the style of the training part are rendered
  (the whole method; its head moves as it likes, so its pixel figures say less than its landmark figures);
* *mean frame* and *nearest frame*: trivial baselines (tasks/scoring/baselines.py).

Figures: models/metrics/judge.py (per frame) and tasks/scoring/scores.py (summary).  Frames whose recording shows no
face are left out for every method alike and counted in ``held_out.without_face``.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field
from tqdm import tqdm

from models.landmarks.face_mesh import FaceMesh
from models.landmarks.layouts import to_ibug68
from models.metrics.identity import FaceIdentity
from models.metrics.syncnet import LEAST, Agreement
from tasks.artifacts.audio import SAMPLE_RATE, read_audio
from tasks.artifacts.dlib_files import read_identity
from tasks.artifacts.evaluation import write_evaluation
from tasks.artifacts.flame import FlameSequence, read_flame
from tasks.artifacts.landmarks import read_landmarks
from tasks.artifacts.layout import AssetFolder, SubjectFolder
from tasks.artifacts.lpips import read_lpips
from tasks.artifacts.masks import MaskReader
from tasks.artifacts.metrics import write_metrics
from tasks.artifacts.speech import SpeechTrack, read_speech
from tasks.artifacts.subject import SubjectRecord, read_subject
from tasks.artifacts.syncnet import read_syncnet
from tasks.artifacts.torso import TorsoTrack, read_torso
from tasks.artifacts.video import VideoWriter, read_frames
from tasks.assets import read_manifest
from tasks.errors import BadInput, DamagedArtifact, StageFailed
from tasks.portrait import Portrait
from tasks.provenance import provenance
from tasks.scoring.baselines import Baselines, nearest_rows
from tasks.scoring.comparison import side_by_side
from tasks.scoring.lip_sync import LipSyncScore
from tasks.scoring.scores import METHODS, ScoreSheet, number, spread
from tasks.speaker import Speaker
from tasks.split import train_length
from tasks.stage import main

SYNCED = ("truth", "self_driven", "speech_driven")
LIKE_SELF = "not measured (its mouth is the self-driven one's)"
NO_IDENTITY = "not measured (evaluate.identity is none)"
NO_SYNCNET = "not measured (SyncNet weights absent: evaluate.lip_sync is none)"


@dataclass
class EvaluateParams:
    """What is measured and how much is rendered."""

    measured_frames: Annotated[int, Field(ge=0)] = 0
    """At most this many held-out frames, evenly spread, get per-frame figures; 0: every one.  Jitter needs
    consecutive frames and is not measured on spread ones."""
    render_seconds: Annotated[float, Field(ge=0)] = 10.0
    """render.mp4 speaks the last so many seconds of the clip, and never less than the held-out part."""
    self_driven_seconds: Annotated[float, Field(ge=0)] = 2.0
    """self_driven.mp4 shows the last so many seconds of the clip, and never less than the held-out part."""
    identity: Literal["none", "dlib"] = "none"
    """Network of CSIM: dlib's, once 'erlnet assets fetch dlib-identity' has got it, or none, which leaves CSIM out."""
    lip_sync: Literal["none", "syncnet"] = "none"
    """Network of LSE-C and LSE-D: SyncNet, once its weights are there ('erlnet doctor' says where), or none."""
    seed: int = 0
    """Of the speech-driven motion."""
    temperature: Annotated[float, Field(gt=0)] = 1.0
    """Of the speech-driven motion's sampling."""
    crf: Annotated[int, Field(ge=0, le=40)] = 18
    """x264 quality of both videos; lower is better."""


@dataclass
class _Clip:
    """What the stage reads."""

    record: SubjectRecord
    audio: np.ndarray
    flame: FlameSequence
    points: np.ndarray  # [N, 68, 2]
    masks: MaskReader
    speech: SpeechTrack
    torso: TorsoTrack
    parts: dict[str, str]

    def __len__(self) -> int:
        return len(self.flame)


def run(folder: SubjectFolder, params: EvaluateParams) -> None:
    """Write metrics.json, evaluation.parquet, self_driven.mp4 and render.mp4 of ``folder``.

    Raises MissingInput, DamagedArtifact or StageFailed.
    """
    assets = AssetFolder.default()
    clip = _read(folder)
    lpips = read_lpips(assets.lpips)
    identity = _open_identity(assets) if params.identity == "dlib" else None
    syncnet = read_syncnet(assets.syncnet) if params.lip_sync == "syncnet" else None
    lips = {name: LipSyncScore(syncnet) for name in SYNCED} if syncnet else {}
    portrait = Portrait.load(folder.nerf, assets.open_head)
    if portrait.image_size != clip.flame.image_size:
        reason = f"renders {portrait.image_size} px, the clip has {clip.flame.image_size}"
        raise DamagedArtifact(folder.nerf, reason)
    try:
        train = train_length(len(clip))
    except ValueError as error:
        raise StageFailed(f"evaluate: {error}") from None
    speech_first = _first(len(clip), train, params.render_seconds, clip.flame.fps)
    self_first = _first(len(clip), train, params.self_driven_seconds, clip.flame.fps)
    speaker = Speaker.load(folder.adf)
    motion = speaker.speak(
        _rows(clip.speech, speech_first, len(clip)), clip.flame.slice(0, train), params.seed, params.temperature
    )
    try:
        nearest = nearest_rows(clip.points[:train], clip.points[train:])
    except ValueError as error:
        raise StageFailed(f"evaluate: {error}: there is no nearest frame to compare with") from None
    chosen = spread(len(clip) - train, params.measured_frames)

    painted = {**clip.parts, **portrait.identity.get("parts", {})}

    def writer(path: Path, first: int, driven_by: str, parts: dict[str, str]) -> VideoWriter:
        record = provenance(
            clip.record,
            clip.flame.head,
            {"adf": folder.adf, "nerf": folder.nerf},
            parts,
            driven_by=driven_by,
            frames={"first": first, "held_out_from": train, "end": len(clip)},
            trained_on_seconds=round((train - first) / clip.flame.fps, 3),
        )
        sound = clip.audio[round(first * SAMPLE_RATE / clip.flame.fps) :]
        return VideoWriter(path, clip.flame.fps, params.crf, sound, SAMPLE_RATE, record)

    frames = np.arange(train, len(clip))
    with (
        FaceMesh(static=True) as mesh,
        Baselines(nearest, clip.flame.image_size) as baselines,
        writer(
            folder.render, speech_first, "the clip's speech, style of its training part", painted | motion.parts
        ) as spoken_video,
        writer(
            folder.self_driven, self_first, "the clip's tracked FLAME parameters and torso motion", painted
        ) as self_video,
        tqdm(total=len(clip) - min(speech_first, self_first), desc="evaluate", unit="frame", mininterval=2) as bar,
    ):
        sheet = ScoreSheet(frames, chosen & (nearest >= 0), clip.flame.image_size, lpips, mesh, identity)
        spoken = portrait.render(motion)
        tracked = clip.flame.slice(self_first, len(clip))
        repeated = portrait.render(tracked, torso=clip.torso.motion[self_first:])
        posed = portrait.render(clip.flame.slice(train, len(clip)))
        for row, truth in enumerate(_all_frames(folder.video, len(clip))):
            own = says = truth
            if row >= self_first:
                own = _next(repeated, folder.nerf)
                self_video.write(side_by_side(truth, own, held_out=row >= train))
            if row >= speech_first:
                says = _next(spoken, folder.nerf)
                spoken_video.write(says)
            if row < train:
                baselines.see(row, truth)
            else:
                if row == train:
                    mean = baselines.mean()
                index = row - train
                sheet.truth(index, truth, clip.masks[row])
                sheet.add("self_driven", index, own)
                sheet.add("flame_driven", index, _next(posed, folder.nerf))
                sheet.add("speech_driven", index, says)
                for name, picture in zip(SYNCED, (truth, own, says), strict=True):
                    if name in lips:
                        lips[name].add(picture, sheet.points(name, index))
                sheet.add("mean_frame", index, mean, same_as="mean")
                if nearest[index] >= 0:
                    sheet.add("nearest_frame", index, baselines.nearest(nearest[index]), same_as=nearest[index])
            bar.update(row >= min(speech_first, self_first))
    if not sheet.with_face:
        raise StageFailed("evaluate: no held-out frame of the recording shows a face: there is nothing to compare with")
    write_evaluation(folder.frame_metrics, sheet.evaluation())
    summary = sheet.summary()
    for method in ("truth", "self_driven", "flame_driven", "speech_driven"):
        summary[method] |= {"lse_c": NO_SYNCNET, "lse_d": NO_SYNCNET}
    for method, score in lips.items():
        summary[method] |= _lip_sync(score.result(clip.audio[round(train * SAMPLE_RATE / clip.flame.fps) :]))
    if lips:
        summary["flame_driven"] |= {"lse_c": LIKE_SELF, "lse_d": LIKE_SELF}
    heard = _rows(clip.speech, train, len(clip))
    for method, moved in (
        ("self_driven", clip.flame.slice(train, len(clip))),
        ("speech_driven", motion.slice(train - speech_first, len(motion))),
    ):
        offset, confidence = speaker.offset(heard, moved) or (math.nan, math.nan)
        summary[method] |= {
            "av_offset": number(offset, "the held-out part is too short or not tracked throughout"),
            "av_confidence": number(confidence, "no offset"),
        }
    if identity is None:
        for method in METHODS:
            summary[method]["csim"] = NO_IDENTITY
    summary["held_out"] = {
        "first_frame": train,
        "frames": len(frames),
        "measured": sheet.with_face,
        "without_face": int(chosen.sum()) - sheet.with_face,
        "image_size": clip.flame.image_size,
        "landmarks": mesh.name,
        "identity": identity.name if identity else NO_IDENTITY,
    }
    write_metrics(folder.metrics, summary)


def _lip_sync(found: Agreement | None) -> dict[str, Any]:
    if found is None:
        reason = f"not measured (fewer than {LEAST} held-out frames, or a stretch in which no face was found)"
        return {"lse_c": reason, "lse_d": reason}
    return {"lse_c": found.confidence, "lse_d": found.distance, "lse_offset": found.offset}


def _read(folder: SubjectFolder) -> _Clip:
    flame, landmarks, masks = read_flame(folder.flame), read_landmarks(folder.landmarks), MaskReader(folder.masks)
    speech, torso = read_speech(folder.speech), read_torso(folder.torso)
    lengths = {
        folder.landmarks: len(landmarks),
        folder.masks: len(masks),
        folder.speech: len(speech),
        folder.torso: len(torso),
    }
    for path, length in lengths.items():
        if length != len(flame):
            raise DamagedArtifact(path, f"{length} frames, but {folder.flame.name} has {len(flame)}")
    points = to_ibug68(landmarks.points)[..., :2]
    parts = {
        "landmarks": landmarks.detector,
        "speech encoder": speech.encoder,
        "torso motion": torso.method,
        **flame.parts,
    }
    return _Clip(read_subject(folder.record), read_audio(folder.audio), flame, points, masks, speech, torso, parts)


def _open_identity(assets: AssetFolder) -> FaceIdentity:
    if not assets.dlib_identity.is_file():
        raise BadInput(
            f"params.yaml: evaluate.identity is dlib, but {assets.dlib_identity} is missing: "
            "'erlnet assets fetch dlib-identity' gets it, or use none"
        )
    return FaceIdentity(read_identity(assets.dlib_identity, read_manifest(assets).fetched["dlib-identity"].sha256))


def _rows(speech: SpeechTrack, start: int, stop: int) -> SpeechTrack:
    kept = slice(start, stop)
    return replace(speech, frame=speech.frame[kept], features=speech.features[kept], energy=speech.energy[kept])


def _first(frames: int, train: int, seconds: float, fps: float) -> int:
    return max(0, min(train, frames - round(seconds * fps)))


def _all_frames(path: Path, expected: int) -> Iterator[np.ndarray]:
    count = 0
    for picture in read_frames(path):
        if count == expected:
            raise DamagedArtifact(path, f"more than the {expected} frames of the other artifacts")
        count += 1
        yield picture
    if count != expected:
        raise DamagedArtifact(path, f"{count} frames, the other artifacts have {expected}")


def _next(pictures: Iterator[np.ndarray], path: Path) -> np.ndarray:
    picture = next(pictures, None)
    if picture is None:
        raise StageFailed(f"evaluate: the portrait {path} stopped before the last frame")
    return picture


if __name__ == "__main__":
    raise SystemExit(main("evaluate", EvaluateParams, run))
