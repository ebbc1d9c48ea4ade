"""Events with which CloudWatch Logs invokes a subscribed function."""

from __future__ import annotations

import base64
import gzip
import json
from typing import Any

GROUP = "/aws/lambda/zip-zoom-uploader"


def log_event(*lines: str, group: str = GROUP, kind: str = "DATA_MESSAGE") -> dict[str, Any]:
    """Return an event with lines of one log stream."""
    content = {
        "messageType": kind,
        "owner": "123456789012",
        "logGroup": group,
        "logStream": "2026/10/14/[7]abc",
        "subscriptionFilters": ["zip"],
        "logEvents": [
            {"id": f"{number:056}", "timestamp": 1792002600000, "message": line}
            for number, line in enumerate(lines)
        ],
    }
    return {"awslogs": {"data": packed(json.dumps(content).encode())}}


def packed(content: bytes) -> str:
    """Return `content` compressed with gzip and encoded in base64, as CloudWatch Logs sends it.

    Source: https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/SubscriptionFilters.html
    """
    return base64.b64encode(gzip.compress(content)).decode()
