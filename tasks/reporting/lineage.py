"""The lineage of a video or subject as text for the command line, and of the stages as rows for the report."""

import json
from collections.abc import Iterator

from tasks.artifacts.layout import SubjectFolder, repository_root
from tasks.artifacts.lock import read_lock
from tasks.lineage import Lineage, stage_lineage


def describe(found: Lineage) -> Iterator[str]:
    """The lineage as text, line by line."""
    if found.video is not None:
        said = found.video
        yield f"video {found.target}: synthetic, made by {said.get('tool')} {said.get('version')}"
        yield f"  shows      subject {said.get('subject')}"
        yield f"  consent    {(said.get('consent') or {}).get('statement')}"
        source = said.get("source") or {}
        yield f"  source     {source.get('name')}, sha256 {source.get('sha256')}"
        for key, label in (("driven_by", "driven by"), ("style", "style"), ("seed", "seed"), ("code", "commit")):
            if key in said:
                value = said[key]
                text = ", ".join(f"{k} {v}" for k, v in value.items()) if isinstance(value, dict) else value
                yield f"  {label:<10} {text}"
        yield from (f"  weights    {role} sha256 {sha256}" for role, sha256 in (said.get("weights") or {}).items())
    if found.subject is not None:
        about = found.subject
        former = f", formerly {', '.join(about['formerly'])}" if about["formerly"] else ""
        yield f"subject {about['id']}{former}: profile {about['profile']}, style {about['style']}, {about['status']}"
        yield f"  consent    {about['consent']['statement']} (recorded {about['consent']['recorded']})"
        yield f"  source     {about['source']['name']}, sha256 {about['source']['sha256']}"
        for earlier in about["earlier"]:
            yield f"  earlier    {earlier['source']['name']}, sha256 {earlier['source']['sha256']}"
    elif found.video is not None:
        yield "subject: not in this checkout; what follows from its lock is not known here"
    yield f"stages by {found.lock}" if found.stages else f"stages: not known (lock: {found.lock})"
    for stage in found.stages:
        commit = stage.code["commit"] or "no commit holds it"
        now = "as in this checkout" if stage.code_now == "same" else "not as in this checkout"
        code = f"code {stage.code['sha256'][:12]} of {stage.code['files']} files"
        yield f"  {stage.name:<9} {code}, {now}; commit {commit}"
        yield from (f"            {key} = {json.dumps(value)}" for key, value in stage.params.items())
    yield from (f"model {name}: {text}" for name, text in sorted(found.models.items()))
    for role, part in sorted(found.parts.items()):
        yield f"part {role}: {part}"
    count = sum(check.verdict == "same" for check in found.checks)
    yield f"{count} of {len(found.checks)} recorded hashes and statements agree with what is here"
    for check in found.checks:
        if check.verdict == "not here":
            yield f"  not here: {check.what}{f' ({check.found})' if check.found else ''}"
    for check in found.disagreements:
        yield f"  DIFFERS: {check.what}: recorded {check.recorded}, found {check.found or 'another'}"


def stage_rows(folder: SubjectFolder) -> list[dict[str, str]]:
    """What every stage before the report was run with, by the subject's lock; empty where DVC has not run them.

    A stage that ran again and gave the same files does not make the report again, which then shows its run before.
    """
    stages = {name: stage for name, stage in read_lock(folder.lock).items() if name != "report"}
    rows = []
    for stage in stage_lineage(repository_root(), stages):
        section = next((value for value in stage.params.values() if isinstance(value, dict)), {})
        rows.append(
            {
                "stage": stage.name,
                "code": f"{stage.code['sha256'][:16]} ({stage.code['files']} files)",
                "commit": stage.code["commit"] or "not committed as it was run",
                "params": ", ".join(f"{key} {value}" for key, value in section.items()) or "all by default",
            }
        )
    return rows
