"""Tests of Opencast's ingest form, which the Opencast stand-in reads or refuses."""

import hashlib
from pathlib import Path

import pytest

from local.authority import ensure_authority
from local.neighbours.opencast import OpencastStandIn
from tests.local.file_server import FileServer, serve_files
from tests.local.opencast.client import WORKFLOW, Client, Form, lecture, parse


def test_opencast_stand_in_lists_an_ingest_without_url_signatures(
    client: Client, files: FileServer
) -> None:
    parts = [
        ("identifier", "mp-1"),
        ("title", "Ünïcode & <more>"),
        ("isPartOf", "20260112345"),
        ("zoomMeetingStart", "2026-11-24T10:00:00Z"),
        ("flavor", "multipart/chunked+source"),
        ("mediaUri", f"{files.url}/b/000-speaker.mp4?X-Amz-Signature=topsecret"),
        ("flavor", "presentation/chunked+source"),
        ("mediaUri", f"{files.url}/b/001%20screen.mp4?X-Amz-Signature=topsecret"),
        ("flavor", "chat/chunked+source"),
        ("attachmentUri", f"{files.url}/b/chat.txt?X-Amz-Signature=topsecret"),
    ]
    assert client.ingest(parts).status_code == 200
    (ingest,) = client.listing()
    assert ingest["mediapackage_id"] == "mp-1"
    assert ingest["series"] == "20260112345"
    assert (ingest["workflow_asked"], ingest["workflow"]) == ("publish", "publish")
    assert (ingest["state"], ingest["status"]) == ("done", 200)
    assert ingest["parts"] == [[name, value.partition("?X")[0]] for name, value in parts]
    assert "topsecret" not in client.ask("/_control/ingests").text
    speaker, screen, chat = ingest["files"]
    content = files.files["/b/000-speaker.mp4"]
    assert speaker == {
        "part": "mediaUri",
        "kind": "track",
        "flavor": "multipart/chunked+source",
        "name": "000-speaker.mp4",
        "path": "/b/000-speaker.mp4",
        "sha256": hashlib.sha256(content).hexdigest(),
        "size": len(content),
        "content_type": "video/mp4",
    }
    assert (screen["flavor"], screen["name"]) == (
        "presentation/chunked+source",
        "001 screen.mp4",
    )
    assert (chat["part"], chat["kind"], chat["flavor"], chat["size"]) == (
        "attachmentUri",
        "attachment",
        "chat/chunked+source",
        5,
    )


def test_opencast_stand_in_fetches_files_one_after_the_other(
    client: Client, files: FileServer
) -> None:
    more = [("mediaUri", f"{files.url}/b/chat.txt")]
    assert client.ingest(lecture(files) + more).status_code == 200
    paths = ["/b/000-speaker.mp4", "/b/chat.txt"]
    assert files.order == [(step, path) for path in paths for step in ("begin", "end")]


def test_opencast_stand_in_makes_the_last_value_of_an_unknown_part_a_workflow_property(
    client: Client, files: FileServer
) -> None:
    answer = client.ingest([*lecture(files), ("straight", "no"), ("straight", "yes")])
    found = parse(answer.content).iter(f"{WORKFLOW}configuration")
    assert {each.get("key"): each.text for each in found} == {"straight": "yes"}


def test_opencast_stand_in_does_not_fetch_attachments_when_its_switch_dce_is_off(
    opencast: OpencastStandIn, client: Client, files: FileServer
) -> None:
    opencast.set(dce=False)
    chat = [("attachmentUri", f"{files.url}/b/chat.txt?X=topsecret")]
    assert client.ingest(lecture(files) + chat).status_code == 200
    assert [stored["part"] for stored in client.listing()[0]["files"]] == ["mediaUri"]
    assert ("begin", "/b/chat.txt") not in files.order


@pytest.mark.parametrize(
    "spoil",
    [
        [("flavor", "noslash")],
        [("identifier", "no blanks allowed")],
        [("seriesDCCatalog", "<an xml catalog/>")],
        [("seriesDCCatalog", '{"not": "a catalog"}')],
        [("mediaUri", "https://127.0.0.1/a b.mp4")],
        [("mediaUri", "https://127.0.0.1/%zz.mp4")],
        [("mediaUri", "https://[nonsense/x.mp4")],
    ],
    ids=lambda spoil: "=".join(spoil[0]),
)
def test_opencast_stand_in_refuses_an_ingest_with_400_when_a_part_is_wrong(
    client: Client, files: FileServer, spoil: list[tuple[str, str]]
) -> None:
    answer = client.ingest(lecture(files) + spoil)
    assert answer.status_code == 400
    assert answer.text
    (ingest,) = client.listing()
    assert (ingest["state"], ingest["status"]) == ("failed", 400)
    assert client.admin("/api/events/mp-1").status_code == 404


def test_opencast_stand_in_answers_400_when_an_ingest_lacks_flavor_media_or_metadata(
    client: Client, files: FileServer
) -> None:
    identifier, title, flavor, media = lecture(files)
    for parts in ([title, media], [identifier, title, flavor], [flavor, media]):
        assert client.ingest(parts).status_code == 400
    with_a_file: Form = [("title", (None, "T")), ("BODY", ("a.mp4", b"x"))]
    assert client.post(with_a_file).status_code == 400


@pytest.mark.parametrize(
    "uri",
    [
        "{files}/b/missing.mp4",
        "https://127.0.0.1:1/closed.mp4",
        "s3://bucket/file.mp4",
        "file:///etc/hostname.txt",
        "{files}/b/bare",
    ],
)
def test_opencast_stand_in_answers_an_empty_500_when_a_file_cannot_be_fetched_or_named(
    client: Client, files: FileServer, uri: str
) -> None:
    spoiled = [*lecture(files), ("mediaUri", uri.format(files=files.url))]
    answer = client.ingest(spoiled)
    assert (answer.status_code, answer.content) == (500, b"")
    assert client.listing()[0]["state"] == "failed"
    assert client.admin("/api/events/mp-1").status_code == 404


def test_opencast_stand_in_names_a_file_by_content_disposition_when_its_path_has_no_extension(
    client: Client, files: FileServer
) -> None:
    files.headers["/b/bare"] = {"Content-Disposition": 'attachment; filename="named.mp4"'}
    parts = [*lecture(files), ("mediaUri", f"{files.url}/b/bare")]
    assert client.ingest(parts).status_code == 200
    assert client.listing()[0]["files"][1]["name"] == "named.mp4"


def test_opencast_stand_in_answers_an_ingest_with_500_when_it_does_not_trust_the_file_server(
    client: Client, tmp_path: Path
) -> None:
    with serve_files(ensure_authority(tmp_path)) as other:
        other.files = {"/b/000-speaker.mp4": b"x"}
        assert client.ingest(lecture(other)).status_code == 500
    assert "SSLError" in client.listing()[0]["reason"]


def test_opencast_stand_in_refuses_an_ingest_with_415_when_its_body_is_no_multipart_form(
    client: Client,
) -> None:
    answer = client.admin("/ingest/addMediaPackage/publish", method="POST", data={"a": "b"})
    assert answer.status_code == 415


def test_opencast_stand_in_answers_an_ingest_with_500_when_the_form_breaks_off(
    client: Client,
) -> None:
    kind = {"Content-Type": "multipart/form-data; boundary=x"}
    broken = b'--x\r\nContent-Disposition: form-data; name="title"\r\n\r\nHalf'
    answer = client.ask(
        "/ingest/addMediaPackage", ("database", "database"), kind, "POST", data=broken
    )
    assert (answer.status_code, answer.content) == (500, b"")
