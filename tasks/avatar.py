"""What animating needs, wherever it lies: a subject of this checkout, or an avatar in a single file."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tasks.artifacts import avatar as file
from tasks.artifacts.layout import AssetFolder, SubjectFolder
from tasks.artifacts.subject import SubjectRecord, read_subject
from tasks.assets import read_manifest
from tasks.errors import BadInput, DamagedArtifact


@dataclass(frozen=True)
class Avatar:
    """Whose it is, and the files: the two networks, the head model, the speech encoder.  exported: whether they come
    out of a single file, beside which there is nothing of the recording."""

    record: SubjectRecord
    adf: Path
    nerf: Path
    head: Path
    encoder: Path | None
    exported: bool = False


def of_subject(folder: SubjectFolder) -> Avatar:
    """The avatar of a subject of this checkout.  Raises BadInput where there is none or it is quarantined."""
    if not folder.record.is_file():
        raise BadInput(f"no subject {folder.id!r}: 'erlnet status' lists subjects")
    record = read_subject(folder.record)
    if record.status == "quarantined":
        raise BadInput(f"subject {folder.id!r} is quarantined: {'; '.join(record.reasons) or 'no reason recorded'}")
    assets = AssetFolder.default()
    return Avatar(record, folder.adf, folder.nerf, assets.open_head, None)


@contextmanager
def unpacked(path: Path) -> Iterator[Avatar]:
    """The avatar in the file ``path``, unpacked for as long as the block runs.

    Raises BadInput; also for a DamagedArtifact of the block that is a part of the file, as of another version's format:
    its checksum is that of the export, and no stage here makes it again.
    A head model that the file may not hold is the one of this checkout's ``data/assets``; that it is the same one is
    checked when the portrait is loaded.
    """
    known = read_manifest().fetched["moonshine"].sha256
    with tempfile.TemporaryDirectory(prefix="erlnet-avatar-") as place:
        folder = Path(place)
        manifest = file.unpack_avatar(path, folder)
        if manifest.files[file.ENCODER].sha256 != known:
            raise BadInput(
                f"{path}: its speech encoder is not the one that this version of erlnet knows: use the version that "
                f"exported it ({manifest.tool})"
            )
        head = folder / file.HEAD
        if file.HEAD not in manifest.files:
            head = AssetFolder.default().open_head
            if not head.is_file():
                raise BadInput(
                    f"{path} holds no head model, because {manifest.head.get('name')!r} may not be passed on: get it "
                    f"yourself ('erlnet doctor' says where) and build {head}"
                )
        try:
            yield Avatar(
                manifest.record, folder / file.ADF, folder / file.NERF, head, folder / file.ENCODER, exported=True
            )
        except DamagedArtifact as error:
            if error.path.parent != folder:
                raise
            raise BadInput(
                f"{path}: its {error.path.name} cannot be used by this version of erlnet ({error.reason}): use the "
                f"version that exported it ({manifest.tool}), or export it again with this one"
            ) from None
