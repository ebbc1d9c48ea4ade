"""Copy files with the transfer engine, which is set up as in the downloader."""

import os
import sys
import time
from collections.abc import Callable
from functools import partial

from bench.transfer.report import Report
from bench.transfer.task import OUT_OF_TIME, File, Task, task_of
from ingester.errors import OutOfTime
from ingester.recording.staging_bucket import RELEASED
from ingester.runtime import clients
from ingester.runtime.http_pool import http as http_for
from ingester.transfer.engine import Budget, Engine, no_time_limit
from ingester.transfer.multipart import Bucket
from ingester.transfer.plan import Copied, Copy, Target
from ingester.zoom.download import ZoomFile
from ingester.zoom.download_token import Access, AccessInUse
from ingester.zoom.download_urls import DownloadHosts


def engine_of(task: Task) -> Engine:
    """Return an engine with the task's number of connections, bucket and time limit."""
    fixed = task.connections
    budget = Budget(connections=fixed, first_connections=fixed) if fixed else Budget()
    s3, credentials = clients.s3_for_uploads(budget.connections)
    http = http_for(budget.connections)
    bucket = Bucket(s3, task.bucket, http=http, credentials=credentials, released=RELEASED)
    return Engine(bucket, budget, time_left=_time_left(task.seconds_left))


def _time_left(seconds: float | None) -> Callable[[], float]:
    if seconds is None:
        return no_time_limit
    end = time.monotonic() + seconds
    return lambda: end - time.monotonic()


def copies_of(task: Task, connections: int) -> list[Copy]:
    """Return the copies of a task, with this machine as the only download host."""
    scheme = task.files[0].download_url.partition(":")[0]
    hosts = DownloadHosts(("127.0.0.1", "localhost"), scheme)
    access = AccessInUse(Access(task.token), lambda: Access(task.token, is_fresh=True))
    zoom_file = partial(ZoomFile, http=http_for(connections), hosts=hosts)

    def copy_of(file: File) -> Copy:
        source = zoom_file(file.id, file.download_url, access)
        return Copy(file.id, source, lambda _: Target(file.key, {}), file.size)

    return [copy_of(file) for file in task.files]


def main() -> int:
    """Copy the task's files, and return the exit code, which is OUT_OF_TIME at the time limit."""
    task = task_of(os.environ)
    engine = engine_of(task)
    copies = copies_of(task, engine.budget.connections)
    with Report() as report:
        try:
            results = engine.copy(copies)
        except OutOfTime:
            return OUT_OF_TIME
        report.attempts = sum(copied.retries for copied in results if isinstance(copied, Copied))
    return 0


if __name__ == "__main__":
    sys.exit(main())
