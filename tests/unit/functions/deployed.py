"""Functions as Lambda runs them: a new module, an environment and a context."""

from __future__ import annotations

import importlib.util
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

from tests.cloud import Cloud

FUNCTIONS = Path(__file__).resolve().parents[3] / "functions"
PREFIX = "cold_"


class Context:
    """The attributes of Lambda's context that the pipeline's functions use."""

    aws_request_id = "c6af9ac6-7b61-11e6-9a41-93e8deadbeef"

    def get_remaining_time_in_millis(self) -> int:
        return 900_000


def environment_of(aws: Cloud) -> dict[str, str]:
    """Return the environment variables of the functions that read a queue."""
    return {
        "STACK_NAME": "test",
        "SECRETS_PATH": "/zoom-ingester/test",
        "STATUS_TABLE": "test-pipeline-status",
        "RECORDINGS_TABLE": "test-recordings",
        "EVENTS_TABLE": "test-recording-events",
        "SCHEDULE_TABLE": "test-schedule",
        "STAGING_BUCKET": "test-zoom-recording-files",
        "DOWNLOAD_QUEUE_URL": aws.download_queue,
        "DOWNLOAD_DLQ_URL": aws.download_dlq,
        "UPLOAD_QUEUE_URL": aws.upload_queue,
        "UPLOAD_DLQ_URL": aws.upload_dlq,
        "ZOOM_API_BASE_URL": "https://api.zoom.us/v2",
        "DOWNLOAD_RECEIVE_LIMIT": "12",
        "UPLOAD_RECEIVE_LIMIT": "50",
        "OPENCAST_BASE_URL": "https://127.0.0.1:9",
        "OPENCAST_API_USER": "zip",
        "DEFAULT_OC_WORKFLOW": "dce-wf",
    }


def cold(name: str) -> ModuleType:
    """Load a function's module, as a new container does."""
    spec = importlib.util.spec_from_file_location(f"{PREFIX}{name}", FUNCTIONS / f"{name}.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # `dataclasses` looks up a class's module here.
    spec.loader.exec_module(module)
    return module


@contextmanager
def container() -> Iterator[None]:
    """Restore the loggers and remove the modules that `cold` loaded, after the `with` block."""
    root, own = logging.getLogger(), logging.getLogger("ingester")
    before = root.handlers[:], root.level, own.level
    try:
        yield
    finally:
        root.handlers[:] = before[0]
        root.setLevel(before[1])
        own.setLevel(before[2])
        for name in [name for name in sys.modules if name.startswith(PREFIX)]:
            del sys.modules[name]
