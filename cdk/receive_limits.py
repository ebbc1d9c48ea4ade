"""Limits on how often the downloader and the uploader receive a message.

See docs/decisions/0002-queues-as-event-sources.md.
"""

from __future__ import annotations

import math

DOWNLOAD_RECEIVE_LIMIT = 12
"""Number of receives up to which the downloader works on a message."""

UPLOAD_RECEIVES = 50
"""Number of receives in `upload_receive_limit`, without those for waits for Opencast."""

WAITING_RECEIVES_PER_HOUR = 6
"""Receives of a waiting upload in an hour: one every 600 s (LONGEST_WAIT_SECONDS, uploader.py)."""

BUSY_FACTOR = 4
"""Factor by which the uploader waits longer for an unknown outcome while Opencast is busy.

The uploader reads the same factor in `ingester.ledger.record`; a test compares the two.
"""

RESERVE_RECEIVES = 20
"""Maximum number of receives of a message beyond the limit of the queue's function.

At these receives the function only moves the message to the dead-letter queue, with a reason. SQS
itself would move the message without a reason. A failed move is repeated after the visibility
timeout of 16 minutes, so the reserve covers five hours in which SQS refuses every call.
"""

MOST_RECEIVES = 1000
"""SQS's highest `maxReceiveCount`.

https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SetQueueAttributes.html
"""


MESSAGE_DAYS = 14
"""Number of days after which SQS deletes a message: the most that SQS allows.

https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SetQueueAttributes.html
"""


def longest_upload_wait(patience_hours: float, outage_hours: float) -> float:
    """Return the longest time in hours for which an upload's message waits for Opencast.

    A message waits at most `BUSY_FACTOR` times `patience_hours` (OC_INGEST_PATIENCE_HOURS) for an
    ingest whose outcome is unknown, and `outage_hours` (OC_OUTAGE_HOURS) for an Opencast that can't
    be reached. No message waits longer than SQS keeps it (`MESSAGE_DAYS`).
    """
    return min(24 * MESSAGE_DAYS, BUSY_FACTOR * patience_hours + outage_hours)


def upload_receive_limit(patience_hours: float, outage_hours: float) -> int:
    """Return the number of receives up to which the uploader works on a message.

    Each wait for Opencast takes one receive (see `longest_upload_wait` for the arguments). SQS's
    own maximum leaves at most 980 receives.
    """
    hours = longest_upload_wait(patience_hours, outage_hours)
    waiting = math.ceil(WAITING_RECEIVES_PER_HOUR * hours)
    return min(MOST_RECEIVES - RESERVE_RECEIVES, UPLOAD_RECEIVES + waiting)
