"""A small checkout in which the subjects a and b are finished, built once and copied for every test."""

import shutil
from pathlib import Path

import pytest

from flows.bridge.planner import make_plan
from tests.flows.toy import Toy

_ADDITION = '      - {{ s }}/{{ before }}\n{%- if stage == "report" %}\n      - {{ s }}/subject.yaml\n{%- endif %}\n'


@pytest.fixture(scope="session")
def _finished_template(_toy_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("finished") / "checkout"
    shutil.copytree(_toy_template, root)
    toy = Toy(root)
    # As in the real pipeline, something depends on the record.
    template = root / "flows" / "templates" / "subject.dvc.yaml.j2"
    template.write_text(template.read_text().replace("      - {{ s }}/{{ before }}\n", _ADDITION))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ERLNET_ROOT", str(root))
        for subject in ("a", "b"):
            toy.onboard(subject)
        make_plan(root)
        toy.dvc("repro", "-q", "--all-pipelines")
    toy.forget()
    shutil.rmtree(root / "out")
    return root


@pytest.fixture
def finished(_finished_template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Toy:
    """A checkout of its own with the finished subjects a and b, which is the repository root for what is tested."""
    root = tmp_path / "checkout"
    shutil.copytree(_finished_template, root)
    monkeypatch.setenv("ERLNET_ROOT", str(root))
    return Toy(root)
