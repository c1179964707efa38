"""What git knows of the code: the commit of the checkout, and which commit a stage's files are of."""

import hashlib
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

from tasks.errors import StageFailed

MOST_COMMITS = 300  # looked at for one answer


def git_commit(root: Path) -> str:
    """The checkout's commit, marked where tracked files were changed; says so where there is no git."""
    try:
        commit = _text(root, "rev-parse", "HEAD")
        changed = _text(root, "status", "--porcelain", "--untracked-files=no", "--", "tasks", "models", "params.yaml")
    except (OSError, subprocess.SubprocessError):
        return "unknown (not a git checkout)"
    return f"{commit} with local changes" if changed else commit


def commits_of(root: Path, stages: Mapping[str, Mapping[str, str]]) -> dict[str, str | None]:
    """For every stage the newest commit in which each of its files has the md5 that is given for it.

    stages: name -> path -> md5.  None where no commit among the last MOST_COMMITS that touched them fits: the code was
    run before it was committed, or it is older, or this is no git checkout.
    """
    answer: dict[str, str | None] = dict.fromkeys(stages)
    files = sorted({path for wanted in stages.values() for path in wanted})
    if not files or not run_git(root, ["rev-list", "--all", "--max-count=1"]):
        return answer  # no git, or no commit yet
    known: dict[str, str] = {}  # blob -> md5
    commits = _text(root, "log", f"--max-count={MOST_COMMITS}", "--format=%H", "--", *files).split()
    for commit in commits:
        listed = run_git(root, ["ls-tree", "-r", "-z", commit, "--", *files]).decode(errors="replace").split("\0")
        entries = [entry.split("\t", 1) for entry in listed if entry]
        blobs = {path: head.split()[2] for head, path in entries}
        unknown = sorted({blob for blob in blobs.values() if blob not in known})
        known.update((sha, _md5(content)) for sha, content in read_blobs(root, unknown))
        there = {path: known[blob] for path, blob in blobs.items()}
        for name, wanted in stages.items():
            if answer[name] is None and wanted and all(there.get(path) == md5 for path, md5 in wanted.items()):
                answer[name] = commit
        if None not in answer.values():
            break
    return answer


def past_locks(root: Path, *folders: str) -> Iterator[tuple[str, bytes]]:
    """Path and text of every version of a lock or ``.dvc`` file in git's history, below ``folders`` if any is given."""
    for path, content in past_files(root, *folders):
        if path.endswith((".dvc", "/dvc.lock")) or path == "dvc.lock":
            yield path, content


def past_files(root: Path, *folders: str) -> Iterator[tuple[str, bytes]]:
    """Path and content of every version of every text file of any branch, below ``folders`` if any is given."""
    listed = run_git(root, ["rev-list", "--all", "--objects", "--", *folders]).decode(errors="replace")
    paths = dict(line.split(" ", 1) for line in listed.splitlines() if " " in line)
    for sha, content in read_blobs(root, [sha for sha, path in paths.items() if _is_text(path)]):
        yield paths[sha], content


def _is_text(path: str) -> bool:
    """Files that this project keeps below data/subjects in git; code is not wanted and would be much."""
    return path.endswith((".dvc", ".yaml", "dvc.lock"))


def read_blobs(root: Path, blobs: list[str]) -> Iterator[tuple[str, bytes]]:
    """The contents of git's blobs, by their names."""
    rest = run_git(root, ["cat-file", "--batch"], "\n".join([*blobs, ""]).encode()) if blobs else b""
    while rest:
        header, _, rest = rest.partition(b"\n")
        sha, kind, size = header.split()
        if kind == b"blob":
            yield sha.decode(), rest[: int(size)]
        rest = rest[int(size) + 1 :]


def run_git(root: Path, arguments: list[str], given: bytes = b"") -> bytes:
    """Output of git; empty where the checkout is no git repository.  Raises StageFailed with git's last line."""
    if not (root / ".git").exists():
        return b""
    result = subprocess.run(["git", *arguments], cwd=root, input=given, capture_output=True, check=False)
    if result.returncode != 0:
        lines = result.stderr.decode(errors="replace").strip().splitlines()
        raise StageFailed(f"git {arguments[0]} failed: {lines[-1] if lines else result.returncode}")
    return result.stdout


def _text(root: Path, *arguments: str) -> str:
    done = subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, text=True, check=True, timeout=60)
    return done.stdout.strip()


def _md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()
