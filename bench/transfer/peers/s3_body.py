"""Read the body of a request to the S3 stand-in, and verify the checksum.

A body has a Content-Length or comes in chunks (RFC 9112, section 7.1). A body of either kind can
contain the `aws-chunked` encoding, whose trailer can hold the checksum:
https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming-trailers.html
"""

import base64
import binascii
import zlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from bench.transfer.peers.s3_protocol import S3Error
from bench.transfer.peers.s3_settings import Mode
from bench.transfer.peers.wire import Connection, ConnectionClosed

CHECKSUM = "x-amz-checksum-crc32"
NO_CHECKSUM = frozenset({CHECKSUM, "x-amz-checksum-algorithm", "x-amz-checksum-mode"})


@dataclass(frozen=True)
class Received:
    """A body that was read to the end.

    Attributes:
        size: Length in bytes.
        crc32: CRC32 of the body, or None if the request had no body. In mode `discard`, the CRC32
            that the client sent, or None if the client sent no CRC32.
        has_checksum: Whether the client sent a checksum.
        data: The bytes in mode `keep`, else empty.
    """

    size: int = 0
    crc32: int | None = None
    has_checksum: bool = False
    data: bytes = b""


class Source(Protocol):
    """A source of bytes and lines, such as a connection or an encoded body."""

    def take(self, limit: int, into: memoryview | None = None) -> int: ...

    def line(self) -> bytes: ...


class _Body(ABC):
    """A body of a request, without the framing of chunks and trailer."""

    def __init__(self) -> None:
        self.trailer: Mapping[str, str] = {}
        self._byte = memoryview(bytearray(1))

    @abstractmethod
    def take(self, limit: int, into: memoryview | None = None) -> int:
        """Read at most `limit` bytes, and return their number, which is 0 at the end of the body.

        The bytes are written to `into`, or dropped if `into` is None.

        Raises:
            S3Error: A chunk has no length, or the body around a chunk is incomplete.
            ConnectionClosed: The client closed the connection, a chunk ended early, or a line is
                too long.
        """

    def line(self) -> bytes:
        """Read the next line byte by byte, and return the line without CRLF.

        Raises:
            S3Error: The body ends before the end of the line, or a chunk has no length.
            ConnectionClosed: The client closed the connection, a chunk ended early, or a line is
                too long.
        """
        line = b""
        while not line.endswith(b"\r\n"):
            if not self.take(1, self._byte):
                raise S3Error(400, "IncompleteBody", "The aws-chunked body has no end.")
            line += bytes(self._byte)
        return line[:-2]


class _Measured(_Body):
    """A body whose length in bytes is known in advance."""

    def __init__(self, source: Source, left: int) -> None:
        super().__init__()
        self._source = source
        self._left = left

    def take(self, limit: int, into: memoryview | None = None) -> int:
        count = self._source.take(min(limit, self._left), into) if self._left else 0
        self._left -= count
        return count


class _Chunked(_Body):
    """A body in chunks. Before each chunk a line has the chunk's length in hexadecimal."""

    def __init__(self, source: Source) -> None:
        super().__init__()
        self._source = source
        self._left = 0
        self._is_first = True
        self._is_over = False

    def take(self, limit: int, into: memoryview | None = None) -> int:
        if not self._left and not self._is_over:
            self._begin_chunk()
        if self._is_over:
            return 0
        count = self._source.take(min(limit, self._left), into)
        if not count:
            raise ConnectionClosed
        self._left -= count
        return count

    def _begin_chunk(self) -> None:
        if not self._is_first:
            self._source.line()
        self._is_first = False
        try:
            self._left = int(self._source.line().partition(b";")[0], 16)
        except ValueError as error:
            raise S3Error(400, "IncompleteBody", "A chunk has no length.") from error
        if not self._left:
            self._is_over = True
            self.trailer = self._read_trailer()

    def _read_trailer(self) -> dict[str, str]:
        trailer = {}
        while line := self._source.line():
            name, _, value = line.decode("latin-1").partition(":")
            trailer[name.strip().lower()] = value.strip()
        return trailer


def receive(
    connection: Connection,
    headers: Mapping[str, str],
    mode: Mode,
    on_bytes: Callable[[int], None],
) -> Received:
    """Read a body to the end, and verify the body's checksum unless `mode` is `discard`.

    `on_bytes` gets the number of bytes of each read.

    Raises:
        S3Error: The body is incomplete or has no length, the checksum is malformed, wrong or
            missing in the trailer, or the stand-in doesn't support the checksum or the encoding.
        ConnectionClosed: The client closed the connection, a chunk ended early, or a line is too
            long.
    """
    body, outer = _decoded(connection, headers)
    size, crc32, data = 0, 0, bytearray()
    view = None if mode == "discard" else connection.scratch
    while count := _fill(body, connection.step, view):
        connection.pace(count)
        if view is not None:
            crc32 = zlib.crc32(view[:count], crc32)
            if mode == "keep":
                data += view[:count]
        size += count
        on_bytes(count)
    # Read the outer body to its end. Otherwise the stand-in would take the rest of that body for
    # the next request.
    while outer.take(1024):
        pass
    expected = headers.get("x-amz-decoded-content-length")
    if body is not outer and expected is not None and int(expected) != size:
        raise S3Error(400, "IncompleteBody", f"{size} bytes came in place of {expected}.")
    sent = _sent_crc32(headers, body.trailer)
    if view is not None and sent not in (None, crc32):
        raise S3Error(
            400, "BadDigest", "The CRC32 you specified did not match the calculated checksum."
        )
    return Received(size, sent if view is None else crc32, sent is not None, bytes(data))


def _decoded(connection: Connection, headers: Mapping[str, str]) -> tuple[_Body, _Body]:
    """Return the decoded body, and the outer body that contains the decoded body.

    Without the encoding `aws-chunked`, both bodies are the same object.

    Raises:
        S3Error: The headers give no length, or name an encoding that the stand-in doesn't support.
    """
    outer: _Body
    if headers.get("transfer-encoding", "").lower() == "chunked":
        outer = _Chunked(connection)
    elif "content-length" in headers:
        outer = _Measured(connection, int(headers["content-length"]))
    else:
        raise S3Error(411, "MissingContentLength", "You must provide the Content-Length header.")
    payload = headers.get("x-amz-content-sha256", "")
    if payload == "STREAMING-UNSIGNED-PAYLOAD-TRAILER":
        if "x-amz-decoded-content-length" not in headers:
            raise S3Error(411, "MissingContentLength", "x-amz-decoded-content-length is missing.")
        return _Chunked(outer), outer
    if payload.startswith("STREAMING-"):
        raise S3Error(501, "NotImplemented", f"{payload} isn't supported.")
    return outer, outer


def _fill(body: _Body, length: int, view: memoryview | None) -> int:
    """Read `length` bytes into `view`, or fewer at the body's end. Return the number of bytes read.

    If `view` is None, the bytes are dropped.
    """
    filled = 0
    while filled < length:
        count = body.take(length - filled, None if view is None else view[filled:])
        if not count:
            break
        filled += count
    return filled


def _sent_crc32(headers: Mapping[str, str], trailer: Mapping[str, str]) -> int | None:
    """Return the CRC32 that the client sent in a header or the trailer, or None without a CRC32.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity-upload.html

    Raises:
        S3Error: The checksum is malformed, of another algorithm, or missing in the trailer.
    """
    promised = headers.get("x-amz-trailer", "").lower()
    names = {*headers, *trailer, promised}
    others = {name for name in names if name.startswith("x-amz-checksum-")} - NO_CHECKSUM
    if others:
        raise S3Error(501, "NotImplemented", f"{min(others)} isn't supported.")
    if promised == CHECKSUM and CHECKSUM not in trailer:
        raise S3Error(400, "MalformedTrailerError", f"The trailer holds no {CHECKSUM}.")
    sent = headers.get(CHECKSUM) or trailer.get(CHECKSUM)
    if sent is None:
        return None
    try:
        value = base64.b64decode(sent, validate=True)
    except binascii.Error:
        value = b""
    if len(value) != 4:
        raise S3Error(400, "InvalidRequest", f"Value for {CHECKSUM} header is invalid.")
    return int.from_bytes(value, "big")
