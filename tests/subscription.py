"""What CloudWatch Logs calls a subscribed function with."""

from __future__ import annotations

import base64
import gzip
import json
from typing import Any

GROUP = "/aws/lambda/zip-zoom-uploader"


def log_event(*lines: str, group: str = GROUP, kind: str = "DATA_MESSAGE") -> dict[str, Any]:
    """An event with some lines of one stream."""
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
    """Content as CloudWatch Logs packs it."""
    return base64.b64encode(gzip.compress(content)).decode()
