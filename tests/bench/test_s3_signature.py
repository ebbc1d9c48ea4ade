"""Who may call the fake S3: those whose signature is that of a known key, and not for ever."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import requests
from botocore.exceptions import ClientError

from bench.transfer.peers.s3 import S3Peer
from bench.transfer.peers.s3_settings import Credentials
from local.authority import Authority
from tests.bench.conftest import BUCKET, KNOWN, S3, MakeClient


@pytest.mark.parametrize(
    ("known", "code"),
    [
        (replace(KNOWN, access_key="OTHER"), "InvalidAccessKeyId"),
        (replace(KNOWN, secret_key="other"), "SignatureDoesNotMatch"),
        (replace(KNOWN, token=""), "InvalidToken"),
    ],
)
def test_strangers(s3: S3Peer, client_of: MakeClient, known: Credentials, code: str) -> None:
    for url in (s3.url, s3.tls_url):
        with pytest.raises(ClientError, match=code):
            client_of(url, known).put_object(Bucket=BUCKET, Key="k", Body=b"text")
    assert s3.objects() == []
    assert s3.stats().rejected == {code: 2}


def presigned(s3: S3Peer, client_of: MakeClient, seconds: int = 60) -> str:
    params = {"Bucket": BUCKET, "Key": "a b/k"}
    return client_of(s3.url).generate_presigned_url("put_object", params, seconds)


def test_a_presigned_address(s3: S3Peer, client_of: MakeClient, session: requests.Session) -> None:
    url = presigned(s3, client_of)
    assert session.put(url, b"text").status_code == 200
    assert s3.body("a b/k") == b"text"
    assert b"SignatureDoesNotMatch" in session.put(url.replace("/k?", "/l?"), b"text").content
    assert b"SignatureDoesNotMatch" in session.get(url).content


def test_headers_of_amazon_s_have_to_be_signed(
    s3: S3Peer, client_of: MakeClient, session: requests.Session
) -> None:
    url = presigned(s3, client_of)
    refused = session.put(url, b"text", headers={"x-amz-meta-a": "b"})
    assert (refused.status_code, b"not signed: x-amz-meta-a" in refused.content) == (403, True)


def test_nothing_is_good_for_ever(
    tls: Authority, client_of: MakeClient, session: requests.Session
) -> None:
    ahead = timedelta(0)
    with S3Peer(S3, tls.ssl_context(), now=lambda: datetime.now(UTC) + ahead) as s3:
        url = presigned(s3, client_of, seconds=1000)
        assert session.put(url, b"text").status_code == 200
        client_of(s3.url).head_object(Bucket=BUCKET, Key="a b/k")
        ahead = timedelta(seconds=950)
        assert session.put(url, b"text").status_code == 200
        with pytest.raises(ClientError, match="RequestTimeTooSkewed"):
            client_of(s3.url).put_object(Bucket=BUCKET, Key="k", Body=b"text")
        ahead = timedelta(seconds=1001)
        assert b"Request has expired" in session.put(url, b"text").content


def test_without_known_credentials_a_signature_has_to_be_there(
    s3: S3Peer, session: requests.Session
) -> None:
    s3.configure(replace(S3, credentials=None))
    assert session.put(f"{s3.url}/bucket/k", b"text").status_code == 403
    assert session.put(f"{s3.url}/bucket/k?X-Amz-Signature=x", b"text").status_code == 200
