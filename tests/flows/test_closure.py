"""The code a stage depends on."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from flows.closure import import_closure
from flows.pipeline import STAGES

PROJECT = Path(__file__).resolve().parents[2]


def test_direct_nested_relative_and_package_imports_count(tmp_path: Path) -> None:
    files = {
        "tasks/__init__.py": "",
        "tasks/crop.py": "import numpy\nfrom tasks.help import a\n\ndef run():\n    from models.net import Net\n",
        "tasks/help.py": "from . import near\na = 1\n",
        "tasks/near.py": "from .deep.leaf import x\n",
        "tasks/deep/__init__.py": "# says something\n",
        "tasks/deep/leaf.py": "import models.other.thing as t\nx = 1\n",
        "tasks/unused.py": "",
        "models/__init__.py": "",
        "models/net/__init__.py": "from models.net.core import Net\n",
        "models/net/core.py": "from ..other import thing\n",
        "models/other/__init__.py": "",
        "models/other/thing.py": "import tasks.crop\n",  # a circle must not hang it
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    assert import_closure(tmp_path, "tasks.crop") == [
        "models/net/__init__.py",
        "models/net/core.py",
        "models/other/thing.py",
        "tasks/crop.py",
        "tasks/deep/__init__.py",
        "tasks/deep/leaf.py",
        "tasks/help.py",
        "tasks/near.py",
    ]


def test_a_missing_module_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"tasks\.nothing"):
        import_closure(tmp_path, "tasks.nothing")


@pytest.mark.parametrize("stage", STAGES)
def test_closure_of_a_real_stage_holds_what_python_says_it_imports(stage: str) -> None:
    """Independent reference: the standard library's own tracer of top-level and nested imports."""
    from modulefinder import ModuleFinder

    found = set(import_closure(PROJECT, f"tasks.{stage}"))
    outside = [name for name in sys.modules if name.split(".")[0] not in ("tasks", "models", "flows", "tests")]
    finder = ModuleFinder(path=[str(PROJECT)], excludes=sorted({name.split(".")[0] for name in outside}))
    finder.run_script(str(PROJECT / "tasks" / f"{stage}.py"))
    expected = {
        Path(module.__file__).relative_to(PROJECT).as_posix()
        for module in finder.modules.values()
        if module.__file__ and Path(module.__file__).read_bytes().strip()
    }
    assert expected <= found
    assert f"tasks/{stage}.py" in found
    assert "tasks/stage.py" in found


def imports(path: Path) -> set[str]:
    """First names of everything a file imports, inside functions too."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.split(".")[0])
    return names


def test_arrows_point_one_way() -> None:
    forbidden = {
        "flows": {"models", "torch", "mediapipe", "cv2"},
        "tasks": {"flows", "prefect", "dvc"},
        "models": {"flows", "tasks", "prefect", "dvc"},
    }
    wrong = [
        f"{path.relative_to(PROJECT)} imports {name}"
        for package, names in forbidden.items()
        for path in sorted((PROJECT / package).rglob("*.py"))
        for name in sorted(imports(path) & names)
    ]
    assert not wrong


def test_importing_every_module_of_the_flows_loads_no_network_library() -> None:
    modules = [
        ".".join(path.relative_to(PROJECT).with_suffix("").parts).removesuffix(".__init__")
        for path in sorted((PROJECT / "flows").rglob("*.py"))
    ]
    code = (
        f"import importlib, sys\nfor name in {modules!r}: importlib.import_module(name)\n"
        "print([name for name in ('torch', 'mediapipe', 'cv2', 'models') if name in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_help_needs_neither_prefect_nor_dvc() -> None:
    code = "import sys, flows.cli; print([n for n in ('prefect', 'dvc', 'torch', 'numpy') if n in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
