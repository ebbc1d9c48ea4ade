"""What can go wrong between Zoom and S3, as strategies that draw it."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import strategies as st

from bench.transfer.peers.s3_settings import S3Fault
from bench.transfer.peers.zoom_settings import ZoomFault
from tests.transfer.rig import STALL_SECONDS

MIB = 1024 * 1024
MOST_BYTES = 60_000_000
"""Of all files of a copy."""
SMALLEST = 16
"""In less, generated versions don't differ."""
LATE = 14
"""Most copies are over after so many requests."""
FOR_GOOD = 1000
"""So often a fault has no end."""
NEW_SIZE = 17_000_001
"""No file has this size at first, nor a few bytes more."""

SIZES = st.one_of(
    st.integers(SMALLEST, 6_000_000),
    st.integers(11_000_000, 24_000_000),
    st.integers(24_000_000, 40_000_000),
    st.sampled_from([0, SMALLEST, 5 * MIB, 5 * MIB + 1, 20 * MIB, 25 * MIB - 1]),
)
FILES = (
    st.lists(SIZES, min_size=1, max_size=3)
    .filter(lambda sizes: sum(sizes) <= MOST_BYTES)
    .map(lambda sizes: dict(zip("abc", sizes, strict=False)))
)
REQUESTS = st.one_of(st.integers(1, 3), st.integers(1, LATE))
"""The first open the files."""
TIMES = st.sampled_from([1, 1, 1, 2, 3, 6, FOR_GOOD])


BREAKS = st.builds(
    ZoomFault,
    what=st.sampled_from(["rst", "fin", "rst", "fin", "stall"]),
    where=st.sampled_from(["cdn", "cdn", "cdn", "rec"]),
    request=REQUESTS,
    times=st.sampled_from([1, 1, 2, 4]),
    after=st.one_of(st.none(), st.sampled_from([-1, 0, 1]), st.integers(0, 6 * MIB)),
    seconds=st.just(STALL_SECONDS * 2),
)
BREAKS_OF_ALL = st.builds(
    ZoomFault,
    what=st.sampled_from(["rst", "fin"]),
    total=st.integers(1, MOST_BYTES),
)
BUSY = st.builds(
    ZoomFault,
    what=st.just("status"),
    where=st.sampled_from(["cdn", "cdn", "rec"]),
    request=REQUESTS,
    times=TIMES,
    status=st.sampled_from([429, 500, 502, 503]),
    retry_after=st.sampled_from(["", "0", "1"]),
    body=st.sampled_from(["", "busy"]),
)
REFUSALS = st.builds(
    ZoomFault,
    what=st.just("status"),
    where=st.sampled_from(["cdn", "rec"]),
    request=REQUESTS,
    times=TIMES,
    status=st.sampled_from([401, 403, 404, 410, 400]),
)
PAGES = st.builds(
    ZoomFault,
    what=st.just("status"),
    where=st.sampled_from(["cdn", "rec"]),
    request=REQUESTS,
    times=TIMES,
    status=st.sampled_from([200, 206]),
    body=st.just('{"errorCode": 3301, "message": "<html>"}'),
    content_type=st.sampled_from(["text/html", "text/html; charset=utf-8", "application/json"]),
)
EXPIRED = st.builds(ZoomFault, what=st.just("expired"), request=REQUESTS)
EMPTY = st.builds(ZoomFault, what=st.just("empty"), request=REQUESTS, times=TIMES)
WHOLE = st.builds(ZoomFault, what=st.just("whole"), request=REQUESTS, times=TIMES)
SHIFTED = st.builds(
    ZoomFault,
    what=st.just("shifted"),
    request=REQUESTS,
    times=TIMES,
    after=st.sampled_from([1, 5 * MIB]),
)
LIES = st.builds(
    ZoomFault,
    what=st.just("headers"),
    request=REQUESTS,
    headers=st.one_of(
        st.fixed_dictionaries(
            {
                "Content-Range": st.sampled_from(
                    [
                        "",
                        "bytes {first}-{last}/*",
                        "bytes {first}-{last}/12345",
                        "bytes {first}-{last}/1{size}",
                        "bytes 7-{last}/{size}",
                        "bytes 0-{last}/{size}",
                        "bytes */{size}",
                        "{first}-{last}",
                    ]
                )
            }
        ),
        st.fixed_dictionaries({"Content-Length": st.sampled_from(["0", "1", "1000", "70000000"])}),
        st.fixed_dictionaries({"ETag": st.sampled_from(["", '"of another"'])}),
        st.fixed_dictionaries({"Last-Modified": st.just("")}),
    ),
)
_SIZE = st.one_of(st.none(), st.just(NEW_SIZE))
CHANGES = st.one_of(
    st.builds(ZoomFault, what=st.just("changed"), request=REQUESTS, size=_SIZE),
    st.builds(ZoomFault, what=st.just("changed"), total=st.integers(1, MOST_BYTES), size=_SIZE),
)
PARTS = st.builds(
    S3Fault,
    what=st.just("status"),
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
    replace, PARTS, what=st.sampled_from(["rst", "fin", "stall"]), seconds=st.just(0.2)
)
GONE = st.builds(
    S3Fault,
    what=st.just("gone"),
    nth=st.integers(1, LATE),
    operation=st.sampled_from(["UploadPart", "UploadPart", "CompleteMultipartUpload", "ListParts"]),
    moment=st.sampled_from(["before", "after", "done"]),
)
OTHER_CALLS = st.builds(
    S3Fault,
    what=st.sampled_from(["status", "status", "rst", "fin"]),
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
OF_S3 = st.one_of(REFUSED_PARTS, BROKEN_PARTS, GONE, OTHER_CALLS)
OF_ZOOM = st.one_of(
    BREAKS, BREAKS_OF_ALL, BUSY, REFUSALS, PAGES, EXPIRED, EMPTY, WHOLE, SHIFTED, LIES, CHANGES
)
