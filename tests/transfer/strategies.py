"""Hypothesis strategies for faults between Zoom and S3, and for scenarios with such faults.

Two cases aren't drawn, because no engine could recognize them. In the first case, a file
without ETag and Last-Modified changes but keeps its size. In the second case, neither the download
host nor Zoom's API returns a file's right size.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from bench.transfer.peers.s3_settings import S3Fault, S3Settings
from bench.transfer.peers.zoom_settings import ZoomFault, ZoomSettings
from tests.transfer.harness import STALL_SECONDS

MIB = 1024 * 1024
MOST_BYTES = 60_000_000
"""Limit in bytes of the total size of a scenario's files."""
SMALLEST = 16
"""Smallest size in bytes of a file that isn't empty. Versions of smaller files can be equal."""
LATE = 14
"""Number of requests within which most copies end."""
FOREVER = 1000
"""Number of times that a permanent fault happens."""
NEW_SIZE = 17_000_001
"""Smallest size in bytes of a file whose size has changed.

The largest size is `LATE` bytes more.
"""

SIZES = st.one_of(
    st.integers(SMALLEST, 6_000_000),
    st.integers(11_000_000, 24_000_000),
    st.integers(24_000_000, 40_000_000),
    st.sampled_from([0, SMALLEST, 5 * MIB, 5 * MIB + 1, 20 * MIB, 25 * MIB - 1]),
).filter(lambda size: not NEW_SIZE <= size <= NEW_SIZE + LATE)
"""Sizes in bytes of first versions. A file whose size changes gets none of these sizes."""

FILES = (
    st.lists(SIZES, min_size=1, max_size=3)
    .filter(lambda sizes: sum(sizes) <= MOST_BYTES)
    .map(lambda sizes: dict(zip("abc", sizes, strict=False)))
)
REQUESTS = st.one_of(st.integers(1, 3), st.integers(1, LATE))
"""Numbers of requests. The first three requests, which may open files, are drawn more often."""
TIMES = st.sampled_from([1, 1, 1, 2, 3, 6, FOREVER])


BREAKS = st.builds(
    ZoomFault,
    kind=st.sampled_from(["rst", "fin", "rst", "fin", "stall"]),
    where=st.sampled_from(["cdn", "cdn", "cdn", "rec"]),
    request=REQUESTS,
    times=st.sampled_from([1, 1, 2, 4]),
    after=st.one_of(st.none(), st.sampled_from([-1, 0, 1]), st.integers(0, 6 * MIB)),
    seconds=st.just(STALL_SECONDS * 2),
)
BREAKS_OF_ALL = st.builds(
    ZoomFault,
    kind=st.sampled_from(["rst", "fin"]),
    total=st.integers(1, MOST_BYTES),
)
BUSY = st.builds(
    ZoomFault,
    kind=st.just("status"),
    where=st.sampled_from(["cdn", "cdn", "rec"]),
    request=REQUESTS,
    times=TIMES,
    status=st.sampled_from([429, 500, 502, 503]),
    retry_after=st.sampled_from(["", "0", "1"]),
    body=st.sampled_from(["", "busy"]),
)
REFUSALS = st.builds(
    ZoomFault,
    kind=st.just("status"),
    where=st.sampled_from(["cdn", "rec"]),
    request=REQUESTS,
    times=TIMES,
    status=st.sampled_from([401, 403, 404, 410, 400]),
)
PAGES = st.builds(
    ZoomFault,
    kind=st.just("status"),
    where=st.sampled_from(["cdn", "rec"]),
    request=REQUESTS,
    times=TIMES,
    status=st.sampled_from([200, 206]),
    body=st.just('{"errorCode": 3301, "message": "<html>"}'),
    content_type=st.sampled_from(["text/html", "text/html; charset=utf-8", "application/json"]),
)
EXPIRED = st.builds(ZoomFault, kind=st.just("expired"), request=REQUESTS)
EMPTY = st.builds(ZoomFault, kind=st.just("empty"), request=REQUESTS, times=TIMES)
WHOLE = st.builds(ZoomFault, kind=st.just("whole"), request=REQUESTS, times=TIMES)
SHIFTED = st.builds(
    ZoomFault,
    kind=st.just("shifted"),
    request=REQUESTS,
    times=TIMES,
    after=st.sampled_from([1, 5 * MIB]),
)
CONTENT_RANGES = [
    "",
    "bytes {first}-{last}/*",
    "bytes {first}-{last}/12345",
    "bytes {first}-{last}/1{size}",
    "bytes 7-{last}/{size}",
    "bytes 0-{last}/{size}",
    "bytes */{size}",
    "{first}-{last}",
]
WRONG_HEADERS = st.builds(
    ZoomFault,
    kind=st.just("headers"),
    request=REQUESTS,
    headers=st.one_of(
        st.fixed_dictionaries({"Content-Range": st.sampled_from(CONTENT_RANGES)}),
        st.fixed_dictionaries({"Content-Length": st.sampled_from(["0", "1", "1000", "70000000"])}),
        st.fixed_dictionaries({"ETag": st.sampled_from(["", '"of another"'])}),
        st.fixed_dictionaries({"Last-Modified": st.just("")}),
    ),
)
_SIZE = st.one_of(st.none(), st.just(NEW_SIZE))
CHANGES = st.one_of(
    st.builds(ZoomFault, kind=st.just("changed"), request=REQUESTS, size=_SIZE),
    st.builds(ZoomFault, kind=st.just("changed"), total=st.integers(1, MOST_BYTES), size=_SIZE),
)
OF_ZOOM = st.one_of(
    *(BREAKS, BREAKS_OF_ALL, BUSY, REFUSALS, PAGES, EXPIRED, EMPTY, WHOLE, SHIFTED),
    *(WRONG_HEADERS, CHANGES),
)

PARTS = st.builds(
    S3Fault,
    kind=st.just("status"),
    nth=st.integers(1, LATE),
    times=TIMES,
    moment=st.sampled_from(["before", "middle", "after", "done"]),
    after=st.integers(0, 5 * MIB),
    status=st.just(503),
)
REFUSED_PARTS = st.one_of(
    PARTS,
    PARTS.map(lambda fault: replace(fault, status=500, code="InternalError")),
    PARTS.map(lambda fault: replace(fault, status=400, code="RequestTimeout")),
    PARTS.map(lambda fault: replace(fault, status=403, code="AccessDenied")),
)
BROKEN_PARTS = st.builds(
    replace, PARTS, kind=st.sampled_from(["rst", "fin", "stall"]), seconds=st.just(0.2)
)
GONE = st.builds(
    S3Fault,
    kind=st.just("gone"),
    nth=st.integers(1, LATE),
    operation=st.sampled_from(["UploadPart", "UploadPart", "CompleteMultipartUpload", "ListParts"]),
    moment=st.sampled_from(["before", "after", "done"]),
)
OTHER_OPERATIONS = st.builds(
    S3Fault,
    kind=st.sampled_from(["status", "status", "rst", "fin"]),
    operation=st.sampled_from(
        [
            *("CompleteMultipartUpload",) * 3,
            "CreateMultipartUpload",
            "ListMultipartUploads",
            "ListParts",
            "HeadObject",
            "AbortMultipartUpload",
        ]
    ),
    nth=st.integers(1, 3),
    moment=st.sampled_from(["before", "after", "done"]),
    status=st.sampled_from([500, 503]),
    code=st.sampled_from(["InternalError", "SlowDown"]),
)
OF_S3 = st.one_of(REFUSED_PARTS, BROKEN_PARTS, GONE, OTHER_OPERATIONS)

RANGES = st.just(True)
LENGTHS = st.sampled_from([True, True, False])
"""Flags that say whether answers have a Content-Length."""
VALIDATORS = st.sampled_from([(True, True), (True, False), (False, True)])
"""Pairs of flags that say whether answers have ETag and Last-Modified."""
OPTIONAL_VALIDATORS = st.one_of(VALIDATORS, VALIDATORS, st.just((False, False)))
PAGE_LENGTHS = st.sampled_from([1000, 1, 3])
"""Largest numbers of entries in a page of S3's lists."""


@dataclass(frozen=True)
class Scenario:
    """The behaviour of both peers in a first run.

    Attributes:
        zoom, s3: Settings of the peers.
        sizes: Sizes in bytes that Zoom's API returns, by name. Without sizes, the dict is empty.
        tolerates_errors: Whether the other files are copied although one file can't be copied.
        changes: Whether the files change after the first run.
    """

    zoom: ZoomSettings
    s3: S3Settings
    sizes: Mapping[str, int]
    tolerates_errors: bool
    changes: bool

    @property
    def names(self) -> Sequence[str]:
        return list(self.zoom.files)

    @property
    def size_of_changed(self) -> int | None:
        """New size in bytes of files that change after the first run. With None, the sizes stay."""
        return None if self.zoom.etag or self.zoom.last_modified else NEW_SIZE + LATE

    @property
    def may_leave_an_upload(self) -> bool:
        """Whether S3 may begin an upload without an answer, or refuse to abort an upload."""
        operations = {"CreateMultipartUpload", "AbortMultipartUpload"}
        return any(fault.operation in operations for fault in self.s3.faults)


@st.composite
def scenarios(
    draw: DrawFn,
    *,
    zoom: SearchStrategy[ZoomFault] | None = None,
    s3: SearchStrategy[S3Fault] | None = None,
    ranges: SearchStrategy[bool] = RANGES,
    lengths: SearchStrategy[bool] = LENGTHS,
) -> Scenario:
    """Draw a scenario with up to four faults of Zoom and up to three of S3."""
    settings = ZoomSettings(files=draw(FILES), ranges=draw(ranges), content_length=draw(lengths))
    of_zoom = [] if zoom is None else draw(st.lists(zoom, max_size=4))
    of_s3 = [] if s3 is None else draw(st.lists(s3, max_size=3))
    return _scenario(draw, settings, draw(OPTIONAL_VALIDATORS), of_zoom, of_s3)


@st.composite
def mild_scenarios(draw: DrawFn, *, has_ranges: bool) -> Scenario:
    """Draw a scenario with a few faults that each happen once, with which the copy must succeed."""
    files = draw(FILES.filter(lambda files: all(files.values())))
    zoom, s3 = draw(_mild_faults())
    settings = ZoomSettings(files=files, ranges=has_ranges, content_length=draw(LENGTHS))
    # Only the size that Zoom's API returns shows that an empty answer is wrong.
    needs_sizes = any(fault.kind == "empty" for fault in zoom)
    return _scenario(draw, settings, draw(VALIDATORS), zoom, s3, needs_sizes=needs_sizes)


@st.composite
def _mild_faults(draw: DrawFn) -> tuple[list[ZoomFault], list[S3Fault]]:
    json_pages = PAGES.filter(lambda fault: fault.content_type == "application/json")
    zoom = draw(st.lists(st.one_of(BREAKS, BUSY, SHIFTED, json_pages), max_size=3))
    zoom += draw(st.lists(BREAKS_OF_ALL, max_size=1))
    zoom += draw(st.lists(EXPIRED, max_size=1))
    parts = st.one_of(REFUSED_PARTS, BROKEN_PARTS).filter(lambda fault: fault.status != 403)
    s3 = draw(st.lists(parts, max_size=2))
    s3 += draw(st.lists(OTHER_OPERATIONS.filter(lambda fault: fault.moment != "done"), max_size=1))
    # A copy begins again only a few times, and then fails. So at most one fault makes the copy
    # begin again.
    case = st.sampled_from(["", "gone", "lost", "changed", "empty", "whole", "wrong headers"])
    match draw(case):
        case "gone":
            s3.append(draw(GONE))
        case "lost":
            s3.append(S3Fault(kind="rst", operation="CompleteMultipartUpload", moment="done"))
        case "changed":
            zoom.append(replace(draw(CHANGES), size=None))
        case "empty":
            zoom.append(draw(EMPTY))
        case "whole":
            zoom.append(draw(WHOLE))
        case "wrong headers":
            zoom.append(draw(WRONG_HEADERS))
    return [replace(fault, times=1) for fault in zoom], [replace(fault, times=1) for fault in s3]


def _scenario(
    draw: DrawFn,
    settings: ZoomSettings,
    validators: tuple[bool, bool],
    zoom: Sequence[ZoomFault],
    s3: Sequence[S3Fault],
    *,
    needs_sizes: bool = False,
) -> Scenario:
    etag, last_modified = validators
    is_clear = settings.content_length and all(fault.kind != "headers" for fault in zoom)
    has_sizes = needs_sizes or not is_clear or draw(st.booleans())
    return Scenario(
        zoom=replace(
            settings,
            etag=etag,
            last_modified=last_modified,
            faults=recognizable(zoom, has_validators=etag or last_modified),
        ),
        s3=S3Settings(mode="hash", page=draw(PAGE_LENGTHS), faults=tuple(s3)),
        sizes=settings.files if has_sizes else {},
        tolerates_errors=draw(st.booleans()),
        changes=draw(st.booleans()),
    )


def recognizable(faults: Sequence[ZoomFault], *, has_validators: bool) -> tuple[ZoomFault, ...]:
    """Return faults that an engine can recognize, made from any faults.

    Without validators each change gets its own size. Of the faults that send wrong validators, at
    most the first stays.
    """
    wrong = [
        number
        for number, fault in enumerate(faults)
        if {"ETag", "Last-Modified"} & set(fault.headers)
    ]
    return tuple(
        replace(fault, size=NEW_SIZE + number)
        if fault.kind == "changed" and not has_validators
        else fault
        for number, fault in enumerate(faults)
        if number not in wrong[1:]
    )
