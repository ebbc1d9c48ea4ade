"""A file's way from a real HTTPS server into S3: whole and checked, or not there at all."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import boto3
import pytest
import requests
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.compat import HTTPHeaders
from botocore.exceptions import ClientError

from ingester.errors import FileUnavailable, TransferFailed, ZoomUnreachable
from ingester.neighbours.staging import PART_BYTES, Staging
from ingester.transfer.copy import ATTEMPTS, Copied, Target, copy_file
from ingester.transfer.source import Download, NotAFile, Refused, ZoomSource
from local.neighbours.https_server import Answer, Spoil, text_answer
from tests.cloud import BUCKET, Cloud
from tests.hooks import failing
from tests.kits import Sleeper
from tests.neighbours import Web

KEY = "95846636714/1795446000/000-active_speaker.mp4"
METADATA = {"uuid": "aj//Xp112QmuoKj485487==", "file_id": "f-1", "file_type": "mp4"}
WHOLE = bytes(range(256)) * 40


@dataclass
class Copying:
    """One file of the server's on its way to S3."""

    web: Web
    source: ZoomSource
    staging: Staging
    sleep: Sleeper = field(default_factory=Sleeper)
    names: list[str] = field(default_factory=list)

    def copy(self, expected_size: int | None = None) -> Copied:
        def target_of(name: str) -> Target:
            self.names.append(name)
            return Target(KEY, METADATA)

        def opened() -> AbstractContextManager[Download]:
            return self.source.open(f"{self.web.url}/a.mp4", "token")

        return copy_file(
            opened, target_of, self.staging, expected_size=expected_size, sleep=self.sleep
        )

    def serve(self, *answers: Answer) -> None:
        self.web.pages = {"/a.mp4": list(answers)}


@pytest.fixture
def copying(aws: Cloud, web: Web, session: requests.Session) -> Copying:
    source = ZoomSource(session, ("127.0.0.1",), timeout=(2.0, 0.2))
    return Copying(web, source, Staging(aws.s3, aws.bucket))


def good(body: bytes = WHOLE) -> Answer:
    return text_answer(200, "video/mp4", body)


def spoilt(spoil: Spoil, body: bytes = WHOLE) -> Answer:
    return Answer(200, (("Content-Type", "video/mp4"),), body, spoil=spoil)


def nothing_in(aws: Cloud) -> bool:
    """Neither an object nor an upload that was begun."""
    objects = aws.s3.list_objects_v2(Bucket=BUCKET).get("Contents", [])
    uploads = aws.s3.list_multipart_uploads(Bucket=BUCKET).get("Uploads", [])
    return not objects and not uploads


def stored(aws: Cloud) -> bytes:
    return bytes(aws.s3.get_object(Bucket=BUCKET, Key=KEY)["Body"].read())


class TestWhole:
    def test_the_same_bytes_and_what_they_are(self, copying: Copying, aws: Cloud) -> None:
        copying.serve(good())
        assert copying.copy(len(WHOLE)) == Copied(KEY, len(WHOLE))
        assert stored(aws) == WHOLE
        assert aws.s3.head_object(Bucket=BUCKET, Key=KEY)["Metadata"] == METADATA
        assert aws.s3.list_multipart_uploads(Bucket=BUCKET).get("Uploads", []) == []
        assert copying.names == ["a.mp4"]
        assert copying.sleep.slept == []

    def test_more_than_one_part(self, copying: Copying, aws: Cloud) -> None:
        large = (bytes(range(251)) * (PART_BYTES // 251 + 1))[:PART_BYTES] + b"the rest"
        copying.serve(good(large))
        assert copying.copy().size == PART_BYTES + 8
        assert stored(aws) == large
        head = aws.s3.head_object(Bucket=BUCKET, Key=KEY)
        assert head["ETag"].strip('"').endswith("-2")

    def test_memory_is_bounded(self, web: Web, session: requests.Session, tmp_path: Path) -> None:
        """A hundred megabytes of zeros, into an S3 that forgets them."""
        size = 100_000_000
        with (tmp_path / "zeros").open("wb") as file:
            file.truncate(size)
        zeros = Answer(200, (), file=tmp_path / "zeros", length=size)
        web.pages = {"/a.mp4": zeros}
        with forgetful_s3() as (client, parts):
            source = ZoomSource(session, ("127.0.0.1",))
            copying = Copying(web, source, Staging(client, BUCKET))
            tracemalloc.start()
            try:
                assert copying.copy(size).size == size
                _, peak = tracemalloc.get_traced_memory()
            finally:
                tracemalloc.stop()
        assert sum(parts) == size
        assert len(parts) == 6
        assert peak < 40_000_000


class TestBroken:
    @pytest.mark.parametrize(
        ("answer", "told"),
        [
            (spoilt(Spoil(after_bytes=5000, how="reset")), None),
            (spoilt(Spoil(after_bytes=5000, how="close")), None),
            (spoilt(Spoil(after_bytes=5000, how="stall", stall=5.0)), None),
            (spoilt(Spoil(claimed_length=5000)), len(WHOLE)),
            (spoilt(Spoil(claimed_length=0)), len(WHOLE)),
            (good(WHOLE + b"x"), len(WHOLE)),
        ],
        ids=["reset", "clean close", "stall", "short lie", "no bytes", "too long"],
    )
    def test_nothing_is_there_and_the_next_try_is_whole(
        self, copying: Copying, aws: Cloud, answer: Answer, told: int | None
    ) -> None:
        seen_before: list[bool] = []
        copying.serve(answer, good())
        sleep = copying.sleep

        def look(seconds: float) -> None:
            seen_before.append(nothing_in(aws))
            sleep(seconds)

        copying.sleep = look  # type: ignore[assignment]  # a Sleeper that looks first
        assert copying.copy(told).size == len(WHOLE)
        assert stored(aws) == WHOLE
        assert seen_before == [True]
        assert len(copying.web.seen) == 2

    @pytest.mark.parametrize("told", [len(WHOLE) - 1, len(WHOLE) + 1])
    def test_a_size_other_than_zooms(self, copying: Copying, aws: Cloud, told: int) -> None:
        copying.serve(good())
        with pytest.raises(TransferFailed, match=f"{len(WHOLE)} bytes.*Zoom told {told}"):
            copying.copy(told)
        assert nothing_in(aws)

    def test_it_gives_up_after_some_tries_with_growing_pauses(
        self, copying: Copying, aws: Cloud
    ) -> None:
        copying.serve(spoilt(Spoil(after_bytes=1, how="close")))
        with pytest.raises(TransferFailed, match="broke off"):
            copying.copy()
        assert len(copying.web.seen) == ATTEMPTS
        assert len(copying.sleep.slept) == ATTEMPTS - 1
        assert all(
            0 < seconds <= 0.5 * 2**number for number, seconds in enumerate(copying.sleep.slept)
        )
        assert nothing_in(aws)

    def test_zoom_busy(self, copying: Copying, aws: Cloud) -> None:
        busy = Answer(429, (("Retry-After", "17"),))
        copying.serve(busy, Answer(503), good())
        assert copying.copy().size == len(WHOLE)
        assert copying.sleep.slept[0] == 17
        assert stored(aws) == WHOLE

    def test_zoom_busy_for_longer_than_we_wait(self, copying: Copying) -> None:
        copying.serve(Answer(429, (("Retry-After", "3600"),)))
        with pytest.raises(ZoomUnreachable, match="429"):
            copying.copy()
        assert len(copying.web.seen) == 1

    @pytest.mark.parametrize(
        ("answer", "error"),
        [
            (good(b""), FileUnavailable),
            (text_answer(200, "text/html", b"<html>"), NotAFile),
            (Answer(404), Refused),
        ],
        ids=["empty", "page", "404"],
    )
    def test_what_is_final_is_not_tried_again(
        self, copying: Copying, aws: Cloud, answer: Answer, error: type[Exception]
    ) -> None:
        copying.serve(answer)
        with pytest.raises(error):
            copying.copy()
        assert len(copying.web.seen) == 1
        assert nothing_in(aws)

    def test_s3_failing_leaves_nothing_begun(self, copying: Copying, aws: Cloud) -> None:
        copying.serve(good())
        with (
            failing(aws.s3, "s3.UploadPart", "SlowDown"),
            pytest.raises(ClientError, match="SlowDown"),
        ):
            copying.copy()
        assert nothing_in(aws)

    def test_an_upload_that_can_not_be_aborted_hides_no_error(
        self, copying: Copying, aws: Cloud
    ) -> None:
        copying.serve(good())
        with (
            failing(aws.s3, "s3.AbortMultipartUpload", "AccessDenied"),
            pytest.raises(TransferFailed),
        ):
            copying.copy(1)


class _Content:
    """A response's body as urllib3 hands it to botocore."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def stream(self, **_: Any) -> Iterator[bytes]:
        yield self._content


@contextmanager
def forgetful_s3() -> Iterator[tuple[Any, list[int]]]:
    """boto3's own client, whose requests are answered before they are sent; the parts' sizes."""
    parts: list[int] = []
    client = boto3.client("s3", "us-east-1", aws_access_key_id="test", aws_secret_access_key="test")
    answers = {
        "POST?uploads": b"<InitiateMultipartUploadResult><UploadId>u</UploadId>"
        b"</InitiateMultipartUploadResult>",
        "POST?uploadId=u": b"<CompleteMultipartUploadResult/>",
    }

    def answer(request: AWSPreparedRequest, **_: Any) -> AWSResponse:
        if request.method == "PUT":
            length = request.headers.get("X-Amz-Decoded-Content-Length")
            parts.append(int(length or request.headers["Content-Length"]))
        headers = HTTPHeaders()
        headers["ETag"] = '"e"'
        query = str(request.url).partition("?")[2]
        content = answers.get(f"{request.method}?{query}", b"")
        return AWSResponse(str(request.url), 200, headers, _Content(content))

    # The stubs know of no handler that answers, botocore does.
    client.meta.events.register_first("before-send.s3", cast("Any", answer))
    try:
        yield client, parts
    finally:
        client.close()
