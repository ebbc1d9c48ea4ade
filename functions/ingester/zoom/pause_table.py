"""Read and write the pause of all downloads after Zoom's 429, as an item of the ledger's table."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec

from ingester.ledger.table import without_decimals
from ingester.zoom.throttling import Pause, pause_after, seconds_to_wait

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table

KEY = "#zoom-pause"
"""The `uuid` that is the key of the pause's item. Zoom's uuids are base64, which has no `#`."""


PAUSED = "Zoom asks for fewer requests (429)"
"""Reason why a download waits, for people."""


class ZoomPause:
    """The pause that all downloads share while Zoom asks for fewer requests."""

    def __init__(self, table: Table, clock: Callable[[], datetime]) -> None:
        self._table = table
        self._clock = clock

    def seconds(self, uuid: str) -> int:
        """Return the seconds that a recording has to wait; 0 if Zoom may be asked now."""
        return seconds_to_wait(self._get(), self._clock(), uuid)

    def begin(self, uuid: str, asked: float | None) -> int:
        """Begin a pause after a 429, unless a pause runs, and return the wait of a recording.

        Args:
            uuid: Uuid of the recording.
            asked: Seconds for which Zoom asks to wait; None if Zoom doesn't say.

        Returns:
            The wait in seconds.
        """
        now = self._clock()
        earlier = self._get()
        pause = pause_after(earlier, now, asked)
        if pause != earlier and not self._replace(earlier, pause):
            # Another download has begun the same pause.
            pause = self._get() or pause
        return seconds_to_wait(pause, now, uuid)

    def _get(self) -> Pause | None:
        """Return the last pause; None if there was no pause, or the pause's item is unreadable."""
        answer = self._table.get_item(Key={"uuid": KEY}, ConsistentRead=True)
        item: dict[str, Any] | None = answer.get("Item")
        if item is None:
            return None
        try:
            return msgspec.convert(without_decimals(item), Pause)
        except msgspec.ValidationError:
            return None

    def _replace(self, earlier: Pause | None, pause: Pause) -> bool:
        condition = "#until = :earlier" if earlier else "attribute_not_exists(#until)"
        known = {":earlier": earlier.until} if earlier else {}
        try:
            self._table.update_item(
                Key={"uuid": KEY},
                UpdateExpression="SET #until = :until, #seconds = :seconds",
                ConditionExpression=condition,
                ExpressionAttributeNames={"#until": "until", "#seconds": "seconds"},
                ExpressionAttributeValues={
                    ":until": pause.until,
                    ":seconds": pause.seconds,
                    **known,
                },
            )
        except self._table.meta.client.exceptions.ConditionalCheckFailedException:
            return False
        return True
