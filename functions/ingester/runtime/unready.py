"""Messages of a queue for which a function isn't ready: its secrets can't be read."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from ingester import log
from ingester.errors import AwsFailed, IngesterError
from ingester.pipeline import retry_policy as attempts
from ingester.pipeline.queue import Queue, Received, received_of

logger = logging.getLogger("ingester.unready")

CAUSES = (BotoCoreError, ClientError, IngesterError)
"""What building a function's dependencies raises if AWS fails or a setting is missing."""


@dataclass(frozen=True)
class Waiting:
    """What is needed to put a message off: its queue, how often it may be received there, and how
    it is buried with a reason.
    """

    queue: Queue
    limit: int
    bury: Callable[[Received, str], None]


def put_off(event: Mapping[str, Any], error: Exception, waiting: Waiting) -> dict[str, Any]:
    """Let an event's messages come back with backoff; after the last receive, bury them.

    Left to SQS they would come back as fast as the visibility allows, and soon be dead letters
    without a reason.
    """
    text = str(error) if isinstance(error, IngesterError) else str(AwsFailed.of(error))
    reason = f"The function can't begin: {text}"
    failed = []
    for message in map(received_of, event["Records"]):
        if message.receive_count >= waiting.limit:
            waiting.bury(message, reason)
            logger.error("%s", reason, extra={"outlook": attempts.BURIED})
            continue
        waiting.queue.retry_in(message, attempts.backoff_seconds(message.receive_count))
        failed.append({"itemIdentifier": message.message_id})
        logger.error("%s", reason, extra=log.goes_on("Its message comes back by itself."))
    return {"batchItemFailures": failed}
