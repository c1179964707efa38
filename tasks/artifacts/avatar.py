"""``*.erlnet``: one avatar as a single file, a zip of safetensors and JSON.

    manifest.json           what it is, whose, by whose leave, made of what; length and sha256 of every other member
    adf.safetensors         audio -> motion
    nerf.safetensors        motion -> picture
    head.safetensors        the head model, unless it may not be passed on
    speech_encoder.ort      sound -> features

Such a file comes from strangers.  Members are stored, not compressed, and no other names are accepted, so that no file
can unpack to more than its own length or to another place; each is checked against its sha256 while it is copied; and
nothing in it is code or a pickle.  The only member that another library parses as a program, the speech encoder, must
be the very file that this project's own manifest lists.
"""

import hashlib
import json
import zipfile
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tasks.artifacts.atomic import atomic_path
from tasks.artifacts.subject import SubjectRecord
from tasks.errors import BadInput

FORMAT = "erlnet.avatar/1"
MANIFEST = "manifest.json"
ADF, NERF, HEAD, ENCODER = "adf.safetensors", "nerf.safetensors", "head.safetensors", "speech_encoder.ort"
REQUIRED, OPTIONAL = (ADF, NERF, ENCODER), (HEAD,)
MOST_BYTES = 2 << 30
MOST_MANIFEST = 1 << 20
_BLOCK = 1 << 20
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the same avatar gives the same file


class Member(BaseModel):
    model_config = ConfigDict(extra="forbid")
    bytes: int = Field(gt=0, le=MOST_BYTES)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")


class Licence(BaseModel):
    """A part that the avatar contains or was made with, and what its licence says."""

    model_config = ConfigDict(extra="forbid")
    part: str = Field(max_length=500)
    licence: str = Field(max_length=2000)


class AvatarManifest(BaseModel):
    """record: the subject's, with its consent.  head: identity of the head model.  parts: role -> part that filled it.

    params: the profile's, for the record.  training: of the portrait.
    """

    model_config = ConfigDict(extra="forbid")
    format: str
    record: SubjectRecord
    head: dict[str, Any]
    parts: dict[str, str]
    params: dict[str, Any]
    training: dict[str, Any]
    licences: Annotated[list[Licence], Field(max_length=100)]
    tool: str = Field(max_length=100)
    commit: str = Field(max_length=100)
    files: dict[str, Member]


def write_avatar(path: Path, manifest: dict[str, Any], members: dict[str, Path]) -> AvatarManifest:
    """Write atomically.  manifest: everything but ``format`` and ``files``; members: name -> file."""
    files = {}
    for name in (*REQUIRED, *OPTIONAL):
        if name in members:
            with members[name].open("rb") as file:
                sha256 = hashlib.file_digest(file, "sha256").hexdigest()
            files[name] = Member(bytes=members[name].stat().st_size, sha256=sha256)
    whole = AvatarManifest(format=FORMAT, files=files, **manifest)
    text = json.dumps(whole.model_dump(), indent=1, sort_keys=True).encode()
    with atomic_path(path) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr(_entry(MANIFEST), text)
        for name in files:
            with members[name].open("rb") as source, archive.open(_entry(name, files[name].bytes), "w") as target:
                while block := source.read(_BLOCK):
                    target.write(block)
    return whole


def read_manifest(path: Path) -> AvatarManifest:
    """The manifest alone, with the list of members checked against it.  Raises BadInput."""
    with _opened(path) as archive:
        return _manifest(path, archive)


def unpack_avatar(path: Path, folder: Path) -> AvatarManifest:
    """Copy the members into ``folder`` under their names, each checked on the way.  Raises BadInput."""
    with _opened(path) as archive:
        manifest = _manifest(path, archive)
        for name, member in manifest.files.items():
            digest, left = hashlib.sha256(), member.bytes
            try:
                with archive.open(name) as source, (folder / name).open("xb") as target:
                    while block := source.read(min(_BLOCK, left + 1)):
                        left -= len(block)
                        if left < 0:
                            break
                        digest.update(block)
                        target.write(block)
            except _UNREADABLE as error:
                raise _bad(path, f"{name} cannot be read ({error})") from None
            if left != 0 or digest.hexdigest() != member.sha256:
                raise _bad(path, f"{name} is not what the manifest says")
    return manifest


_UNREADABLE = (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError, ValueError, OverflowError)


def _opened(path: Path) -> zipfile.ZipFile:
    if not Path(path).is_file():
        raise BadInput(f"avatar {path} does not exist: give the path of a file that 'erlnet export' wrote")
    if Path(path).stat().st_size > MOST_BYTES:
        raise _bad(path, f"it is longer than {MOST_BYTES >> 30} GB")
    try:
        return zipfile.ZipFile(path)
    except _UNREADABLE as error:
        raise _bad(path, str(error)) from None


def _manifest(path: Path, archive: zipfile.ZipFile) -> AvatarManifest:
    entries = archive.infolist()
    names = [entry.filename for entry in entries]
    allowed = {MANIFEST, *REQUIRED, *OPTIONAL}
    for entry in entries:
        if entry.filename not in allowed:
            raise _bad(path, f"it holds {entry.filename[:80]!r}, which is no part of an avatar")
        if entry.compress_type != zipfile.ZIP_STORED or entry.file_size != entry.compress_size or entry.flag_bits & 1:
            raise _bad(path, f"{entry.filename} is compressed or encrypted")
    if len(set(names)) != len(names):
        raise _bad(path, "a member is there twice")
    missing = {MANIFEST, *REQUIRED} - set(names)
    if missing:
        raise _bad(path, f"{min(missing)} is missing")
    sizes = {entry.filename: entry.file_size for entry in entries}
    if sizes[MANIFEST] > MOST_MANIFEST:
        raise _bad(path, f"its {MANIFEST} is longer than {MOST_MANIFEST} bytes")
    try:
        data = json.loads(archive.read(MANIFEST))
        if not isinstance(data, dict) or data.get("format") != FORMAT:
            raise _bad(path, f"format is {str(data.get('format') if isinstance(data, dict) else data)[:80]!r}")
        manifest = AvatarManifest.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        raise _bad(path, f"{MANIFEST}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from None
    except (*_UNREADABLE, RecursionError) as error:
        raise _bad(path, f"{MANIFEST} cannot be read ({type(error).__name__})") from None
    del sizes[MANIFEST]
    if {name: member.bytes for name, member in manifest.files.items()} != sizes:
        raise _bad(path, "its members are not those that its manifest lists")
    return manifest


def _entry(name: str, size: int = 0) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, _EPOCH)
    entry.external_attr = 0o644 << 16
    entry.file_size = size
    return entry


def _bad(path: Path, reason: str) -> BadInput:
    return BadInput(f"{path} is not a usable avatar: {reason}; export it again with 'erlnet export'")
