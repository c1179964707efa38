"""Whom the corpus prior is learned from, and the pipeline file that says so to DVC.

``data/priors/dvc.yaml`` is derived, from ``flows/templates/prior.dvc.yaml.j2``, params.yaml and the subjects' records.
"""

import fnmatch
import re
from pathlib import Path
from typing import Any

import jinja2
import yaml

from flows.bridge.graph import PRIOR, Stage, subject_ids
from flows.closure import import_closure
from tasks.artifacts.atomic import write_text
from tasks.artifacts.corpus import Corpus, CorpusMember, corpus_text, read_corpus
from tasks.artifacts.layout import PriorFolder, SubjectFolder
from tasks.artifacts.subject import read_subject
from tasks.errors import BadInput, DamagedArtifact, MissingInput
from tasks.params import read_profiles

GITIGNORE = "/corpus.safetensors\n/checkpoints/\n"
STAGE = Stage(address="data/priors/dvc.yaml:corpus", unit=PRIOR, name="corpus")
NEEDED = ("track", "speech")  # stages of a subject that the prior reads
_PATTERN = re.compile(r"[a-z0-9*][a-z0-9_*-]{0,62}")
WHERE = "corpus_prior.subjects in params.yaml"


def chosen(root: Path) -> Corpus:
    """The subjects that params.yaml names, by id or pattern, as their records are now.

    Raises BadInput for an unknown or quarantined subject, a pattern that fits none, or fewer than two people or styles.
    """
    wanted, known = _wanted(root), subject_ids(root)
    found: set[str] = set()
    for text in wanted:
        fitting = fnmatch.filter(known, text)
        if not fitting:
            what = "no subject fits" if "*" in text else "no subject"
            raise BadInput(f"{WHERE}: {what} {text!r}: 'erlnet status' lists the subjects")
        found.update(fitting)
    members = []
    for subject in sorted(found):
        record = read_subject(SubjectFolder.of(subject, root).record)
        if record.status == "quarantined":
            if subject not in wanted:
                continue  # a pattern asks for those that can be used
            raise BadInput(f"{WHERE}: subject {subject!r} is quarantined ({'; '.join(record.reasons) or 'no reason'})")
        members.append(
            CorpusMember(
                id=subject,
                style=record.style,
                person=record.person or subject,
                source_sha256=record.source.sha256,
                consent=record.consent.statement,
            )
        )
    if len({(member.person, member.style) for member in members}) < 2:
        raise BadInput(f"{WHERE} must name subjects of two people or styles, or more; it names {len(members)} subjects")
    return Corpus(members=members)


def _wanted(root: Path) -> list[str]:
    read_profiles(root / "params.yaml")  # complains where this is no parameter file at all
    section: Any = yaml.safe_load((root / "params.yaml").read_text(encoding="utf-8")).get("corpus_prior") or {}
    wanted = section.get("subjects") if isinstance(section, dict) else None
    if not isinstance(wanted, list) or not wanted:
        raise BadInput(f"{WHERE} names nobody: list ids of subjects, or patterns as mead-*")
    for text in wanted:
        if not isinstance(text, str) or not _PATTERN.fullmatch(text):
            raise BadInput(f"{WHERE}: {text!r} is neither the id of a subject nor a pattern with '*'")
    return wanted


def write_prior_pipeline(root: Path, corpus: Corpus) -> None:
    """Write the list of members and the pipeline file where they differ from what is there."""
    folder = PriorFolder.of(root)
    loader = jinja2.FileSystemLoader(root / "flows" / "templates")
    # YAML, not HTML: ids are checked against a pattern before they come here.
    environment = jinja2.Environment(
        loader=loader, undefined=jinja2.StrictUndefined, keep_trailing_newline=True, autoescape=False
    )
    pipeline = environment.get_template("prior.dvc.yaml.j2").render(
        code=import_closure(root, "tasks.corpus_prior"), subjects=[member.id for member in corpus.members]
    )
    folder.root.mkdir(parents=True, exist_ok=True)
    texts = {
        folder.root / ".gitignore": GITIGNORE,
        folder.members: corpus_text(corpus),
        folder.pipeline: pipeline,
    }
    for path, text in texts.items():
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            write_text(path, text)


def learned_from(root: Path, names: list[str]) -> list[str]:
    """One line for the corpus prior where it was trained on a subject that has, or had, one of ``names``."""
    folder = PriorFolder.of(root)
    try:
        members = {member.id for member in read_corpus(folder.members).members}
    except MissingInput:
        return []
    except DamagedArtifact as error:  # no reason not to forget the person
        return [f"the corpus prior may have been trained on {names[0]}, which cannot be told: {error}"]
    if members.isdisjoint(names):
        return []
    weights = folder.weights.relative_to(root).as_posix()
    pipelines = [SubjectFolder.of(subject, root).pipeline for subject in subject_ids(root) if subject not in names]
    users = [path.parent.name for path in pipelines if path.is_file() and f"- {weights}\n" in path.read_text("utf-8")]
    started = f"; subjects that start from it: {', '.join(users)}" if users else ""
    return [
        f"the corpus prior {weights} was trained on {' '.join(sorted(members.intersection(names)))}: take it out of "
        "corpus_prior.subjects in params.yaml, run 'erlnet prior' (or delete data/priors), 'erlnet repro' and "
        f"'erlnet gc --delete', then this command again{started}"
    ]
