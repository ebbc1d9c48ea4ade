"""Both peers as processes of their own."""

from __future__ import annotations

from dataclasses import replace

import pytest
import requests

from bench.transfer.peers.remote import PeerFailed, RemoteS3, RemoteZoom
from local.authority import Authority
from tests.bench.conftest import AUTHORIZED, BUCKET, S3, TALK, ZOOM, MakeClient


def test_zoom(tls: Authority, session: requests.Session) -> None:
    with RemoteZoom(tls) as zoom:
        zoom.configure(ZOOM)
        for url in (zoom.url, zoom.tls_url):
            told = session.get(
                f"{url}/rec/download/talk", headers=AUTHORIZED, allow_redirects=False
            )
            whole = session.get(told.headers["Location"], headers={"Range": "bytes=5-"})
            assert len(whole.content) == TALK - 5
        assert zoom.stats().requests == {"rec": 2, "cdn_range": 2}
        assert [one.path for one in zoom.seen()][:2] == ["/rec/download/talk", "/cdn/talk.mp4"]
        with pytest.raises(PeerFailed):
            zoom.tell("nothing", {})
    with pytest.raises(PeerFailed):
        zoom.stats()


def test_s3(tls: Authority, client_of: MakeClient) -> None:
    with RemoteS3(tls) as s3:
        s3.configure(replace(S3, mode="hash"))
        client = client_of(s3.tls_url)
        client.put_object(Bucket=BUCKET, Key="k", Body=b"text")
        client.create_multipart_upload(Bucket=BUCKET, Key="l")
        assert [(one.key, one.size) for one in s3.objects()] == [("k", 4)]
        assert [one.key for one in s3.uploads()] == ["l"]
        assert s3.stats().operations == {"PutObject": 1, "CreateMultipartUpload": 1}
        s3.configure(S3, empty=False)
        assert [one.key for one in s3.objects()] == ["k"]
