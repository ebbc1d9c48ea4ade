"""The task that a program gets in environment variables (see bench/README.md)."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec

TOKEN = "benchtoken"  # noqa: S105 - of a server that has nothing worth protecting
BUCKET = "zipbucket"
OUT_OF_TIME = 75
"""Exit code (EX_TEMPFAIL of sysexits.h) of a program that wants to continue in another run."""


@dataclass(frozen=True)
class File:
    """A file to copy. `size` is in bytes."""

    id: str
    download_url: str
    key: str
    size: int


@dataclass(frozen=True)
class Task:
    """Files to copy from Zoom to S3.

    Attributes:
        files: The files.
        s3_endpoint: URL of S3.
        ca: Path of the PEM file with the certificate authority to trust.
        token: Bearer token for `download_url`.
        bucket: Name of the bucket, which is addressed by path.
        connections: Exact number of connections to Zoom; with None the program decides.
        seconds_left: Time limit of the program in seconds; with None there is no limit.
    """

    files: tuple[File, ...]
    s3_endpoint: str
    ca: str
    token: str = field(default=TOKEN, repr=False)
    bucket: str = BUCKET
    connections: int | None = None
    seconds_left: float | None = None

    def environment(self) -> dict[str, str]:
        """Return the environment variables from which a program reads this task."""
        variables = {
            "ZB_FILES": msgspec.json.encode(self.files).decode(),
            "ZB_TOKEN": self.token,
            "ZB_BUCKET": self.bucket,
            "ZB_S3_ENDPOINT": self.s3_endpoint,
            "ZB_CA": self.ca,
        }
        if self.connections is not None:
            variables["ZB_CONNECTIONS"] = str(self.connections)
        if self.seconds_left is not None:
            variables["ZB_SECONDS_LEFT"] = str(self.seconds_left)
        return variables


def task_of(environment: Mapping[str, str]) -> Task:
    """Return the task in environment variables.

    Raises:
        KeyError: A required variable is missing.
        ValueError: A variable has an invalid value.
    """
    connections, seconds = environment.get("ZB_CONNECTIONS"), environment.get("ZB_SECONDS_LEFT")
    return Task(
        files=msgspec.json.decode(environment["ZB_FILES"], type=tuple[File, ...]),
        s3_endpoint=environment["ZB_S3_ENDPOINT"],
        ca=environment["ZB_CA"],
        token=environment["ZB_TOKEN"],
        bucket=environment["ZB_BUCKET"],
        connections=int(connections) if connections else None,
        seconds_left=float(seconds) if seconds else None,
    )
