"""What a fleet costs at 1, 10, 50 and 200 subjects: the project's own work, with stages that do nothing.

    python -m benchmarks fleet [--sizes 1 10 50 200] [--sleep 10] [--plot docs/pictures/fleet.svg]

The checkout is made in a temporary folder.  One subject is run by DVC; the others are copies of its folder under other
ids, pipeline and lock included, so that they are up to date without having been run one by one.  Figures are processor
seconds of the command and all it starts, which other work on the machine changes little; with ``--sleep`` the last
table compares one stage at a time with four, in seconds of the clock.
"""

import argparse
import hashlib
import os
import resource
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
from flows.bridge.stage_run import run_stage
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
    """Copies of subject ``first`` until there are ``count`` subjects, up to date as it is."""
    source = root / "data" / "subjects" / first
    record = (source / "subject.yaml").read_bytes()
    for number in range(1, count):
        copy = source.with_name(f"copy{number:03}")
        if copy.exists():
            continue
        shutil.copytree(source, copy)
        for name in ("dvc.yaml", "dvc.lock", "subject.yaml"):
            path = copy / name
            path.write_text(path.read_text().replace(first, copy.name))
        # The report depends on subject.yaml, which names the subject.
        own, lock = (copy / "subject.yaml").read_bytes(), copy / "dvc.lock"
        before, after = (f"md5: {md5(data)}\n      size: {len(data)}\n" for data in (record, own))
        lock.write_text(lock.read_text().replace(before, after))


def md5(data: bytes) -> str:
    """As DVC names a file's content."""
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def spend(action: Callable[[], object]) -> float:
    """Processor seconds of this process and of its children that have ended."""

    def spent() -> float:
        return sum(sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))

    before = spent()
    action()
    return spent() - before


def erlnet(root: Path, *arguments: str) -> None:
    """``erlnet ARGUMENTS`` in the checkout at ``root``, on a machine with slots for four stages."""
    environment = {**stage_environment(), "PYTHONPATH": str(PROJECT), "ERLNET_SLOTS": '{"cpu": 4, "gpu": 4}'}
    command = [sys.executable, "-P", "-m", "flows.cli", *arguments]  # not the checkout's own modules
    subprocess.run(command, cwd=root, env=environment, check=True, stdout=subprocess.DEVNULL)


def measure(root: Path, size: int) -> list[float]:
    """A row of figures, in the order of COLUMNS."""
    memory = root / ".dvc" / "tmp" / "erlnet" / "up_to_date.json"
    memory.unlink(missing_ok=True)
    asked = spend(lambda: make_plan(root))
    if make_plan(root).stages:
        raise RuntimeError("the copies are not up to date")
    no_op = spend(lambda: erlnet(root, "repro"))
    status = spend(lambda: erlnet(root, "status"))
    module = root / "tasks" / "params.py"
    text = module.read_text()
    os.utime(module)
    touched = spend(lambda: erlnet(root, "repro"))
    module.write_text(text + "# another remark\n")
    edited = spend(lambda: erlnet(root, "repro", "--dry-run"))
    module.write_text(text)
    one = spend(lambda: onboard(root, f"one-more-than-{size}"))
    shutil.rmtree(root / "data" / "subjects" / f"one-more-than-{size}")
    return [no_op, status, touched, edited, one, asked]


COLUMNS = (
    "no-op `erlnet repro`",
    "`erlnet status`",
    "no-op after a shared file was touched",
    "plan after a shared module was edited",
    "one more subject, all eight stages",
    "DVC asked about every subject",
)


def side_by_side(root: Path, subjects: int, sleep: float) -> list[tuple[int, float]]:
    """Seconds of the clock for one stage of ``sleep`` seconds of each of ``subjects``, by how many may run at once."""
    stage = root / "tasks" / "crop.py"
    text = stage.read_text()
    rows = []
    for limit in (1, 4):
        # Another text is another dependency: every subject's crop is stale, and DVC's run cache has not seen it.
        stage.write_text(f"{text}\nimport time\ntime.sleep({sleep})  # at most {limit} at once\n")
        names = [f"copy{number:03}:crop" for number in range(1, subjects + 1)]
        started = time.perf_counter()
        erlnet(root, "repro", "--limit", str(limit), *names)
        rows.append((limit, time.perf_counter() - started))
    return rows


def plot(path: Path, rows: dict[int, list[float]]) -> None:
    """Cost against the size of the fleet."""
    from matplotlib import rcParams
    from matplotlib.figure import Figure

    rcParams["svg.hashsalt"] = "fleet"  # the same figures give the same file
    figure = Figure(figsize=(7, 4.2), layout="constrained")
    axes = figure.subplots()
    sizes = sorted(rows)
    for number, name in enumerate(COLUMNS):
        style = "--" if number == len(COLUMNS) - 1 else "-"
        axes.plot(sizes, [rows[size][number] for size in sizes], style, marker="o", label=name.replace("`", ""))
    axes.set(xlabel="subjects", ylabel="processor seconds", xscale="log", yscale="log", xticks=sizes)
    axes.set_xticklabels([str(size) for size in sizes])
    axes.minorticks_off()
    axes.grid(alpha=0.3)
    axes.legend(fontsize="small")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)


def main(argv: list[str] | None = None) -> int:
    """Measure and print markdown tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[1, 10, 50, 200])
    parser.add_argument("--sleep", type=float, default=0.0, help="seconds of a stage; also compare 1 and 4 at once")
    parser.add_argument("--plot", type=Path, help="picture to write: .svg or .png")
    options = parser.parse_args(argv)
    sizes = sorted(options.sizes)
    rows: dict[int, list[float]] = {}
    beside: list[tuple[int, float]] = []
    with tempfile.TemporaryDirectory(prefix="erlnet-fleet-") as folder:
        root = Path(folder)
        os.environ["ERLNET_ROOT"] = str(root)
        build(root)
        onboard(root, "original")
        for size in sizes:
            multiply(root, "original", size)
            rows[size] = measure(root, size)
            print(size, [round(value, 1) for value in rows[size]], file=sys.stderr)
        if options.sleep:
            multiply(root, "original", 9)
            beside = side_by_side(root, 8, options.sleep)
    print(f"{describe()}; load average at the end {os.getloadavg()[0]:.1f}; processor seconds\n")
    print(f"| subjects | {' | '.join(COLUMNS)} |\n|{'---|' * (len(COLUMNS) + 1)}")
    for size, values in rows.items():
        print(f"| {size} | {' | '.join(f'{value:.1f}' for value in values)} |")
    if beside:
        print(f"\n| stages of {options.sleep:g} s at once | 8 subjects, seconds |\n|---|---|")
        for limit, seconds in beside:
            print(f"| {limit} | {seconds:.1f} |")
    if options.plot:
        plot(options.plot, rows)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
