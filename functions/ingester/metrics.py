"""The pipeline's metrics, and the log fields that carry them.

CloudWatch extracts the metrics from the log, so we send no requests. The fields have CloudWatch's
embedded metric format:
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html

A metric of a change counts each change once. So the code that makes the change writes the log
record, and not the code that receives a message, which SQS may deliver again. OpencastUnreachable
counts attempts. docs/decisions/0020-own-metrics.md says why Powertools isn't used.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any, Self

from ingester.errors import RequestError, Unauthorized, WrongSignature


class Unit(StrEnum):
    """The units of CloudWatch that this project uses. CloudWatch has no unit for minutes.

    https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_MetricDatum.html
    """

    COUNT = "Count"
    BYTES = "Bytes"
    RATE = "Megabytes/Second"
    NONE = "None"


class Metric(StrEnum):
    """A metric of the pipeline: its name in CloudWatch, its unit, and the meaning of a value."""

    unit: Unit
    meaning: str

    RECORDING_COMPLETED = (
        "RecordingCompleted",
        Unit.COUNT,
        "Zoom said for the first time that a recording is complete.",
    )
    MEETING_STARTED = (
        "MeetingStarted",
        Unit.COUNT,
        "A meeting's recording was started; a second start of the same one doesn't count.",
    )
    MEETING_ENDED = ("MeetingEnded", Unit.COUNT, "A meeting that was recorded has ended.")
    WEBHOOK_UNAUTHORIZED = (
        "WebhookUnauthorized",
        Unit.COUNT,
        "The webhook answered 401: no signature, a wrong or an old one.",
    )
    WEBHOOK_WRONGLY_SIGNED = (
        "WebhookWronglySigned",
        Unit.COUNT,
        "A 401 for an unknown secret. 0 for a webhook event with Zoom's signature.",
    )
    WEBHOOK_REJECTED = (
        "WebhookRejected",
        Unit.COUNT,
        "The webhook answered another 4xx, to a request that Zoom had signed correctly.",
    )
    WEBHOOK_NOT_TAKEN = (
        "WebhookNotTaken",
        Unit.COUNT,
        "The webhook answered 5xx to a webhook event of Zoom's that it had authenticated.",
    )
    RECORDINGS_RECONCILED = (
        "RecordingsReconciled",
        Unit.COUNT,
        "Recordings that a run of reconcile requested: Zoom's webhook event never came. Also 0.",
    )
    RECORDING_IGNORED = (
        "RecordingIgnored",
        Unit.COUNT,
        "An ingest ended with nothing to ingest; its row's reason says why.",
    )
    SKIPPED_FOR_DURATION = (
        "SkippedForDuration",
        Unit.COUNT,
        "One of those that are ignored, because it is shorter than MINIMUM_DURATION.",
    )
    RECORDING_FAILED = (
        "RecordingFailed",
        Unit.COUNT,
        "An ingest failed and isn't retried automatically: a person has to look.",
    )
    RECORDING_DURATION = (
        "RecordingDuration",
        Unit.NONE,
        "How many minutes a recording is long, told when its series was found.",
    )
    BYTES_TRANSFERRED = (
        "BytesTransferred",
        Unit.BYTES,
        "Bytes that one invocation copied of a recording.",
    )
    TRANSFER_RATE = (
        "TransferRate",
        Unit.RATE,
        "How fast one invocation copied, if it copied anything.",
    )
    OPENCAST_UNREACHABLE = (
        "OpencastUnreachable",
        Unit.COUNT,
        "An attempt to upload failed because Opencast can't be reached; the upload waits.",
    )
    WORKFLOW_INITIATED = (
        "WorkflowInitiated",
        Unit.COUNT,
        "Opencast has an ingest: its workflow runs.",
    )
    MINUTES_IN_PIPELINE = (
        "MinutesInPipeline",
        Unit.NONE,
        "Minutes from the webhook's receiving a request until Opencast has the ingest.",
    )
    MINUTES_TO_PUBLISHED = (
        "MinutesToPublished",
        Unit.NONE,
        "Minutes from the request until Opencast has published it, where ingests are followed.",
    )

    # The defaults are for type checkers: `Metric(name)` returns the member of that name.
    def __new__(cls, name: str, unit: Unit = Unit.NONE, meaning: str = "") -> Self:
        member = str.__new__(cls, name)
        member._value_ = name
        member.unit = unit
        member.meaning = meaning
        return member


def namespace_of(stack_name: str) -> str:
    """Return the namespace of a stack's metrics in CloudWatch."""
    return f"{stack_name}-log-metrics"


def log_fields(stack_name: str, now: datetime, values: Mapping[Metric, float]) -> dict[str, Any]:
    """Return the `extra` of a log record with `values` as metrics at the time `now`.

    If there are no values, the result is {}.
    """
    if not values:
        return {}
    return {
        "_aws": {
            "Timestamp": int(now.timestamp() * 1000),
            "CloudWatchMetrics": [
                {
                    "Namespace": namespace_of(stack_name),
                    "Dimensions": [[]],
                    "Metrics": [{"Name": name, "Unit": name.unit} for name in values],
                }
            ],
        },
        **{str(name): value for name, value in values.items()},
    }


def count(metric: Metric, happened: object = True) -> dict[Metric, float]:
    """Return `metric` with the value 1; {} if `happened` is false."""
    return {metric: 1.0} if happened else {}


def ignored_counts(happened: object, *, too_short: bool) -> dict[Metric, float]:
    """Return the metrics of an ingest that was ignored; {} if `happened` is false.

    `too_short` is True if the ingest was ignored because the recording is too short.
    """
    counts = count(Metric.RECORDING_IGNORED, happened)
    return counts | count(Metric.SKIPPED_FOR_DURATION, happened and too_short)


def refusal_counts(
    error: RequestError, *, is_own: bool, is_unchecked: bool = False
) -> dict[Metric, float]:
    """Return the metrics of a request that the webhook refused.

    A 401 has its own metric, because anybody on the internet can cause a 401. A wrong signature is
    counted in addition, because it most likely means that Zoom has another secret than ours.

    Args:
        error: The reason of the refusal.
        is_own: Whether the pipeline itself signed the request. Such a request isn't counted,
            because its sender gets the answer.
        is_unchecked: Whether the signature couldn't be checked. Such a request isn't counted,
            because anybody can send it.
    """
    if is_own or is_unchecked:
        return {}
    if isinstance(error, Unauthorized):
        is_wrong = isinstance(error, WrongSignature)
        counts = count(Metric.WEBHOOK_WRONGLY_SIGNED, is_wrong)
        return counts | count(Metric.WEBHOOK_UNAUTHORIZED)
    if error.status >= 500:
        return count(Metric.WEBHOOK_NOT_TAKEN)
    return count(Metric.WEBHOOK_REJECTED)
