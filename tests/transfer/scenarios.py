"""Faults put together to what happens in one copy, so that a right engine can tell what is what.

Two things nobody can tell, so they aren't drawn: a file without ETag and Last-Modified that becomes
another one of the same size; and where a file ends of which neither the download host nor Zoom's
API tells the right size.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from bench.transfer.peers.s3_settings import S3Fault, S3Settings
from bench.transfer.peers.zoom_settings import ZoomFault, ZoomSettings
from tests.transfer import faults as of

RANGES = st.just(True)
SIZES = st.sampled_from([True, True, False])
"""Whether answers have a Content-Length."""
VERSION = {"ETag", "Last-Modified"}
VALIDATORS = st.sampled_from([(True, True), (True, False), (False, True)])
PERHAPS_NO_VALIDATORS = st.one_of(VALIDATORS, VALIDATORS, st.just((False, False)))
PAGES = st.sampled_from([1000, 1, 3])
"""How much S3's lists tell at once."""


@dataclass(frozen=True)
class Scenario:
    """How both peers behave in a first call.

    `told` are the sizes that Zoom's API tells. With `skips` a file that is none doesn't end the
    others' copies. With `changes` the source is another one after the first call.
    """

    zoom: ZoomSettings
    s3: S3Settings
    told: Mapping[str, int]
    skips: bool
    changes: bool

    @property
    def names(self) -> Sequence[str]:
        return list(self.zoom.files)

    @property
    def size_of_changed(self) -> int | None:
        """Of the source after the first call, if the versions differ in nothing else."""
        return None if self.zoom.etag or self.zoom.last_modified else of.NEW_SIZE + of.LATE

    @property
    def may_leave_an_upload(self) -> bool:
        """Whether S3 begins an upload of which it tells nobody, or refuses to remove one."""
        calls = {"CreateMultipartUpload", "AbortMultipartUpload"}
        return any(fault.operation in calls for fault in self.s3.faults)


@st.composite
def scenarios(
    draw: DrawFn,
    *,
    zoom: SearchStrategy[ZoomFault] | None = None,
    s3: SearchStrategy[S3Fault] | None = None,
    ranges: SearchStrategy[bool] = RANGES,
    sizes: SearchStrategy[bool] = SIZES,
) -> Scenario:
    """Some faults of each kind."""
    settings = ZoomSettings(files=draw(of.FILES), ranges=draw(ranges), content_length=draw(sizes))
    of_zoom = [] if zoom is None else draw(st.lists(zoom, max_size=4))
    of_s3 = [] if s3 is None else draw(st.lists(s3, max_size=3))
    return _scenario(draw, settings, draw(PERHAPS_NO_VALIDATORS), of_zoom, of_s3)


@st.composite
def mild_scenarios(draw: DrawFn, *, is_ranged: bool) -> Scenario:
    """Few faults, each once: none of them is worth an error."""
    files = draw(of.FILES.filter(lambda files: all(files.values())))
    zoom, s3 = draw(_mild_faults())
    settings = ZoomSettings(files=files, ranges=is_ranged, content_length=draw(SIZES))
    return _scenario(draw, settings, draw(VALIDATORS), zoom, s3)


@st.composite
def _mild_faults(draw: DrawFn) -> tuple[list[ZoomFault], list[S3Fault]]:
    is_json = of.PAGES.filter(lambda fault: fault.content_type == "application/json")
    zoom = draw(st.lists(st.one_of(of.BREAKS, of.BUSY, of.SHIFTED, is_json), max_size=3))
    zoom += draw(st.lists(of.BREAKS_OF_ALL, max_size=1))
    zoom += draw(st.lists(of.EXPIRED, max_size=1))
    refused = st.one_of(of.REFUSED_PARTS, of.BROKEN_PARTS).filter(lambda one: one.status != 403)
    s3 = draw(st.lists(refused, max_size=2))
    s3 += draw(st.lists(of.OTHER_CALLS.filter(lambda one: one.moment != "done"), max_size=1))
    # At most one for which a copy has to begin anew.
    match draw(st.sampled_from(["", "gone", "lost", "changed", "whole", "lie"])):
        case "gone":
            s3.append(draw(of.GONE))
        case "lost":
            s3.append(S3Fault(what="rst", operation="CompleteMultipartUpload", moment="done"))
        case "changed":
            zoom.append(replace(draw(of.CHANGES), size=None))
        case "whole":
            zoom.append(draw(of.WHOLE))
        case "lie":
            zoom.append(draw(of.LIES))
    return [replace(one, times=1) for one in zoom], [replace(one, times=1) for one in s3]


def _scenario(
    draw: DrawFn,
    settings: ZoomSettings,
    validators: tuple[bool, bool],
    zoom: Sequence[ZoomFault],
    s3: Sequence[S3Fault],
) -> Scenario:
    etag, last_modified = validators
    is_clear = settings.content_length and all(fault.what != "headers" for fault in zoom)
    has_told = not is_clear or draw(st.booleans())
    return Scenario(
        zoom=replace(
            settings,
            etag=etag,
            last_modified=last_modified,
            faults=_tellable(zoom, has_validators=etag or last_modified),
        ),
        s3=S3Settings(mode="hash", page=draw(PAGES), faults=tuple(s3)),
        told=settings.files if has_told else {},
        skips=draw(st.booleans()),
        changes=draw(st.booleans()),
    )


def _tellable(faults: Sequence[ZoomFault], *, has_validators: bool) -> tuple[ZoomFault, ...]:
    """The faults, each change of the source another size if nothing else tells it, and but one
    answer that lies about its version."""
    lies = [fault for fault in faults if VERSION & set(fault.headers)]
    return tuple(
        replace(fault, size=of.NEW_SIZE + number)
        if fault.what == "changed" and not has_validators
        else fault
        for number, fault in enumerate(faults)
        if fault not in lies[1:]
    )
