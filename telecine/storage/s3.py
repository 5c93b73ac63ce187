"""An object store on any S3-compatible service. The only importer of boto3.

The SHA-256 of every object is kept as user metadata and checked on the way back, whatever checksums the service knows.
Calls are retried for about half a minute, long enough for a server to be restarted, then raise Unavailable.
"""

import contextlib
import hashlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import boto3
import stamina
from boto3.exceptions import Boto3Error
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, FlexibleChecksumError, HTTPClientError, IncompleteReadError
from botocore.exceptions import ConnectionError as NoConnection
from pydantic import SecretStr
from urllib3.exceptions import HTTPError

from telecine.document import Sha256
from telecine.errors import NotFound, PreconditionFailed, TelecineError, Unavailable
from telecine.settings import Settings
from telecine.storage.keys import checked_key, sha256_of_file
from telecine.storage.multipart import StoredPart
from telecine.storage.port import StoredObject

if TYPE_CHECKING:
    from botocore.response import StreamingBody
    from mypy_boto3_s3.client import S3Client
    from mypy_boto3_s3.type_defs import (
        CompletedMultipartUploadTypeDef,
        CopySourceTypeDef,
        CORSConfigurationTypeDef,
        CORSRuleTypeDef,
        GetObjectOutputTypeDef,
        HeadObjectOutputTypeDef,
    )

__all__ = ["S3Store", "s3_store"]

T = TypeVar("T")

_SHA = "sha256"
_ABSENT = {"NoSuchKey", "404", "NotFound", "NoSuchBucket", "NoSuchUpload"}
_LOST = {"PreconditionFailed", "412", "ConditionalRequestConflict", "409"}
_TRANSIENT = {"InternalError", "ServiceUnavailable", "SlowDown", "RequestTimeout", "500", "502", "503", "504"}
_SILENT = (NoConnection, HTTPClientError, IncompleteReadError, FlexibleChecksumError, HTTPError, ConnectionError)
_MULTIPART_BYTES = 64 << 20
_BLOCK_BYTES = 8 << 20
_PATIENCE_S = 40.0


class _Damaged(Unavailable):
    """The bytes are not those that were written. The wire has its own checksums, so asking again will not mend it."""


class S3Store:
    """One bucket. ``patience_s``: how long calls are retried before the service is called Unavailable.

    ``public_endpoint``: where browsers reach the service, if not where we do; addresses are signed for it.
    """

    def __init__(
        self,
        bucket: str,
        *,
        endpoint: str,
        region: str,
        access_key: str,
        secret_key: SecretStr,
        public_endpoint: str = "",
        patience_s: float = _PATIENCE_S,
    ) -> None:
        self.bucket = bucket
        self.endpoint = endpoint
        self._patience_s = patience_s

        def client(url: str) -> "S3Client":
            made: S3Client = boto3.client(
                "s3",
                endpoint_url=url,
                region_name=region,
                aws_access_key_id=access_key,
                aws_secret_access_key=secret_key.get_secret_value(),
                config=Config(
                    s3={"addressing_style": "path"},
                    signature_version="s3v4",  # addresses are signed by SigV2 otherwise, which services give up
                    connect_timeout=3,
                    read_timeout=20,
                    retries={"max_attempts": 1, "mode": "standard"},  # retried here, with a bound of our own
                    max_pool_connections=16,
                ),
            )
            return made

        self._client = client(endpoint)
        self._signer = client(public_endpoint) if public_endpoint else self._client
        self._transfer = TransferConfig(
            multipart_threshold=_MULTIPART_BYTES, multipart_chunksize=32 << 20, max_concurrency=4
        )

    def ensure_bucket(self) -> None:
        """Create the bucket when it is not there. Idempotent."""

        def create() -> None:
            try:
                self._client.head_bucket(Bucket=self.bucket)
            except ClientError as error:
                if _code(error) not in _ABSENT:
                    raise
                with contextlib.suppress(self._client.exceptions.BucketAlreadyOwnedByYou):  # made meanwhile
                    self._client.create_bucket(Bucket=self.bucket)

        self._call(self.bucket, create)

    def put_file(self, key: str, path: Path, *, content_type: str, sha256: Sha256 | None = None) -> StoredObject:
        digest = sha256_of_file(path)
        if sha256 is not None and sha256 != digest:
            message = f"{path} changed before it was stored as {key}."
            raise PreconditionFailed(message)
        size = path.stat().st_size

        def upload() -> StoredObject:
            if size >= _MULTIPART_BYTES:
                extra = {"ContentType": content_type, "Metadata": {_SHA: digest}}
                self._client.upload_file(str(path), self.bucket, key, ExtraArgs=extra, Config=self._transfer)
                return _described(key, self._client.head_object(Bucket=self.bucket, Key=key))
            with path.open("rb") as body:
                answer = self._client.put_object(
                    Bucket=self.bucket, Key=key, Body=body, ContentType=content_type, Metadata={_SHA: digest}
                )
            return StoredObject(key=key, size_bytes=size, etag=answer["ETag"], sha256=digest)

        stored = self._call(checked_key(key), upload)
        if stored.size_bytes != size:
            message = f"{self._where(key)} is not what was written to it."
            raise Unavailable(message)
        return stored

    def put_bytes(
        self,
        key: str,
        content: bytes,
        *,
        content_type: str,
        if_none_match: bool = False,
        if_match: str | None = None,
    ) -> StoredObject:
        digest = hashlib.sha256(content).hexdigest()
        conditions: dict[str, str] = {"IfNoneMatch": "*"} if if_none_match else {}
        if if_match is not None:
            conditions["IfMatch"] = if_match
        answer = self._call(
            checked_key(key),
            lambda: self._client.put_object(
                Bucket=self.bucket,
                Key=key,
                Body=content,
                ContentType=content_type,
                Metadata={_SHA: digest},
                **conditions,  # type: ignore[arg-type]
            ),
        )
        return StoredObject(key=key, size_bytes=len(content), etag=answer["ETag"], sha256=digest)

    def get_file(self, key: str, path: Path) -> StoredObject:
        part = path.with_name(path.name + ".part")
        checked_key(key)

        def fetch() -> StoredObject:
            answer = self._client.get_object(Bucket=self.bucket, Key=key)
            stored = _described(key, answer)
            with contextlib.closing(answer["Body"]) as body:
                if stored.size_bytes < _MULTIPART_BYTES:
                    _save(body, part)
            if stored.size_bytes >= _MULTIPART_BYTES:
                self._client.download_file(self.bucket, key, str(part), Config=self._transfer)
            self._check(stored, part.stat().st_size, sha256_of_file(part))
            return stored

        try:
            stored = self._call(key, fetch)
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
        return stored

    def get_bytes(self, key: str) -> tuple[bytes, StoredObject]:
        def fetch() -> tuple[bytes, StoredObject]:
            answer = self._client.get_object(Bucket=self.bucket, Key=checked_key(key))
            content, stored = answer["Body"].read(), _described(key, answer)
            self._check(stored, len(content), hashlib.sha256(content).hexdigest())
            return content, stored

        return self._call(key, fetch)

    def head(self, key: str) -> StoredObject | None:
        try:
            answer = self._call(key, lambda: self._client.head_object(Bucket=self.bucket, Key=checked_key(key)))
        except NotFound:
            return None
        return _described(key, answer)

    def list(self, prefix: str) -> Iterator[StoredObject]:
        token = ""
        while True:
            more = {"ContinuationToken": token} if token else {}
            page = self._call(
                prefix,
                lambda more=more: self._client.list_objects_v2(  # type: ignore[misc]
                    Bucket=self.bucket, Prefix=prefix, **more
                ),
            )
            for entry in page.get("Contents", []):
                yield StoredObject(key=entry["Key"], size_bytes=entry["Size"], etag=entry["ETag"])
            token = page.get("NextContinuationToken", "")
            if not token:
                return

    def delete(self, key: str) -> None:
        self._call(key, lambda: self._client.delete_object(Bucket=self.bucket, Key=checked_key(key)))

    def copy_from(self, source: "S3Store", key: str, target_key: str) -> None:
        """Copy an object between buckets of one service, on the service; content type and digest go along."""
        origin: CopySourceTypeDef = {"Bucket": source.bucket, "Key": checked_key(key)}
        self._call(
            target_key,
            lambda: self._client.copy_object(Bucket=self.bucket, Key=checked_key(target_key), CopySource=origin),
        )

    def allow_pages(self) -> None:
        """Any origin: the signature in an address is what lets a part in, never a cookie."""
        rule: CORSRuleTypeDef = {
            "AllowedMethods": ["PUT"],
            "AllowedOrigins": ["*"],
            "AllowedHeaders": ["*"],
            "ExposeHeaders": ["ETag"],
            "MaxAgeSeconds": 3600,
        }
        rules: CORSConfigurationTypeDef = {"CORSRules": [rule]}
        self._call(self.bucket, lambda: self._client.put_bucket_cors(Bucket=self.bucket, CORSConfiguration=rules))

    def create_multipart(self, key: str, *, content_type: str) -> str:
        answer = self._call(
            checked_key(key),
            lambda: self._client.create_multipart_upload(Bucket=self.bucket, Key=key, ContentType=content_type),
        )
        return answer["UploadId"]

    def presign_part(self, key: str, multipart_id: str, number: int, *, expires_s: int) -> str:
        place = {"Bucket": self.bucket, "Key": checked_key(key), "UploadId": multipart_id, "PartNumber": number}
        return self._signer.generate_presigned_url("upload_part", Params=place, ExpiresIn=expires_s)

    def list_parts(self, key: str, multipart_id: str) -> tuple[StoredPart, ...]:
        found: list[StoredPart] = []
        after, more = 0, True
        while more:
            page = self._call(
                checked_key(key),
                lambda after=after: self._client.list_parts(  # type: ignore[misc]
                    Bucket=self.bucket, Key=key, UploadId=multipart_id, PartNumberMarker=after
                ),
            )
            parts = page.get("Parts", [])
            found += [StoredPart(number=p["PartNumber"], size_bytes=p["Size"], etag=p["ETag"]) for p in parts]
            more = bool(parts) and page.get("IsTruncated", False)
            after = found[-1].number if found else 0
        return tuple(found)

    def complete_multipart(self, key: str, multipart_id: str, parts: Sequence[StoredPart]) -> StoredObject:
        named: CompletedMultipartUploadTypeDef = {
            "Parts": [{"PartNumber": part.number, "ETag": part.etag} for part in parts]
        }
        self._call(
            checked_key(key),
            lambda: self._client.complete_multipart_upload(
                Bucket=self.bucket, Key=key, UploadId=multipart_id, MultipartUpload=named
            ),
        )
        return self._call(key, lambda: _described(key, self._client.head_object(Bucket=self.bucket, Key=key)))

    def abort_multipart(self, key: str, multipart_id: str) -> None:
        with contextlib.suppress(NotFound):
            self._call(
                checked_key(key),
                lambda: self._client.abort_multipart_upload(Bucket=self.bucket, Key=key, UploadId=multipart_id),
            )

    def blocks(self, key: str) -> Iterator[bytes]:
        stored = _described(key, self._call(key, lambda: self._client.head_object(Bucket=self.bucket, Key=key)))
        for start in range(0, stored.size_bytes, _BLOCK_BYTES):
            span = f"bytes={start}-{min(start + _BLOCK_BYTES, stored.size_bytes) - 1}"
            yield self._call(
                key,
                lambda span=span: self._client.get_object(  # type: ignore[misc]
                    Bucket=self.bucket, Key=key, Range=span, IfMatch=stored.etag
                )["Body"].read(),
            )

    def _check(self, stored: StoredObject, size_bytes: int, digest: Sha256) -> None:
        if stored.size_bytes != size_bytes or stored.sha256 not in {None, digest}:
            found, expected = (size_bytes, digest), (stored.size_bytes, stored.sha256)
            message = f"{self._where(stored.key)} arrived damaged: {found}, expected {expected} (bytes, sha256)."
            raise _Damaged(message)

    def _call(self, key: str, call: Callable[[], T]) -> T:
        for attempt in stamina.retry_context(on=_may_pass, attempts=None, timeout=self._patience_s, wait_max=3):
            with attempt:
                return self._asked(key, call)
        raise AssertionError  # pragma: no cover - the context returns or raises

    def _asked(self, key: str, call: Callable[[], T]) -> T:
        try:
            return call()
        except ClientError as error:
            raise self._translated(key, error) from error
        except _SILENT as error:
            message = f"S3 at {self.endpoint} does not answer ({type(error).__name__})."
            raise Unavailable(message) from error
        except Boto3Error as error:  # the transfer's wrapping: a refusal of the service, or too many broken streams
            refusal = error.__context__
            if isinstance(refusal, ClientError):
                raise self._translated(key, refusal) from error
            message = f"S3 at {self.endpoint} broke off {self._where(key)} ({type(error).__name__})."
            raise Unavailable(message) from error
        except BotoCoreError as error:
            message = f"S3 at {self.endpoint} cannot be asked for {self._where(key)}: {error}"
            raise TelecineError(message) from error

    def _translated(self, key: str, error: ClientError) -> TelecineError:
        code = _code(error)
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        if code in _ABSENT:
            return NotFound(self._absent(key))
        if code in _LOST:
            return PreconditionFailed(f"{self._where(key)} exists already or is not the version that was read.")
        if code in _TRANSIENT or status >= 500:  # noqa: PLR2004 - server errors
            return Unavailable(f"S3 at {self.endpoint} answered {code} for {key}.")
        return TelecineError(f"S3 at {self.endpoint} refused {self._where(key)}: {code}.")

    def _absent(self, key: str) -> str:
        return f"There is no object {self._where(key)}."

    def _where(self, key: str) -> str:
        return f"s3://{self.bucket}/{key}"


def s3_store(settings: Settings, bucket: str, patience_s: float = _PATIENCE_S) -> S3Store:
    """A bucket of the configured service."""
    return S3Store(
        bucket,
        endpoint=settings.s3_endpoint,
        region=settings.s3_region,
        access_key=settings.s3_access_key,
        secret_key=settings.s3_secret_key,
        public_endpoint=settings.s3_public_endpoint,
        patience_s=patience_s,
    )


def _save(body: "StreamingBody", path: Path) -> None:
    with path.open("wb") as file:
        for block in body.iter_chunks(1 << 20):
            file.write(block)


def _may_pass(error: Exception) -> bool:
    return isinstance(error, Unavailable) and not isinstance(error, _Damaged)


def _described(key: str, answer: "HeadObjectOutputTypeDef | GetObjectOutputTypeDef") -> StoredObject:
    digest = answer["Metadata"].get(_SHA)
    return StoredObject(key=key, size_bytes=answer["ContentLength"], etag=answer["ETag"], sha256=digest)


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))
