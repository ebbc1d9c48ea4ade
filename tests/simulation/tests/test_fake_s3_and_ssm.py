"""Tests of the fake S3 and SSM, compared with moto where moto behaves as AWS."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.cloud import BUCKET, Cloud
from tests.simulation.aws.calls import call_directly
from tests.simulation.aws.s3 import FakeBucket, FetchFailed, read_presigned
from tests.simulation.aws.ssm import FakeParameters
from tests.simulation.tests.comparison import Ids, Time, code_of


@pytest.fixture
def now() -> Time:
    return Time()


@pytest.fixture
def bucket(now: Time) -> FakeBucket:
    return FakeBucket(BUCKET, call=call_directly, now=now, new_id=Ids())


def test_fake_s3_reports_a_missing_object_as_moto_does(aws: Cloud, bucket: FakeBucket) -> None:
    for s3 in (aws.s3, bucket):
        assert code_of(s3.head_object, Bucket=BUCKET, Key="gone") == "404"


def test_fake_s3_reports_the_given_size_of_an_object_with_a_shorter_content(
    bucket: FakeBucket,
) -> None:
    bucket.store("big", b"token", 5_000_000_000, {"Identity": "i"})
    found = bucket.head_object(Bucket=BUCKET, Key="big")
    assert (found["ContentLength"], found["Metadata"]) == (5_000_000_000, {"identity": "i"})


def test_presigned_url_returns_its_object_until_the_url_expires(
    bucket: FakeBucket, now: Time
) -> None:
    bucket.store("a/b c.mp4", b"token")
    params = {"Bucket": BUCKET, "Key": "a/b c.mp4"}
    url = bucket.generate_presigned_url("get_object", Params=params, ExpiresIn=60)
    signed = read_presigned(url)
    assert (signed.bucket, signed.key, signed.expires) == (BUCKET, "a/b c.mp4", now() + 60)
    now.now += 60
    assert bucket.fetch_object(url).content == b"token"
    now.now += 1
    with pytest.raises(FetchFailed) as caught:
        bucket.fetch_object(url)
    assert caught.value.status == 403


def test_presigned_url_fails_when_its_object_is_gone_or_the_url_was_changed(
    bucket: FakeBucket,
) -> None:
    params = {"Bucket": BUCKET, "Key": "key"}
    url = bucket.generate_presigned_url("get_object", Params=params, ExpiresIn=60)
    for wrong, status in ((url, 404), (url.replace("/key?", "/other?"), 403), ("https://x/y", 403)):
        with pytest.raises(FetchFailed) as caught:
            bucket.fetch_object(wrong)
        assert caught.value.status == status


def test_objects_and_uploads_expire_at_the_midnight_after_the_given_days(now: Time) -> None:
    now.now = 10 * 86400.0 + 1
    bucket = FakeBucket("b", call=call_directly, now=now, new_id=Ids())
    bucket.store("key", b"token")
    bucket.begin_upload("other")
    now.now = 12 * 86400.0 - 1
    bucket.expire(1, 1, 1)
    assert (len(bucket.objects()), len(bucket.open_uploads())) == (1, 1)
    now.now = 12 * 86400.0
    bucket.expire(1, 1, 1)
    assert (bucket.objects(), bucket.open_uploads()) == ([], [])


def test_uploads_stay_open_until_they_are_completed_or_aborted(bucket: FakeBucket) -> None:
    first, second = bucket.begin_upload("one"), bucket.begin_upload("two")
    bucket.complete(first, b"token", 100)
    assert [upload.key for upload in bucket.open_uploads()] == ["two"]
    bucket.abort(second)
    assert bucket.open_uploads() == []
    assert [stored.key for stored in bucket.objects()] == ["one"]
    assert code_of(bucket.complete, upload_id=first, content=b"") == "NoSuchUpload"


def test_object_gets_the_tags_of_the_call_when_the_caller_changes_them_before_the_effect(
    now: Time,
) -> None:
    tags = [{"Key": "state", "Value": "taken"}]

    def change_first(_name: str, effect: Callable[[], Any], /) -> Any:
        tags[0]["Value"] = "changed"
        return effect()

    bucket = FakeBucket(BUCKET, call=change_first, now=now, new_id=Ids())
    bucket.store("key", b"token")
    bucket.put_object_tagging(Bucket=BUCKET, Key="key", Tagging={"TagSet": tags})
    (stored,) = bucket.objects()
    assert stored.tags == (("state", "taken"),)


def test_fake_ssm_returns_parameters_as_moto_does(aws: Cloud) -> None:
    fake = FakeParameters(call=call_directly)
    fake.set("/path/NAME", "value")
    aws.ssm.put_parameter(Name="/path/NAME", Value="value", Type="SecureString")
    for ssm in (aws.ssm, fake):
        found = ssm.get_parameter(Name="/path/NAME", WithDecryption=True)["Parameter"]
        assert (found["Value"], found["Type"], found["Version"]) == ("value", "SecureString", 1)
        assert ssm.get_parameter(Name="/path/NAME")["Parameter"]["Value"] != "value"
        with pytest.raises(ssm.exceptions.ParameterNotFound):
            ssm.get_parameter(Name="/path/OTHER", WithDecryption=True)
