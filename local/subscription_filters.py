"""CloudWatch Logs' subscription filters for the local stack, whose cloud implements them wrongly.

    python -m local.subscription_filters --cloud https://127.0.0.1:20000 --ca-bundle … --region …

In AWS, a line matches a pattern of optional words if the line has one of the words. The local cloud
requires all words, so its filters miss lines. This program reads the logs once a second, and
invokes the functions that subscribe to matching lines.
https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/SubscriptionFilters.html
"""

import argparse
import base64
import gzip
import os
import re
import signal
import sys
import threading
import traceback
import uuid
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypedDict

import msgspec
from botocore.exceptions import BotoCoreError, ClientError

from local.deploy import Access
from local.processes import Processes, Running

EVERY_SECONDS = 1.0
ROUNDS = 10
"""Number of readings before the filters are listed again, because a deploy may change filters."""
MARGIN = 10_000
"""Longest time in ms from a log event's timestamp until the log event can be read."""

READY = "reading the logs"
READY_SECONDS = 20.0

_OPTIONAL = re.compile(r'\?(?:"([^"]+)"|([^\s"]+))')


class Line(TypedDict):
    """A log event, as CloudWatch's API returns it. `timestamp` is in ms since 1970."""

    timestamp: int
    message: str
    logStreamName: str


def matches(pattern: str, line: str) -> bool:
    """Return whether a line matches a pattern of optional words and phrases.

    https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntax.html

    Raises:
        ValueError: The pattern is of another kind, such as one with required words.
    """
    words = [phrase or word for phrase, word in _OPTIONAL.findall(pattern)]
    if not words or _OPTIONAL.sub("", pattern).strip():
        raise ValueError(f"Not a pattern of optional words only: {pattern}")
    return any(word in line for word in words)


@dataclass(frozen=True)
class SubscriptionFilter:
    """A subscription filter of a log group, and the function that is invoked with matches."""

    group: str
    name: str
    pattern: str
    destination: str


def envelope(of: SubscriptionFilter, stream: str, lines: Iterable[Line]) -> dict[str, Any]:
    """Return the Lambda event with which CloudWatch Logs invokes the function of a filter."""
    content = {
        "messageType": "DATA_MESSAGE",
        "owner": "000000000000",
        "logGroup": of.group,
        "logStream": stream,
        "subscriptionFilters": [of.name],
        "logEvents": [
            {"id": uuid.uuid4().hex, "timestamp": line["timestamp"], "message": line["message"]}
            for line in lines
        ],
    }
    packed = base64.b64encode(gzip.compress(msgspec.json.encode(content)))
    return {"awslogs": {"data": packed.decode()}}


class Delivery:
    """The delivery of one filter's matches. `logs` and `functions` are boto3's clients."""

    def __init__(self, of: SubscriptionFilter, logs: Any, functions: Any) -> None:
        self.filter = of
        self._logs = logs
        self._functions = functions
        self._since = 0
        self._handled: set[str] = set()

    def deliver(self) -> None:
        """Invoke the function with each new log stream that has a matching line.

        The local cloud writes a log stream at the end of each invocation, with a log event for each
        line. In AWS a whole traceback is one log event. So the function gets all lines of an
        invocation together.

        Raises:
            ClientError, BotoCoreError: A request to the cloud failed.
            ValueError: The filter's pattern is of a kind that `matches` doesn't support.
        """
        answer = self._logs.filter_log_events(logGroupName=self.filter.group, startTime=self._since)
        lines: list[Line] = answer["events"]
        streams: dict[str, list[Line]] = defaultdict(list)
        for line in lines:
            streams[line["logStreamName"]].append(line)
        for stream in streams.keys() - self._handled:
            if any(matches(self.filter.pattern, line["message"]) for line in streams[stream]):
                event = envelope(self.filter, stream, streams[stream])
                self._functions.invoke(
                    FunctionName=self.filter.destination,
                    InvocationType="Event",
                    Payload=msgspec.json.encode(event),
                )
            self._handled.add(stream)
        # An error above skips the lines below, so that the same log events are read again.
        self._handled &= streams.keys()
        if lines:
            self._since = max(self._since, lines[-1]["timestamp"] - MARGIN)


class Deliveries:
    """The deliveries of all filters in the cloud. `logs` and `functions` are boto3's clients."""

    def __init__(self, logs: Any, functions: Any) -> None:
        self._logs = logs
        self._functions = functions
        self._by_name: dict[tuple[str, str], Delivery] = {}

    def look(self) -> None:
        """List the cloud's filters, and bring the deliveries up to date.

        The delivery of a known filter stays, with the delivery's list of handled log streams. If
        the list breaks off, all deliveries stay.

        Raises:
            ClientError, BotoCoreError: A request to the cloud failed.
        """
        listed: dict[tuple[str, str], Delivery] = {}
        for found in self._filters():
            name = (found.group, found.name)
            delivery = self._by_name.get(name) or Delivery(found, self._logs, self._functions)
            delivery.filter = found
            listed[name] = delivery
        self._by_name = listed

    def _filters(self) -> Iterator[SubscriptionFilter]:
        for page in self._logs.get_paginator("describe_log_groups").paginate():
            for group in page["logGroups"]:
                name = group["logGroupName"]
                answer = self._logs.describe_subscription_filters(logGroupName=name)
                for found in answer["subscriptionFilters"]:
                    yield SubscriptionFilter(
                        group=name,
                        name=found["filterName"],
                        pattern=found["filterPattern"],
                        destination=found["destinationArn"],
                    )

    def deliver(self) -> None:
        """Deliver every filter's new matches.

        Raises:
            ExceptionGroup: The matches of some filters weren't delivered.
        """
        failures = []
        for delivery in self._by_name.values():
            try:
                delivery.deliver()
            except (ClientError, BotoCoreError, ValueError) as error:
                failures.append(error)
        if failures:
            raise ExceptionGroup("Not every log was delivered", failures)


def start(processes: Processes, env: Mapping[str, str], access: Access) -> Running:
    """Start the program for a running cloud, without waiting until the program reads the logs.

    Raises:
        ProcessFailed: `processes` were stopped before.
    """
    # The secret comes from `env`, because other users can read a command line.
    options = {"--cloud": access.url, "--ca-bundle": access.ca_bundle, "--region": access.region}
    words = [str(word) for option in options.items() for word in option]
    command = [sys.executable, "-m", "local.subscription_filters", *words]
    return processes.start("subscription_filters", command, env)


def wait_for(process: Running) -> None:
    """Wait until the program reads the logs.

    Raises:
        ProcessFailed: The program doesn't start.
    """
    process.wait_for_output(READY, READY_SECONDS)


def main(argv: Sequence[str] | None = None, environ: Mapping[str, str] = os.environ) -> int:
    """Deliver matches until SIGTERM or SIGINT, and return the exit code.

    Print `READY` after the first list of the filters. The secret `AWS_SECRET_ACCESS_KEY` comes from
    the environment, where other users can't read it.
    """
    options = _arguments(argv)
    done = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: done.set())
    secret = environ["AWS_SECRET_ACCESS_KEY"]
    access = Access(options.cloud, options.ca_bundle, options.region, secret)
    deliveries = Deliveries(access.client("logs"), access.client("lambda"))
    deliveries.look()
    print(READY, flush=True)
    rounds = 0
    while not done.wait(EVERY_SECONDS):
        rounds += 1
        try:
            if rounds % ROUNDS == 0:
                deliveries.look()
            deliveries.deliver()
        except (ClientError, BotoCoreError, ExceptionGroup) as error:
            print(*traceback.format_exception_only(error), sep="", file=sys.stderr, flush=True)
    return 0


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m local.subscription_filters", description=__doc__
    )
    parser.add_argument("--cloud", required=True, help="the local cloud's address")
    parser.add_argument("--ca-bundle", type=Path, required=True, help="PEM file to trust")
    parser.add_argument("--region", required=True)
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(main())
