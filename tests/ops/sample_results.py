"""Example results of commands, such as the overview of a stack, for test_outputs.py."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from cdk.names import FUNCTIONS
from cdk.weaknesses import Weakness
from ingester.pipeline.reasons import ALREADY_THERE, NO_SERIES
from ingester.pipeline.states import Origin
from ingester.pipeline.states import State as IngestState
from ingester.reconcile.report import Outcome
from ingester.reconcile.report import Report as ReconcileReport
from ingester.status.diagnosis import PATIENCE, diagnose_each
from ingester.status.row import StatusRow
from local.state import State
from ops.audit import Report, Vulnerability
from ops.code.package import DIST, Package
from ops.logs.lines import Line, line_of
from ops.recordings.printing import Listed
from ops.stack.overview import FunctionStatus, Overview, QueueStatus, RefusedRequests

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
    strangers=RefusedRequests(41, 3),
    problems=("There is no queue zip-prod-upload-dlq.fifo: `invoke stack.update` makes it.",),
    weak_settings=(Weakness("INGEST_ALLOWED_IPS", "anyone can request ingests", True),),
)

CALM = replace(
    OVERVIEW,
    functions=tuple(
        FunctionStatus(
            f"zip-prod-{function.name}", "12", "v2.4.0", "2026-10-14 18:30:00", "", False
        )
        for function in FUNCTIONS
    ),
    queues=(QueueStatus("zip-prod-download", 0, 1, 0, 312),),
    alarms={},
    mails={"ops@example.edu": True},
    strangers=RefusedRequests(0, 0),
    problems=(),
    weak_settings=(),
)
"""The overview of a stack on which nobody has to act."""

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

NOW = datetime(2026, 10, 14, 18, 30, tzinfo=UTC)


def _ingest(
    number: int, state: IngestState, reason: str = "", *, kind: Origin = Origin.WEBHOOK
) -> StatusRow:
    uuid = f"{number}dXp112QmuoKj48wAbcdeQ=="
    return StatusRow(
        zip_id=f"{kind}-{uuid}",
        meeting_id=95846636710 + number,
        recording_id=uuid,
        topic=f"HIST E-1010 Mapping the Ocean, part {number}",
        start_time="2026-10-14T15:00:00Z",
        origin=str(kind),
        ingest_request_time="2026-10-14T17:00:00Z",
        oc_series_id="" if state is IngestState.IGNORED else "20260112345",
        files=frozenset({"file"}),
        state=state,
        reason=reason,
        updated=NOW - timedelta(hours=1) + timedelta(minutes=number),
    )


_INGESTS = (
    _ingest(1, IngestState.SENT_TO_OPENCAST),
    _ingest(1, IngestState.IGNORED, ALREADY_THERE, kind=Origin.ON_DEMAND),
    _ingest(2, IngestState.DOWNLOADER_FAILED, "permanent failure: Zoom has no such recording."),
    _ingest(3, IngestState.IGNORED, NO_SERIES),
    _ingest(4, IngestState.IGNORED, NO_SERIES),
    _ingest(5, IngestState.OC_SERIES_FOUND),
)
RECORDINGS = Listed(_INGESTS, _INGESTS, diagnose_each(_INGESTS, _INGESTS, NOW, PATIENCE))


def _logged(second: int, level: str, message: str, **more: object) -> Line:
    about = {"uuid": "1dXp112QmuoKj48wAbcdeQ==", "zip_id": "auto-ingest-1dXp112QmuoKj48wAbcdeQ=="}
    record = {"level": level, "message": message, **about, **more}
    milliseconds = int((NOW + timedelta(seconds=second)).timestamp() * 1000)
    return line_of(FUNCTIONS[2], {"message": json.dumps(record), "timestamp": milliseconds})


LOG = [
    _logged(0, "INFO", "Going to series 20260112345 as Lecture"),
    _logged(1, "WARNING", "Zoom answered 503 to the download of shared_screen.", seconds=1.5),
    _logged(2, "ERROR", "Permanent failure: Zoom gave us no video of this recording."),
]

RECONCILED = ReconcileReport(
    since="2026-10-11T18:30:00Z",
    baseline="2026-10-01T00:00:00Z",
    how="users",
    dry_run=True,
    listed=4,
    handed_in=0,
    failed=1,
    skipped={"known": 2},
    is_complete=True,
    recordings=[
        Outcome(
            uuid=f"{number}dXp112QmuoKj48wAbcdeQ==",
            meeting_id=95846636714,
            topic="HIST E-1010 Mapping the Ocean, with a long title of its own",
            start_time="2026-10-14T15:00:00Z",
            outcome=outcome,
        )
        for number, outcome in enumerate(("would be requested", "failed: The webhook answered 400"))
    ],
    left_out=0,
)
