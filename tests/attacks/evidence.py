"""Evidence that an attack did no harm: the stack's content, its answers, and its logs."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from urllib.parse import quote

from cdk.names import FUNCTIONS, LOG_NOTIFICATIONS, WEBHOOK, Names
from local.driver import Driver
from local.subscription_filters import matches
from tests.e2e.stack import count_messages

TABLES = {
    "pipeline-status": "zip_id",
    "recordings": "uuid",
    "recording-events": "zoom_uuid",
    "schedule": "zoom_series_id",
}
"""The name of each table's partition key, by the table's name without the stack's name."""

QUEUES = ("download", "download-dlq", "upload.fifo", "upload-dlq.fifo")
TRACES = ("Traceback (most recent call last)", 'File "/', "botocore", "/var/task")
"""Texts that occur in stack traces and other internal errors, but in no valid answer."""

SHORTEST_SECRET = 8


@dataclass(frozen=True)
class Holdings:
    """The contents of the stack that a request could change.

    `rows` are JSON texts by table, `messages` are numbers of messages by queue, `files` are keys in
    S3, and `ingests` is the number of ingests in Opencast.
    """

    rows: Mapping[str, frozenset[str]]
    messages: Mapping[str, int]
    files: frozenset[str]
    ingests: int


def holdings(driver: Driver) -> Holdings:
    """Return the stack's current holdings."""
    return Holdings(
        rows={name: _rows(driver, name) for name in TABLES},
        messages={
            name: count_messages(driver.client("sqs"), _queue_url(driver, name)) for name in QUEUES
        },
        files=frozenset(staged_keys(driver)),
        ingests=len(driver.ingests()),
    )


def staged_keys(driver: Driver, prefix: str = "") -> list[str]:
    """Return the keys of the staging bucket's objects that begin with `prefix`, in S3's order."""
    bucket = Names(driver.state.stack_name).bucket
    listed = driver.client("s3").get_paginator("list_objects_v2")
    pages = listed.paginate(Bucket=bucket, Prefix=prefix)
    return [item["Key"] for page in pages for item in page.get("Contents", ())]


def _rows(driver: Driver, table: str) -> frozenset[str]:
    """Return the rows of a table as JSON texts."""
    pages = (
        driver.client("dynamodb")
        .get_paginator("scan")
        .paginate(TableName=Names(driver.state.stack_name).of(table), ConsistentRead=True)
    )
    items = (item for page in pages for item in page["Items"])
    return frozenset(json.dumps(item, default=str, sort_keys=True) for item in items)


def row_keys(driver: Driver) -> set[tuple[str, str]]:
    """Return the table and the key of every row."""
    return {
        (table, json.loads(row)[name]["S"])
        for table, name in TABLES.items()
        for row in _rows(driver, table)
    }


def delete_rows(driver: Driver, rows: Iterable[tuple[str, str]]) -> None:
    """Delete rows, each named by its table and key."""
    for table, key in rows:
        driver.table(table).delete_item(Key={TABLES[table]: key})


@cache
def _queue_url(driver: Driver, queue: str) -> str:
    return driver.queue_url(queue)


def secrets_of(driver: Driver) -> dict[str, str]:
    """Return the stack's secrets in SSM, by the names of their settings."""
    path = Names(driver.state.stack_name).secrets_path
    listed = driver.client("ssm").get_paginator("get_parameters_by_path")
    pages = listed.paginate(Path=path, Recursive=True, WithDecryption=True)
    found = (item for page in pages for item in page["Parameters"])
    return {item["Name"].rpartition("/")[2]: item["Value"] for item in found}


def leaked(text: str, secrets: Collection[str]) -> list[str]:
    """Return the plain and encoded secrets that a text contains.

    Secrets of fewer than `SHORTEST_SECRET` characters don't count.
    """
    forms = {
        form
        for secret in secrets
        if len(secret) >= SHORTEST_SECRET
        for form in (secret, quote(secret, safe=""), base64.b64encode(secret.encode()).decode())
    }
    return sorted(form for form in forms if form in text)


def traces(text: str) -> list[str]:
    """Return the texts of `TRACES` that a text contains."""
    return [word for word in TRACES if word in text]


def now_in_ms() -> int:
    """Return the current time in ms since 1970, as CloudWatch Logs counts it."""
    return int(time.time() * 1000)


def log_lines(driver: Driver, since: int) -> Iterator[str]:
    """Yield the lines that the functions have logged from `since` on, in ms since 1970."""
    names, logs = Names(driver.state.stack_name), driver.client("logs")
    for function in FUNCTIONS:
        pages = logs.get_paginator("filter_log_events").paginate(
            logGroupName=names.log_group(function), startTime=since
        )
        yield from (event["message"] for page in pages for event in page["events"])


def mailed_pattern(driver: Driver) -> str:
    """Return the filter pattern of log lines that are mailed to operators.

    Assert that the webhook's log has one subscription, which leads to the function that mails.
    """
    group = Names(driver.state.stack_name).log_group(WEBHOOK)
    found = driver.client("logs").describe_subscription_filters(logGroupName=group)
    (subscription,) = found["subscriptionFilters"]
    assert subscription["destinationArn"].split(":")[6].endswith(LOG_NOTIFICATIONS.name)
    return str(subscription["filterPattern"])


def mailed(lines: Collection[str], pattern: str) -> list[str]:
    """Return the lines that match the filter pattern, and so are mailed to operators."""
    return [line for line in lines if matches(pattern, line)]
