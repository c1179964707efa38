"""The shared branch: the subjects' records, pipelines and locks, as every machine of the fleet last left them.

Only ``data/subjects`` travels.  Code does not, so that no stage's code changes under it while it runs; the branch grows
from the commit it was started at, and can be merged into any other like any branch.  Nothing of a worker's own
checkout moves but files below ``data/subjects``: neither HEAD, nor the index, nor a file that was changed here only.
"""

import contextlib
import fcntl
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from flows.remote.merge import merge_locks
from tasks.artifacts.atomic import atomic_path
from tasks.artifacts.layout import check_subject_id
from tasks.errors import BadInput, StageFailed, TaskError

SUBJECTS = "data/subjects"
TIP = "refs/erlnet/tip"  # the branch as last fetched
RECEIVED = "refs/erlnet/received"  # the commit whose subjects are in this checkout
TRIES = 20  # others may push between our fetch and our push, but each time one of them gets on
GIT_TIMEOUT = 600.0  # seconds
LAST = "subject.yaml"  # written last: a folder counts as a subject when it has this

Tree = dict[str, str]  # path from the root -> blob


class Branch:
    """The branch ``name`` of git remote ``remote``, seen from the checkout at ``root``."""

    def __init__(self, root: Path, remote: str, name: str):
        self.root = root
        self._remote = remote
        self._name = name

    def receive(self) -> list[str]:
        """Bring what others sent into ``data/subjects``; returns the ids of the subjects that changed there.

        A file changed by them alone is taken, one changed here alone is kept.  Of a lock changed on both sides every
        stage is taken from the side that changed it, of any other file theirs, but for ``subject.yaml``.
        Raises BadInput where a ``subject.yaml`` was changed on both sides, StageFailed where git fails.
        """
        with self._alone():
            return self._receive()

    def send(self, subject: str, message: str) -> None:
        """Commit the folder of ``subject`` as it is (also: that it is gone) on top of the branch, and push it.

        Raises as ``receive``, and StageFailed where the branch cannot be pushed.
        """
        check_subject_id(subject)
        with self._alone():
            complaint = ""
            for _ in range(TRIES):
                self._receive()
                tip = self._commit(TIP)
                parent = tip or self._git("rev-parse", "HEAD")
                tree = self._tree_with(parent, subject)
                if tip and tree == self._git("rev-parse", f"{tip}^{{tree}}"):
                    return
                new = self._git("commit-tree", tree, "-p", parent, "-m", message, identity=True)
                result = self._try("push", "--quiet", self._remote, f"{new}:refs/heads/{self._name}")
                if result.returncode == 0:
                    for ref in (TIP, RECEIVED):
                        self._git("update-ref", ref, new)
                    return
                complaint = _last_line(result.stderr)
                if not any(word in result.stderr for word in ("rejected", "cannot lock ref", "failed to update ref")):
                    break
            raise StageFailed(f"git could not push branch {self._name!r} to {self._remote!r}: {complaint}")

    def unsent(self) -> list[str]:
        """Ids of the subjects whose folder differs from what was received or sent last."""
        with self._alone(), self._index() as index:
            base = self._commit(RECEIVED) or self._git("rev-parse", "HEAD")
            self._git("read-tree", base, index=index)
            self._add(SUBJECTS, index)
            changed = self._git("diff-index", "--cached", "--name-only", "-z", base, "--", SUBJECTS, index=index)
        return sorted({path.split("/")[2] for path in changed.split("\0") if path.count("/") > 2})

    def _receive(self) -> list[str]:
        self._fetch()
        tip = self._commit(TIP)
        old = self._commit(RECEIVED)
        if tip is None or tip == old:
            return []
        before, after = self._folders(old), self._folders(tip)
        changed = [name for name in sorted(before.keys() | after.keys()) if before.get(name) != after.get(name)]
        conflicts = [path for name in changed for path in self._take(name, old, tip)]
        if conflicts:
            raise BadInput(
                f"{conflicts[0]} was changed here and on another machine: compare with "
                f"'git diff {TIP} -- {conflicts[0]}', make them equal, and run again"
            )
        self._git("update-ref", RECEIVED, tip)
        return changed

    def _take(self, subject: str, old: str | None, tip: str) -> Iterator[str]:
        """Bring one folder up to ``tip``; yields the paths that only a person can decide on."""
        folder = f"{SUBJECTS}/{subject}"
        base, theirs = self._files(old, folder), self._files(tip, folder)
        if base and not theirs:  # removed by another machine: what DVC keeps in the folder goes as well
            shutil.rmtree(self.root / folder, ignore_errors=True)
            return
        for path in sorted(base.keys() | theirs.keys(), key=lambda path: (path.endswith(f"/{LAST}"), path)):
            was, their = base.get(path), theirs.get(path)
            ours = self._hash(path)
            if was == their or ours == their:
                continue
            if ours == was or not path.endswith((f"/{LAST}", "/dvc.lock")) or None in (ours, their):
                self._write(path, their)
            elif path.endswith("/dvc.lock"):
                merged = merge_locks(self._blob(was), (self.root / path).read_bytes(), self._blob(their))
                _replace(self.root / path, merged)
            else:
                yield path

    def _write(self, path: str, blob: str | None) -> None:
        target = self.root / path
        if blob is None:
            target.unlink(missing_ok=True)
        else:
            _replace(target, self._blob(blob))

    def _folders(self, commit: str | None) -> Tree:
        return {Path(path).name: tree for path, tree in self._list(commit, f"{SUBJECTS}/", "tree").items()}

    def _files(self, commit: str | None, folder: str) -> Tree:
        return self._list(commit, folder, "blob")

    def _list(self, commit: str | None, path: str, kind: str) -> Tree:
        if commit is None:
            return {}
        recursive = ["-r"] if kind == "blob" else []
        entries = [line.partition("\t") for line in self._git("ls-tree", "-z", *recursive, commit, path).split("\0")]
        return {name: about.split()[2] for about, _, name in entries if name and about.split()[1] == kind}

    def _hash(self, path: str) -> str | None:
        return self._git("hash-object", "--", path) if (self.root / path).is_file() else None

    def _blob(self, blob: str | None) -> bytes:
        if blob is None:
            return b""
        command = ["git", "cat-file", "blob", blob]
        return subprocess.run(command, cwd=self.root, capture_output=True, check=True, timeout=GIT_TIMEOUT).stdout

    def _fetch(self) -> None:
        result = self._try("fetch", "--quiet", "--no-tags", self._remote, f"+refs/heads/{self._name}:{TIP}")
        if result.returncode != 0 and "couldn't find remote ref" not in result.stderr:  # nobody has sent anything yet
            raise StageFailed(f"git could not fetch branch {self._name!r} of {self._remote!r}: "
                              f"{_last_line(result.stderr)}")  # fmt: skip

    def _tree_with(self, parent: str, subject: str) -> str:
        """The tree of ``parent`` with the folder of ``subject`` as it is in this checkout."""
        with self._index() as index:
            self._git("read-tree", parent, index=index)
            self._add(f"{SUBJECTS}/{subject}", index)
            return self._git("write-tree", index=index)

    def _add(self, path: str, index: str) -> None:
        if (self.root / path).exists():
            self._git("add", "--all", "--", path, index=index)
        else:
            self._git("rm", "-r", "--cached", "--quiet", "--ignore-unmatch", "--", path, index=index)

    def _commit(self, ref: str) -> str | None:
        result = self._try("rev-parse", "--verify", "--quiet", ref)
        return result.stdout.strip() if result.returncode == 0 else None

    def _git(self, *arguments: str, index: str | None = None, identity: bool = False) -> str:
        result = self._try(*arguments, index=index, identity=identity)
        if result.returncode != 0:
            raise StageFailed(f"git {arguments[0]} failed: {_last_line(result.stderr)}")
        return result.stdout.strip("\n")

    def _try(
        self, *arguments: str, index: str | None = None, identity: bool = False
    ) -> "subprocess.CompletedProcess[str]":
        # Nobody is there to type a password; what a name means must not depend on the user's language.
        environment = {**os.environ, "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}
        if index:
            environment["GIT_INDEX_FILE"] = index
        if identity:
            for role in ("AUTHOR", "COMMITTER"):
                environment.setdefault(f"GIT_{role}_NAME", "erlnet")
                environment.setdefault(f"GIT_{role}_EMAIL", f"erlnet@{os.uname().nodename}")
        try:
            return subprocess.run(
                ["git", *arguments],
                cwd=self.root, env=environment, capture_output=True, text=True, check=False, timeout=GIT_TIMEOUT,
                stdin=subprocess.DEVNULL,
            )  # fmt: skip
        except FileNotFoundError:
            raise TaskError("git is not installed: sharing between machines needs it") from None
        except subprocess.TimeoutExpired:
            raise StageFailed(f"git {arguments[0]} did not end within {GIT_TIMEOUT:g} s") from None

    @contextlib.contextmanager
    def _index(self) -> Iterator[str]:
        """An index of our own: the user's is left alone."""
        with tempfile.TemporaryDirectory(prefix="erlnet-index-") as folder:
            yield str(Path(folder) / "index")

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """One at a time in this checkout, threads and processes; the lock ends with its holder."""
        path = self.root / ".dvc" / "tmp" / "erlnet" / "branch.lock"
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


def _replace(path: Path, data: bytes) -> None:
    with atomic_path(path) as temporary:
        temporary.write_bytes(data)


def _last_line(text: str) -> str:
    lines = [line for line in text.strip().splitlines() if line.strip() and not line.startswith("hint:")]
    return lines[-1].strip() if lines else "without a word"
