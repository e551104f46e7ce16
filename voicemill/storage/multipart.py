"""Large files in parts, so that what was sent counts: a transfer that was broken off goes on, also in another process.

S3 keeps the parts of an unfinished upload. Each part that is there already is told by its MD5, which S3 gives as its
ETag; where a server gives something else (encryption with a key service), the part is sent again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

PART_BYTES = 16 * 2**20
_MOST_PARTS = 10_000
_AT_ONCE = 4


def send(
    client: Any,
    bucket: str,
    key: str,
    source: Path,
    metadata: dict[str, str],
    sent: Callable[[int], None],
    *,
    go_on: bool,
) -> None:
    """Upload a file in parts.

    Args:
        client: boto3's.
        bucket: The bucket.
        key: The whole key.
        source: The file; it must not change meanwhile.
        metadata: Kept with the object.
        sent: Told the bytes of each part that is in place.
        go_on: Whether an unfinished upload of the same key is gone on with. It must then be of the same content: the
            metadata of the object are those that it was begun with.
    """
    size = source.stat().st_size
    part_bytes = max(PART_BYTES, -(-size // _MOST_PARTS))
    where = {"Bucket": bucket, "Key": key}
    upload = _unfinished(client, bucket, key) if go_on else None
    where["UploadId"] = upload or client.create_multipart_upload(**where, Metadata=metadata)["UploadId"]
    there = {
        part["PartNumber"]: (part["Size"], part["ETag"].strip('"'))
        for page in client.get_paginator("list_parts").paginate(**where)
        for part in page.get("Parts", [])
    }

    def put(number: int) -> dict[str, Any]:
        with source.open("rb") as file:
            file.seek((number - 1) * part_bytes)
            data = file.read(part_bytes)
        digest = hashlib.md5(data, usedforsecurity=False).hexdigest()
        if there.get(number) != (len(data), digest):
            digest = client.upload_part(**where, PartNumber=number, Body=data)["ETag"].strip('"')
        sent(len(data))
        return {"PartNumber": number, "ETag": digest}

    count = -(-size // part_bytes)
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        waiting = [pool.submit(put, number) for number in range(1, count + 1)]
        try:
            parts = [each.result() for each in waiting]
        except BaseException:
            pool.shutdown(cancel_futures=True)
            if not go_on:
                client.abort_multipart_upload(**where)
            raise
    client.complete_multipart_upload(**where, MultipartUpload={"Parts": parts})


def _unfinished(client: Any, bucket: str, key: str) -> str | None:
    """Return the latest upload of a key that was begun and not finished."""
    pages = client.get_paginator("list_multipart_uploads").paginate(Bucket=bucket, Prefix=key)
    found = [each for page in pages for each in page.get("Uploads", []) if each["Key"] == key]
    return max(found, key=lambda each: each["Initiated"])["UploadId"] if found else None
