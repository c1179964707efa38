"""One member out of an archive: checksums, damage, hostile archives, what pip says."""

import hashlib
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from tasks import registry
from tasks.errors import BadInput, StageFailed
from tasks.registry import Archive, download, sha256_of, take_member

DATA = b"weights " * 1000
DIGEST = hashlib.sha256(DATA).hexdigest()


@pytest.fixture(params=["zip", "tar.gz"])
def archive(tmp_path, request) -> Path:
    path = tmp_path / f"package.{request.param}"
    if request.param == "zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
            file.writestr("package/model.bin", DATA)
    else:
        (tmp_path / "model.bin").write_bytes(DATA)
        with tarfile.open(path, "w:gz") as file:
            file.add(tmp_path / "model.bin", "package/model.bin")
        (tmp_path / "model.bin").unlink()
    return path


def test_a_member_is_taken_whole(tmp_path, archive):
    target = tmp_path / "assets" / "model.bin"
    take_member(archive, "package/model.bin", DIGEST, len(DATA), target)
    assert target.read_bytes() == DATA
    assert sha256_of(target) == DIGEST
    assert [path.name for path in target.parent.iterdir()] == ["model.bin"]


def test_a_wrong_checksum_leaves_what_was_there(tmp_path, archive):
    target = tmp_path / "assets" / "model.bin"
    target.parent.mkdir()
    target.write_bytes(b"old")
    with pytest.raises(BadInput, match="wrong checksum") as caught:
        take_member(archive, "package/model.bin", "0" * 64, len(DATA), target)
    assert "\n" not in str(caught.value)
    assert target.read_bytes() == b"old"
    assert [path.name for path in target.parent.iterdir()] == ["model.bin"]


def test_a_member_that_is_larger_than_stated_is_not_unpacked(tmp_path, archive):
    target = tmp_path / "assets" / "model.bin"
    with pytest.raises(BadInput, match="wrong checksum"):
        take_member(archive, "package/model.bin", DIGEST, 100, target)
    assert not target.exists()


def test_missing_member_and_damaged_archive(tmp_path, archive):
    target = tmp_path / "assets" / "model.bin"
    with pytest.raises(BadInput, match="cannot be read"):
        take_member(archive, "package/other.bin", DIGEST, len(DATA), target)
    archive.write_bytes(b"not an archive")
    with pytest.raises(BadInput, match="cannot be read"):
        take_member(archive, "package/model.bin", DIGEST, len(DATA), target)
    assert list(target.parent.iterdir()) == []


def wheel(folder: Path, name: str = "erlnettestpackage") -> Path:
    path = folder / f"{name}-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr(f"{name}/model.bin", DATA)
        file.writestr(f"{name}-1.0.dist-info/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        file.writestr(f"{name}-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        file.writestr(f"{name}-1.0.dist-info/RECORD", "")
    return path


@pytest.fixture
def local_registry(tmp_path, monkeypatch) -> Path:
    """pip looks into a folder and nowhere else."""
    folder = tmp_path / "registry"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    return folder


def test_pip_checks_the_archive(tmp_path, local_registry):
    path = wheel(local_registry)
    good = Archive(package="erlnettestpackage", version="1.0", sha256=sha256_of(path), kind="wheel")
    (tmp_path / "a").mkdir()
    assert download(good, tmp_path / "a").read_bytes() == path.read_bytes()
    bad = good.model_copy(update={"sha256": "0" * 64})
    (tmp_path / "b").mkdir()
    with pytest.raises(BadInput, match=r"wrong checksum: the registry's erlnettestpackage 1\.0"):
        download(bad, tmp_path / "b")


def test_an_archive_the_registry_does_not_have(tmp_path, local_registry):
    archive = Archive(package="erlnettestpackage", version="1.0", sha256="0" * 64, kind="wheel")
    with pytest.raises(StageFailed, match="cannot be downloaded: No matching distribution"):
        download(archive, tmp_path)


def test_offline_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    for name in ("PIP_FIND_LINKS", "PIP_EXTRA_INDEX_URL", "http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY"):
        monkeypatch.delenv(name, raising=False)
    archive = Archive(package="erlnettestpackage", version="1.0", sha256="0" * 64, kind="wheel")
    with pytest.raises(StageFailed, match="connect to the network") as caught:
        download(archive, tmp_path)
    assert "\n" not in str(caught.value)


def test_pip_is_called_without_a_shell_and_with_a_platform(tmp_path, monkeypatch):
    seen = {}

    def fake(command, **options):
        seen.update(options, command=command)
        out = Path(command[command.index("--dest") + 1])
        out.mkdir()
        (out / "x.whl").write_bytes(b"x")
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(subprocess, "run", fake)
    platform = "manylinux_2_34_x86_64"
    download(Archive(package="x", version="1", sha256="0" * 64, kind="wheel", platform=platform), tmp_path)
    assert seen["command"][:4] == [sys.executable, "-m", "pip", "download"]
    assert not seen.get("shell")
    assert "--require-hashes" in seen["command"]
    assert seen["command"][seen["command"].index("--platform") + 1] == platform


def test_a_download_that_hangs_ends(tmp_path, monkeypatch):
    def slow(command, **options):
        raise subprocess.TimeoutExpired(command, options["timeout"])

    monkeypatch.setattr(registry.subprocess, "run", slow)
    with pytest.raises(StageFailed, match="did not arrive"):
        download(Archive(package="x", version="1", sha256="0" * 64, kind="sdist"), tmp_path)


@pytest.mark.parametrize(
    "wrong", [{"package": "x; rm -rf /"}, {"package": "--index-url=x"}, {"version": "1 --x"}, {"sha256": "xyz"}]
)
def test_a_manifest_cannot_smuggle_arguments(wrong):
    with pytest.raises(ValueError, match="pattern"):
        Archive(**{"package": "x", "version": "1", "sha256": "0" * 64, "kind": "wheel", **wrong})
