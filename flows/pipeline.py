"""A subject's pipeline file, made from one template.

``data/subjects/<id>/dvc.yaml`` is derived: from ``flows/templates/subject.dvc.yaml.j2``, the subject's profile and the
code its stages import.  It is written again whenever that text would differ, and never edited by hand.
"""

from functools import lru_cache
from pathlib import Path
from typing import Any

import jinja2
import yaml

from flows.closure import import_closure
from tasks.artifacts.atomic import write_text
from tasks.artifacts.layout import SubjectFolder
from tasks.artifacts.subject import read_subject

STAGES = ("crop", "track", "parse", "speech", "adf", "nerf", "evaluate", "report")

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
    """Renders pipeline files of one checkout; the import closures are computed once a stage."""

    def __init__(self, root: Path):
        self.root = root
        loader = jinja2.FileSystemLoader(Path(__file__).with_name("templates"))
        # YAML, not HTML: ids and profiles are checked against patterns before they come here.
        environment = jinja2.Environment(
            loader=loader, undefined=jinja2.StrictUndefined, keep_trailing_newline=True, autoescape=False
        )
        self._template = environment.get_template("subject.dvc.yaml.j2")
        self._code = lru_cache(maxsize=None)(lambda stage: import_closure(root, f"tasks.{stage}"))

    def render(self, subject: str, profile: str) -> str:
        """The text of the pipeline file.  Raises FileNotFoundError where a stage's module does not exist."""
        return self._template.render(id=subject, profile=profile, code=self._code)

    def expected(self, folder: SubjectFolder) -> str:
        """The text that ``folder``'s pipeline file should have, by its record.  Raises as ``read_subject``."""
        return self.render(folder.id, read_subject(folder.record).profile)

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


def _stages(text: str) -> dict[str, Any]:
    try:
        data = yaml.safe_load(text)
    except yaml.YAMLError:
        return {}
    return (data or {}).get("stages") or {}
