"""What a program is given to do, by its environment.

`ZB_FILES` is a JSON list of `id`, `download_url`, `key`, `size`; `ZB_TOKEN` goes as a Bearer token
to a `download_url`; `ZB_BUCKET` and `ZB_S3_ENDPOINT` say where to (path style), `ZB_CA` whom to
trust.
`ZB_CONNECTIONS`, if it is there, is how many connections to Zoom to use, no more and no fewer, and
`ZB_SECONDS_LEFT` how long the program may run.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec

TOKEN = "benchtoken"  # noqa: S105 - of a server that hands out nothing of worth
BUCKET = "zipbucket"
HANDED_OVER = 75
"""The exit code (EX_TEMPFAIL of sysexits.h) of who ran out of time: call again."""


@dataclass(frozen=True)
class File:
    """One file to copy. `size` in bytes."""

    id: str
    download_url: str
    key: str
    size: int


@dataclass(frozen=True)
class Task:
    """Files to copy, from where and to where."""

    files: tuple[File, ...]
    s3_endpoint: str
    ca: str
    token: str = field(default=TOKEN, repr=False)
    bucket: str = BUCKET
    connections: int | None = None
    seconds_left: float | None = None

    def environment(self) -> dict[str, str]:
        """The variables that tell it."""
        told = {
            "ZB_FILES": msgspec.json.encode(self.files).decode(),
            "ZB_TOKEN": self.token,
            "ZB_BUCKET": self.bucket,
            "ZB_S3_ENDPOINT": self.s3_endpoint,
            "ZB_CA": self.ca,
        }
        if self.connections is not None:
            told["ZB_CONNECTIONS"] = str(self.connections)
        if self.seconds_left is not None:
            told["ZB_SECONDS_LEFT"] = str(self.seconds_left)
        return told


def task_of(environment: Mapping[str, str]) -> Task:
    """The task that an environment tells. KeyError if there is none."""
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
