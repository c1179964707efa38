"""A made-up checkout whose assets are the manifest and a head model."""

import shutil
from pathlib import Path

from tasks.artifacts.layout import AssetFolder

REPOSITORY = Path(__file__).resolve().parents[1]


def assets_with(root: Path, head: Path) -> AssetFolder:
    """``root``/data/assets with the project's manifest and ``head`` (linked) as its head model."""
    folder = AssetFolder(root / "data" / "assets")
    folder.root.mkdir(parents=True)
    shutil.copy(REPOSITORY / "data" / "assets" / "manifest.yaml", folder.manifest)
    shutil.copy(REPOSITORY / "params.yaml", root)
    folder.open_head.symlink_to(head.resolve())
    return folder
