"""Fakes of AWS, HTTP sessions and the copying engine, and a log in memory."""

from __future__ import annotations

import io
import itertools
import logging
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from types import TracebackType
from typing import Any, Self

import requests
from botocore.exceptions import ClientError
from requests.structures import CaseInsensitiveDict

from ingester.errors import IngesterError, PermanentFailure
from ingester.log import JsonFormatter
from ingester.transfer.engine import Total, no_time_limit
from ingester.transfer.plan import Copied, Copy
from tests.fuzz.mutations import DEEP, DIGITS, encoded, filled
from tests.fuzz.target import require
from tests.simulation.aws.calls import answer, call_directly
from tests.simulation.aws.dynamodb import FakeTable
from tests.simulation.aws.s3 import FakeBucket
from tests.simulation.aws.sqs import FakeQueues
from tests.simulation.zoom import Download

NOW = datetime(2026, 10, 14, 18, 30, tzinfo=UTC)
LONGEST_KEY, LONGEST_METADATA = 1024, 2048
LAST_SECOND = 86_399


def now() -> datetime:
    return NOW


def seconds() -> float:
    return NOW.timestamp()


class Table(FakeTable):
    """A fake table with production's queries, scans, deletions and batch writes."""

    def query(self, **query: Any) -> dict[str, Any]:
        values = query["ExpressionAttributeValues"]
        if query["IndexName"] == "mid_index":
            found = [row for row in self.items() if row.get("meeting_id") == values[":meeting"]]
        else:
            first, last = values[":first"], values.get(":last", LAST_SECOND)
            found = [
                row
                for row in self.items()
                if row.get("update_date") == values[":day"]
                and "update_time" in row
                and first <= row["update_time"] <= last
            ]
        return answer(Items=found, ScannedCount=len(found))

    def scan(self, **_: Any) -> dict[str, Any]:
        return answer(Items=self.items())

    def delete_item(self, *, Key: Mapping[str, Any], **_: Any) -> dict[str, Any]:
        self._stored.pop(Key[self._key], None)
        return answer()

    @contextmanager
    def batch_writer(self) -> Iterator[Table]:
        yield self

    def put(self, items: Any) -> None:
        """Put the items of a mutated list into the table, but not items that DynamoDB refuses."""
        for item in items if isinstance(items, list) else ():
            if isinstance(item, dict):
                try:
                    self.put_item(Item=item_of(item))
                except (ClientError, TypeError):
                    continue


def item_of(value: Any, depth: int = 0) -> Any:
    """Return a mutated value in a form that DynamoDB can store.

    A number becomes a Decimal, or a text if the number is NaN or too large.
    """
    if value == DEEP or depth > 25:
        return [[[[["deep"]]]]]
    if value == DIGITS:
        return Decimal("7" * 38)
    if isinstance(value, bool) or value is None or isinstance(value, Decimal):
        return value
    if isinstance(value, int | float):
        return _number(value)
    if isinstance(value, str):
        return filled(value).encode("utf-8", "replace").decode()
    if isinstance(value, dict):
        return {item_of(str(key)): item_of(inner, depth + 1) for key, inner in value.items()}
    if isinstance(value, set):
        return value or None
    return [item_of(inner, depth + 1) for inner in value]


def _number(value: float) -> Any:
    if math.isnan(value) or abs(value) > 1e125:
        return str(value)
    return Decimal(f"{value:.15g}") if value % 1 else Decimal(int(value) % 10**38)


class Queues(FakeQueues):
    """Fake queues that also answer GetQueueAttributes, with fixed counts."""

    def get_queue_attributes(self, **_: Any) -> dict[str, Any]:
        kinds = ("", "NotVisible", "Delayed")
        return answer(Attributes={f"ApproximateNumberOfMessages{kind}": "1" for kind in kinds})


class Aws:
    """Fakes of the stack's AWS resources, at first empty."""

    def __init__(self) -> None:
        ids = itertools.count(1)

        def new_id() -> str:
            return f"{next(ids):08x}-0000-4000-8000-000000000000"

        def table(name: str, key: str, **more: Any) -> Table:
            return Table(f"fuzz-{name}", key, call=call_directly, now=seconds, **more)

        self.new_id = new_id
        self.status = table(
            "pipeline-status",
            "zip_id",
            indexes={
                "mid_index": ("meeting_id", None),
                "time_index": ("update_date", "update_time"),
            },
            types={"zip_id": "S", "meeting_id": "N", "update_date": "S", "update_time": "N"},
        )
        self.recordings = table("recordings", "uuid", types={"uuid": "S"})
        self.events = table("recording-events", "zoom_uuid", types={"zoom_uuid": "S"})
        self.schedule = table("schedule", "zoom_series_id", types={"zoom_series_id": "S"})
        self.faults = table("notification-faults", "fault", types={"fault": "S"})
        self.bucket = FakeBucket("fuzz-files", call=call_directly, now=seconds, new_id=new_id)
        self.queues = Queues(call=call_directly, now=seconds, new_id=new_id)
        self.download_queue = self.queues.create("fuzz-download")
        self.download_dlq = self.queues.create("fuzz-download-dlq")
        self.upload_queue = self.queues.create("fuzz-upload.fifo", fifo=True)
        self.upload_dlq = self.queues.create("fuzz-upload-dlq.fifo", fifo=True)

    def seen(self) -> Iterator[str]:
        """Yield the texts that people can see in the tables and the dead-letter queues."""
        for table in (self.status, self.recordings, self.events, self.schedule, self.faults):
            for item in table.items():
                yield str(item)
        for url in (self.download_dlq, self.upload_dlq):
            for message in self.queues.messages(url):
                yield str(message.attributes)


@dataclass
class Watch:
    """A monotonic clock in seconds that only sleeps move.

    A negative sleep and a sleep of 1e9 s or more are Findings.
    """

    time: float = 1000.0

    def __call__(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        require(0 <= seconds < 1e9, f"An endless sleep: {seconds}")
        self.time += seconds


def response(given: Any) -> requests.Response:
    """Make a response of `requests` from a dict with status, headers and content.

    Any other value becomes the content of a response with status 200.
    """
    given = given if isinstance(given, dict) else {"content": given}
    made = requests.Response()
    status = given.get("status", 200)
    made.status_code = status if isinstance(status, int) and 100 <= status < 600 else 200
    made.headers = CaseInsensitiveDict(headers_of(given))
    made.raw = io.BytesIO(encoded(given.get("content", b"")))
    return made


def headers_of(given: Mapping[str, Any]) -> dict[str, str]:
    """Return mutated headers as an HTTP library returns headers: in latin-1, each on one line."""
    headers = given.get("headers")
    found = headers if isinstance(headers, dict) else {}
    return {
        re.sub(r"[^!-9;-~]", "", str(name)) or "x": re.sub(
            r"[\r\n\0]", "", filled(str(value)).encode("latin-1", "replace").decode("latin-1")
        ).strip()[:60_000]
        for name, value in found.items()
    }


@dataclass
class Session:
    """A fake of the methods of `requests.Session` that production uses.

    `answers` maps a text that the URL contains to one answer, or to a list whose last answer
    repeats.
    """

    answers: Mapping[str, Any]
    asked: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._left = {
            part: list(found) if isinstance(found, list) else found
            for part, found in self.answers.items()
        }

    def get(self, url: str, **_: Any) -> requests.Response:
        return self._answered(url)

    def post(self, url: str, **_: Any) -> requests.Response:
        return self._answered(url)

    def request(self, _method: str, url: str, **_: Any) -> requests.Response:
        return self._answered(url)

    def _answered(self, url: str) -> requests.Response:
        self.asked.append(url)
        require(len(self.asked) < 500, "An endless number of requests: 500")
        for part, found in self._left.items():
            if part in url:
                if isinstance(found, list) and found:
                    return response(found.pop(0) if len(found) > 1 else found[0])
                return response(found)
        return response({"status": 404, "content": {}})


@dataclass
class Downloads:
    """A fake of the method of `urllib3.PoolManager` that production uses for downloads."""

    answers: list[Any]

    def urlopen(self, _method: str, _url: str, **_: Any) -> Download:
        found = self.answers.pop(0) if len(self.answers) > 1 else (*self.answers, {})[0]
        found = found if isinstance(found, dict) else {}
        status = found.get("status", 200)
        status = status if isinstance(status, int) and 100 <= status < 600 else 200
        content = found.get("content", b"\0")
        return Download(
            status,
            CaseInsensitiveDict(headers_of(found)),
            content if isinstance(content, bytes) else b"\0",
        )


@dataclass(frozen=True)
class Movie:
    seconds: float = 600.0


@dataclass(frozen=True)
class NoEngine:
    """A fake engine that opens each file and copies none of its bytes."""

    time_left: Any = no_time_limit
    report: Any = lambda _: None  # The downloader replaces this default in each invocation.

    def clock(self) -> float:
        return 0.0

    def copy(self, copies: Sequence[Copy]) -> list[Copied | IngesterError]:
        results: list[Copied | IngesterError] = []
        later: IngesterError | None = None
        for copy in copies:
            try:
                results.append(self._copied(copy))
            except copy.tolerated_errors as error:
                results.append(error)
            except PermanentFailure:
                raise
            except IngesterError as error:
                later = later or error
        self.report(Total(0, 0.0, 0, is_complete=not later))
        if later:
            raise later
        return results

    def _copied(self, copy: Copy) -> Copied:
        body = copy.source.open(0, 0)
        target = copy.target_of(body.name)
        body.close()
        size = sum(map(len, (*target.metadata, *target.metadata.values())))
        require(all(map(str.isascii, target.metadata.values())), "Metadata that isn't ASCII")
        require(size <= LONGEST_METADATA, "Metadata that S3 refuses")
        require(len(target.key.encode()) <= LONGEST_KEY, "A key that S3 refuses")
        inspected = copy.inspect(target.key, 1) if copy.inspect else None
        return Copied(target.key, body.version.size or 0, inspected, 0, 0.0, 0)


class LogInMemory(logging.Handler):
    """The functions' log at DEBUG, in production's format.

    If a record can't be formatted, `emit` raises the formatter's error.
    """

    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(JsonFormatter())
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))

    def __enter__(self) -> Self:
        root, ours = logging.getLogger(), logging.getLogger("ingester")
        self._before = root.handlers[:], root.level, ours.level
        root.handlers[:] = [self]
        root.setLevel(logging.WARNING)
        ours.setLevel(logging.DEBUG)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        root, ours = logging.getLogger(), logging.getLogger("ingester")
        root.handlers[:], root_level, level = self._before
        root.setLevel(root_level)
        ours.setLevel(level)
