"""What the ``erlnet`` command prints: plain tables that read the same in a terminal and in a log."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tasks.artifacts import run_record
from tasks.artifacts.layout import SubjectFolder

if TYPE_CHECKING:
    from flows.bridge.planner import Plan
    from flows.doctor import Finding
    from flows.status import SubjectStatus
    from flows.subjects.disk import Disk, Usage
    from flows.subjects.remove import Proof
    from flows.upgrade import StageReasons, Upgrade
    from tasks.artifacts.subject import GateRecord
    from tasks.assets import AssetState


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns as wide as their widest cell; the last one is left ragged."""
    lines = [list(header), *[list(row) for row in rows]]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )


def onboarding_table(folder: SubjectFolder, stages: Sequence[str], started: float) -> str:
    """The seconds every stage took; ``started``: since when a run counts as one of this call."""
    rows, total = [], 0.0
    for stage in stages:
        record = run_record.read(folder.runs, stage)
        if record is None:
            rows.append([stage, "", "up to date (from the cache)"])
        elif record.started < started:
            rows.append([stage, f"{record.seconds:.1f}", "up to date (seconds of its last run)"])
        else:
            total += record.seconds
            rows.append([stage, f"{record.seconds:.1f}", f"ran, {record.peak_memory / 2**30:.1f} GB at most"])
    rows.append(["all", f"{total:.1f}", "in this run"])
    return table(["stage", "seconds", ""], rows)


def status_table(states: Sequence["SubjectStatus"]) -> str:
    """One row a subject (there is at least one), one column a stage; failures are explained below."""
    names = list(states[0].stages)
    rows = [[state.id, *(state.stages[name].state for name in names)] for state in states]
    notes = []
    for state in states:
        if state.error:
            notes.append(f"{state.id}: {state.error}")
            continue
        if state.frozen:
            notes.append(f"{state.id}: frozen {state.frozen}; 'erlnet unfreeze {state.id}' lets it run again")
        if state.quarantined:
            notes.append(f"{state.id} is quarantined: {'; '.join(state.quarantined)}")
        for name, stage in state.stages.items():
            if stage.state == "failed" or (stage.state == "quarantined" and not state.quarantined):
                notes.append(f"{name} of {state.id} {stage.state}: {stage.message}")
    return "\n".join([table(["subject", *names], rows), *notes])


def gates_table(gates: Sequence["GateRecord"]) -> None:
    """Print every gate: what was measured, what is asked for, and what to do where that is not met."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    colours = {"pass": "green", "warn": "yellow", "fail": "bold red", "not measured": "dim"}
    grid = Table(box=None, pad_edge=False)
    for name in ("check", "verdict", "measured", "asked for", ""):
        grid.add_column(name, justify="right" if name == "measured" else "left", overflow="fold")
    for gate in gates:
        said = "" if gate.verdict == "not measured" else gate.verdict
        style = colours[gate.verdict]
        grid.add_row(gate.gate, Text(said, style), gate.measured, gate.limits, Text(gate.advice))
    console = Console()
    console.print(grid) if console.is_terminal else Console(width=200).print(grid)


def plan_table(plan: "Plan") -> str:
    """What would run, in order, and why."""
    if not plan.stages:
        return "everything is up to date: nothing to run"
    rows = []
    for address, stage in plan.stages.items():
        reasons = plan.reasons[address]
        more = f" (and {len(reasons) - 2} more)" if len(reasons) > 2 else ""
        rows.append([stage.unit or "shared", stage.name, ", ".join(reasons[:2]) + more])
    return table(["subject", "stage", "because"], rows)


def upgrade_text(upgrade: "Upgrade") -> str:
    """Groups of subjects with what would run for them and why."""
    lines = []
    for stage in upgrade.shared:
        lines += [f"shared stage {stage.name}", *(f"    {reason}" for reason in _reasons(stage))]
    for group in upgrade.groups:
        runs = len(group.subjects) * len(group.stages)
        time = f"{duration(group.seconds)} by their last runs" if group.seconds else "no time known"
        if group.seconds and group.unknown:
            time += f", {group.unknown} of them unknown"
        lines.append(f"{_several(group.subjects)}, profile {group.profile}: {runs} stages to run ({time})")
        for stage in group.stages:
            lines += [f"    {stage.name}: {reason}" for reason in _reasons(stage)]
        if following := [stage.name for stage in group.stages if not stage.because]:
            lines.append(f"    {', '.join(following)}: what they read is made anew")
    left = [("frozen", upgrade.frozen), ("quarantined", upgrade.quarantined)]
    lines += [f"{_several(subjects)} {state} and left out" for state, subjects in left if subjects]
    lines += [f"{unit or 'shared stages'}: {why}" for unit, why in upgrade.broken.items()]
    if upgrade.up_to_date:
        lines.append(f"{_several(upgrade.up_to_date)} up to date")
    return "\n".join(lines) or "no subject yet"


def _reasons(stage: "StageReasons", most: int = 6) -> list[str]:
    """Parameters one by one; files of which the same is true in one line, at most ``most`` of them by name."""
    lines = [f"{reason.kind}: {reason.text}" for reason in stage.because if reason.kind not in _FILES]
    alike: dict[tuple[str, str], list[str]] = {}
    for reason in stage.because:
        if reason.kind in _FILES:
            path, _, what = reason.text.partition(" ")
            alike.setdefault((reason.kind, what), []).append(path)
    for (kind, what), paths in alike.items():
        more = f" and {len(paths) - most} more (--json names them)" if len(paths) > most else ""
        lines.append(f"{kind} {what}: {', '.join(paths[:most])}{more}")
    return lines


_FILES = ("code", "input", "output")


def _several(subjects: Sequence[str], most: int = 8) -> str:
    noun = "subject" if len(subjects) == 1 else "subjects"
    more = f" and {len(subjects) - most} more" if len(subjects) > most else ""
    return f"{len(subjects)} {noun} ({', '.join(subjects[:most])}{more})"


def duration(seconds: float) -> str:
    """Seconds for people: ``40 s``, ``12 min``, ``3.5 h``."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 3600 else f"{seconds / 3600:.1f} h"


def disk_table(disk: "Disk") -> str:
    """Megabytes a subject, largest first, and what is common to all."""
    rows = [
        [row.subject, *(f"{value / 1e6:.1f}" for value in (*_private(row), row.shared))]
        for row in sorted(disk.subjects, key=lambda row: -sum(_private(row)))
    ]
    lines = [table(["subject", "folder", "checkpoints", "previous", "cache, own", "cache, shared"], rows)]
    lines.append(
        f"MB each; cache {disk.cache / 1e6:.1f} MB, of which {disk.unused / 1e6:.1f} MB no lock refers to "
        f"('erlnet gc'); {disk.free / 1e9:.1f} GB free"
    )
    return "\n".join(lines)


def proof_text(proof: "Proof") -> str:
    """What a removal deleted, what it found afterwards, and what it cannot do."""
    names = ", ".join(proof.names)
    lines = [f"deleted: {count} {what}" for what, count in proof.deleted.items() if count]
    lines += [f"kept: object {oid}, which a lock of {name} refers to as well" for oid, name in proof.kept.items()]
    lines.append(f"searched for {names} and their hashes: {', '.join(proof.searched)}")
    lines += [f"LEFT: {trace.where}: {trace.what}" for trace in proof.left]
    lines += [f"LEARNED FROM: {what}" for what in proof.learned]
    lines += [f"NOT SEARCHED: {place}: run this command where it is" for place in proof.unsearched]
    if not proof.left and not proof.unsearched:
        lines.append("nothing is left")
    if proof.commits:
        paths = " ".join(f"--path data/subjects/{name}" for name in proof.names)
        lines += [
            f"git's history still holds {proof.commits} versions of the subject's pipeline files, and its record.",
            f"    To rewrite it: git filter-repo --invert-paths {paths}",
            "    then push with --force, and make every other clone anew; commit the removal first.",
        ]
    lines.append("Videos made with 'erlnet animate' and avatars made with 'erlnet export' lie where they were written.")
    return "\n".join(lines)


def _private(row: "Usage") -> tuple[int, ...]:
    return row.folder, row.checkpoints, row.previous, row.own


def findings_table(findings: Sequence["Finding"]) -> str:
    """Every finding; what a missing one costs and what to do stand below it."""
    lines = table(
        ["kind", "name", "state", ""], [[item.kind, item.name, item.state, item.detail] for item in findings]
    ).splitlines()
    text = lines[:1]
    for line, item in zip(lines[1:], findings, strict=True):
        text.append(line)
        text += [f"    {note}" for note in (item.cost, item.remedy and f"-> {item.remedy}") if note]
    return "\n".join(text)


def assets_table(states: Sequence["AssetState"]) -> str:
    """Every asset and what to do about the missing ones."""
    return table(
        ["asset", "kind", "state", "licence", "to do"],
        [[asset.name, asset.kind, asset.state, asset.licence, asset.remedy] for asset in states],
    )
