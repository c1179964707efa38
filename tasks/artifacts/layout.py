"""Where everything lies: the one place that knows the names of files below ``data/``."""

import os
import re
from dataclasses import dataclass
from pathlib import Path

from tasks.errors import BadInput

SUBJECT_ID = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")


def repository_root() -> Path:
    """The checkout that holds ``data/``: ``$ERLNET_ROOT``, else the folder above this package."""
    override = os.environ.get("ERLNET_ROOT")
    return Path(override).resolve() if override else Path(__file__).resolve().parents[2]


def check_subject_id(subject: str) -> str:
    """Return ``subject`` unchanged if it is a legal id; raise BadInput otherwise.

    The pattern keeps ids safe as folder names, DVC stage addresses and command arguments.
    """
    if not SUBJECT_ID.fullmatch(subject):
        raise BadInput(
            f"subject id {subject!r} is not allowed: use 1 to 63 lower-case letters, digits, '-' or '_', "
            "starting with a letter or digit"
        )
    return subject


@dataclass(frozen=True)
class AssetFolder:
    """``data/assets``: what all subjects share."""

    root: Path

    @classmethod
    def default(cls) -> "AssetFolder":
        return cls(repository_root() / "data" / "assets")

    @property
    def manifest(self) -> Path:
        return self.root / "manifest.yaml"

    @property
    def open_head(self) -> Path:
        return self.root / "open_head.safetensors"

    @property
    def adf_prior(self) -> Path:
        return self.root / "adf_prior.safetensors"

    @property
    def moonshine(self) -> Path:
        return self.root / "moonshine_tiny_en_encoder.ort"

    @property
    def lpips(self) -> Path:
        return self.root / "lpips_alexnet.ckpt"

    @property
    def dlib68(self) -> Path:
        return self.root / "shape_predictor_68_face_landmarks.dat"

    @property
    def dlib_identity(self) -> Path:
        return self.root / "dlib_face_recognition_resnet_model_v1.dat"

    @property
    def fan68(self) -> Path:
        return self.root / "licensed" / "2DFAN4-11f355bf06.pth.tar"

    @property
    def deca(self) -> Path:
        return self.root / "licensed" / "deca_model.tar"

    @property
    def bisenet(self) -> Path:
        """BiSeNet's face parsing weights; licensed, so mostly not there."""
        return self.root / "licensed" / "79999_iter.pth"

    @property
    def wav2vec2(self) -> Path:
        """A folder of transformers, got by whoever wants it; likewise ``hubert``."""
        return self.root / "licensed" / "wav2vec2"

    @property
    def hubert(self) -> Path:
        return self.root / "licensed" / "hubert"

    @property
    def syncnet(self) -> Path:
        """SyncNet's published weights; not redistributed, so mostly not there."""
        return self.root / "licensed" / "syncnet_v2.model"

    @property
    def sample(self) -> Path:
        return self.root / "sample.mp4"


@dataclass(frozen=True)
class PriorFolder:
    """``data/priors``: what was learned from several subjects of this installation."""

    root: Path

    @classmethod
    def default(cls) -> "PriorFolder":
        return cls.of(repository_root())

    @classmethod
    def of(cls, repository: Path) -> "PriorFolder":
        return cls(repository / "data" / "priors")

    @property
    def members(self) -> Path:
        """Which subjects the prior is learned from."""
        return self.root / "corpus.yaml"

    @property
    def pipeline(self) -> Path:
        return self.root / "dvc.yaml"

    @property
    def lock(self) -> Path:
        return self.root / "dvc.lock"

    @property
    def weights(self) -> Path:
        return self.root / "corpus.safetensors"

    @property
    def checkpoints(self) -> Path:
        """Finished parts of a training that was cut short; outside DVC, like a subject's."""
        return self.root / "checkpoints"


@dataclass(frozen=True)
class SubjectFolder:
    """``data/subjects/<id>``: one person's record, pipeline and artifacts.

    Properties are grouped by the stage that writes them.
    """

    root: Path

    @classmethod
    def of(cls, subject: str, repository: Path | None = None) -> "SubjectFolder":
        return cls((repository or repository_root()) / "data" / "subjects" / check_subject_id(subject))

    @property
    def id(self) -> str:
        return self.root.name

    # onboarding
    @property
    def record(self) -> Path:
        return self.root / "subject.yaml"

    @property
    def pipeline(self) -> Path:
        return self.root / "dvc.yaml"

    @property
    def lock(self) -> Path:
        """What every stage was last run with; DVC writes it."""
        return self.root / "dvc.lock"

    @property
    def frozen(self) -> Path:
        """Is there while the subject is to be left alone."""
        return self.root / "frozen.yaml"

    @property
    def source(self) -> Path:
        """The source video under a neutral name; its container is recognised by content, not suffix."""
        return self.root / "source.video"

    @property
    def source_link(self) -> Path:
        """DVC's word on the source video: its md5."""
        return self.root / "source.video.dvc"

    # crop
    @property
    def video(self) -> Path:
        return self.root / "video.mp4"

    @property
    def audio(self) -> Path:
        return self.root / "audio.wav"

    @property
    def frames(self) -> Path:
        return self.root / "frames.parquet"

    # track
    @property
    def flame(self) -> Path:
        return self.root / "flame.parquet"

    @property
    def landmarks(self) -> Path:
        return self.root / "landmarks.parquet"

    @property
    def track_metrics(self) -> Path:
        return self.root / "track.json"

    # parse
    @property
    def masks(self) -> Path:
        return self.root / "masks.parquet"

    @property
    def background(self) -> Path:
        return self.root / "background.png"

    # torso
    @property
    def torso(self) -> Path:
        return self.root / "torso.parquet"

    # speech
    @property
    def speech(self) -> Path:
        return self.root / "speech.parquet"

    # adf
    @property
    def adf(self) -> Path:
        return self.root / "adf.safetensors"

    @property
    def adf_curve(self) -> Path:
        return self.root / "adf_curve.csv"

    @property
    def adf_metrics(self) -> Path:
        return self.root / "adf.json"

    # nerf
    @property
    def nerf(self) -> Path:
        return self.root / "nerf.safetensors"

    @property
    def nerf_curve(self) -> Path:
        return self.root / "nerf_curve.csv"

    @property
    def nerf_metrics(self) -> Path:
        return self.root / "nerf.json"

    # evaluate
    @property
    def metrics(self) -> Path:
        return self.root / "metrics.json"

    @property
    def frame_metrics(self) -> Path:
        return self.root / "evaluation.parquet"

    @property
    def self_driven(self) -> Path:
        return self.root / "self_driven.mp4"

    @property
    def render(self) -> Path:
        return self.root / "render.mp4"

    # report
    @property
    def report(self) -> Path:
        return self.root / "report.html"

    # outside DVC
    @property
    def runs(self) -> Path:
        """Run records (who ran when, how it ended): ignored by git and DVC."""
        return self.root / "runs"

    @property
    def nerf_preview(self) -> Path:
        """Strip of pictures that shows how the portrait comes along in training; outside DVC like the run records."""
        return self.runs / "nerf_preview.png"

    @property
    def checkpoints(self) -> Path:
        """Resume points of the training stages; outside DVC's outs, which a repro deletes first."""
        return self.root / "checkpoints"
