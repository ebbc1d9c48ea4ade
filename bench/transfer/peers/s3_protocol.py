"""The S3 stand-in's errors, XML documents and checksums.

https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
"""

import base64
from collections.abc import Iterable, Sequence
from xml.etree import ElementTree as ET

NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"
MOST_PARTS = 10_000
Field = tuple[str, "str | int | Sequence[Field]"]
"""The name of an element, and the element's text or children."""


class S3Error(Exception):
    """An error that S3 returns, with HTTP status and S3's error code."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.status = status
        self.code = code
        self.message = message

    def document(self, resource: str) -> bytes:
        """Return the XML body of the error answer. `resource` is the request's path."""
        return document(
            "Error",
            ("Code", self.code),
            ("Message", self.message),
            ("Resource", resource),
            ("RequestId", "0"),
            namespace="",
        )


def document(name: str, *fields: Field, namespace: str = NAMESPACE) -> bytes:
    """Return an XML document whose root `name` has the `fields`."""
    root = ET.Element(name, {"xmlns": namespace} if namespace else {})
    _fill(root, fields)
    return bytes(ET.tostring(root, encoding="utf-8", xml_declaration=True))


def named_parts(body: bytes) -> list[tuple[int, str, str]]:
    """Return number, ETag and checksum of the parts that a CompleteMultipartUpload names.

    A missing checksum is "".

    Raises:
        S3Error: The body is malformed, or names no part or more than `MOST_PARTS`.
    """
    try:
        root = ET.fromstring(body)  # noqa: S314 - of a client that this machine runs itself
        parts = [_named_part(part) for part in root if _local_name(part) == "Part"]
    except (ET.ParseError, ValueError, KeyError) as error:
        raise _malformed() from error
    if _local_name(root) != "CompleteMultipartUpload" or not 1 <= len(parts) <= MOST_PARTS:
        raise _malformed()
    return parts


def encode_crc32(crc32: int) -> str:
    """Return a CRC32 in base64, as S3 writes it."""
    return base64.b64encode(crc32.to_bytes(4, "big")).decode("ascii")


def _named_part(part: ET.Element) -> tuple[int, str, str]:
    fields = {_local_name(field): (field.text or "").strip() for field in part}
    return int(fields["PartNumber"]), fields["ETag"].strip('"'), fields.get("ChecksumCRC32", "")


def _malformed() -> S3Error:
    return S3Error(400, "MalformedXML", "The XML you provided was not well-formed.")


def _fill(parent: ET.Element, fields: Iterable[Field]) -> None:
    for name, value in fields:
        element = ET.SubElement(parent, name)
        if isinstance(value, str | int):
            element.text = str(value)
        else:
            _fill(element, value)


def _local_name(element: ET.Element) -> str:
    """Return an element's name without the namespace, which S3 doesn't require."""
    return element.tag.rpartition("}")[2]
