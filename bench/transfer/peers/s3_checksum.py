"""Whether a body is what the client said it would be.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity-upload.html
"""

import base64
import binascii
from collections.abc import Mapping

from bench.transfer.peers.s3_body import Taken
from bench.transfer.peers.s3_errors import S3Error
from bench.transfer.peers.s3_store import CRC32, encoded

HEADER = "x-amz-checksum-crc32"
NO_CHECKSUM = frozenset({HEADER, "x-amz-checksum-algorithm", "x-amz-checksum-mode"})
"""Headers whose name begins like a checksum's that is spoken here, or is of none."""


def told_crc32(headers: Mapping[str, str], taken: Taken) -> int | None:
    """The CRC32 that a client told in a header or the trailer; None if it told none.

    Raises S3Error if it can't be read or another algorithm is told.
    """
    names = {*headers, *taken.trailer, headers.get("x-amz-trailer", "").lower()}
    others = {name for name in names if name.startswith("x-amz-checksum-")} - NO_CHECKSUM
    if others:
        raise S3Error(501, "NotImplemented", f"{min(others)} isn't spoken here.")
    if headers.get("x-amz-trailer", "").lower() == HEADER and HEADER not in taken.trailer:
        raise S3Error(400, "MalformedTrailerError", f"The trailer holds no {HEADER}.")
    told = headers.get(HEADER) or taken.trailer.get(HEADER)
    if told is None:
        return None
    try:
        value = base64.b64decode(told, validate=True)
    except binascii.Error:
        value = b""
    if len(value) != 4:
        raise S3Error(400, "InvalidRequest", f"Value for {HEADER} header is invalid.")
    return int.from_bytes(value, "big")


def verify(headers: Mapping[str, str], taken: Taken) -> int | None:
    """The CRC32 that the client told, which is right as far as the body was looked at.

    Raises S3Error if a checksum doesn't match.
    """
    if taken.sha256 and taken.sha256 != headers["x-amz-content-sha256"]:
        raise S3Error(
            400,
            "XAmzContentSHA256Mismatch",
            "The provided 'x-amz-content-sha256' header does not match what was computed.",
        )
    md5 = headers.get("content-md5")
    if md5 and taken.data and md5 != base64.b64encode(taken.md5).decode("ascii"):
        raise S3Error(
            400, "BadDigest", "The Content-MD5 you specified did not match what we received."
        )
    crc32 = told_crc32(headers, taken)
    if crc32 is not None and taken.crc32 is not None and crc32 != taken.crc32:
        raise S3Error(
            400,
            "BadDigest",
            f"The {CRC32} you specified did not match the calculated checksum: "
            f"{encoded(crc32)}, {encoded(taken.crc32)}",
        )
    return crc32
