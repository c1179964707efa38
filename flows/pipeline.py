"""A subject's pipeline file, made from one template.

``data/subjects/<id>/dvc.yaml`` is derived: from ``flows/templates/subject.dvc.yaml.j2``, the subject's profile and the
code its stages import.  It is written again whenever that text would differ, and never edited by hand.
"""

from functools import cached_property, lru_cache, partial
from pathlib import Path
from typing import Any

import jinja2
import yaml

from flows.closure import import_closure
from tasks.artifacts.atomic import write_text
from tasks.artifacts.layout import AssetFolder, PriorFolder, SubjectFolder
from tasks.artifacts.subject import Use, read_subject
from tasks.params import read_profiles

STAGES = ("crop", "track", "parse", "torso", "speech", "adf", "nerf", "evaluate", "report")

# What is there for subjects that only a prior is learned from.
CORPUS_STAGES = ("crop", "track", "speech")

# Files of no subject that a stage reads only where its parameter says so: (stage, parameter, value) -> file.
_ASSETS = AssetFolder(Path("data/assets"))
CHOSEN = {
    ("track", "landmarks", "dlib68"): _ASSETS.dlib68,
    ("track", "landmarks", "fan68"): _ASSETS.fan68,
    ("track", "initial", "deca"): _ASSETS.deca,
    ("parse", "source", "bisenet"): _ASSETS.bisenet,
    ("speech", "encoder", "wav2vec2"): _ASSETS.wav2vec2,
    ("speech", "encoder", "hubert"): _ASSETS.hubert,
    ("adf", "prior", "embedded"): _ASSETS.adf_prior,
    ("adf", "prior", "corpus"): PriorFolder.of(Path()).weights,
    ("evaluate", "identity", "dlib"): _ASSETS.dlib_identity,
    ("evaluate", "lip_sync", "syncnet"): _ASSETS.syncnet,
}

# Outputs DVC caches, and files that belong to one machine.  Written at onboarding so that DVC never edits .gitignore.
GITIGNORE = """\
/source.video
/video.mp4
/audio.wav
/frames.parquet
/flame.parquet
/landmarks.parquet
/masks.parquet
/background.png
/torso.parquet
/speech.parquet
/adf.safetensors
/adf_curve.csv
/nerf.safetensors
/nerf_curve.csv
/evaluation.parquet
/self_driven.mp4
/render.mp4
/report.html
/runs/
/checkpoints/
"""


class PipelineWriter:
    """Renders the pipeline files of the checkout at ``root``; the import closures are computed once a stage."""

    def __init__(self, root: Path):
        self.root = root
        loader = jinja2.FileSystemLoader(root / "flows" / "templates")
        # YAML, not HTML: ids and profiles are checked against patterns before they come here.
        environment = jinja2.Environment(
            loader=loader, undefined=jinja2.StrictUndefined, keep_trailing_newline=True, autoescape=False
        )
        self._template = environment.get_template("subject.dvc.yaml.j2")
        self._profiles = read_profiles(root / "params.yaml")
        self._code = lru_cache(maxsize=None)(lambda stage: import_closure(root, f"tasks.{stage}"))

    @cached_property
    def stage_names(self) -> list[str]:
        """Names of the stages in the template's order."""
        return list(_stages(self.render("any", "any")))

    def render(self, subject: str, profile: str, use: Use = "portrait") -> str:
        """The text of the pipeline file of a subject for ``use``.

        Raises FileNotFoundError where a stage's module does not exist.
        """
        return self._template.render(
            id=subject,
            profile=profile,
            portrait=use == "portrait",
            code=self._code,
            parameters=partial(self._parameters, profile),
            chosen=partial(self._chosen, profile),
        )

    def _parameters(self, profile: str, stage: str) -> list[str]:
        """Keys of params.yaml the stage depends on: its section, and by name what DVC would overlook in it.

        DVC drops every key called ``size`` or ``nfiles`` from what identifies a run in its run cache, at any depth, and
        would restore the files of another size.  As the end of a dotted key it is not dropped.
        """
        section = f"profiles.{profile}.{stage}"
        return [section, *_overlooked(section, self._profiles.get(profile, {}).get(stage))]

    def _chosen(self, profile: str, stage: str) -> list[str]:
        """Assets that the profile's parameters make the stage read."""
        section = self._profiles.get(profile, {}).get(stage) or {}
        return [
            path.as_posix() for (of, key, value), path in CHOSEN.items() if of == stage and section.get(key) == value
        ]

    def expected(self, folder: SubjectFolder) -> str:
        """The text that ``folder``'s pipeline file should have, by its record.  Raises as ``read_subject``."""
        record = read_subject(folder.record)
        return self.render(folder.id, record.profile, record.use)

    def write(self, folder: SubjectFolder) -> bool:
        """Write ``folder``'s pipeline file if its text differs; returns whether it did."""
        text = self.expected(folder)
        if folder.pipeline.exists() and folder.pipeline.read_text(encoding="utf-8") == text:
            return False
        write_text(folder.pipeline, text)
        return True

    def changed_stages(self, folder: SubjectFolder) -> list[str]:
        """Stages whose definition ``write`` would change, in pipeline order; nothing is written."""
        text = self.expected(folder)
        present = folder.pipeline.read_text(encoding="utf-8") if folder.pipeline.exists() else ""
        if present == text:
            return []
        old, new = _stages(present), _stages(text)
        return [stage for stage in new if old.get(stage) != new[stage]]


def _overlooked(prefix: str, section: Any) -> list[str]:
    if not isinstance(section, dict):
        return []
    found = [f"{prefix}.{key}" for key in section if key in ("size", "nfiles")]
    return found + [leaf for key, inner in section.items() for leaf in _overlooked(f"{prefix}.{key}", inner)]


def _stages(text: str) -> dict[str, Any]:
    try:
        data = yaml.safe_load(text)
    except yaml.YAMLError:
        return {}
    return (data or {}).get("stages") or {}
