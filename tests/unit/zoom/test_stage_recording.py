"""Unit tests of the staging of a recording."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from msgspec import UNSET

from bench.transfer.peers.s3 import S3Peer
from ingester.errors import EmptyFile, FileGone, FileRefused, OutOfTime, TransferFailed
from ingester.pipeline.messages import DownloadMessage, RecordingFile, StagedFile
from ingester.recording.staging_bucket import Staging
from ingester.recording.upload_message import FileOfView, Staged
from ingester.transfer import mp4
from ingester.transfer.multipart import IDENTITY_KEY
from ingester.zoom.download import ZoomFile
from ingester.zoom.download_token import Access
from ingester.zoom.download_urls import DownloadHosts
from ingester.zoom.stage_recording import RecordingTransfer
from local import media
from local.neighbours.https_server import Answer, Request
from tests.neighbours import Web
from tests.unit.transfer.copying import BUCKET, Copying, until_stopped
from tests.unit.zoom.pages import FRESH, FRESH_TOKEN, TOKEN, page, ranged, redirect

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

MEETING = 95846636714
FOLDER = f"{MEETING}/1791986412"
STARTS = ("2026-10-14T14:00:12Z", "2026-10-14T15:00:12Z")
ENDS = ("2026-10-14T14:50:12Z", "2026-10-14T15:50:12Z")
CHAT = b"00:00:05\tA. Student:\tHello\n"
Movie = Callable[[int], bytes]
GONE = page(b"<html>This recording does not exist.</html>", kind="text/html")


def file_of(
    number: int, kind: str = "MP4", view: str = "active_speaker", **more: Any
) -> dict[str, Any]:
    """Return the fields of a file in a message, without the file's URL."""
    segment = more.pop("segment", 0)
    return {
        "recording_id": f"f-{number}",
        "recording_start": STARTS[segment],
        "recording_end": ENDS[segment],
        "file_type": kind,
        "recording_type": view,
        **more,
    }


def message(web: Web, *files: dict[str, Any]) -> DownloadMessage:
    """Return the message of a recording whose files have the paths /1, /2 and so on in `web`."""
    return DownloadMessage(
        uuid="aj//Xp112QmuoKj485487==",
        zoom_series_id=MEETING,
        topic="A lecture",
        start_time=STARTS[0],
        duration=110,
        host_id="h",
        recording_files=tuple(
            RecordingFile(download_url=f"{web.url}/{number}", **file)
            for number, file in enumerate(files, 1)
        ),
        on_demand_ingest=False,
        zip_id="auto-ingest-1",
        received_time="2026-10-14T18:30:00Z",
        download_token=TOKEN,
    )


@dataclass
class Recording:
    """A harness to stage a recording from a web server into the S3 peer."""

    web: Web
    copying: Copying
    staging: Staging
    fresh: list[Access] = field(default_factory=list)
    staged: Staged = field(default_factory=lambda: Staged(()))

    def run(self, *files: dict[str, Any], **engine: Any) -> list[FileOfView]:
        transfer = RecordingTransfer(
            engine=self.copying.engine(**engine),
            open_file=partial(
                ZoomFile, http=self.copying.http, hosts=DownloadHosts(("127.0.0.1",))
            ),
            read_range=self.staging.read_range,
            inspect=mp4.inspect,
            refresh=lambda: self.fresh.pop(0),
        )
        self.staged = transfer.run(message(self.web, *files))
        return list(self.staged.files)

    @property
    def keys(self) -> list[str]:
        return [stored.key.removeprefix(f"{FOLDER}/") for stored in self.copying.s3.objects()]


@pytest.fixture
def recording(web: Web, copying: Copying, client: S3Client) -> Recording:
    return Recording(web, copying, Staging(client, BUCKET))


@pytest.fixture(scope="module")
def movie(tmp_path_factory: pytest.TempPathFactory) -> Movie:
    """Return a function that returns the bytes of an MP4 of a given length in seconds."""
    folder = tmp_path_factory.mktemp("media")

    def of(seconds: int) -> bytes:
        path: Path = folder / f"{seconds}.mp4"
        if not path.exists():
            media.write_lecture(path, seconds, f"{seconds}")
        return path.read_bytes()

    return of


class TestComplete:
    def test_staged_files_are_in_the_order_of_the_message(
        self, recording: Recording, movie: Movie
    ) -> None:
        recording.web.pages = {
            "/1": ranged(movie(12)),
            "/2": ranged(movie(7)),
            "/3": ranged(CHAT),
            "/4": ranged(movie(5)),
        }
        sizes = [len(movie(12)), len(movie(7)), len(movie(5))]
        staged = recording.run(
            file_of(1, view="shared_screen", segment=1, file_size=sizes[0]),
            file_of(2, file_size=sizes[1]),
            file_of(3, "CHAT", "chat_file", file_size=len(CHAT)),
            file_of(4, view="shared_screen"),
        )
        expected = [
            ("shared_screen", 1, "f-1", "mp4", sizes[0], 12.0),
            ("active_speaker", 0, "f-2", "mp4", sizes[1], 7.0),
            ("chat_file", 0, "f-3", "txt", 0, 0),
            ("shared_screen", 0, "f-4", "mp4", sizes[2], 5.0),
        ]
        assert staged == [
            FileOfView(
                view,
                StagedFile(
                    filename=f"{FOLDER}/{segment:03d}-{view}-{file_id}.{extension}",
                    segment_num=segment,
                    recording_start=STARTS[segment],
                    recording_end=ENDS[segment],
                    ffprobe_bytes=size,
                    ffprobe_seconds=seconds,
                    file_id=file_id,
                ),
            )
            for view, segment, file_id, extension, size, seconds in expected
        ]
        stored = recording.copying.stored()
        contents = (movie(12), movie(7), CHAT, movie(5))
        assert [stored[item.file.filename] for item in staged] == list(contents)

    def test_staged_object_has_the_metadata_of_its_file(
        self, recording: Recording, movie: Movie, s3: S3Peer
    ) -> None:
        recording.web.pages = {"/1": ranged(movie(5))}
        recording.run(file_of(1))
        [stored] = s3.objects()
        assert stored.metadata.pop(IDENTITY_KEY)
        assert stored.metadata == {
            "uuid": "aj//Xp112QmuoKj485487==",
            "file_id": "f-1",
            "file_type": "mp4",
        }

    def test_second_file_of_a_view_gets_a_number_in_its_name(
        self, recording: Recording, movie: Movie
    ) -> None:
        recording.web.pages = {"/1": ranged(movie(5)), "/2": ranged(movie(7))}
        staged = recording.run(file_of(1), file_of(2))
        assert [item.view for item in staged] == ["active_speaker", "active_speaker_2"]
        assert recording.keys == ["000-active_speaker-f-1.mp4", "000-active_speaker_2-f-2.mp4"]

    @pytest.mark.parametrize(
        ("location", "file_extension", "key"),
        [
            ("/files/GMT_Recording.M4V", UNSET, "000-active_speaker-f-1.m4v"),
            ("/replay/0123", UNSET, "000-active_speaker-f-1.mp4"),
            ("/replay/0123", "MOV", "000-active_speaker-f-1.mov"),
            ("/files/page.html", UNSET, "000-active_speaker-f-1.mp4"),
            ("/files/image.svg", "HTML", "000-active_speaker-f-1.mp4"),
        ],
    )
    def test_extension_of_a_staged_file_comes_from_the_url_or_the_message_or_is_mp4(
        self, recording: Recording, movie: Movie, location: str, file_extension: Any, key: str
    ) -> None:
        recording.web.pages = {"/1": redirect(location), location: ranged(movie(5))}
        recording.run(file_of(1, file_extension=file_extension))
        assert recording.keys == [key]

    def test_nothing_is_copied_when_the_recording_is_staged_again(
        self, recording: Recording, movie: Movie
    ) -> None:
        recording.web.pages = {"/1": ranged(movie(5)), "/2": ranged(CHAT)}
        files = (file_of(1), file_of(2, "CHAT", "chat_file"))
        first = recording.run(*files)
        recording.web.seen.clear()
        assert recording.run(*files) == first
        assert [request.headers["Range"] for request in recording.web.seen] == ["bytes=0-0"] * 2
        assert recording.copying.requests("UploadPart") == 2


class TestMissing:
    @pytest.mark.parametrize(
        ("chat", "missing"),
        [(GONE, ("chat_file of segment 0",)), (page(b""), ())],
        ids=["a page", "no bytes"],
    )
    def test_chat_is_skipped_when_zoom_answers_with_a_page_or_no_bytes(
        self,
        recording: Recording,
        movie: Movie,
        chat: Answer,
        missing: tuple[str, ...],
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        recording.fresh = [Access(FRESH_TOKEN, is_fresh=True)]
        recording.web.pages = {"/1": ranged(movie(5)), "/2": chat}
        [staged] = recording.run(file_of(1), file_of(2, "CHAT", "chat_file"))
        assert staged.view == "active_speaker"
        assert recording.keys == ["000-active_speaker-f-1.mp4"]
        assert "Skipped chat_file of segment 0: Zoom" in caplog.text
        assert recording.staged.missing == missing

    def test_error_names_view_and_segment_when_a_video_is_not_whole(
        self, recording: Recording, movie: Movie
    ) -> None:
        recording.web.pages = {"/1": ranged(movie(5)[:-1000])}
        said = r"^active_speaker of segment 0 is not a whole MP4: it breaks off"
        with pytest.raises(TransferFailed, match=said):
            recording.run(file_of(1))

    def test_video_is_reported_missing_when_zoom_answers_with_a_page(
        self, recording: Recording, movie: Movie
    ) -> None:
        recording.fresh = [Access(FRESH_TOKEN, is_fresh=True)]
        recording.web.pages = {"/1": GONE, "/2": ranged(movie(5))}
        [staged] = recording.run(file_of(1), file_of(2, view="gallery_view"))
        assert staged.view == "gallery_view"
        assert recording.staged.missing == ("active_speaker of segment 0",)

    def test_file_gone_is_raised_when_no_video_can_be_staged(self, recording: Recording) -> None:
        recording.fresh = [Access(FRESH_TOKEN, is_fresh=True)]
        recording.web.pages = {"/1": GONE, "/2": ranged(CHAT)}
        with pytest.raises(FileGone, match="no video of this recording"):
            recording.run(file_of(1), file_of(2, "CHAT", "chat_file"))

    def test_empty_file_error_is_raised_when_a_video_has_no_bytes(
        self, recording: Recording, movie: Movie
    ) -> None:
        recording.web.pages = {"/1": ranged(movie(5)), "/2": ranged(b"")}
        with pytest.raises(EmptyFile):
            recording.run(file_of(1), file_of(2, view="gallery_view"))

    def test_transfer_failed_is_raised_when_a_video_is_empty_and_bytes_are_expected(
        self, recording: Recording
    ) -> None:
        recording.web.pages = {"/1": ranged(b"")}
        with pytest.raises(TransferFailed, match="Zoom stated 500 bytes"):
            recording.run(file_of(1, file_size=500))

    def test_file_refused_is_raised_when_zoom_refuses_the_fresh_token_too(
        self, recording: Recording, movie: Movie
    ) -> None:
        recording.fresh = [Access(FRESH_TOKEN, is_fresh=True)]
        recording.web.pages = {"/1": ranged(movie(5)), "/2": Answer(404)}
        with pytest.raises(FileRefused):
            recording.run(file_of(1), file_of(2, view="gallery_view"))


class TestChecks:
    def test_transfer_failed_is_raised_when_a_video_is_not_a_complete_mp4(
        self, recording: Recording, movie: Movie
    ) -> None:
        recording.web.pages = {"/1": ranged(movie(5)[:-50])}
        with pytest.raises(TransferFailed, match="active_speaker of segment 0"):
            recording.run(file_of(1))

    def test_next_run_copies_a_video_again_when_the_copy_was_not_a_complete_mp4(
        self, recording: Recording, movie: Movie
    ) -> None:
        whole = movie(5)
        broken = whole[:100] + bytes(len(whole) - 100)
        recording.web.pages = {"/1": ranged(broken)}
        with pytest.raises(TransferFailed):
            recording.run(file_of(1))
        recording.web.pages = {"/1": ranged(whole)}
        [staged] = recording.run(file_of(1))
        assert recording.copying.stored()[staged.file.filename] == whole

    def test_transfer_failed_is_raised_when_a_video_has_another_size_than_expected(
        self, recording: Recording, movie: Movie
    ) -> None:
        recording.web.pages = {"/1": ranged(movie(5))}
        with pytest.raises(TransferFailed, match="Zoom stated 3"):
            recording.run(file_of(1, file_size=3))
        assert recording.keys == []

    def test_video_is_staged_when_the_message_gives_the_video_the_size_0(
        self, recording: Recording, movie: Movie
    ) -> None:
        recording.web.pages = {"/1": ranged(movie(5))}
        [staged] = recording.run(file_of(1, file_size=0))
        assert recording.copying.stored()[staged.file.filename] == movie(5)

    def test_out_of_time_error_is_raised_when_the_time_runs_out_after_the_first_file(
        self, recording: Recording, movie: Movie
    ) -> None:
        recording.web.pages = {"/1": ranged(movie(5)), "/2": Answer(500)}
        s3 = recording.copying.s3
        with pytest.raises(OutOfTime):
            recording.run(
                file_of(1),
                file_of(2, view="gallery_view"),
                time_left=lambda: 0.0 if s3.objects() else 100.0,
                wait=until_stopped,
            )
        assert recording.keys == ["000-active_speaker-f-1.mp4"]


def test_expired_download_token_is_replaced_once_for_all_files_of_a_recording(
    recording: Recording, movie: Movie
) -> None:
    def file(request: Request) -> Answer:
        if request.headers["Authorization"] == FRESH:
            return ranged(movie(5))(request)
        return Answer(401)

    web = recording.web
    urls = {"f-2": f"{web.url}/new"}
    recording.fresh = [Access(FRESH_TOKEN, urls, is_fresh=True)]
    web.pages = {"/1": file, "/2": Answer(404), "/new": file, "/3": file}
    staged = recording.run(*(file_of(number, segment=number % 2) for number in (1, 2, 3)))
    assert len(staged) == 3
    assert recording.fresh == []
    assert ("/2", FRESH) not in web.tokens()
    assert ("/new", FRESH) in web.tokens()
