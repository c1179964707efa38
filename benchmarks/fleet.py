"""What one more subject costs at 1, 50 and 200 subjects: the bridge's own work, with stages that do nothing.

    python -m benchmarks.fleet [--sizes 1 50 200]

The checkout is made in a temporary folder.  One subject is run by DVC; the others are copies of its folder under other
ids, pipeline and lock included, so that they are up to date without having been run one by one.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import yaml

from benchmarks.machine import describe
from flows.bridge.planner import Target, make_plan
from flows.bridge.process import ProcessGroups
from flows.bridge.runner import run_stage
from flows.environment import stage_environment
from flows.onboarding import Request, register
from flows.pipeline import STAGES, PipelineWriter

PROJECT = Path(__file__).resolve().parents[1]
# A stage of the real template that writes its outputs, found in the subject's own pipeline file.
STAGE = """\
import sys
from pathlib import Path
import yaml
subject, name = sys.argv[2], Path(sys.argv[0]).stem
stage = yaml.safe_load(Path(f"data/subjects/{subject}/dvc.yaml").read_text())["stages"][name]
for entry in [*stage["outs"], *stage.get("metrics", []), *stage.get("plots", [])]:
    path = Path(entry if isinstance(entry, str) else next(iter(entry)))
    path.write_text("{}" if path.suffix == ".json" else f"{name} of {subject}")
"""


def build(root: Path) -> None:
    """A checkout with the real template, the real number of code files, and trivial stages."""
    stages = yaml.safe_load(PipelineWriter(PROJECT).render("any", "demo"))["stages"]
    code = {stage: [dep for dep in stages[stage]["deps"] if not dep.startswith("data/")] for stage in STAGES}
    for path in {path for paths in code.values() for path in paths}:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(PROJECT / path, root / path)
    (root / "tasks" / "__init__.py").touch()
    own = {f"tasks/{stage}.py" for stage in STAGES}
    for stage in STAGES:
        names = [Path(path).with_suffix("").parts for path in code[stage] if path.endswith(".py") and path not in own]
        imports = "".join(f"    import {'.'.join(parts)}\n" for parts in names if parts[-1] != "__init__")
        # Imported for the closure only: the stage depends on as many files as the real one.
        (root / "tasks" / f"{stage}.py").write_text(f"{STAGE}\n\ndef _never():\n{imports}    pass\n")
    (root / "tasks" / "check.py").write_text("print('{\"gates\": []}')\n")
    shutil.copytree(PROJECT / "flows" / "templates", root / "flows" / "templates")
    for name in ("params.yaml", ".dvcignore"):
        shutil.copy(PROJECT / name, root / name)
    (root / ".gitignore").write_text("/data/assets/\n")
    (root / "data" / "subjects").mkdir(parents=True)
    (root / "data" / "assets").mkdir()
    for path in {dep for stage in stages.values() for dep in stage["deps"] if dep.startswith("data/assets/")}:
        (root / path).write_text(path)
    for command in (["git", "init", "-q"], [sys.executable, "-m", "dvc", "init", "-q"]):
        subprocess.run(command, cwd=root, check=True)
    shutil.copy(PROJECT / ".dvc" / "config", root / ".dvc" / "config")


def onboard(root: Path, subject: str) -> None:
    """Everything ``erlnet onboard`` does but for Prefect: register, plan, one DVC process a stage."""
    video = root / f"{subject}.mp4"
    video.write_text(subject)
    register(root, Request(video, subject, "a benchmark", profile="demo"))
    video.unlink()
    groups = ProcessGroups()
    for stage in make_plan(root, [Target(subject)]).stages.values():
        cause = run_stage(root, stage, groups, None)
        if cause is not None:
            raise RuntimeError(f"{stage.address}: {cause}")


def multiply(root: Path, first: str, count: int) -> None:
    """Copies of subject ``first`` until there are ``count`` subjects."""
    source = root / "data" / "subjects" / first
    for number in range(1, count):
        copy = source.with_name(f"copy{number:03}")
        if copy.exists():
            continue
        shutil.copytree(source, copy)
        for name in ("dvc.yaml", "dvc.lock", "subject.yaml"):
            path = copy / name
            path.write_text(path.read_text().replace(first, copy.name))
    # The copies' subject.yaml differs from the original's: let DVC record the report's dependency on it.
    subprocess.run(
        [sys.executable, "-m", "dvc", "commit", "--quiet", "--force"], cwd=root, env=stage_environment(), check=True
    )


def seconds(action: Callable[[], object]) -> float:
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


def main(argv: list[str] | None = None) -> int:
    """Measure and print a markdown table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[1, 50, 200])
    sizes = sorted(parser.parse_args(argv).sizes)
    rows = []
    with tempfile.TemporaryDirectory(prefix="erlnet-fleet-") as folder:
        root = Path(folder)
        os.environ["ERLNET_ROOT"] = str(root)
        build(root)
        onboard(root, "original")
        for size in sizes:
            multiply(root, "original", size)
            (root / ".dvc" / "tmp" / "erlnet" / "up_to_date.json").unlink(missing_ok=True)
            asked = seconds(lambda: make_plan(root))
            plan = make_plan(root)
            if plan.stages or plan.broken:
                raise RuntimeError("the copies are not up to date")
            command = [sys.executable, "-m", "flows.cli", "repro"]
            environment = {**stage_environment(), "PYTHONPATH": str(PROJECT)}
            no_op = seconds(
                lambda command=command, environment=environment: subprocess.run(
                    command, cwd=root, env=environment, check=True, stdout=subprocess.DEVNULL
                )
            )
            one = seconds(lambda size=size: onboard(root, f"one-more-than-{size}"))
            shutil.rmtree(root / "data" / "subjects" / f"one-more-than-{size}")
            rows.append(f"| {size} | {no_op:.1f} | {asked:.1f} | {one:.1f} |")
            print(rows[-1], file=sys.stderr)
    load = os.getloadavg()[0]
    print(f"{describe()}; load average at the end {load:.1f}\n")
    print("| subjects | no-op `erlnet repro`, s | the same when DVC is asked about everyone, s | one more subject, s |")
    print("|---|---|---|---|")
    print("\n".join(rows))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
