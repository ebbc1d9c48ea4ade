"""The fake S3's XML: what it answers, and the one document that it reads."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from urllib.parse import quote
from xml.etree import ElementTree as ET

from bench.transfer.peers.s3_errors import S3Error, malformed
from bench.transfer.peers.s3_store import MOST_PARTS, Named, Piece, Stored, Upload

NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"
Field = tuple[str, "str | int | Sequence[Field]"]
"""A name, and its text or what it holds."""


def document(name: str, *fields: Field, namespace: str = NAMESPACE) -> bytes:
    """An XML document; fields whose text is empty are left in, as S3 does."""
    root = ET.Element(name, {"xmlns": namespace} if namespace else {})
    _fill(root, fields)
    return bytes(ET.tostring(root, encoding="utf-8", xml_declaration=True))


def error_document(error: S3Error, resource: str) -> bytes:
    """What tells of a refusal."""
    return document(
        "Error",
        ("Code", error.code),
        ("Message", error.message),
        ("Resource", resource),
        ("RequestId", "0"),
        namespace="",
    )


def created(bucket: str, upload: Upload) -> bytes:
    """The answer of CreateMultipartUpload."""
    return document(
        "InitiateMultipartUploadResult",
        ("Bucket", bucket),
        ("Key", upload.described.key),
        ("UploadId", upload.upload_id),
    )


def completed(bucket: str, stored: Stored) -> bytes:
    """The answer of CompleteMultipartUpload."""
    checksum: list[Field] = []
    if stored.checksum:
        checksum = [("ChecksumCRC32", stored.checksum), ("ChecksumType", "COMPOSITE")]
    return document(
        "CompleteMultipartUploadResult",
        ("Location", f"/{bucket}/{quote(stored.described.key)}"),
        ("Bucket", bucket),
        ("Key", stored.described.key),
        ("ETag", stored.etag),
        *checksum,
    )


def parts_page(bucket: str, upload: Upload, after: int, page: int) -> bytes:
    """The answer of ListParts: at most `page` parts, those with numbers above `after`."""
    pieces = [upload.pieces[number] for number in sorted(upload.pieces) if number > after]
    shown = pieces[:page]
    algorithm = upload.described.algorithm
    return document(
        "ListPartsResult",
        ("Bucket", bucket),
        ("Key", upload.described.key),
        ("UploadId", upload.upload_id),
        ("PartNumberMarker", after),
        ("NextPartNumberMarker", shown[-1].told.number if shown else after),
        ("MaxParts", page),
        ("IsTruncated", _yes_or_no(len(pieces) > page)),
        *(("Part", _part(piece, algorithm)) for piece in shown),
        ("StorageClass", "STANDARD"),
        *_checksums(algorithm),
    )


def uploads_page(
    bucket: str, uploads: Sequence[Upload], prefix: str, page: int, *, encode: bool
) -> bytes:
    """The answer of ListMultipartUploads: at most `page` of `uploads`, all that are left."""
    shown = uploads[:page]
    written = quote if encode else str
    last = shown[-1] if len(uploads) > page else None
    return document(
        "ListMultipartUploadsResult",
        ("Bucket", bucket),
        ("Prefix", written(prefix)),
        ("NextKeyMarker", written(last.described.key) if last else ""),
        ("NextUploadIdMarker", last.upload_id if last else ""),
        ("MaxUploads", page),
        *([("EncodingType", "url")] if encode else []),
        ("IsTruncated", _yes_or_no(last is not None)),
        *(("Upload", _upload(upload, written(upload.described.key))) for upload in shown),
    )


def named_parts(body: bytes) -> list[Named]:
    """The parts that a CompleteMultipartUpload names; MalformedXML if they can't be read."""
    try:
        root = ET.fromstring(body)  # noqa: S314  # of a client that this machine runs itself
        parts = [_named(part) for part in root if _local(part) == "Part"]
    except (ET.ParseError, ValueError) as error:
        raise malformed() from error
    if _local(root) != "CompleteMultipartUpload" or not 1 <= len(parts) <= MOST_PARTS:
        raise malformed()
    return parts


def _named(part: ET.Element) -> Named:
    told = {_local(field): (field.text or "").strip() for field in part}
    if not told.get("ETag"):
        raise ValueError("A part without an ETag.")
    return Named(int(told.get("PartNumber", "")), told["ETag"], told.get("ChecksumCRC32", ""))


def _part(piece: Piece, algorithm: str) -> Sequence[Field]:
    fields: list[Field] = [
        ("PartNumber", piece.told.number),
        ("LastModified", _time(piece.at)),
        ("ETag", piece.etag),
        ("Size", piece.told.size),
    ]
    if algorithm:
        fields.append(("ChecksumCRC32", piece.checksum))
    return fields


def _upload(upload: Upload, key: str) -> Sequence[Field]:
    return [
        ("Key", key),
        ("UploadId", upload.upload_id),
        ("StorageClass", "STANDARD"),
        ("Initiated", _time(upload.at)),
        *_checksums(upload.described.algorithm),
    ]


def _checksums(algorithm: str) -> Sequence[Field]:
    if not algorithm:
        return []
    return [("ChecksumAlgorithm", algorithm), ("ChecksumType", "COMPOSITE")]


def _fill(parent: ET.Element, fields: Iterable[Field]) -> None:
    for name, value in fields:
        element = ET.SubElement(parent, name)
        if isinstance(value, str | int):
            element.text = str(value)
        else:
            _fill(element, value)


def _local(element: ET.Element) -> str:
    """An element's name without its namespace: S3 takes documents without one as well."""
    return element.tag.rpartition("}")[2]


def _time(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.000Z")


def _yes_or_no(value: bool) -> str:
    return "true" if value else "false"
