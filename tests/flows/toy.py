"""A small checkout for tests of the bridge: three stages that take no time, run by DVC for real.

    crop -> track -> report

What a stage does beside its work is said by a file ``control/<subject>-<stage>``: ``fail``, ``hang``, ``hang hard``
(deaf to interrupts, with a child of its own), ``sleep SECONDS``, ``wait`` (until the file is gone) or ``kill dvc`` (do
the work, then kill -9 the DVC process that waits for it).  Every start is written to ``log.txt``.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from flows.onboarding import Request, register

PROJECT = Path(__file__).resolve().parents[2]

TEMPLATE = """\
{%- set s = "data/subjects/" ~ id -%}
stages:
{%- for stage, before, after in [("crop", "source.video", "video.mp4"), ("track", "video.mp4", "flame.parquet"),
                                 ("report", "flame.parquet", "report.html")] %}
  {{ stage }}:
    cmd: python -m tasks.{{ stage }} --subject {{ id }} --profile {{ profile }}
    wdir: ../../..
    params:
      - params.yaml:
{%- for key in parameters(stage) %}
          - {{ key }}
{%- endfor %}
    deps:
{%- for path in code(stage) %}
      - {{ path }}
{%- endfor %}
{%- if stage == "track" %}
      - data/assets/head
{%- endif %}
      - {{ s }}/{{ before }}
    outs:
      - {{ s }}/{{ after }}
{%- endfor %}
"""

STAGE = """\
from dataclasses import dataclass
from tasks.stage import main
from tasks.toy import work


@dataclass
class Params:
    size: int = 1


def run(folder, params):
    work(folder, "{name}", "{before}", "{after}", params.size)


if __name__ == "__main__":
    raise SystemExit(main("{name}", Params, run))
"""

WORK = """\
import os, signal, subprocess, sys, time
from pathlib import Path
import psutil
from tasks.errors import StageFailed


def work(folder, name, before, after, size):
    control = Path("control") / f"{folder.id}-{name}"
    order = control.read_text().split() if control.exists() else []
    with open("log.txt", "a") as log:
        log.write(f"{folder.id}:{name}\\\\n")
    (folder.root / "half.tmp-0123abcd.mp4").touch()
    print(f"working on {folder.id}", flush=True)
    if order[:1] == ["fail"]:
        raise StageFailed("the toy broke")
    if order == ["hang", "hard"]:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    if order[:1] == ["hang"]:
        time.sleep(600)
    if order[:1] == ["sleep"]:
        time.sleep(float(order[1]))
    while order == ["wait"] and control.exists():
        time.sleep(0.05)
    (folder.root / "half.tmp-0123abcd.mp4").unlink()
    (folder.root / after).write_bytes((folder.root / before).read_bytes() + name.encode() * size)
    if order == ["kill", "dvc"]:
        next(process for process in psutil.Process().parents() if "dvc" in process.cmdline()).kill()
""".replace("\\\\n", "\\n")

CHECK = """\
import json, sys
data = open(sys.argv[1], "rb").read()
if data.startswith(b"bad"):
    print("check: error: no face in the first 100 frames: film one face", file=sys.stderr)
    raise SystemExit(2)
short = data.startswith(b"short")
limits = "at least 30 s, refused below 5 s"
gate = {"gate": "duration", "verdict": "fail" if short else "warn", "value": 4.2 if short else 20.0, "unit": "s",
        "limits": limits, "advice": "film more"}
treatments = ["HDR tone-mapped"] if b"HDR" in data else []
print(json.dumps({"verdict": gate["verdict"], "gates": [gate], "treatments": treatments}))
raise SystemExit(2 if short else 0)
"""

PARAMS = "profiles:\n  demo:\n    crop: {size: 1}\n    track: {size: 1}\n    report: {}\n  cpu: {}\n"
ROOT_PIPELINE = """\
stages:
  head:
    cmd: mkdir -p data/assets && echo head > data/assets/head
    outs:
      - data/assets/head
"""


class Toy:
    """The checkout at ``root`` and what a test asks of it."""

    def __init__(self, root: Path):
        self.root = root

    def onboard(self, subject: str, content: str = "") -> None:
        """Register a subject whose source holds ``content``."""
        video = self.root / "out" / f"{subject}.mp4"
        video.parent.mkdir(exist_ok=True)
        video.write_text(content or f"video of {subject}")
        register(self.root, Request(video, subject, "a test", profile="demo"))

    def control(self, subject: str, stage: str, order: str) -> None:
        (self.root / "control").mkdir(exist_ok=True)
        path = self.root / "control" / f"{subject}-{stage}"
        if order:
            path.write_text(order)
        else:
            path.unlink()

    def started(self) -> list[str]:
        """``subject:stage`` of every start so far."""
        log = self.root / "log.txt"
        return log.read_text().split() if log.exists() else []

    def forget(self) -> None:
        (self.root / "log.txt").unlink(missing_ok=True)

    def dvc(self, *arguments: str) -> str:
        command = [sys.executable, "-m", "dvc", *arguments]
        environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
        result = subprocess.run(command, cwd=self.root, env=environment, capture_output=True, text=True, check=True)
        return result.stdout.strip()

    def folder(self, subject: str) -> Path:
        return self.root / "data" / "subjects" / subject


def build(root: Path) -> None:
    """Write the checkout into the empty folder ``root``."""
    for name in ("__init__.py", "code_history.py", "errors.py", "params.py", "registry.py", "stage.py"):
        (root / "tasks").mkdir(exist_ok=True)
        shutil.copy(PROJECT / "tasks" / name, root / "tasks" / name)
    for name in (
        "reporting/__init__.py",
        "reporting/quarantine.py",
        "templates/quarantine.html.j2",
        "templates/gates.html.j2",
    ):
        (root / "tasks" / name).parent.mkdir(exist_ok=True)
        shutil.copy(PROJECT / "tasks" / name, root / "tasks" / name)
    shutil.copytree(
        PROJECT / "tasks" / "artifacts", root / "tasks" / "artifacts", ignore=shutil.ignore_patterns("__pycache__")
    )
    names = [("crop", "source.video", "video.mp4"), ("track", "video.mp4", "flame.parquet")]
    for name, before, after in [*names, ("report", "flame.parquet", "report.html")]:
        (root / "tasks" / f"{name}.py").write_text(STAGE.format(name=name, before=before, after=after))
    (root / "tasks" / "toy.py").write_text(WORK)
    (root / "tasks" / "check.py").write_text(CHECK)
    (root / "flows" / "templates").mkdir(parents=True)
    (root / "flows" / "templates" / "subject.dvc.yaml.j2").write_text(TEMPLATE)
    (root / "params.yaml").write_text(PARAMS)
    (root / "dvc.yaml").write_text(ROOT_PIPELINE)
    (root / ".gitignore").write_text(
        "/data/assets/head\n__pycache__/\n/log.txt\n/control/\n/out/\n/.prefect/\n*.tmp-*\n"
    )
    (root / "data" / "subjects").mkdir(parents=True)
    shutil.copy(PROJECT / "data" / "subjects" / ".gitignore", root / "data" / "subjects")
    shutil.copy(PROJECT / ".dvcignore", root)
    for command in (["git", "init", "-q"], [sys.executable, "-m", "dvc", "init", "-q"]):
        subprocess.run(command, cwd=root, check=True)
    shutil.copy(PROJECT / ".dvc" / "config", root / ".dvc" / "config")
