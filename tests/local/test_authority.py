"""Tests of the local certificate authority, and of the bundle that clients trust."""

import stat
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import requests

from local.authority import ExtraAuthorityError, ensure_authority, write_bundle
from local.neighbours.https_server import Answer, HttpsServer, Request, text_answer


def test_certificate_authority_is_made_only_once(tmp_path: Path) -> None:
    first = ensure_authority(tmp_path)
    before = first.certificate.read_bytes()
    assert ensure_authority(tmp_path) == first
    assert first.certificate.read_bytes() == before


def test_only_the_private_key_of_the_servers_is_written_and_only_its_owner_can_read_it(
    tmp_path: Path,
) -> None:
    authority = ensure_authority(tmp_path / "tls")
    assert stat.S_IMODE(authority.key.stat().st_mode) == 0o600
    keys = [path for path in authority.key.parent.iterdir() if b"PRIVATE" in path.read_bytes()]
    assert keys == [authority.key]


@pytest.mark.parametrize("spoil", ["missing", "garbage", "foreign", "foreign key"])
def test_certificate_authority_is_made_again_when_a_file_is_missing_or_wrong(
    tmp_path: Path, spoil: str
) -> None:
    authority = ensure_authority(tmp_path / "tls")
    if spoil == "missing":
        authority.key.unlink()
    elif spoil == "garbage":
        authority.certificate.write_text("nonsense")
    elif spoil == "foreign key":
        authority.key.write_bytes(ensure_authority(tmp_path / "other").key.read_bytes())
    else:
        other = ensure_authority(tmp_path / "other")
        authority.ca_bundle.write_bytes(other.ca_bundle.read_bytes())
    old = authority.ca_bundle.read_bytes()
    ensure_authority(tmp_path / "tls").ssl_context()
    assert authority.ca_bundle.read_bytes() != old


def test_certificate_authority_is_made_again_when_it_expires_soon(tmp_path: Path) -> None:
    authority = ensure_authority(tmp_path)
    before = authority.certificate.read_bytes()
    ensure_authority(tmp_path, now=datetime.now(UTC) + timedelta(days=364))
    assert authority.certificate.read_bytes() != before


def test_threads_get_the_same_certificate_authority_when_they_ask_in_parallel(
    tmp_path: Path,
) -> None:
    with ThreadPoolExecutor(8) as pool:
        found = set(pool.map(lambda _: ensure_authority(tmp_path).ca_bundle.read_bytes(), range(8)))
    assert len(found) == 1


def test_client_can_connect_to_a_local_server_only_when_the_client_trusts_the_bundle(
    tmp_path: Path,
) -> None:
    authority = ensure_authority(tmp_path / "tls")
    extra = ensure_authority(tmp_path / "extra").ca_bundle
    bundle = write_bundle(tmp_path / "bundle.pem", authority, extra=extra, public=True)

    def hello(_: Request) -> Answer:
        return text_answer(200, "text/plain", b"hello")

    server = HttpsServer(hello, authority.ssl_context())
    server.start()
    try:
        for host in ("127.0.0.1", "localhost"):
            url = f"https://{host}:{server.port}/"
            assert requests.get(url, verify=str(bundle), timeout=5).text == "hello"
            with pytest.raises(requests.exceptions.SSLError):
                requests.get(url, verify=str(extra), timeout=5)
    finally:
        server.close()


def test_bundle_of_certificates_has_extra_and_public_authorities_on_request(tmp_path: Path) -> None:
    authority = ensure_authority(tmp_path / "tls")
    extra = ensure_authority(tmp_path / "extra").ca_bundle
    text = write_bundle(tmp_path / "b.pem", authority, extra=extra).read_text()
    assert text.count("BEGIN CERTIFICATE") == 2
    public = write_bundle(tmp_path / "p.pem", authority, public=True).read_text()
    assert public.count("BEGIN CERTIFICATE") > 50


@pytest.mark.parametrize("content", [None, "", "not a certificate"])
def test_extra_authority_is_refused_when_its_file_has_no_certificate(
    tmp_path: Path, content: str | None
) -> None:
    extra = tmp_path / "extra.pem"
    if content is not None:
        extra.write_text(content)
    with pytest.raises(ExtraAuthorityError, match=r"LOCAL_EXTRA_CA.*extra\.pem"):
        write_bundle(tmp_path / "b.pem", ensure_authority(tmp_path / "tls"), extra=extra)
