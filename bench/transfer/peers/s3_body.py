"""The bodies that come to the fake S3, out of their framing, and what becomes of them.

Three framings: a Content-Length, chunks (RFC 9112, section 7.1), and within either of them the
`aws-chunked` encoding, whose trailer can hold the checksum:
https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming-trailers.html
"""

import hashlib
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from bench.transfer.peers.s3_errors import S3Error
from bench.transfer.peers.s3_settings import Mode
from bench.transfer.peers.wire import Connection, Gone


class Body(Protocol):
    """Bytes out of a framing, and the headers that came behind them."""

    trailer: Mapping[str, str]

    def read_into(self, view: memoryview) -> int:
        """Some bytes; 0 at the end."""

    def skip(self, limit: int) -> int:
        """Throws some bytes away, cheaper than reading them; 0 at the end."""


class Measured:
    """A body of `left` bytes."""

    def __init__(self, connection: Connection, left: int) -> None:
        self.trailer: Mapping[str, str] = {}
        self._connection = connection
        self._left = left

    def read_into(self, view: memoryview) -> int:
        """See Body."""
        count = self._connection.read_into(view[: self._left]) if self._left else 0
        self._left -= count
        return count

    def skip(self, limit: int) -> int:
        """See Body."""
        count = self._connection.skip(min(limit, self._left)) if self._left else 0
        self._left -= count
        return count


class Chunked:
    """A body in chunks, each with its length in hexadecimal in front, on a `source` with lines."""

    def __init__(self, source: "Lines") -> None:
        self.trailer: Mapping[str, str] = {}
        self._source = source
        self._left = 0
        self._is_first = True
        self._is_over = False

    def read_into(self, view: memoryview) -> int:
        """See Body."""
        if not self._more():
            return 0
        count = self._source.read_into(view[: self._left])
        return self._took(count)

    def skip(self, limit: int) -> int:
        """See Body."""
        if not self._more():
            return 0
        return self._took(self._source.skip(min(limit, self._left)))

    def _took(self, count: int) -> int:
        if not count:
            raise Gone
        self._left -= count
        return count

    def _more(self) -> bool:
        """Whether bytes come next, in this chunk or in the next."""
        if self._is_over or self._left:
            return not self._is_over
        if not self._is_first:
            self._source.line()
        self._is_first = False
        try:
            self._left = int(self._source.line().partition(b";")[0], 16)
        except ValueError as error:
            raise S3Error(400, "IncompleteBody", "A chunk has no length.") from error
        if not self._left:
            self._is_over = True
            self._read_trailer()
        return not self._is_over

    def _read_trailer(self) -> None:
        told = {}
        while line := self._source.line():
            name, _, value = line.decode("latin-1").partition(":")
            told[name.strip().lower()] = value.strip()
        self.trailer = told


class Lines(Protocol):
    """Where chunks come from: a connection, or a body with lines."""

    def read_into(self, view: memoryview) -> int: ...

    def skip(self, limit: int) -> int: ...

    def line(self) -> bytes: ...


class LinesOf:
    """Lines of a body. They are few and short, so each byte is read by itself."""

    def __init__(self, body: Body) -> None:
        self._body = body
        self._byte = memoryview(bytearray(1))

    def read_into(self, view: memoryview) -> int:
        """See Body."""
        return self._body.read_into(view)

    def skip(self, limit: int) -> int:
        """See Body."""
        return self._body.skip(limit)

    def line(self) -> bytes:
        """The next line, without its end."""
        found = b""
        while not found.endswith(b"\r\n"):
            if not self._body.read_into(self._byte):
                raise S3Error(400, "IncompleteBody", "The aws-chunked body has no end.")
            found += bytes(self._byte)
        return found[:-2]


@dataclass
class Taken:
    """What is known of a body that was read. `md5`, `sha256` and `data` only where asked for."""

    size: int
    crc32: int | None
    md5: bytes
    sha256: str
    data: bytes
    trailer: Mapping[str, str]


def unframed(connection: Connection, headers: Mapping[str, str]) -> tuple[Body, Body]:
    """The bytes that are meant, and the body that they came in (the same if it isn't aws-chunked).

    Raises S3Error for a body without a length and for encodings that aren't spoken here.
    """
    outer: Body
    if headers.get("transfer-encoding", "").lower() == "chunked":
        outer = Chunked(connection)
    elif "content-length" in headers:
        outer = Measured(connection, int(headers["content-length"]))
    else:
        raise S3Error(411, "MissingContentLength", "You must provide the Content-Length header.")
    payload = headers.get("x-amz-content-sha256", "")
    if payload == "STREAMING-UNSIGNED-PAYLOAD-TRAILER":
        if "x-amz-decoded-content-length" not in headers:
            raise S3Error(411, "MissingContentLength", "x-amz-decoded-content-length is missing.")
        return Chunked(LinesOf(outer)), outer
    if payload.startswith("STREAMING-"):
        raise S3Error(501, "NotImplemented", f"{payload} isn't spoken here.")
    return outer, outer


def take(
    connection: Connection,
    headers: Mapping[str, str],
    mode: Mode,
    passed: Callable[[int], None],
) -> Taken:
    """Reads a body to its end. `passed` is told, after each piece, how many bytes it had."""
    if headers.get("expect", "").lower() == "100-continue":
        connection.proceed()
    body, outer = unframed(connection, headers)
    if mode == "discard":
        size = _discard(connection, body, passed)
        taken = Taken(size, None, b"", "", b"", body.trailer)
    else:
        taken = _digest(connection, body, passed, headers, keep=mode == "keep")
    while outer.skip(1024):
        pass
    told = headers.get("x-amz-decoded-content-length")
    if body is not outer and told is not None and int(told) != taken.size:
        raise S3Error(400, "IncompleteBody", f"{taken.size} bytes came, {told} were told.")
    return taken


def _discard(connection: Connection, body: Body, passed: Callable[[int], None]) -> int:
    size = 0
    piece = 0
    step = connection.step
    while count := body.skip(step - piece):
        size += count
        piece += count
        if piece == step:
            connection.pace(piece)
            passed(piece)
            piece = 0
    connection.pace(piece)
    passed(piece)
    return size


def _digest(
    connection: Connection,
    body: Body,
    passed: Callable[[int], None],
    headers: Mapping[str, str],
    *,
    keep: bool,
) -> Taken:
    """SHA-256 is computed only if the request told one that has to match."""
    wants_sha256 = len(headers.get("x-amz-content-sha256", "")) == hashlib.sha256().digest_size * 2
    md5 = hashlib.md5(usedforsecurity=False)
    sha256 = hashlib.sha256()
    data = bytearray()
    size = crc32 = 0
    view = connection.scratch[: connection.step]
    while count := _fill(body, view):
        piece = view[:count]
        connection.pace(count)
        crc32 = zlib.crc32(piece, crc32)
        if wants_sha256:
            sha256.update(piece)
        if keep:
            md5.update(piece)
            data += piece
        size += count
        passed(count)
    told = sha256.hexdigest() if wants_sha256 else ""
    return Taken(size, crc32, md5.digest(), told, bytes(data), body.trailer)


def _fill(body: Body, view: memoryview) -> int:
    """Reads until the view is full or the body over."""
    filled = 0
    while filled < len(view) and (count := body.read_into(view[filled:])):
        filled += count
    return filled
