"""Reads a request's body and the parts of a multipart form in the order in which they are sent."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import Message
from io import BufferedIOBase
from typing import Protocol

from multipart import (
    MultipartError,
    MultipartSegment,
    PushMultipartParser,
    parse_options_header,
)

CHUNK = 64 * 1024
MAX_FIELD = 4 * 1024 * 1024


class BrokenBodyError(Exception):
    """The body ends too early or isn't a multipart form."""


class Body(Protocol):
    """A request's body, read once, from its beginning."""

    def read(self, size: int) -> bytes:
        """Up to `size` bytes, b"" at the end; raises BrokenBodyError if it ends too early."""


@dataclass(frozen=True)
class Part:
    """A part of the form. One with a file name (even an empty one) is media: it has no `value`."""

    name: str
    value: str
    filename: str | None
    content_type: str
    size: int
    sha256: str


class SizedBody:
    """A body of known length."""

    def __init__(self, stream: BufferedIOBase, length: int) -> None:
        self._stream = stream
        self._left = length

    def read(self, size: int) -> bytes:
        data = self._stream.read(min(size, self._left)) if self._left else b""
        if self._left and not data:
            raise BrokenBodyError("the connection ended before the body")
        self._left -= len(data)
        return data


class ChunkedBody:
    """A body sent with `Transfer-Encoding: chunked`."""

    def __init__(self, stream: BufferedIOBase) -> None:
        self._stream = stream
        self._chunk = SizedBody(stream, 0)
        self._ended = False

    def read(self, size: int) -> bytes:
        data = self._chunk.read(size)
        while not data and not self._ended:
            self._next_chunk()
            data = self._chunk.read(size)
        return data

    def _next_chunk(self) -> None:
        line = self._stream.readline(1024).strip() or self._stream.readline(1024).strip()
        try:
            length = int(line.partition(b";")[0], 16)
        except ValueError as error:
            raise BrokenBodyError("a chunk doesn't begin with its length") from error
        self._chunk = SizedBody(self._stream, length)
        if length == 0:
            self._ended = True
            while self._stream.readline(1024).strip():
                pass


def body_of(headers: Message, stream: BufferedIOBase) -> Body:
    """The body that these headers announce; an empty one if they announce none."""
    if headers.get("Transfer-Encoding", "").lower() == "chunked":
        return ChunkedBody(stream)
    length = headers.get("Content-Length", "0")
    return SizedBody(stream, int(length) if length.isdecimal() else 0)


def boundary_of(content_type: str) -> str | None:
    """The boundary of a multipart form; None if it is something else."""
    kind, options = parse_options_header(content_type)
    return str(options.get("boundary", "")) if kind == "multipart/form-data" else None


def read_parts(body: Body, boundary: str) -> Iterator[Part]:
    """Each part as soon as it is complete; what comes after it hasn't been read by then.

    Raises BrokenBodyError when the form breaks off or isn't one.
    """
    try:
        collected: _Collected | None = None
        for event in PushMultipartParser(boundary).parse_blocking(body.read, CHUNK):
            if isinstance(event, MultipartSegment):
                collected = _Collected(event)
            elif collected is not None and event is None:
                yield collected.part()
            elif collected is not None:
                collected.add(event)
    except MultipartError as error:
        raise BrokenBodyError(f"the form can't be read: {error}") from error


class _Collected:
    """What has been read of a part: a field's text, of media only the size and the hash."""

    def __init__(self, segment: MultipartSegment) -> None:
        self._segment = segment
        self._text = bytearray()
        self._hash = hashlib.sha256()
        self._size = 0

    def add(self, data: bytes) -> None:
        self._hash.update(data)
        self._size += len(data)
        if self._segment.filename is None:
            self._text += data
            if len(self._text) > MAX_FIELD:
                raise BrokenBodyError(f"the field {self._segment.name} is over {MAX_FIELD} bytes")

    def part(self) -> Part:
        return Part(
            name=self._segment.name,
            value=self._text.decode("utf-8", errors="replace"),
            filename=self._segment.filename,
            content_type=self._segment.content_type or "",
            size=self._size,
            sha256=self._hash.hexdigest(),
        )
