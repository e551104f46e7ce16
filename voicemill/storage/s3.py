"""A prefix of an S3 bucket as a store (boto3; any server that speaks S3)."""

# boto3 and botocore come without types.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from voicemill.core import files as atomic_files
from voicemill.core.digests import file_digest
from voicemill.core.errors import InputError, TryAgain, Unavailable
from voicemill.storage import multipart
from voicemill.storage.store import Conflict, Entry, Trace

if TYPE_CHECKING:
    from botocore.client import BaseClient

_DIGEST = "sha256"
_AWAY = {"InternalError", "ServiceUnavailable", "SlowDown", "RequestTimeout", "500", "502", "503", "504"}
_REFUSED = {
    *("403", "AccessDenied", "AllAccessDisabled", "AccountProblem", "Forbidden"),
    *("InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken", "RequestTimeTooSkewed"),
}
_ABSENT = {"404", "NoSuchKey", "NoSuchUpload", "NoSuchVersion", "NotFound"}
_AT_ONCE = 1000
"""Objects that one request may delete."""
_CONFLICT = {"PreconditionFailed", "ConditionalRequestConflict", "412", "409"}


@cache
def client(endpoint: str | None = None) -> BaseClient:
    """Return the S3 client, configured by boto3's usual means (environment, files, workload identity).

    Args:
        endpoint: Address of a server that is not Amazon's; by default `$S3_ENDPOINT`, else `$AWS_ENDPOINT_URL`.
    """
    import boto3
    from botocore.config import Config

    endpoint = endpoint or os.environ.get("S3_ENDPOINT") or None
    elsewhere = bool(endpoint or os.environ.get("AWS_ENDPOINT_URL") or os.environ.get("AWS_ENDPOINT_URL_S3"))
    config = Config(
        signature_version="s3v4",
        retries={"mode": "standard", "max_attempts": int(os.environ.get("AWS_MAX_ATTEMPTS", "6"))},
        connect_timeout=10,
        # Servers other than Amazon's rarely have a wildcard certificate or name for every bucket.
        s3={"addressing_style": "path" if elsewhere else "auto"},
    )
    region = (
        os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or ("us-east-1" if elsewhere else None)
    )
    # A session of its own: the default one keeps the credentials that it found first.
    session: Any = boto3.Session()
    return session.client("s3", endpoint_url=endpoint, config=config, region_name=region)


class S3Store:
    """Objects below `s3://bucket/prefix`. The SHA-256 of an uploaded file is kept as its metadata, so that a file that
    is there already is not sent again. Large files go in parts; where the key holds that digest, so that it can only
    mean this content, a transfer that was broken off is gone on with.
    """

    def __init__(self, bucket: str, prefix: str = "", *, endpoint: str | None = None) -> None:
        self.bucket = bucket
        self.prefix = prefix.strip("/") + "/" if prefix.strip("/") else ""
        self._client: Any = client(endpoint)

    def list(self, prefix: str = "") -> Iterator[Entry]:
        with self._errors(prefix):
            pages = self._client.get_paginator("list_objects_v2")
            for page in pages.paginate(Bucket=self.bucket, Prefix=self.prefix + prefix):
                for found in page.get("Contents", []):
                    key = found["Key"].removeprefix(self.prefix)
                    if key and not key.endswith("/"):
                        yield Entry(key, found["Size"], found["ETag"].strip('"'))

    def folders(self, prefix: str = "") -> Iterator[str]:
        with self._errors(prefix):
            pages = self._client.get_paginator("list_objects_v2")
            for page in pages.paginate(Bucket=self.bucket, Prefix=self.prefix + prefix, Delimiter="/"):
                for found in page.get("CommonPrefixes", []):
                    yield found["Prefix"].rstrip("/").rpartition("/")[2]

    def find(self, key: str) -> Entry | None:
        head = self._head(key)
        return Entry(key, head["ContentLength"], head["ETag"].strip('"')) if head else None

    def download(self, key: str, target: Path) -> None:
        with self._errors(key), atomic_files.atomic(target, is_folder=False) as partial:
            self._client.download_file(self.bucket, self.prefix + key, str(partial))

    def upload(self, source: Path, key: str, sent: Callable[[int], None] = lambda count: None) -> bool:
        """As `Store.upload`; `sent` is told the bytes of each part that has arrived."""
        digest, size = file_digest(source), source.stat().st_size
        if self.holds(key, digest, size):
            return False
        metadata = {_DIGEST: digest}
        try:
            with self._errors(key):
                if size > multipart.PART_BYTES:
                    place = (self.bucket, self.prefix + key)
                    multipart.send(self._client, *place, source, metadata, sent, go_on=digest in key)
                else:
                    with source.open("rb") as file:
                        self._client.put_object(Bucket=self.bucket, Key=self.prefix + key, Body=file, Metadata=metadata)
                    sent(size)
        except _Absent:
            # Of two who send the same content at once, one finishes the upload that the other was about to.
            if not self.holds(key, digest, size):
                raise
        return True

    def holds(self, key: str, digest: str, size: int) -> bool:
        """Return whether an object is there and was uploaded with this content."""
        head = self._head(key)
        return bool(head and head["Metadata"].get(_DIGEST) == digest and head["ContentLength"] == size)

    def copy(self, key: str, target: str) -> None:
        """Copy an object within the bucket, without its content coming here; its metadata goes along."""
        with self._errors(key):
            source = {"Bucket": self.bucket, "Key": self.prefix + key}
            self._client.copy(source, self.bucket, self.prefix + target)

    def read(self, key: str) -> tuple[bytes, str]:
        with self._errors(key):
            found = self._client.get_object(Bucket=self.bucket, Key=self.prefix + key)
            return found["Body"].read(), found["ETag"].strip('"')

    def write(self, key: str, data: bytes, *, replaces: str | None = None, only_if_absent: bool = False) -> str:
        condition = {"IfNoneMatch": "*"} if only_if_absent else {"IfMatch": f'"{replaces}"'} if replaces else {}
        with self._errors(key):
            done = self._client.put_object(Bucket=self.bucket, Key=self.prefix + key, Body=data, **condition)
        return done["ETag"].strip('"')

    def delete(self, key: str) -> None:
        with self._errors(key):
            self._client.delete_object(Bucket=self.bucket, Key=self.prefix + key)

    def traces(self, prefix: str = "") -> Iterator[Trace]:
        where = {"Bucket": self.bucket, "Prefix": self.prefix + prefix}
        with self._errors(prefix):
            for page in self._client.get_paginator("list_object_versions").paginate(**where):
                found = [(each, False) for each in page.get("Versions", [])]
                found += [(each, True) for each in page.get("DeleteMarkers", [])]
                for each, hidden in sorted(found, key=lambda pair: pair[0]["Key"]):
                    kind = "delete marker" if hidden else "object" if each["IsLatest"] else "earlier version"
                    yield self._trace(each, kind, each.get("Size", 0), each["LastModified"], each["VersionId"])
            for page in self._client.get_paginator("list_multipart_uploads").paginate(**where):
                for each in page.get("Uploads", []):
                    yield self._trace(each, "unfinished upload", 0, each["Initiated"], each["UploadId"])

    def _trace(self, found: Any, kind: Any, size: int, modified: datetime, version: str) -> Trace:
        return Trace(found["Key"].removeprefix(self.prefix), kind, size, modified.timestamp(), version)

    def erase(self, traces: Iterable[Trace]) -> None:
        stored: list[Trace] = []
        for trace in traces:
            if trace.kind != "unfinished upload":
                stored.append(trace)
                continue
            with self._errors(trace.key), suppress(_Absent):
                where = {"Bucket": self.bucket, "Key": self.prefix + trace.key}
                self._client.abort_multipart_upload(**where, UploadId=trace.version)
        for start in range(0, len(stored), _AT_ONCE):
            some = stored[start : start + _AT_ONCE]
            objects = [{"Key": self.prefix + trace.key, "VersionId": trace.version} for trace in some]
            with self._errors(some[0].key):
                done = self._client.delete_objects(Bucket=self.bucket, Delete={"Objects": objects, "Quiet": True})
            for refused in done.get("Errors", []):
                kinds = {**dict.fromkeys(_AWAY, TryAgain), **dict.fromkeys(_REFUSED, Unavailable)}
                kind = kinds.get(refused["Code"], InputError)
                raise kind(f"S3 did not delete s3://{self.bucket}/{refused['Key']}: {refused.get('Message')}")

    def _head(self, key: str) -> dict[str, Any] | None:
        try:
            with self._errors(key):
                return self._client.head_object(Bucket=self.bucket, Key=self.prefix + key)
        except _Absent:
            return None

    @contextmanager
    def _errors(self, key: str) -> Generator[None, None, None]:
        """Tell S3's many errors apart as what a user can fix, what time fixes, and what someone else did."""
        from boto3.exceptions import RetriesExceededError
        from botocore import exceptions

        place = f"s3://{self.bucket}/{self.prefix}{key}"
        try:
            yield
        except exceptions.ClientError as error:
            told: dict[str, Any] = cast(Any, error).response.get("Error", {})
            code = str(told.get("Code", ""))
            if code in _ABSENT:
                raise _Absent(f"{place} does not exist") from error
            if code in _CONFLICT:
                raise Conflict(f"{place} was written by someone else") from error
            if code in _AWAY:
                raise TryAgain(f"S3 is temporarily unavailable for {place} ({code})") from error
            message = told.get("Message") or code
            if code in _REFUSED:
                hint = "check the S3 key, its rights on the bucket and this machine's clock"
                raise Unavailable(f"S3 denies access to {place}: {message}; {hint}") from error
            raise InputError(f"S3 refuses {place}: {message}") from error
        except exceptions.NoCredentialsError as error:
            hint = "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
            raise Unavailable(f"no S3 credentials for {place}; {hint}") from error
        except (
            exceptions.ConnectionError,
            exceptions.HTTPClientError,
            exceptions.IncompleteReadError,
            RetriesExceededError,
        ) as error:
            raise TryAgain(f"S3 cannot be reached: {place} ({error})") from error


class _Absent(InputError):
    pass
