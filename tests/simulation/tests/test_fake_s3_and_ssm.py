"""The fakes of S3 and SSM beside moto's, and what moto doesn't do."""

from __future__ import annotations

from typing import Any

import pytest

from tests.cloud import BUCKET, Cloud
from tests.simulation.aws.calls import at_once
from tests.simulation.aws.s3 import FakeBucket, FetchFailed, read_presigned
from tests.simulation.aws.ssm import FakeParameters
from tests.simulation.tests.both import Ids, Moments, code_of


@pytest.fixture
def now() -> Moments:
    return Moments()


@pytest.fixture
def bucket(now: Moments) -> FakeBucket:
    return FakeBucket(BUCKET, call=at_once, now=now, new_id=Ids())


def head(s3: Any, key: str) -> dict[str, Any]:
    found = s3.head_object(Bucket=BUCKET, Key=key)
    return {name: found[name] for name in ("ContentLength", "ETag", "Metadata")}


def test_objects_are_read_as_in_moto(aws: Cloud, bucket: FakeBucket) -> None:
    found = []
    for s3 in (aws.s3, bucket):
        s3.put_object(Bucket=BUCKET, Key="a/b c.mp4", Body=b"0123456789", Metadata={"Name": "v"})
        answer = s3.get_object(Bucket=BUCKET, Key="a/b c.mp4", Range="bytes=8-20")
        with answer["Body"] as body:
            part = body.read()
        whole = s3.get_object(Bucket=BUCKET, Key="a/b c.mp4")["Body"].read()
        told = head(s3, "a/b c.mp4")
        told["Metadata"] = {name.lower(): value for name, value in told["Metadata"].items()}
        found.append((part, whole, told, answer["ContentLength"], answer["ContentRange"]))
    assert found[0] == found[1]


def test_missing_objects_are_answered_as_in_moto(aws: Cloud, bucket: FakeBucket) -> None:
    found = []
    for s3 in (aws.s3, bucket):
        s3.put_object(Bucket=BUCKET, Key="short", Body=b"01")
        far = {"Bucket": BUCKET, "Key": "short", "Range": "bytes=5-6"}
        s3.delete_object(Bucket=BUCKET, Key="gone")
        found.append(
            [
                code_of(s3.head_object, Bucket=BUCKET, Key="gone"),
                code_of(s3.get_object, Bucket=BUCKET, Key="gone"),
                code_of(s3.get_object, Bucket="other", Key="gone"),
                code_of(s3.get_object, **far),
            ]
        )
    assert found[0] == found[1] == ["404", "NoSuchKey", "NoSuchBucket", "InvalidRange"]
    # An answer to HEAD has no body, so no code of S3's (HeadObject). moto gives NoSuchBucket.
    assert code_of(bucket.head_object, Bucket="other", Key="gone") == "404"


def test_a_missing_object_is_forbidden_when_the_caller_can_t_list(now: Moments) -> None:
    bucket = FakeBucket("b", call=at_once, now=now, new_id=Ids(), can_list=False)
    assert code_of(bucket.head_object, Bucket="b", Key="gone") == "403"
    assert code_of(bucket.get_object, Bucket="b", Key="gone") == "AccessDenied"


def test_an_object_tells_its_nominal_size(bucket: FakeBucket) -> None:
    bucket.store("big", b"token", 5_000_000_000, {"Identity": "i"})
    found = bucket.head_object(Bucket=BUCKET, Key="big")
    assert (found["ContentLength"], found["Metadata"]) == (5_000_000_000, {"identity": "i"})


def test_a_presigned_url_works_until_it_expires(bucket: FakeBucket, now: Moments) -> None:
    bucket.store("a/b c.mp4", b"token")
    params = {"Bucket": BUCKET, "Key": "a/b c.mp4"}
    url = bucket.generate_presigned_url("get_object", Params=params, ExpiresIn=60)
    signed = read_presigned(url)
    assert (signed.bucket, signed.key, signed.expires) == (BUCKET, "a/b c.mp4", now() + 60)
    now.now += 60
    assert bucket.fetch(url) == b"token"
    now.now += 1
    with pytest.raises(FetchFailed) as caught:
        bucket.fetch(url)
    assert caught.value.status == 403


def test_a_presigned_url_fails_when_its_object_is_gone_or_it_was_changed(
    bucket: FakeBucket,
) -> None:
    params = {"Bucket": BUCKET, "Key": "key"}
    url = bucket.generate_presigned_url("get_object", Params=params, ExpiresIn=60)
    for wrong, status in ((url, 404), (url.replace("/key?", "/other?"), 403), ("https://x/y", 403)):
        with pytest.raises(FetchFailed) as caught:
            bucket.fetch(wrong)
        assert caught.value.status == status


def test_a_presigned_url_fails_when_its_credentials_have_ended(now: Moments) -> None:
    end = now() + 10
    bucket = FakeBucket("b", call=at_once, now=now, new_id=Ids(), credentials_end=lambda: end)
    bucket.store("key", b"token")
    params = {"Bucket": "b", "Key": "key"}
    url = bucket.generate_presigned_url("get_object", Params=params, ExpiresIn=3600)
    assert bucket.fetch(url) == b"token"
    now.now += 11
    with pytest.raises(FetchFailed, match="ExpiredToken"):
        bucket.fetch(url)


def test_objects_and_uploads_expire_at_midnight_after_their_days(now: Moments) -> None:
    now.now = 10 * 86400.0 + 1
    bucket = FakeBucket("b", call=at_once, now=now, new_id=Ids())
    bucket.store("key", b"token")
    bucket.begin_upload("other")
    now.now = 12 * 86400.0 - 1
    assert bucket.expire(1, 1) == []
    now.now = 12 * 86400.0
    assert bucket.expire(1, 1) == ["key"]
    assert bucket.open_uploads() == []


def test_uploads_stay_open_until_they_are_completed_or_aborted(bucket: FakeBucket) -> None:
    first, second = bucket.begin_upload("one"), bucket.begin_upload("two")
    bucket.complete(first, b"token", 100)
    assert [upload.key for upload in bucket.open_uploads()] == ["two"]
    bucket.abort(second)
    assert bucket.open_uploads() == []
    assert [stored.key for stored in bucket.objects()] == ["one"]
    assert code_of(bucket.complete, upload_id=first, content=b"") == "NoSuchUpload"


def test_parameters_are_read_as_in_moto(aws: Cloud) -> None:
    fake = FakeParameters(call=at_once)
    fake.set("/path/NAME", "value")
    aws.ssm.put_parameter(Name="/path/NAME", Value="value", Type="SecureString")
    for ssm in (aws.ssm, fake):
        found = ssm.get_parameter(Name="/path/NAME", WithDecryption=True)["Parameter"]
        assert (found["Value"], found["Type"], found["Version"]) == ("value", "SecureString", 1)
        assert ssm.get_parameter(Name="/path/NAME")["Parameter"]["Value"] != "value"
        with pytest.raises(ssm.exceptions.ParameterNotFound):
            ssm.get_parameter(Name="/path/OTHER", WithDecryption=True)
