"""Export: one avatar as a single file, which animates on a machine without the subject's data.

    python -m tasks.export --subject ID --out AVATAR.erlnet [--without-head]

The file holds the trained networks, the head model and the speech encoder, the consent, and what all of it was made of.
It holds no picture and no sound of the video.  Exit status: 0 done, 1 failed, 2 bad input.
"""

import argparse
import hashlib
from pathlib import Path
from typing import Any

from tasks.artifacts import avatar as file
from tasks.artifacts.head import head_identity, head_info
from tasks.artifacts.layout import AssetFolder, SubjectFolder, repository_root
from tasks.artifacts.lock import read_lock
from tasks.artifacts.weights import read_config
from tasks.assets import read_manifest
from tasks.avatar import of_subject
from tasks.code_history import git_commit
from tasks.command_line import exit_status
from tasks.errors import BadInput, MissingInput
from tasks.params import read_profiles
from tasks.provenance import tool_version
from tasks.registry import sha256_of
from tasks.speech_encoder import encoder_path

SUFFIX = ".erlnet"


def run(folder: SubjectFolder, out: Path, without_head: bool = False) -> file.AvatarManifest:
    """Write ``out`` and return what it says of itself.

    Raises BadInput where the head model may not be passed on, the subject is not what its lock says, or ``out`` cannot
    be the name of an avatar; MissingInput or DamagedArtifact where a file is not usable.
    """
    if out.suffix != SUFFIX or not out.parent.is_dir():
        raise BadInput(f"--out {out}: give a name that ends in {SUFFIX}, in a folder that exists")
    avatar = of_subject(folder)
    for path, stage in ((avatar.adf, "adf"), (avatar.nerf, "nerf")):
        _check_locked(folder, path, stage)
    adf, nerf = read_config(avatar.adf, "the adf stage"), read_config(avatar.nerf, "the nerf stage")
    head = head_identity(avatar.head)
    if head["sha256"] != nerf["head"].get("sha256"):
        raise BadInput(
            f"{avatar.head} is not the head model that subject {folder.id!r} was trained with: "
            f"'erlnet repro {folder.id}' first"
        )
    info = head_info(avatar.head)
    free = info.get("stands_in_for") is not None
    if not free and not without_head:
        raise BadInput(
            f"the head model {head['name']!r} may not be passed on: with --without-head the avatar is exported without "
            "it, and whoever uses it needs a copy of their own"
        )
    encoder = encoder_path(adf["encoder"], AssetFolder.default())
    _check_encoder(encoder, adf["encoder"])
    members = {file.ADF: avatar.adf, file.NERF: avatar.nerf, file.ENCODER: encoder}
    if not without_head:
        members[file.HEAD] = avatar.head
    said: dict[str, Any] = {
        "record": avatar.record.model_dump(),
        "head": {**head, "included": not without_head},
        "parts": {**adf.get("parts", {}), **nerf.get("parts", {}), "speech encoder": adf["encoder"]},
        "params": read_profiles().get(avatar.record.profile, {}),
        "training": nerf.get("training", {}),
        "licences": _licences(head["name"], str(info.get("licence", "see the head model's own")), not without_head),
        "tool": f"erlnet {tool_version()}",
        "commit": git_commit(repository_root()),
    }
    return file.write_avatar(out, said, members)


def _check_locked(folder: SubjectFolder, path: Path, stage: str) -> None:
    """What is exported is what the pipeline made, not a file that somebody put there."""
    if not path.exists():
        raise MissingInput(path, f"the {stage} stage")
    lock = read_lock(folder.lock).get(stage)
    md5 = hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()
    if lock is None or md5 not in {out.md5 for out in lock.outs.values()}:
        raise BadInput(f"{path} is not what {folder.lock.name} says the {stage} stage made: 'erlnet repro {folder.id}'")


def _check_encoder(path: Path, name: str) -> None:
    known = read_manifest().fetched["moonshine"].sha256
    if not name.endswith(known):
        raise BadInput(f"the avatar speaks through {name!r}, which a file cannot hold: only Moonshine's encoder can be")
    if not path.exists() or sha256_of(path) != known:
        raise MissingInput(path, "erlnet assets fetch moonshine")


def _licences(head: str, licence: str, included: bool) -> list[dict[str, str]]:
    where = "" if included else " (not in this file)"
    return [
        {"part": f"head model {head}{where}", "licence": licence},
        {"part": "speech encoder Moonshine tiny", "licence": read_manifest().fetched["moonshine"].licence},
        {"part": "networks trained on the person's video", "licence": "use only as the consent statement allows"},
    ]


def main(argv: list[str] | None = None) -> int:
    """The command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tasks.export", description="One avatar as a single file.")
    parser.add_argument("--subject", required=True, help="id of the subject")
    parser.add_argument("--out", required=True, type=Path, help=f"the file to write, *{SUFFIX}")
    parser.add_argument("--without-head", action="store_true", help="leave the head model out")
    values = parser.parse_args(argv)

    def work() -> None:
        manifest = run(SubjectFolder.of(values.subject), values.out, values.without_head)
        size = sum(member.bytes for member in manifest.files.values()) / 1e6
        print(f"{values.out}: {', '.join(manifest.files)}, {size:.1f} MB")

    return exit_status("export", work)


if __name__ == "__main__":
    raise SystemExit(main())
