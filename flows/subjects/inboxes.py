"""What the inbox holds of a person, in a folder or an S3 bucket: videos by content, tickets and reasons by name."""

import contextlib
import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any, Protocol

from flows.inbox.bucket import SCHEME, in_one_line
from flows.inbox.pairs import Vanished
from flows.settings import load_settings
from flows.subjects.traces import Person, Trace
from tasks.errors import BadInput

_TEXTS = (".yaml", ".yml", ".txt", ".json")
_MOST_TEXT = 1 << 20  # bytes; no ticket and no reason is longer
_BLOCK = 1 << 20


class _Inbox(Protocol):
    name: str

    def sizes(self) -> dict[str, int]:
        """Bytes of everything in it, by path."""

    def blocks(self, path: str) -> Iterable[bytes]: ...

    def delete(self, path: str) -> None: ...


class _Folder:
    def __init__(self, root: Path):
        self.root, self.name = root, str(root)

    def sizes(self) -> dict[str, int]:
        files = (path for path in self.root.rglob("*") if path.is_file() and path.name != ".gitignore")
        return {path.relative_to(self.root).as_posix(): path.stat().st_size for path in files}

    def blocks(self, path: str) -> Iterator[bytes]:
        with (self.root / path).open("rb") as file:
            while block := file.read(_BLOCK):
                yield block

    def delete(self, path: str) -> None:
        (self.root / path).unlink(missing_ok=True)


class _Bucket:
    def __init__(self, url: str):
        try:
            import boto3
        except ImportError:
            raise BadInput(f"an inbox at {url} needs the S3 libraries: pip install 'erlnet[s3]'") from None
        self.name = url
        self.bucket, _, prefix = url.removeprefix(SCHEME).partition("/")
        self.prefix = f"{prefix.strip('/')}/" if prefix.strip("/") else ""
        self.client: Any = boto3.client("s3")

    def sizes(self) -> dict[str, int]:
        with in_one_line(self.bucket):
            pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=self.prefix)
            return {item["Key"]: item["Size"] for page in pages for item in page.get("Contents", ())}

    def blocks(self, path: str) -> Iterator[bytes]:
        with contextlib.suppress(Vanished), in_one_line(self.bucket):
            yield from self.client.get_object(Bucket=self.bucket, Key=path)["Body"].iter_chunks(_BLOCK)

    def delete(self, path: str) -> None:
        with contextlib.suppress(Vanished), in_one_line(self.bucket):
            self.client.delete_object(Bucket=self.bucket, Key=path)


def forget(root: Path, person: Person) -> int:
    """Delete what the inbox holds of the person; returns how many files.  Raises StageFailed where it is away."""
    inbox = _open(root)
    found = _of(inbox, person)
    for path in found:
        inbox.delete(path)
    return len(found)


def search(root: Path, person: Person) -> list[Trace]:
    """What the inbox still holds of the person."""
    inbox = _open(root)
    return [Trace(f"{inbox.name}/{path}", what) for path, what in _of(inbox, person).items()]


def name(root: Path) -> str:
    return _open(root).name


def _open(root: Path) -> _Inbox:
    where = load_settings().inbox
    return _Bucket(where) if where.startswith(SCHEME) else _Folder(root / where)


def _of(inbox: _Inbox, person: Person) -> dict[str, str]:
    """Paths that are the person's, with why: the video's content, or a text that names the subject beside it."""
    sizes, named = inbox.sizes(), person.named()
    found: dict[str, str] = {}
    for path, size in sizes.items():
        if size in person.sizes and _sha256(inbox.blocks(path)) in person.sources:
            found[path] = "its video"
        elif PurePosixPath(path).suffix in _TEXTS and size <= _MOST_TEXT:
            match = named.search(b"".join(inbox.blocks(path)).decode("utf-8", errors="replace"))
            if match:
                found[path] = match.group()
    mine = {_stem(path) for path, what in found.items() if what != "its video"}
    return found | {path: "beside its ticket" for path in sizes if _stem(path) in mine and path not in found}


def _stem(path: str) -> str:
    """Video, ticket and reason of one hand-in have this in common."""
    pure = PurePosixPath(path.removesuffix(".reason.txt") + ".txt" if path.endswith(".reason.txt") else path)
    return str(pure.with_suffix(""))


def _sha256(blocks: Iterable[bytes]) -> str:
    digest = hashlib.sha256()
    for block in blocks:
        digest.update(block)
    return digest.hexdigest()
