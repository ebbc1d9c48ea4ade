"""One ingest as Opencast does it: the form's parts in order, each file fetched when it is named."""

import hashlib
import re
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from email.message import Message
from pathlib import PurePosixPath
from typing import NamedTuple
from urllib.parse import SplitResult, unquote, urlsplit
from uuid import uuid4

import requests

from local.neighbours.opencast_catalogs import TERMS, BadCatalogError, read_catalog
from local.neighbours.opencast_forms import Part
from local.neighbours.opencast_store import (
    ActiveWorkflowError,
    DublinCore,
    Event,
    FileKind,
    Ingest,
    Store,
    StoredFile,
    Workflow,
    timestamp,
)

FLAVOR = re.compile(r"[^/\s]+/[^/\s]+")
IDENTIFIER = re.compile(r"[\w\-.:;()]+", re.ASCII)
# What java.net.URI refuses: blanks, control characters, these marks, a % without two digits.
BAD_URI = re.compile(r"^:|[\x00-\x20\x7f<>\"{}|\\^`]|%(?![0-9A-Fa-f]{2})")
CONNECT_SECONDS = 10


class BadRequestError(Exception):
    """Opencast answers 400 with this text."""


class IngestFailedError(Exception):
    """Opencast answers 500 with an empty body; the reason is only in its log."""


class Content(NamedTuple):
    """A file that was downloaded."""

    name: str
    sha256: str
    size: int
    content_type: str


def _content(answer: requests.Response, uri: SplitResult) -> Content:
    if answer.status_code != requests.codes.ok:
        raise IngestFailedError(f"{uri.hostname}{uri.path} answers {answer.status_code}")
    name = PurePosixPath(unquote(uri.path)).name
    if not PurePosixPath(name).suffix:
        name = _disposition_name(answer.headers.get("Content-Disposition", ""))
    if not name:
        raise IngestFailedError(f"{uri.path} has no extension and came without a file name")
    sha256, size = hashlib.sha256(), 0
    for block in answer.iter_content(256 * 1024):
        sha256.update(block)
        size += len(block)
    return Content(name, sha256.hexdigest(), size, answer.headers.get("Content-Type", ""))


def _disposition_name(value: str) -> str:
    header = Message()
    header["Content-Disposition"] = value
    return header.get_filename("")


class Downloads:
    """Fetches what an ingest names, as Opencast does: no time limit, 200 or nothing."""

    def __init__(self, ca_bundle: str, pause: Callable[[], object]) -> None:
        """`pause` is called before each download: an artificial delay."""
        self._ca_bundle = ca_bundle
        self._pause = pause

    def fetch(self, split: SplitResult) -> tuple[Content, str]:
        """What is at this URI, and the URI's path; raises IngestFailedError if nothing is."""
        if split.scheme not in ("http", "https"):
            raise IngestFailedError(f"{split.scheme or 'no scheme'}: only http and https are read")
        self._pause()
        try:
            with requests.Session() as session:
                session.trust_env = False
                answer = session.get(
                    split.geturl(),
                    stream=True,
                    allow_redirects=False,
                    verify=self._ca_bundle,
                    timeout=(CONNECT_SECONDS, None),
                    headers={"Accept-Encoding": "identity"},
                )
                with answer:
                    return _content(answer, split), unquote(split.path)
        except (requests.RequestException, ValueError) as error:
            # The error's text holds the URI, and a presigned URI is a secret.
            reason = f"{split.hostname}{split.path}: {type(error).__name__}"
            raise IngestFailedError(reason) from None


class MediaPackage:
    """What the parts of the form have added up to so far."""

    def __init__(self, store: Store, downloads: Downloads, record: Ingest) -> None:
        self._store = store
        self._downloads = downloads
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
            "mediaUri": lambda part: self._add_uri(part, "track"),
        }
        if store.switches.dce:
            self._fields["attachmentUri"] = lambda part: self._add_uri(part, "attachment")

    def add(self, part: Part) -> None:
        """Take the next part; raises BadRequestError or IngestFailedError."""
        if part.filename is not None:
            self._add_sent(part, part.filename)
        elif part.value == "":
            return
        elif part.name in TERMS:
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
        try:
            catalog = read_catalog(part.value)
        except BadCatalogError as error:
            raise BadRequestError("Could not parse the Dublin Core catalog") from error
        self._series.append(catalog)
        if not self._record.series and catalog.get("identifier"):
            self._record.series = catalog["identifier"][0]["value"]

    def _take_tags(self) -> list[str]:
        tags, self._tags = self._tags, []
        return tags

    def _require_flavor(self) -> str:
        if not self._flavor:
            raise BadRequestError("A flavor has to be given in the request before the media file")
        return self._flavor

    def _add_uri(self, part: Part, kind: FileKind) -> None:
        flavor = self._require_flavor()
        content, path = self._downloads.fetch(_uri(part))
        self._store_file(part.name, kind, flavor, path, content)

    def _add_sent(self, part: Part, filename: str) -> None:
        content = Content(
            name=PurePosixPath(filename).name,
            sha256=part.sha256,
            size=part.size,
            content_type=part.content_type,
        )
        self._store_file(part.name, "track", self._require_flavor(), filename, content)

    def _store_file(
        self, part: str, kind: FileKind, flavor: str, path: str, content: Content
    ) -> None:
        stored = StoredFile(
            part=part,
            kind=kind,
            flavor=flavor,
            tags=self._take_tags() if kind == "track" else [],
            path=path,
            **content._asdict(),
        )
        self._record.files.append(stored)

    def start(self, workflow: str) -> tuple[Workflow, Event]:
        """Check that all is there and start the workflow.

        Raises BadRequestError, or ActiveWorkflowError when one is active on this event.
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


class Ingests:
    """Runs ingests and keeps the record of each."""

    def __init__(self, store: Store, ca_bundle: str, stopping: threading.Event) -> None:
        self._store = store
        self._downloads = Downloads(
            ca_bundle, lambda: stopping.wait(store.switches.download_delay_seconds)
        )

    @contextmanager
    def record(self, workflow: str, user: str) -> Iterator[Ingest]:
        """The record of a new ingest, which ends failed unless `run` has brought it to its end."""
        store = self._store
        record = Ingest(
            mediapackage_id=str(uuid4()),
            workflow_asked=workflow,
            user=user,
            started=timestamp(store.clock()),
        )
        with store.lock:
            store.ingests.append(record)
            store.downloading += 1
        try:
            yield record
        finally:
            if record.state == "running":
                record.state = "failed"
            record.ended = timestamp(store.clock())
            with store.lock:
                store.downloading -= 1

    def run(
        self, record: Ingest, parts: Iterable[Part], *, conflict: bool
    ) -> tuple[Workflow, Event]:
        """Do the whole ingest; `conflict` pretends that another is active on this event.

        Raises BadRequestError, IngestFailedError, ActiveWorkflowError or BrokenBodyError.
        """
        package = MediaPackage(self._store, self._downloads, record)
        for part in parts:
            record.parts.append((part.name, _without_signature(part)))
            package.add(part)
        if conflict:
            raise ActiveWorkflowError("another ingest of this media package is under way")
        started, event = package.start(record.workflow_asked)
        record.workflow, record.workflow_id, record.state = started.template, started.id, "done"
        return started, event


def _uri(part: Part) -> SplitResult:
    """The part's value as a URI; raises BadRequestError if it isn't one."""
    try:
        if not BAD_URI.search(part.value):
            return urlsplit(part.value)
    except ValueError:
        # Brackets that hold no address: the same answer as for the rest.
        pass
    raise BadRequestError(f"Invalid URI for {part.name}")


def _without_signature(part: Part) -> str:
    """The part's value; of a URI only what comes before the query, which may be a signature."""
    if part.filename is not None:
        return part.filename
    if part.value.startswith(("http://", "https://", "s3://")):
        return part.value.partition("?")[0]
    return part.value
