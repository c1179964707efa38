"""The subject's pipeline file: what it says, and that it says all a stage uses."""

import ast
from pathlib import Path

import pytest
import yaml

from flows.closure import import_closure
from flows.pipeline import CHOSEN, GITIGNORE, STAGES, PipelineWriter
from tasks.artifacts.layout import AssetFolder, SubjectFolder
from tests.flows.toy import Toy

PROJECT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def stages() -> dict[str, dict]:
    return yaml.safe_load(PipelineWriter(PROJECT).render("someone", "demo"))["stages"]


def paths(entries: list) -> set[str]:
    return {entry if isinstance(entry, str) else next(iter(entry)) for entry in entries}


def outputs(stage: dict) -> set[str]:
    return paths([*stage["outs"], *stage.get("metrics", []), *stage.get("plots", [])])


def test_the_stages_and_their_commands(stages: dict[str, dict]) -> None:
    assert tuple(stages) == STAGES
    for name, stage in stages.items():
        assert stage["cmd"] == f"python -m tasks.{name} --subject someone --profile demo"
        assert stage["wdir"] == "../../.."
        assert stage["params"][0]["params.yaml"][0] == f"profiles.demo.{name}"


def test_a_parameter_called_size_is_listed_by_its_own_name(stages: dict[str, dict]) -> None:
    assert stages["crop"]["params"][0]["params.yaml"] == ["profiles.demo.crop", "profiles.demo.crop.size"]


@pytest.mark.parametrize("name", STAGES)
def test_a_stage_depends_on_its_code_and_on_every_file_its_module_names(stages: dict[str, dict], name: str) -> None:
    """``folder.flame`` or ``AssetFolder.default().lpips`` in a module: that file is a dependency or an output."""
    deps, outs = paths(stages[name]["deps"]), outputs(stages[name])
    assert set(import_closure(PROJECT, f"tasks.{name}")) <= deps
    used = set()
    tree = ast.parse((PROJECT / "tasks" / f"{name}.py").read_text())
    folder, assets = SubjectFolder(Path("data/subjects/someone")), AssetFolder(Path("data/assets"))
    for node in ast.walk(tree):
        if not isinstance(node, ast.Attribute):
            continue
        owner = ast.unparse(node.value)
        if owner in ("folder", "self.folder", "subject", "self._folder") and isinstance(
            getattr(SubjectFolder, node.attr, None), property
        ):
            used.add(getattr(folder, node.attr).as_posix() if node.attr not in ("id",) else "")
        elif "asset" in owner.lower() and isinstance(getattr(AssetFolder, node.attr, None), property):
            used.add(getattr(assets, node.attr).as_posix())
    outside = (folder.runs, folder.nerf_preview, folder.checkpoints, folder.pipeline)
    private = {"", *(path.as_posix() for path in outside)}
    optional = {path.as_posix() for (stage, _, _), path in CHOSEN.items() if stage == name}
    lacking = used - private - deps - outs - optional
    assert not lacking


@pytest.mark.parametrize(("stage", "key", "value"), CHOSEN)
def test_an_asset_that_a_parameter_chooses_is_a_dependency_only_then(
    tmp_path: Path, stages: dict[str, dict], stage: str, key: str, value: str
) -> None:
    asset = CHOSEN[stage, key, value].as_posix()
    assert asset not in paths(stages[stage]["deps"])
    for name in ("flows", "tasks", "models"):
        (tmp_path / name).symlink_to(PROJECT / name)
    profiles = yaml.safe_load((PROJECT / "params.yaml").read_text())
    profiles["profiles"]["demo"][stage][key] = value
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(profiles))
    chosen = yaml.safe_load(PipelineWriter(tmp_path).render("someone", "demo"))["stages"]
    assert asset in paths(chosen[stage]["deps"])
    assert {name for name in chosen if asset in paths(chosen[name]["deps"])} == {stage}


def test_what_a_stage_reads_is_made_by_an_earlier_one(stages: dict[str, dict]) -> None:
    made = {"data/subjects/someone/source.video", "data/subjects/someone/subject.yaml"}
    for stage in stages.values():
        assert {dep for dep in paths(stage["deps"]) if dep.startswith("data/subjects/")} <= made
        made |= outputs(stage)


def test_every_cached_output_is_ignored_by_git_and_no_metric_is(stages: dict[str, dict]) -> None:
    ignored = {line.strip("/") for line in GITIGNORE.split()}
    cached, kept = set(), set()
    for stage in stages.values():
        cached |= {Path(path).name for path in paths([*stage["outs"], *stage.get("plots", [])])}
        for metric in stage.get("metrics", []):
            ((path, options),) = metric.items()
            assert options == {"cache": False}
            kept.add(Path(path).name)
    assert cached <= ignored
    assert not kept & ignored
    assert {"source.video", "runs", "checkpoints"} <= ignored


def test_dvc_accepts_it(toy: Toy) -> None:
    from dvc.schema import COMPILED_MULTI_STAGE_SCHEMA

    COMPILED_MULTI_STAGE_SCHEMA(yaml.safe_load(PipelineWriter(PROJECT).render("some-one_2", "gpu")))


def test_it_is_written_only_where_it_differs(toy: Toy) -> None:
    toy.onboard("a")
    writer, folder = PipelineWriter(toy.root), SubjectFolder.of("a", toy.root)
    before = folder.pipeline.stat()
    assert writer.write(folder) is False
    assert writer.changed_stages(folder) == []
    after = folder.pipeline.stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)
    folder.pipeline.write_text(folder.pipeline.read_text().replace("cmd: python -m tasks.track", "cmd: true"))
    assert writer.changed_stages(folder) == ["track"]
    assert writer.write(folder) is True
    assert PipelineWriter(toy.root).changed_stages(folder) == []
