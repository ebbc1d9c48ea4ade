"""CloudWatch Logs' subscription filters of the local stack, which its cloud gets wrong.

    python -m local.subscription_filters --cloud https://127.0.0.1:20000 --ca-bundle … --region …

In the local cloud each word of a pattern has to be in a line, where CloudWatch takes a line with
one of its optional words. So the filters match nothing there, and this reads the logs once a
second, and calls what is subscribed.
https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/SubscriptionFilters.html
"""

import argparse
import base64
import gzip
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
"""After so many readings it is asked anew which filters there are: a deploy may change them."""
MARGIN = 10_000
"""Milliseconds. An event can't appear later than this after its own timestamp."""

READY = "reading the logs"
READY_SECONDS = 20.0

_OPTIONAL = re.compile(r'\?(?:"([^"]+)"|([^\s"]+))')


class Line(TypedDict):
    """An event of a log stream, as the API has it."""

    timestamp: int
    message: str
    logStreamName: str


def matches(pattern: str, line: str) -> bool:
    """Whether CloudWatch lets a line through, for a pattern of optional words and phrases.

    ValueError for any other pattern: those of numbers, JSON and words that must be there.
    https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntax.html
    """
    words = [phrase or word for phrase, word in _OPTIONAL.findall(pattern)]
    if not words or _OPTIONAL.sub("", pattern).strip():
        raise ValueError(f"Not a pattern of optional words only: {pattern}")
    return any(word in line for word in words)


@dataclass(frozen=True)
class SubscriptionFilter:
    """What is let through of a log, and what is called with that."""

    group: str
    name: str
    pattern: str
    destination: str


def envelope(of: SubscriptionFilter, stream: str, lines: Iterable[Line]) -> dict[str, Any]:
    """What CloudWatch calls a function with."""
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
    """Of one filter. The clients are boto3's."""

    def __init__(self, of: SubscriptionFilter, logs: Any, functions: Any) -> None:
        self.filter = of
        self._logs = logs
        self._functions = functions
        self._since = 0
        self._handled: set[str] = set()

    def deliver(self) -> None:
        """Hand over what has been logged since the last time, each invocation's lines once.

        The local cloud has a log stream for each invocation, written when it ends, and makes an
        event of each line. An invocation's lines go together where one of them matches, as
        Lambda's one event of a whole traceback does.
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
        # Only now: what wasn't handed over is to be looked at again.
        self._handled &= streams.keys()
        if lines:
            self._since = max(self._since, lines[-1]["timestamp"] - MARGIN)


class Deliveries:
    """Of all filters in the cloud. The clients are boto3's."""

    def __init__(self, logs: Any, functions: Any) -> None:
        self._logs = logs
        self._functions = functions
        self._by_name: dict[tuple[str, str], Delivery] = {}

    def look(self) -> None:
        """Ask the cloud which filters there are. Those known go on where they are."""
        known = self._by_name
        self._by_name = {}
        for one in self._filters():
            name = (one.group, one.name)
            delivery = known.get(name) or Delivery(one, self._logs, self._functions)
            delivery.filter = one
            self._by_name[name] = delivery

    def _filters(self) -> Iterator[SubscriptionFilter]:
        for page in self._logs.get_paginator("describe_log_groups").paginate():
            for group in page["logGroups"]:
                name = group["logGroupName"]
                answer = self._logs.describe_subscription_filters(logGroupName=name)
                for one in answer["subscriptionFilters"]:
                    yield SubscriptionFilter(
                        group=name,
                        name=one["filterName"],
                        pattern=one["filterPattern"],
                        destination=one["destinationArn"],
                    )

    def deliver(self) -> None:
        """Let each hand over what is new. An ExceptionGroup of what went wrong with some."""
        failures = []
        for delivery in self._by_name.values():
            try:
                delivery.deliver()
            except (ClientError, BotoCoreError, ValueError) as error:
                failures.append(error)
        if failures:
            raise ExceptionGroup("Not every log was handed over", failures)


def start(processes: Processes, env: Mapping[str, str], access: Access) -> Running:
    """Start to read the logs of a cloud that is up, without waiting for it."""
    options = {"--cloud": access.url, "--ca-bundle": access.ca_bundle, "--region": access.region}
    words = [str(word) for option in options.items() for word in option]
    command = [sys.executable, "-m", "local.subscription_filters", *words]
    return processes.start("subscription_filters", command, env)


def wait_for(process: Running) -> None:
    """Return once it reads the logs. Raises ProcessFailed if it never does."""
    process.wait_for(lambda: READY in process.log.read_text("utf-8"), READY_SECONDS)


def main(argv: Sequence[str] | None = None) -> int:
    """Read the logs until SIGTERM or SIGINT. Says so in a line when it begins."""
    options = _arguments(argv)
    done = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: done.set())
    access = Access(options.cloud, options.ca_bundle, options.region)
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
    parser.add_argument("--ca-bundle", type=Path, required=True, help="what it is trusted by")
    parser.add_argument("--region", required=True)
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(main())
