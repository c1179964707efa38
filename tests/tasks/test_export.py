"""Export and the way back: what is refused, what the file says, and that a stranger's encoder is not loaded."""

import hashlib
import json
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from toy_head import toy_head

from tasks import avatar, export
from tasks.artifacts import avatar as file
from tasks.artifacts.head import head_identity, write_head
from tasks.artifacts.layout import AssetFolder, SubjectFolder
from tasks.artifacts.nerf import read_nerf
from tasks.artifacts.subject import Consent, Source, SubjectRecord, read_subject, write_subject
from tasks.artifacts.weights import write_weights
from tasks.assets import read_manifest
from tasks.errors import BadInput, DamagedArtifact, MissingInput

PROJECT = Path(__file__).resolve().parents[2]
FREE = {"name": "open head", "stands_in_for": "FLAME", "licence": "CC0"}
OFFICIAL = {"name": "flame2020", "licence": "non-commercial"}


@pytest.fixture
def folder(tmp_path: Path, moonshine_path: Path, monkeypatch: pytest.MonkeyPatch) -> SubjectFolder:
    """A checkout whose subject has files of the right form; nothing in them was trained."""
    root = tmp_path / "checkout"
    assets = AssetFolder(root / "data" / "assets")
    assets.root.mkdir(parents=True)
    shutil.copy(PROJECT / "data" / "assets" / "manifest.yaml", assets.root)
    shutil.copy(moonshine_path, assets.moonshine)
    shutil.copy(PROJECT / "params.yaml", root)
    monkeypatch.setenv("ERLNET_ROOT", str(root))
    made = SubjectFolder.of("anna", root)
    source = Source(name="a.mp4", sha256="0" * 64, bytes=1)
    consent = Consent(statement="she signed", recorded="2026-03-01T00:00:00+00:00")
    write_subject(made.record, SubjectRecord(id="anna", source=source, consent=consent, profile="demo"))
    use_head(made, FREE)
    return made


def use_head(folder: SubjectFolder, info: dict[str, str], encoder: str = "moonshine tiny-en encoder {sha256}") -> None:
    assets = AssetFolder.default()
    write_head(assets.open_head, toy_head(), info)
    head = head_identity(assets.open_head)
    name = encoder.format(sha256=read_manifest().fetched["moonshine"].sha256)
    weights = {"x": torch.from_numpy(np.arange(4, dtype=np.float32))}
    write_weights(folder.adf, weights, {"format": "erlnet.adf/1", "head": head, "encoder": name, "parts": {"a": "b"}})
    nerf = {"format": "erlnet.nerf/3", "head": head, "parts": {"portrait": "DBF-NeRF"}, "training": {"steps": 3}}
    write_weights(folder.nerf, weights, nerf)
    stages = {}
    for stage, path in (("adf", folder.adf), ("nerf", folder.nerf)):
        md5 = hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()
        stages[stage] = {"cmd": stage, "outs": [{"path": path.name, "md5": md5, "size": path.stat().st_size}]}
    folder.lock.write_text(yaml.safe_dump({"schema": "2.0", "stages": stages}))


def test_the_file_holds_what_animating_needs_and_says_what_it_is(folder: SubjectFolder, tmp_path: Path) -> None:
    out = tmp_path / "anna.erlnet"
    assert export.main(["--subject", "anna", "--out", str(out)]) == 0
    manifest = file.read_manifest(out)
    assert set(manifest.files) == {file.ADF, file.NERF, file.HEAD, file.ENCODER}
    assert manifest.record == read_subject(folder.record)
    assert manifest.parts["portrait"] == "DBF-NeRF"
    assert manifest.params["nerf"] == {"steps": 1800}
    assert {"open head", "Moonshine"} <= {word for item in manifest.licences for word in _names(item.part)}
    with avatar.unpacked(out) as found:
        assert found.record.consent.statement == "she signed"
        assert found.adf.read_bytes() == folder.adf.read_bytes()
        assert head_identity(found.head) == head_identity(AssetFolder.default().open_head)
        assert found.encoder.read_bytes() == AssetFolder.default().moonshine.read_bytes()
        place = found.adf.parent
    assert not place.exists()


def _names(text: str) -> list[str]:
    return [name for name in ("open head", "Moonshine") if name in text]


def test_an_official_head_is_not_passed_on(folder: SubjectFolder, tmp_path: Path) -> None:
    use_head(folder, OFFICIAL)
    out = tmp_path / "anna.erlnet"
    with pytest.raises(BadInput, match="'flame2020' may not be passed on: with --without-head"):
        export.run(folder, out)
    assert not out.exists()
    manifest = export.run(folder, out, without_head=True)
    assert file.HEAD not in manifest.files
    assert "flame2020 (not in this file)" in manifest.licences[0].part
    with avatar.unpacked(out) as found:
        assert found.head == AssetFolder.default().open_head  # the user's own copy
    AssetFolder.default().open_head.unlink()
    with pytest.raises(BadInput, match="holds no head model, because 'flame2020' may not"), avatar.unpacked(out):
        pass


def test_refusals(folder: SubjectFolder, tmp_path: Path) -> None:
    out = tmp_path / "anna.erlnet"
    for path, message in [(tmp_path / "anna.zip", "ends in .erlnet"), (tmp_path / "no" / "a.erlnet", "exists")]:
        with pytest.raises(BadInput, match=message):
            export.run(folder, path)
    use_head(folder, FREE, "wav2vec2 base")
    with pytest.raises(BadInput, match="'wav2vec2 base', which a file cannot hold"):
        export.run(folder, out)
    use_head(folder, FREE)
    write_weights(folder.nerf, {"x": torch.zeros(1)}, {"format": "erlnet.nerf/3"})
    with pytest.raises(BadInput, match=r"nerf\.safetensors is not what dvc\.lock says the nerf stage made"):
        export.run(folder, out)
    folder.adf.unlink()
    with pytest.raises(MissingInput, match="made by the adf stage"):
        export.run(folder, out)
    record = read_subject(folder.record)
    write_subject(folder.record, record.model_copy(update={"status": "quarantined", "reasons": ["no consent"]}))
    with pytest.raises(BadInput, match="is quarantined: no consent"):
        export.run(folder, out)
    assert not out.exists()


def test_a_part_of_another_versions_format_is_said_of_the_file(folder: SubjectFolder, tmp_path: Path) -> None:
    out = tmp_path / "anna.erlnet"
    export.run(folder, out)
    said = r"anna\.erlnet: its nerf\.safetensors cannot be used .*'erlnet.nerf/0'.*: use the version that exported it"
    with pytest.raises(BadInput, match=said), avatar.unpacked(out) as found:
        write_weights(found.nerf, {"x": torch.zeros(1)}, {"format": "erlnet.nerf/0"})
        read_nerf(found.nerf)
    with pytest.raises(DamagedArtifact, match="elsewhere"), avatar.unpacked(out):
        raise DamagedArtifact(tmp_path / "elsewhere.json", "it is empty")


def test_an_encoder_of_somebody_elses_is_not_loaded(folder: SubjectFolder, tmp_path: Path) -> None:
    out = tmp_path / "anna.erlnet"
    export.run(folder, out)
    hostile = tmp_path / "hostile.erlnet"
    evil = b"a program of sorts"
    with zipfile.ZipFile(out) as old, zipfile.ZipFile(hostile, "w") as new:
        manifest = json.loads(old.read(file.MANIFEST))
        manifest["files"][file.ENCODER] = {"bytes": len(evil), "sha256": hashlib.sha256(evil).hexdigest()}
        new.writestr(file.MANIFEST, json.dumps(manifest))
        for name in manifest["files"]:
            new.writestr(name, evil if name == file.ENCODER else old.read(name))
    with pytest.raises(BadInput, match="its speech encoder is not the one"), avatar.unpacked(hostile):
        pass
