"""A stack, packages and vulnerabilities, for the outputs in tests/ops/test_outputs.py."""

from __future__ import annotations

from cdk.names import FUNCTIONS
from cdk.weaknesses import Weakness
from local.state import State
from ops.audit import Report, Vulnerability
from ops.code.package import DIST, Package
from ops.stack.overview import FunctionStatus, Overview, QueueStatus, Strangers

API = "https://a1b2c3d4e5.execute-api.us-east-1.amazonaws.com/live"

OVERVIEW = Overview(
    stack="zip-prod",
    state="UPDATE_COMPLETE",
    outputs={
        "zip-prod-dashboard-url": "https://us-east-1.console.aws.amazon.com/cloudwatch/home"
        "?region=us-east-1#dashboards:name=zip-prod-pipeline",
        "zip-prod-webhook-url": f"{API}/new_recording",
    },
    functions=tuple(
        FunctionStatus(
            f"zip-prod-{function.name}",
            str(12 + number),
            "v2.4.0" if number else "",
            "2026-10-14 18:30:00",
            "" if number else "code and settings",
            number == 1,
        )
        for number, function in enumerate(FUNCTIONS[:3])
    ),
    queues=(
        QueueStatus("zip-prod-download", 3, 1, 0, 312),
        QueueStatus("zip-prod-download-dlq", 1, 0, 0, None),
    ),
    alarms={
        "zip-prod-download-dead-letter-age": "Threshold Crossed: 1 datapoint [650000.0 (14/10/26 "
        "18:30:00)] was greater than the threshold (604800.0)."
    },
    mails={"ops@example.edu": True, "new@example.edu": False},
    opencast="the uploader's user may read every event",
    reconcile="last run 2026-10-14T18:05:00Z, 25 min ago: nothing missing",
    strangers=Strangers(41, 3),
    problems=("There is no queue zip-prod-upload-dlq.fifo: `invoke stack.update` makes it.",),
    weak_settings=(Weakness("INGEST_ALLOWED_IPS", "anyone can request ingests", True),),
)

CHANGES = [
    {
        "Action": "Modify",
        "LogicalResourceId": "FunctionszoomdownloaderFunctionD3E1A2B4",
        "ResourceType": "AWS::Lambda::Function",
        "Replacement": "False",
    },
    {"Action": "Add", "LogicalResourceId": "Alarm1", "ResourceType": "AWS::CloudWatch::Alarm"},
]

PACKAGES = [
    Package(function.name, DIST / f"{function.name}.zip", 4_310_000 + number, f"{number}" * 43)
    for number, function in enumerate(FUNCTIONS[:3])
]

REPORTS = [
    Report(
        "pip-audit",
        120,
        (
            Vulnerability("requests", "2.31.0", "PYSEC-2024-1", "2.32.0, 2.32.4", "functions"),
            Vulnerability("jinja2", "3.1.2", "GHSA-h5c8-rqwp-cp95", "3.1.3", "tools"),
        ),
    )
]

LOCAL = State(
    api_url="https://127.0.0.1:28734/_aws/execute-api/localzip/live",
    aws_endpoint_url="https://127.0.0.1:28734",
    ca_bundle="",
    region="us-east-1",
    stack_name="local-zip",
    zoom_url="https://127.0.0.1:31428",
    opencast_url="https://opencast.example.edu",
    mail_folder="/home/somebody/projects/zoom-ingester-pipeline/.local/mail",
    webhook_secret="",
    pids={"cloud": 999_999_999},
)
