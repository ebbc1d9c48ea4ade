"""The fake S3's refusals, by the codes of
https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html"""


class S3Error(Exception):
    """What is answered in place of a result."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.status = status
        self.code = code
        self.message = message


def no_such_upload() -> S3Error:
    """The upload was never created, or is completed or aborted."""
    return S3Error(
        404,
        "NoSuchUpload",
        "The specified upload does not exist. The upload ID may be invalid, or the upload may "
        "have been aborted or completed.",
    )


def no_such_key() -> S3Error:
    """There is no object of this key."""
    return S3Error(404, "NoSuchKey", "The specified key does not exist.")


def malformed() -> S3Error:
    """The body isn't the XML that the operation takes."""
    return S3Error(400, "MalformedXML", "The XML you provided was not well-formed.")


def checksum_missing() -> S3Error:
    """A part has no checksum, but its upload was created with an algorithm."""
    return S3Error(
        400,
        "InvalidRequest",
        "Checksum Type mismatch occurred, expected checksum Type: crc32, "
        "actual checksum Type: null",
    )
