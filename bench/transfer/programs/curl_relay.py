"""Copy each file by `curl GET | curl PUT`, all files in parallel."""

import os
import subprocess
import sys

from bench.transfer.report import Report
from bench.transfer.task import File, Task, task_of


class CurlFailed(Exception):
    """Error for a curl process that ended with an exit code other than 0."""


def begin(task: Task, file: File) -> list["subprocess.Popen[bytes]"]:
    """Start and return a curl that downloads a file and a curl that uploads the file."""
    curl = ["curl", "--silent", "--show-error", "--fail", "--cacert", task.ca]
    authorization = f"Authorization: Bearer {task.token}"
    get = subprocess.Popen(
        [*curl, "--location", "--header", authorization, file.download_url],
        stdout=subprocess.PIPE,
    )
    put = subprocess.Popen(
        [
            *curl,
            *("--upload-file", "-", "--header", f"Content-Length: {file.size}"),
            *("--header", "Expect:", "--header", "Authorization: none"),
            f"{task.s3_endpoint}/{task.bucket}/{file.key}",
        ],
        stdin=get.stdout,
        stdout=subprocess.DEVNULL,
    )
    if get.stdout:
        get.stdout.close()
    return [get, put]


def copy(task: Task) -> None:
    """Copy all files of the task in parallel.

    Raises:
        CurlFailed: A curl process failed.
    """
    running = [process for file in task.files for process in begin(task, file)]
    codes = [process.wait() for process in running]
    if any(codes):
        raise CurlFailed(f"Exit codes {codes}.")


if __name__ == "__main__":
    with Report():
        copy(task_of(os.environ))
    sys.exit(0)
