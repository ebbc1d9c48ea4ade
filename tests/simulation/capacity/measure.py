"""Run a load and measure its duration, its use of resources and its requests."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import ceil
from statistics import median

from ingester.transfer.parts import parts_of
from tests.simulation.aws.s3 import StoredObject
from tests.simulation.capacity.loads import Load, notified_at, scenario_of
from tests.simulation.capacity.meter import LogMeter, Meter, metered
from tests.simulation.cloud import BEGIN_SECONDS, STAGED_DAYS, TAKEN_DAYS, Instrumentation
from tests.simulation.play import Played, play
from tests.simulation.world import DAY

MONTH_DAYS = 30.4
PUTS_BESIDE_PARTS = 4
"""Requests at the price of a PUT that a file needs besides its parts.

`ingester/transfer/multipart.py` calls ListMultipartUploads, CreateMultipartUpload, UploadPart for
the mark, and CompleteMultipartUpload.
"""

GETS_OF_A_FILE = 10
"""Requests at the price of a GET for a file.

The requests are two HeadObject, about seven ranges of the MP4, and Opencast's GET.
"""

PLATFORM_LOG_BYTES = 400
"""Bytes of Lambda's START, END and REPORT lines of an invocation."""

MB_OF = {"webhook": 1024, "downloader": 512, "uploader": 256, "follow": 256}
"""Memory of functions in MB. `test_capacity.py` compares the values with `cdk/functions.py`."""


@dataclass(frozen=True)
class Runs:
    """Number, billed time and concurrency of a function's invocations."""

    count: int
    seconds: float
    """Billed seconds: Lambda rounds each invocation up to a millisecond.

    Source: https://aws.amazon.com/lambda/pricing/
    """
    most_at_once: int


@dataclass(frozen=True)
class Measured:
    """The measurements of a load. Times are seconds since the first `recording.completed`."""

    load: Load
    staged: tuple[float, ...]
    """Sorted times at which recordings had arrived in S3."""
    ingested: tuple[float, ...]
    """Sorted times at which recordings had arrived in Opencast."""
    waits: tuple[float, ...]
    """Sorted seconds from each `recording.completed` until Opencast had the recording."""
    ingest_began: float
    """Time at which the first ingest began."""
    functions: dict[str, Runs]
    messages: int
    dead_letters: int
    download_receives: int
    """Largest number of receives of one message on the download queue."""
    upload_receives: int
    api_requests: int
    api_peak: int
    """Requests to Zoom's API in the busiest second."""
    write_units: float
    read_units: float
    standard_requests: int
    fifo_requests: int
    s3_puts: int
    """Requests to S3 at the price of a PUT, including those that tag files."""
    s3_tags: int
    s3_gets: int
    staged_gb_months: float
    unreleased_gb_months: float
    """GB-months in the staging bucket if every file stayed for STAGING_DAYS."""
    decryptions: int
    log_bytes: int

    @cached_property
    def last_staged(self) -> float:
        return self.staged[-1]

    @cached_property
    def last_ingested(self) -> float:
        return self.ingested[-1]

    @property
    def median_wait(self) -> float:
        return median(self.waits)

    @property
    def download_busy(self) -> float:
        """Average share of DOWNLOADS_AT_ONCE that is in use from the first copy to the last."""
        first = self.staged[0] - self.functions["downloader"].seconds / self.load.recordings
        span = self.last_staged - first
        return self.functions["downloader"].seconds / (span * self.load.downloads)

    @property
    def upload_busy(self) -> float:
        """Average share of OC_TRACK_UPLOAD_MAX that is in use from the first ingest to the last."""
        span = self.last_ingested - self.ingest_began
        return self.functions["uploader"].seconds / (span * self.load.uploads)

    @property
    def opencast_rate(self) -> float:
        """Average bytes a second that Opencast fetches from the first ingest to the last."""
        return self.load.total_bytes / (self.last_ingested - self.ingest_began)


def measure(load: Load) -> Measured:
    """Run and measure a load.

    Raises:
        AssertionError: A recording isn't in Opencast exactly once.
    """
    meter = Meter()
    instrumentation = Instrumentation(for_judge=False, table=metered(meter), log=LogMeter(meter))
    played = play(scenario_of(load), instrumentation=instrumentation)
    ingests = played.system.opencast.ingests
    if sorted(ingest.uuid for ingest in ingests) != sorted(played.zoom.recordings):
        raise AssertionError(f"{len(ingests)} ingests of {load.recordings} recordings: {load}")
    return _measured(load, played, meter)


def _measured(load: Load, played: Played, meter: Meter) -> Measured:
    first = notified_at(load, 0)
    own = {
        recording.uuid: notified_at(load, at)
        for at, recording in enumerate(played.scenario.recordings)
    }
    ingests = played.system.opencast.ingests
    objects = played.cloud.bucket.objects()
    calls, sources, cloud = played.world.calls, played.system.sources, played.cloud
    functions = {
        function.name: Runs(
            len(function.seconds),
            sum(ceil(round(seconds * 1000, 6)) for seconds in function.seconds) / 1000,
            function.most_at_once,
        )
        for function in played.system.functions
    }
    delivered = sources.deliveries
    uploads, downloads = delivered[cloud.upload_queue], delivered[cloud.download_queue]
    sent = calls["sqs.SendMessage"]
    return Measured(
        load=load,
        staged=_staged(played, first),
        ingested=tuple(sorted(ingest.finished - first for ingest in ingests)),
        waits=tuple(sorted(ingest.finished - own[ingest.uuid] for ingest in ingests)),
        ingest_began=min(ingest.began for ingest in ingests) - first,
        functions=functions,
        messages=sent,
        dead_letters=sum(
            len(cloud.queues.messages(queue)) for queue in (cloud.download_dlq, cloud.upload_dlq)
        ),
        download_receives=sources.most_receives[cloud.download_queue],
        upload_receives=sources.most_receives[cloud.upload_queue],
        api_requests=sum(played.zoom.asked.values()),
        api_peak=max(played.zoom.asked.values(), default=0),
        write_units=meter.write_units,
        read_units=meter.read_units,
        # Each message costs a send, a receive and a deletion. The upload queue is FIFO.
        standard_requests=sent - load.recordings + 2 * downloads,
        fifo_requests=load.recordings + 2 * uploads + calls["sqs.ChangeMessageVisibility"],
        s3_puts=sum(len(parts_of(stored.size)) + PUTS_BESIDE_PARTS for stored in objects)
        + calls["s3.PutObjectTagging"],
        s3_tags=calls["s3.PutObjectTagging"],
        s3_gets=GETS_OF_A_FILE * len(objects),
        staged_gb_months=sum(
            _gb_months(stored, TAKEN_DAYS if stored.tags else STAGED_DAYS) for stored in objects
        ),
        unreleased_gb_months=sum(_gb_months(stored, STAGED_DAYS) for stored in objects),
        decryptions=calls["ssm.GetParameter"],
        log_bytes=meter.log_bytes
        + PLATFORM_LOG_BYTES * sum(runs.count for runs in functions.values()),
    )


def _staged(played: Played, first: float) -> tuple[float, ...]:
    last: dict[str, float] = {}
    for stored in played.cloud.bucket.objects():
        uuid = stored.content.decode().partition("|")[0]
        last[uuid] = max(last.get(uuid, 0.0), stored.modified - BEGIN_SECONDS)
    return tuple(sorted(moment - first for moment in last.values()))


def _gb_months(stored: StoredObject, days: int) -> float:
    """Return the GB-months of an object that is deleted at the midnight (UTC) after `days`."""
    end = ceil((stored.modified + days * DAY) / DAY) * DAY
    return stored.size / 1e9 * (end - stored.modified) / DAY / MONTH_DAYS
