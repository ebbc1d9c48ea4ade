"""Carry out an ingest as Opencast does: fetch each file while the form is still being read."""

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from email.message import Message
from pathlib import PurePosixPath
from typing import NamedTuple
from urllib.parse import SplitResult, unquote
from uuid import uuid4

import requests

from local.neighbours.opencast_form import (
    TERMS,
    BadRequestError,
    Part,
    read_catalog,
    uri_of,
    without_signature,
)
from local.neighbours.opencast_store import (
    ActiveWorkflowError,
    DublinCore,
    Event,
    FileKind,
    Ingest,
    Store,
    StoredFile,
    Switches,
    Workflow,
    timestamp,
)

FLAVOR = re.compile(r"[^/\s]+/[^/\s]+")
IDENTIFIER = re.compile(r"[\w\-.:;()]+", re.ASCII)
CONNECT_SECONDS = 10

CHAPTERS = "chapters/source"
CHAPTERS_VERSION = 19
CUE = re.compile(r"(\d\d):(\d\d):(\d\d\.\d{3}) --> (\d\d):(\d\d):(\d\d\.\d{3})\n([^\n<>]+)\n?")


class IngestFailedError(Exception):
    """Error for an ingest to which Opencast answers 500 with an empty body.

    Only Opencast's log contains the reason.
    """


class Content(NamedTuple):
    """A downloaded file. `text` is the content of a WebVTT file, and empty for other files."""

    name: str
    sha256: str
    size: int
    content_type: str
    text: str


def fetch(uri: SplitResult, ca_bundle: str) -> Content:
    """Download a file as Opencast does, without a read timeout, and without redirects.

    Raises:
        IngestFailedError: The status isn't 200, the file can't be downloaded, or neither the URI
            nor the answer gives a usable file name.
    """
    if uri.scheme not in ("http", "https"):
        raise IngestFailedError(f"{uri.scheme or 'no scheme'}: only http and https are read")
    try:
        with requests.Session() as session:
            session.trust_env = False
            answer = session.get(
                uri.geturl(),
                stream=True,
                allow_redirects=False,
                verify=ca_bundle,
                timeout=(CONNECT_SECONDS, None),
                headers={"Accept-Encoding": "identity"},
            )
            with answer:
                return _content(answer, uri)
    except (requests.RequestException, ValueError) as error:
        # The error's text contains the URI. A presigned URL is a secret.
        reason = f"{uri.hostname}{uri.path}: {type(error).__name__}"
        raise IngestFailedError(reason) from None


def _content(answer: requests.Response, uri: SplitResult) -> Content:
    if answer.status_code != requests.codes.ok:
        raise IngestFailedError(f"{uri.hostname}{uri.path} answers {answer.status_code}")
    name = PurePosixPath(unquote(uri.path)).name
    if not PurePosixPath(name).suffix:
        header = Message()
        header["Content-Disposition"] = answer.headers.get("Content-Disposition", "")
        name = header.get_filename("")
    if not name:
        raise IngestFailedError(f"{uri.path} has no extension and came without a file name")
    sha256, size, captions = hashlib.sha256(), 0, bytearray()
    for block in answer.iter_content(256 * 1024):
        sha256.update(block)
        size += len(block)
        captions += block if name.endswith(".vtt") else b""
    content_type = answer.headers.get("Content-Type", "")
    return Content(name, sha256.hexdigest(), size, content_type, captions.decode())


def check_chapters(file: StoredFile, switches: Switches) -> None:
    """Check that Opencast can show and edit chapters. The real Opencast doesn't check chapters.

    Raises:
        BadRequestError: Opencast's version doesn't support chapters, the chapters are malformed or
            have tags, the first chapter doesn't begin at 0 s, a later chapter doesn't begin where
            the chapter before ends, or a chapter isn't longer than 0 s.
    """
    if file.flavor != CHAPTERS:
        return
    if switches.major < CHAPTERS_VERSION:
        raise BadRequestError(f"Opencast {switches.version} doesn't support chapters")
    header, *blocks = file.text.removesuffix("\n").split("\n\n")
    cues = [CUE.fullmatch(block) for block in blocks]
    if header != "WEBVTT" or not cues or file.tags:
        raise BadRequestError("Chapters are WebVTT without tags")
    at = 0.0
    for cue in cues:
        if cue is None:
            raise BadRequestError("A chapter isn't a cue with a title of one line")
        begins, ends = (
            3600 * int(hours) + 60 * int(minutes) + float(seconds)
            for hours, minutes, seconds in (cue.groups()[:3], cue.groups()[3:6])
        )
        if begins != at or ends <= begins:
            raise BadRequestError("A chapter doesn't begin where the last one ends")
        at = ends


def check_track(file: StoredFile) -> None:
    """Check that Opencast can inspect a track. The real Opencast's workflow fails otherwise.

    Raises:
        BadRequestError: The track is a JSON file.
    """
    if file.kind == "track" and file.name.endswith(".json"):
        raise BadRequestError(f"{file.name} can't be inspected: it has no media")


def track_of(parts: Mapping[str, Part], *, with_tags: bool) -> StoredFile:
    """Return the WebVTT file in a form that adds a track.

    `with_tags` is whether this version of Opencast reads the form's tags.

    Raises:
        BadRequestError: The flavor or the file is missing or wrong.
    """
    flavor, track = parts.get("flavor"), parts.get("track")
    if flavor is None or not FLAVOR.fullmatch(flavor.value):
        raise BadRequestError("flavor must be set, and be one")
    if track is None or not track.filename:
        raise BadRequestError("A track file is required")
    tags = parts["tags"].value if with_tags and "tags" in parts else ""
    content = track.value.encode()
    return StoredFile(
        part="track",
        kind="track",
        flavor=flavor.value,
        name=track.filename,
        path="",
        sha256=hashlib.sha256(content).hexdigest(),
        size=len(content),
        content_type="text/vtt",
        tags=tuple(tag for tag in tags.split(",") if tag),
        text=track.value,
    )


class MediaPackage:
    """A media package that is built from the parts of a form."""

    def __init__(self, store: Store, ca_bundle: str, record: Ingest) -> None:
        self._store = store
        self._ca_bundle = ca_bundle
        self._record = record
        self._flavor = ""
        self._tags: list[str] = []
        self._terms: dict[str, list[str]] = {}
        self._series: list[DublinCore] = []
        self._properties: dict[str, str] = {}
        self._fields: dict[str, Callable[[Part], None]] = {
            "flavor": self._set_flavor,
            "tag": lambda part: self._tags.append(part.value),
            "seriesDCCatalog": self._add_series,
            "mediaUri": lambda part: self._add_file(part, "track"),
        }
        if store.switches.dce:
            self._fields["attachmentUri"] = lambda part: self._add_file(part, "attachment")

    def add(self, part: Part) -> None:
        """Add the next part unless the part is empty.

        If Opencast downloads the file that the part names, download the file.

        Raises:
            BadRequestError: The part is wrong.
            IngestFailedError: The file can't be downloaded.
        """
        if part.value == "":
            return
        if part.name in TERMS:
            self._add_term(part.name, part.value)
        elif part.name in self._fields:
            self._fields[part.name](part)
        else:
            self._properties[part.name] = part.value

    def _set_flavor(self, part: Part) -> None:
        if not FLAVOR.fullmatch(part.value):
            raise BadRequestError(f"Could not parse flavor '{part.value}'")
        self._flavor = part.value

    def _add_term(self, term: str, value: str) -> None:
        if term == "identifier":
            if not IDENTIFIER.fullmatch(value):
                raise BadRequestError(f"'{value}' is not an identifier")
            self._record.mediapackage_id = value
        self._terms.setdefault(term, []).append(value)
        if term == "isPartOf":
            self._record.series = value

    def _add_series(self, part: Part) -> None:
        catalog = read_catalog(part.value)
        self._series.append(catalog)
        if not self._record.series and catalog.get("identifier"):
            self._record.series = catalog["identifier"][0]["value"]

    def _add_file(self, part: Part, kind: FileKind) -> None:
        if not self._flavor:
            raise BadRequestError("A flavor has to be given in the request before the media file")
        uri = uri_of(part)
        content = fetch(uri, self._ca_bundle)
        file = StoredFile(
            part=part.name,
            kind=kind,
            flavor=self._flavor,
            path=unquote(uri.path),
            tags=tuple(self._tags),
            **content._asdict(),
        )
        check_track(file)
        check_chapters(file, self._store.switches)
        self._record.files.append(file)
        self._tags.clear()

    def start(self, workflow: str) -> tuple[Workflow, Event]:
        """Start the workflow if there are a track and metadata. Return the workflow and the event.

        The series in the form are added to the store.

        Raises:
            BadRequestError: Media or metadata are missing.
            ActiveWorkflowError: The event has an active workflow.
        """
        if not any(stored.kind == "track" for stored in self._record.files):
            raise BadRequestError("Rejected ingest without actual media.")
        if not self._terms:
            raise BadRequestError(
                "Rejected ingest without episode metadata. At least provide a title."
            )
        event = Event(
            identifier=self._record.mediapackage_id,
            terms=self._terms,
            created=self._terms.get("created", [timestamp(self._store.clock())])[0],
            files=self._record.files,
        )
        started = self._store.start_workflow(event, workflow, self._properties)
        for catalog in self._series:
            self._store.add_series(catalog)
        return started, event


@contextmanager
def recorded(store: Store, workflow: str, user: str) -> Iterator[Ingest]:
    """Add an ingest to the store, count it as running during the block, and yield the ingest.

    If the ingest's state is `running` at the end, set the state to `failed`.
    """
    record = Ingest(mediapackage_id=str(uuid4()), workflow_asked=workflow, user=user)
    with store.lock:
        store.ingests.append(record)
        store.downloading += 1
    try:
        yield record
    finally:
        if record.state == "running":
            record.state = "failed"
        with store.lock:
            store.downloading -= 1


def ingest(
    store: Store, ca_bundle: str, record: Ingest, parts: Iterable[Part], *, conflict: bool
) -> tuple[Workflow, Event]:
    """Carry out an ingest, and return the started workflow and the event.

    With `conflict`, refuse the ingest as if another ingest were running.

    Raises:
        BadRequestError, IngestFailedError, ActiveWorkflowError, BrokenFormError: The ingest failed
            before the ingest's workflow started.
    """
    package = MediaPackage(store, ca_bundle, record)
    for part in parts:
        record.parts.append((part.name, without_signature(part.value)))
        package.add(part)
    if conflict:
        raise ActiveWorkflowError("another ingest of this media package is under way")
    started, event = package.start(record.workflow_asked)
    record.workflow, record.state = started.template, "done"
    return started, event
