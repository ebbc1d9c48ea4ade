"""Every name that this system has in AWS, in one place.

A site that switches over has these names in its dashboards, scripts and Zoom apps, so they are
part of the contract. All of them carry the stack's name in front; `Names` puts it there.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from urllib.parse import quote

STAGE = "live"
"""API Gateway's stage, part of every URL that Zoom and Opencast hold."""

API_KEY = "ZoomIngesterApiKey"

GOOGLE_CREDENTIALS = "/zoom-ingester/common/gapi-credentials"
"""The SSM SecureString with the Google account that reads the sheet, for all stacks."""

MID_INDEX = "mid_index"
TIME_INDEX = "time_index"
"""The status table's indexes."""

WEBHOOK_PATH = "new_recording"
ON_DEMAND_PATH = "ingest"
STATUS_PATH = "status"
SLACK_PATH = "slack"
SCHEDULE_UPDATE_PATH = "schedule_update"
PAGE_PATH = ""
"""The API's root."""

RESOURCE_ID = "-resource-id"
"""The end of an export's name that has the id of one of the API's resources."""


@dataclass(frozen=True)
class Function:
    """One Lambda function.

    `name` is its name in AWS behind the stack's, and the name of its zip and requirements file;
    `module` the file under `functions/`; `task` what operators call it in `invoke` tasks;
    `services` the AWS service models that its package has to hold, `google_apis` the discovery
    documents of Google's APIs, `files` what it holds beside code, relative to `functions/`.
    """

    name: str
    module: str
    task: str
    services: tuple[str, ...]
    google_apis: tuple[str, ...] = ()
    files: tuple[str, ...] = ()


WEBHOOK = Function("zoom-webhook", "webhook", "webhook", ("dynamodb", "sqs", "ssm"))
ON_DEMAND = Function("zoom-on-demand", "on_demand", "on-demand", ("dynamodb", "ssm"))
DOWNLOADER = Function(
    "zoom-downloader", "downloader", "downloader", ("dynamodb", "s3", "sqs", "ssm")
)
UPLOADER = Function("zoom-uploader", "uploader", "uploader", ("dynamodb", "s3", "sqs", "ssm"))
RECONCILE = Function("zoom-reconcile", "reconcile", "reconcile", ("dynamodb", "ssm"))
SCHEDULE_UPDATE = Function(
    "schedule-update",
    "schedule_update",
    "schedule-update",
    ("dynamodb", "ssm"),
    google_apis=("sheets.v4",),
)
STATUS_QUERY = Function(
    "status-query",
    "status_query",
    "status-query",
    ("dynamodb", "sqs"),
    files=("status_page.html",),
)
SLACK = Function("slack", "slack", "slack", ("dynamodb", "lambda", "ssm"))
LOG_NOTIFICATIONS = Function(
    "zoom-log-notifications", "log_notifications", "log-notifications", ("dynamodb", "sns")
)

FUNCTIONS = (
    WEBHOOK,
    ON_DEMAND,
    DOWNLOADER,
    UPLOADER,
    RECONCILE,
    SCHEDULE_UPDATE,
    STATUS_QUERY,
    SLACK,
    LOG_NOTIFICATIONS,
)


@dataclass(frozen=True)
class Names:
    """The names of one stack. `stack` is `STACK_NAME`."""

    stack: str

    def of(self, thing: str) -> str:
        """`<stack>-<thing>`, the form of nearly every name."""
        return f"{self.stack}-{thing}"

    def function(self, function: Function) -> str:
        return self.of(function.name)

    def log_group(self, function: Function) -> str:
        return f"/aws/lambda/{self.function(function)}"

    def code_key(self, function: Function) -> str:
        """The zip's key in `LAMBDA_CODE_BUCKET`."""
        return f"{self.stack}/{function.name}.zip"

    def archive_key(self, function: Function, code_sha256: str) -> str:
        """Where in `LAMBDA_CODE_BUCKET` a zip is kept for good, by Lambda's `CodeSha256` of it."""
        digest = base64.b64decode(code_sha256).hex()
        return f"{self.stack}/archive/{function.name}/{digest}.zip"

    def loan_key(self, function: Function) -> str:
        """Where in `LAMBDA_CODE_BUCKET` it is noted what `$LATEST` held before it was lent."""
        return f"{self.stack}/loans/{function.name}.json"

    def release_key(self, release: str) -> str:
        """Where in `LAMBDA_CODE_BUCKET` it is noted which versions a release let run."""
        return f"{self.releases_path}{quote(release, safe='')}.json"

    @property
    def releases_path(self) -> str:
        return f"{self.stack}/releases/"

    def secret(self, setting: str) -> str:
        """The SSM SecureString that holds a secret setting."""
        return f"{self.secrets_path}/{setting}"

    @property
    def secrets_path(self) -> str:
        return f"/zoom-ingester/{self.stack}"

    @property
    def access_log(self) -> str:
        return f"/aws/apigateway/{self.stack}-api/access_logs"

    @property
    def build_log(self) -> str:
        """CodeBuild's log group, which it would otherwise make itself and leave behind."""
        return f"/aws/codebuild/{self.codebuild}"

    @property
    def api(self) -> str:
        return self.of("api")

    @property
    def download_queue(self) -> str:
        return self.of("download")

    @property
    def download_dlq(self) -> str:
        return self.of("download-dlq")

    @property
    def upload_queue(self) -> str:
        return self.of("upload.fifo")

    @property
    def upload_dlq(self) -> str:
        return self.of("upload-dlq.fifo")

    @property
    def schedule_table(self) -> str:
        return self.of("schedule")

    @property
    def status_table(self) -> str:
        return self.of("pipeline-status")

    @property
    def events_table(self) -> str:
        return self.of("recording-events")

    @property
    def recordings_table(self) -> str:
        """The ledger: one item for each recording, longer than its row in the status table."""
        return self.of("recordings")

    @property
    def faults_table(self) -> str:
        return self.of("notification-faults")

    @property
    def bucket(self) -> str:
        return self.of("zoom-recording-files")

    @property
    def topic(self) -> str:
        return self.of("notifications")

    @property
    def metrics(self) -> str:
        """The namespace of the functions' own metrics."""
        return self.of("log-metrics")

    @property
    def dashboard(self) -> str:
        return self.of("pipeline")

    @property
    def codebuild(self) -> str:
        return self.of("codebuild")
