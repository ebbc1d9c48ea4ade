"""Tests of downloads from the Zoom stand-in, with redirects, signed URLs, ranges and faults."""

import base64
import dataclasses
import hashlib
import re
import time
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from local.neighbours.https_server import CHUNK
from local.neighbours.zoom_faults import Fault
from local.neighbours.zoom_recordings import Lecture, Recording, RecordingFile
from tests.local.clock import Clock
from tests.local.zoom_client import APP, START, Client, twice


def test_zoom_stand_in_serves_each_file_byte_for_byte(client: Client, recording: Recording) -> None:
    event = client.zoom.event("recording.completed", recording.uuid)
    listed = event["payload"]["object"]["recording_files"]
    for value, file in zip(listed, recording.files, strict=True):
        redirect = client.get(value["download_url"], event["download_token"])
        place = urlsplit(redirect.headers["Location"])
        assert place.hostname == "localhost"
        assert place.path.endswith(f"/{file.name}")
        answer = client.get(redirect.headers["Location"])
        assert hashlib.sha256(answer.content).hexdigest() == file.sha256()
        assert answer.headers["Content-Length"] == str(file.size)
    kinds = [file.file_type for file in recording.files]
    assert kinds == ["MP4", "MP4", "CHAT", "M4A", "TIMELINE", "TRANSCRIPT"] * 2


def test_zoom_stand_in_redirects_a_download_when_the_token_is_an_oauth_token(
    client: Client, recording: Recording
) -> None:
    link, _ = client.completed(recording)
    assert client.get(link, headers=client.bearer()).status_code == 302


def test_zoom_stand_in_answers_a_download_with_a_page_when_token_or_link_is_invalid(
    client: Client, recording: Recording
) -> None:
    link, token = client.completed(recording)
    other = client.zoom.download_token("another==")
    refused = [
        client.get(f"{link}?access_token={token}"),
        client.get(link),
        client.get(link, "made-up"),
        client.get(link, other),
        client.get(f"{link}x", token),
    ]
    assert {answer.status_code for answer in refused} == {200}
    assert {answer.headers["Content-Type"] for answer in refused} == {"text/html;charset=UTF-8"}


def test_zoom_stand_in_answers_an_expired_download_token_as_the_switch_after_expiry_says(
    client: Client, recording: Recording, clock: Clock
) -> None:
    link, token = client.completed(recording)
    clock.now += 86_400
    answer = client.get(link, token)
    assert (answer.status_code, len(answer.content)) == (401, 59)
    client.zoom.set(after_expiry="html")
    assert client.get(link, token).status_code == 200


def test_zoom_stand_in_expires_only_the_download_tokens_of_the_given_recording(
    client: Client, recording: Recording
) -> None:
    link, token = client.completed(recording)
    client.zoom.expire_download_tokens("another==")
    assert client.get(link, token).status_code == 302
    client.zoom.expire_download_tokens(recording.uuid)
    assert client.get(link, token).status_code == 401


def test_signed_url_of_the_zoom_cdn_expires_before_its_download_token(
    client: Client, recording: Recording, clock: Clock
) -> None:
    link, token = client.completed(recording)
    address = client.get(link, token).headers["Location"]
    clock.now += APP.redirect_seconds
    assert client.get(address).status_code == 403
    assert client.get(client.get(link, token).headers["Location"]).status_code == 200


def test_signature_of_the_zoom_cdn_is_valid_only_for_its_own_file(
    client: Client, recording: Recording
) -> None:
    first, second = client.address(recording), client.address(recording)
    query = parse_qs(urlsplit(first).query)
    assert "DateLessThan" in base64.b64decode(query["Policy"][0].replace("_", "=")).decode()
    assert client.get(second.partition("?")[0]).status_code == 403
    stolen = second.partition("?")[0] + "?" + first.partition("?")[2]
    assert client.get(stolen).status_code == 403
    assert client.get(first.replace("Signature=", "Signature=AA")).status_code == 403


@pytest.mark.parametrize(
    ("asked", "slice_"),
    [
        ("bytes=0-99", slice(0, 100)),
        ("bytes=100-", slice(100, None)),
        ("bytes=-7", slice(-7, None)),
        ("bytes=10-99999999", slice(10, None)),
    ],
)
def test_zoom_cdn_answers_a_range_with_its_bytes(
    client: Client, recording: Recording, asked: str, slice_: slice
) -> None:
    path = recording.files[0].path
    assert path is not None
    whole = path.read_bytes()
    answer = client.get(client.address(recording), headers={"Range": asked})
    assert answer.status_code == 206
    assert answer.content == whole[slice_]
    first, last, size = re.findall(r"\d+", answer.headers["Content-Range"])
    assert whole[int(first) : int(last) + 1] == answer.content
    assert int(size) == len(whole)


def test_zoom_cdn_refuses_a_range_beyond_the_end_and_ignores_a_range_of_another_version(
    client: Client, recording: Recording
) -> None:
    address = client.address(recording)
    beyond = client.get(address, headers={"Range": "bytes=99999999-"})
    assert beyond.status_code == 416
    assert beyond.headers["Content-Range"] == f"bytes */{recording.files[0].size}"
    etag = client.get(address).headers["ETag"]
    changed = {"Range": "bytes=5-", "If-Range": '"other"'}
    assert client.get(address, headers=changed).status_code == 200
    same = {"Range": "bytes=5-", "If-Range": etag}
    assert client.get(address, headers=same).status_code == 206
    assert client.get(address, headers={"If-Match": '"other"'}).status_code == 412


def test_zoom_cdn_sends_the_whole_file_when_ranges_are_switched_off(
    client: Client, recording: Recording
) -> None:
    client.zoom.set(ranges=False)
    answer = client.get(client.address(recording), headers={"Range": "bytes=5-"})
    assert answer.status_code == 200
    assert len(answer.content) == recording.files[0].size
    assert "Accept-Ranges" not in answer.headers


def test_zoom_cdn_sends_the_file_name_in_content_disposition_when_the_switch_name_in_is_disposition(
    client: Client, recording: Recording
) -> None:
    client.zoom.set(name_in="disposition")
    address = client.address(recording)
    assert ".mp4" not in address
    assert recording.files[0].name in client.get(address).headers["Content-Disposition"]


def test_zoom_status_fault_ends_after_its_number_of_requests(
    client: Client, recording: Recording
) -> None:
    link, token = client.completed(recording)
    client.zoom.fail(Fault("status", status=503, times=2))
    got = [client.get(link, token).status_code for _ in range(3)]
    assert got == [503, 503, 302]


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (Fault("status", "api", status=429, retry_after=7), "7"),
        (
            Fault("status", "api", status=429, retry_after=7, retry_after_form="iso"),
            "2026-11-18T11:06:47Z",
        ),
        (Fault("status", "api", status=429), None),
    ],
)
def test_zoom_status_fault_sends_retry_after_in_the_chosen_form(
    client: Client, recording: Recording, fault: Fault, expected: str | None
) -> None:
    client.zoom.fail(fault)
    answer = client.recordings(twice(recording.uuid))
    assert (answer.status_code, answer.headers.get("Retry-After")) == (429, expected)


def test_zoom_fault_begins_after_its_skipped_requests(client: Client, recording: Recording) -> None:
    link, token = client.completed(recording)
    client.zoom.fail(Fault("status", status=503, skip=2))
    got = [client.get(link, token).status_code for _ in range(4)]
    assert got == [302, 302, 503, 302]


def test_zoom_fault_can_be_limited_to_one_file(client: Client, recording: Recording) -> None:
    event = client.zoom.event("recording.completed", recording.uuid)
    links = [f["download_url"] for f in event["payload"]["object"]["recording_files"]]
    client.zoom.fail(Fault("status", status=404, file_id=recording.files[1].file_id))
    token = event["download_token"]
    assert [client.get(link, token).status_code for link in links[:3]] == [302, 404, 302]


def test_zoom_html_fault_sends_an_html_page(client: Client, recording: Recording) -> None:
    address = client.address(recording)
    client.zoom.fail(Fault("html", "cdn"))
    assert client.get(address).headers["Content-Type"].startswith("text/html")


@pytest.mark.parametrize("kind", ["reset", "early_close"])
@pytest.mark.parametrize("after", [0, 100])
def test_download_raises_an_error_once_when_a_zoom_fault_breaks_it_off(
    client: Client, recording: Recording, kind: Any, after: int
) -> None:
    address = client.address(recording)
    client.zoom.fail(Fault(kind, "cdn", after_bytes=after))
    with pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
        client.get(address)
    assert client.get(address).status_code == 200


def test_zoom_early_close_fault_sends_the_first_bytes(client: Client, recording: Recording) -> None:
    address = client.address(recording)
    client.zoom.fail(Fault("early_close", "cdn", after_bytes=100))
    answer = client.get(address, stream=True)
    assert answer.headers["Content-Length"] == str(recording.files[0].size)
    assert len(answer.raw.read(100)) == 100


def test_zoom_short_length_fault_announces_and_sends_fewer_bytes(
    client: Client, recording: Recording
) -> None:
    address = client.address(recording)
    client.zoom.fail(Fault("short_length", "cdn", after_bytes=123))
    answer = client.get(address)
    assert (len(answer.content), answer.headers["Content-Length"]) == (123, "123")


def test_zoom_wrong_bytes_fault_sends_zeros_of_the_same_length(
    client: Client, recording: Recording
) -> None:
    address = client.address(recording)
    client.zoom.fail(Fault("wrong_bytes", "cdn"))
    assert client.get(address).content == bytes(recording.files[0].size)


def test_zoom_stall_fault_lets_the_download_continue_after_the_stall(
    client: Client, recording: Recording
) -> None:
    address = client.address(recording)
    client.zoom.fail(Fault("stall", "cdn", seconds=0.2, after_bytes=10))
    assert len(client.get(address).content) == recording.files[0].size
    client.zoom.fail(Fault("stall", "cdn", seconds=60, after_bytes=10))
    with pytest.raises(requests.ConnectionError, match="timed out"):
        client.get(address, timeout=0.2)


def test_zoom_slow_fault_delays_the_answer(client: Client) -> None:
    client.zoom.fail(Fault("slow", "token", seconds=60))
    with pytest.raises(requests.ReadTimeout):
        client.session.post(client.zoom.oauth_url, timeout=0.2)


def test_stop_of_zoom_stand_in_does_not_wait_for_a_stall(
    client: Client, recording: Recording
) -> None:
    address = client.address(recording)
    client.zoom.fail(Fault("stall", "cdn", seconds=60, after_bytes=10))
    answer = client.get(address, stream=True)
    began = time.monotonic()
    client.zoom.stop()
    assert time.monotonic() - began < 5
    with pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
        _ = answer.content


@pytest.fixture
def large(client: Client) -> Recording:
    """Add a lecture whose first file has some 300 KB, and return the lecture's recording."""
    padded = Lecture(1, START, seed="large", seconds=5, segments=1, padding=300_000)
    return client.zoom.add_lecture(padded)


def test_zoom_stand_in_counts_sent_bytes_of_ranges_and_broken_downloads(
    client: Client, large: Recording
) -> None:
    file, address = large.files[0], client.address(large)
    assert file.size > 300_000
    client.get(address)
    client.get(address, headers={"Range": "bytes=0-99"})
    client.session.head(address, timeout=5)
    assert client.zoom.sent == {file.file_id: file.size + 100}
    client.zoom.fail(Fault("early_close", "cdn", after_bytes=50))
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        client.get(address)
    assert client.zoom.sent == {file.file_id: file.size + 150}


def test_zoom_stand_in_delays_the_second_chunk_when_bytes_per_second_is_low(client: Client) -> None:
    slow = Lecture(1, START, seconds=5, segments=1, padding=300_000, bytes_per_second=1000)
    recording = client.zoom.add_lecture(slow)
    with pytest.raises(requests.ConnectionError, match="timed out"):
        client.get(client.address(recording), timeout=0.5)
    # The stand-in sends the first chunk without a delay, and the next chunk a minute later.
    assert client.zoom.sent == {recording.files[0].file_id: CHUNK}


def test_zoom_changed_fault_replaces_the_file_from_the_first_affected_request_on(
    client: Client, large: Recording
) -> None:
    address = client.address(large)
    client.zoom.fail(Fault("changed", "cdn", skip=1, file_id=large.files[0].file_id))
    ranges = [{"Range": f"bytes={first}-{first + 99_999}"} for first in (0, 100_000, 200_000)]
    old, *new = (client.get(address, headers=asked) for asked in ranges)
    whole = client.get(client.address(large))
    (now,) = (each for each in client.zoom.recordings if each.uuid == large.uuid)
    assert hashlib.sha256(whole.content).hexdigest() == now.files[0].sha256()
    assert now.files[0].sha256() != large.files[0].sha256()
    thirds = [whole.content[first : first + 100_000] for first in (0, 100_000, 200_000)]
    assert [each.content for each in new] == thirds[1:]
    assert old.content != thirds[0]
    assert len(whole.content) == large.files[0].size
    for name in ("ETag", "Last-Modified"):
        assert {each.headers[name] for each in new} == {whole.headers[name]}
        assert old.headers[name] != whole.headers[name]
    assert now.files[1:] == large.files[1:]


def test_running_download_keeps_its_version_when_a_zoom_fault_changes_the_file(
    client: Client, large: Recording
) -> None:
    path, size = large.files[0].path, large.files[0].size
    assert path is not None
    answer = client.get(client.address(large), stream=True)
    client.zoom.fail(Fault("changed", "cdn"))
    assert len(client.get(client.address(large)).content) == size
    assert answer.content == path.read_bytes()


def test_zoom_expired_fault_refuses_older_signed_urls(client: Client, large: Recording) -> None:
    address = client.address(large)
    client.zoom.fail(Fault("expired", "cdn", skip=1))
    assert [client.get(address).status_code for _ in range(3)] == [200, 403, 403]
    assert client.get(client.address(large)).status_code == 200


def test_zoom_cdn_answers_404_when_a_file_has_no_content(
    client: Client, recording: Recording
) -> None:
    empty: RecordingFile = dataclasses.replace(recording.files[0], path=None)
    client.zoom.add(dataclasses.replace(recording, files=(empty,)))
    assert client.get(client.address(recording)).status_code == 404
