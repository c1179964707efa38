"""An inbox that is a prefix of an S3 bucket: ``s3://bucket/prefix``.

An object appears when its upload is complete, so a pair is whole when both objects are there and have not been
replaced for a while.  Everything done to an object names the version (ETag) that was listed.  Credentials and the
address of a server that is not Amazon's come from the usual variables (AWS_ACCESS_KEY_ID, ..., AWS_ENDPOINT_URL).
"""

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any

from flows.inbox.pairs import Vanished, paired
from tasks.errors import BadInput, StageFailed

SCHEME = "s3://"
MOST_TICKET = 64 * 1024  # bytes: a ticket is a few lines
GONE = ("404", "NoSuchKey", "412", "PreconditionFailed")


class ObjectPair:
    """Two objects, as listed: ``{"Key": ..., "ETag": ..., ...}``."""

    def __init__(self, client: Any, bucket: str, video: dict[str, Any], ticket: dict[str, Any], folder: Path):
        self._client = client
        self._bucket = bucket
        self._video = video
        self._ticket = ticket
        self._folder = folder
        self.name = PurePosixPath(video["Key"]).name
        self.ticket_name = PurePosixPath(ticket["Key"]).name

    def ticket(self) -> bytes:
        if self._ticket["Size"] > MOST_TICKET:
            raise BadInput(
                f"{self.ticket_name} has {self._ticket['Size']} bytes: a ticket is a YAML file of a few lines"
            )
        with in_one_line(self._bucket):
            return bytes(self._open(self._ticket).read())

    @contextlib.contextmanager
    def video(self) -> Iterator[Path]:
        with tempfile.TemporaryDirectory(dir=self._folder) as folder:
            path = Path(folder) / self.name
            with in_one_line(self._bucket), path.open("wb") as file:
                shutil.copyfileobj(self._open(self._video), file, 1 << 20)
            if path.stat().st_size != self._video["Size"]:
                raise StageFailed(f"{self.name} arrived incomplete from {SCHEME}{self._bucket}: run again")
            yield path

    def accept(self) -> None:
        with in_one_line(self._bucket):
            for listed in (self._video, self._ticket):
                self._delete(listed)

    def set_aside(self, where: str, reason: str) -> None:
        prefix = PurePosixPath(self._video["Key"]).parent / where
        # Named after its content: where this was cut short the second time makes the same objects, not more of them.
        stem = f"{PurePosixPath(self.name).stem}-{self._video['ETag'].strip(chr(34))[:8]}"
        with in_one_line(self._bucket):
            self._client.put_object(Bucket=self._bucket, Key=f"{prefix / stem}.reason.txt", Body=f"{reason}\n".encode())
            for listed in (self._ticket, self._video):
                key = f"{prefix / stem}{PurePosixPath(listed['Key']).suffix}"
                # A managed copy: in parts where the object is larger than one request may copy.
                source = {"Bucket": self._bucket, "Key": listed["Key"]}
                self._client.copy(source, self._bucket, key)
            for listed in (self._video, self._ticket):
                self._delete(listed)

    def _open(self, listed: dict[str, Any]) -> Any:
        return self._client.get_object(Bucket=self._bucket, Key=listed["Key"], IfMatch=listed["ETag"])["Body"]

    def _delete(self, listed: dict[str, Any]) -> None:
        """Delete the version that was listed; another that came in its place stays."""
        with contextlib.suppress(Vanished), in_one_line(self._bucket):
            self._client.head_object(Bucket=self._bucket, Key=listed["Key"], IfMatch=listed["ETag"])
            self._client.delete_object(Bucket=self._bucket, Key=listed["Key"])


def bucket_pairs(url: str, quiet: float, folder: Path) -> Iterator[ObjectPair]:
    """Whole pairs directly below ``url`` that are older than ``quiet`` seconds; videos are fetched into ``folder``.

    Raises BadInput where the S3 libraries are not installed or there is no such bucket, StageFailed where it cannot be
    read.
    """
    try:
        import boto3
    except ImportError:
        raise BadInput(f"an inbox at {url} needs the S3 libraries: pip install 'erlnet[s3]'") from None
    bucket, _, prefix = url.removeprefix(SCHEME).partition("/")
    prefix = f"{prefix.strip('/')}/" if prefix.strip("/") else ""
    # What a run that was killed had fetched.
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    with in_one_line(bucket):
        client = boto3.client("s3")
        pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix, Delimiter="/")
        listed = {item["Key"]: item for page in pages for item in page.get("Contents", ())}
    for video, ticket in paired(key for key in listed if not key.endswith("/")):
        age = (datetime.now(UTC) - max(listed[video]["LastModified"], listed[ticket]["LastModified"])).total_seconds()
        if age >= quiet:
            yield ObjectPair(client, bucket, listed[video], listed[ticket], folder)


@contextlib.contextmanager
def in_one_line(bucket: str) -> Iterator[None]:
    from boto3.exceptions import Boto3Error
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except ClientError as error:
        code = str(error.response.get("Error", {}).get("Code", ""))
        if code == "NoSuchBucket":
            raise BadInput(f"there is no bucket {bucket!r}: check the setting 'inbox'") from None
        if code in GONE:
            raise Vanished from None
        raise StageFailed(f"the inbox {SCHEME}{bucket} refused: {error}") from None
    except (BotoCoreError, Boto3Error) as error:
        raise StageFailed(f"the inbox {SCHEME}{bucket} cannot be reached: {error}") from None
