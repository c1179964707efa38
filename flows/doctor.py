"""Is everything here that the pipeline needs?  Assets, device, libraries, services, and what a missing one costs."""

import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Literal

from flows.environment import stage_environment
from tasks.artifacts.layout import AssetFolder
from tasks.assets import inventory
from tasks.errors import TaskError

# What each library is for: said when it is missing.
LIBRARIES = {
    "torch": "no stage that fits or trains can run: track, adf, nerf, evaluate",
    "mediapipe": "no face can be found: crop, track and parse fail",
    "av": "no video can be read or written",
    "onnxruntime": "the speech stage fails",
    "opencv-python-headless": "crop and parse fail",
    "anny": "the open head cannot be built",
    "dvc": "nothing is versioned and no stage can be run",
    "prefect": "no flow can run; 'dvc repro' still does the work",
    "pyarrow": "no table can be read or written",
    "safetensors": "no weights can be read or written",
    "torchmetrics": "the evaluate stage fails",
    "jinja2": "no pipeline file and no report can be written",
}
_DEVICE = """
import json, torch
from tasks import accelerator
from tasks.errors import BadInput
device = accelerator.device()
try:
    used, wrong = accelerator.kernels_on(device), ""
except BadInput as error:
    used, wrong = "", str(error)
print(json.dumps({"torch": torch.__version__, "threads": torch.get_num_threads(),
                  "device": torch.cuda.get_device_name(0) if device.type == "cuda" else None,
                  "kernels": used, "wrong": wrong}))
"""


@dataclass(frozen=True)
class Finding:
    """kind: what sort of thing.  cost: what is lost while it is not ``present``.  remedy: what to do about it."""

    kind: Literal["asset", "device", "library", "service"]
    name: str
    state: str
    detail: str = ""
    cost: str = ""
    remedy: str = ""
    needed: bool = False  # whether the pipeline cannot end without it

    @property
    def well(self) -> bool:
        return self.state == "present"


def examine(root: Path) -> list[Finding]:
    """Look at everything.  Takes some seconds: torch is asked about devices in a process of its own."""
    return [*_assets(root), *_device(root), *_libraries(), _prefect_server(), _dvc_remote(root)]


def _assets(root: Path) -> list[Finding]:
    try:
        states = inventory(AssetFolder(root / "data" / "assets"))
    except TaskError as error:
        return [Finding("asset", "manifest", "missing", cost=str(error), needed=True)]
    return [
        Finding(
            "asset",
            asset.name,
            asset.state,
            f"{asset.title}{f' {asset.version}' if asset.version else ''}",
            "" if asset.state == "present" else asset.without,
            asset.remedy,
            needed=(asset.kind in ("built", "package") and not asset.optional) or asset.name in ("moonshine", "lpips"),
        )
        for asset in states
    ]


def _device(root: Path) -> list[Finding]:
    slow = "training runs on the processor: profile demo takes minutes, cpu up to 40 minutes, gpu is out of reach"
    remedy = "install the CUDA build of torch on a machine with an NVIDIA card"
    command = [sys.executable, "-c", _DEVICE]
    try:
        result = subprocess.run(
            command, cwd=root, env=stage_environment(), capture_output=True, text=True, check=True, timeout=120
        )
        facts = json.loads(result.stdout.splitlines()[-1])
    except (subprocess.SubprocessError, ValueError, IndexError):
        cost = "torch does not load: no stage that fits or trains can run"
        return [Finding("device", "torch", "missing", cost=cost, remedy="make setup", needed=True)]
    processor = Finding("device", "processor", "present", f"{os.cpu_count()} cores, {facts['threads']} torch threads")
    if facts["device"] is None:
        accelerator = Finding("device", "accelerator", "missing", cost=slow, remedy=remedy)
    else:
        accelerator = Finding("device", "accelerator", "present", facts["device"])
    if facts["wrong"]:
        cost = f"nerf, evaluate and animate refuse to run: {facts['wrong']}"
        return [processor, accelerator, Finding("device", "kernels", "missing", cost=cost, needed=True)]
    if facts["device"] is not None and "not installed" in facts["kernels"]:
        cost, remedy = f"{facts['kernels']}: lookups and compositing take many launches each", "pip install triton"
        return [processor, accelerator, Finding("device", "kernels", "missing", cost=cost, remedy=remedy)]
    return [processor, accelerator, Finding("device", "kernels", "present", facts["kernels"])]


def _libraries() -> list[Finding]:
    findings = []
    for name, cost in LIBRARIES.items():
        try:
            findings.append(Finding("library", name, "present", metadata.version(name), needed=True))
        except metadata.PackageNotFoundError:
            remedy = "run 'make test' or 'make demo', which install what is locked"
            findings.append(Finding("library", name, "missing", cost=cost, remedy=remedy, needed=True))
    return findings


def _prefect_server() -> Finding:
    url = os.environ.get("PREFECT_API_URL", "")
    cost = "flows start a temporary server of their own (some seconds); no schedule, no workers"
    if not url:
        return Finding(
            "service", "prefect server", "missing", cost=cost, remedy="prefect server start; PREFECT_API_URL"
        )
    try:
        with urllib.request.urlopen(f"{url.rstrip('/')}/health", timeout=3) as answer:
            if answer.status == 200:
                return Finding("service", "prefect server", "present", url)
    except (urllib.error.URLError, OSError, ValueError):
        pass
    remedy = "start it, or unset PREFECT_API_URL to run flows without one"
    return Finding("service", "prefect server", "missing", url, f"it does not answer at {url}: no flow runs", remedy)


def _dvc_remote(root: Path) -> Finding:
    command = [sys.executable, "-m", "dvc", "remote", "list"]
    result = subprocess.run(command, cwd=root, env=stage_environment(), capture_output=True, text=True, check=False)
    lines = [line for line in result.stdout.splitlines() if line.strip()]
    if result.returncode == 0 and lines:
        return Finding("service", "dvc remote", "present", lines[0].strip())
    cost = "artifacts are kept on this machine only: nothing to push to or to pull from"
    return Finding("service", "dvc remote", "missing", cost=cost, remedy="dvc remote add --default NAME URL")
