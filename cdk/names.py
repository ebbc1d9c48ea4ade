"""Names of the stack's AWS resources, and the table of its functions (`FUNCTIONS`).

`Names` has the names that contain the stack's name.

Don't change a name: sites use these names in dashboards, scripts and Zoom apps.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from urllib.parse import quote

STAGE = "live"
"""API Gateway's stage, whose name is in the API's own URLs."""

PRODUCTION = "prod"
"""The text in a stack's name that marks a production stack."""

API_KEY = "ZoomIngesterApiKey"

GOOGLE_CREDENTIALS = "/zoom-ingester/common/gapi-credentials"
"""The name of the SSM SecureString with the Google account's key, which all stacks share."""

MID_INDEX = "mid_index"
TIME_INDEX = "time_index"
"""The name of the status table's index by day. `MID_INDEX` names the index by meeting."""

FOLLOW_INDEX = "follow_index"
"""The name of the ledger's index."""

WEBHOOK_PATH = "new_recording"
ON_DEMAND_PATH = "ingest"
STATUS_PATH = "status"
SLACK_PATH = "slack"
SCHEDULE_UPDATE_PATH = "schedule_update"
PAGE_PATH = ""
"""The path of the status page: the API's root."""

RESOURCE_ID = "-resource-id"
"""The end of the names of exports that hold the id of one of the API's resources."""


@dataclass(frozen=True)
class Function:
    """The facts about one Lambda function.

    Attributes:
        name: The function's name in AWS without the stack's name. The function's package and
            requirements file have the same name.
        module: The function's file in `functions/`.
        task: The function's name in commands, such as `webhook` in `invoke logs.webhook`.
        services: The AWS services whose models are in the function's package.
        google_apis: The Google APIs whose discovery documents are in the function's package.
        files: The package's other files, relative to `functions/`. Imported code isn't listed.
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
    "zoom-downloader",
    "downloader",
    "downloader",
    ("dynamodb", "s3", "sqs", "ssm"),
    files=("ingester/transfer/mp4_child.py",),
)
UPLOADER = Function("zoom-uploader", "uploader", "uploader", ("dynamodb", "s3", "sqs", "ssm"))
RECONCILE = Function("zoom-reconcile", "reconcile", "reconcile", ("dynamodb", "ssm"))
FOLLOW = Function("zoom-follow", "follow", "follow", ("dynamodb", "ssm"))
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
    FOLLOW,
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
        """Return `<stack>-<thing>`, the form of most names."""
        return f"{self.stack}-{thing}"

    def function(self, function: Function) -> str:
        return self.of(function.name)

    def log_group(self, function: Function) -> str:
        return f"/aws/lambda/{self.function(function)}"

    def code_key(self, function: Function) -> str:
        """Return the key of a function's package in `LAMBDA_CODE_BUCKET`."""
        return f"{self.stack}/{function.name}.zip"

    def archive_key(self, function: Function, code_sha256: str) -> str:
        """Return the key in `LAMBDA_CODE_BUCKET` of a package kept until the stack is deleted.

        `code_sha256` is the package's hash as Lambda gives it, in base64.
        """
        digest = base64.b64decode(code_sha256).hex()
        return f"{self.stack}/archive/{function.name}/{digest}.zip"

    def backup_key(self, function: Function) -> str:
        """Return the key in `LAMBDA_CODE_BUCKET` of the backup of `$LATEST`."""
        return f"{self.stack}/loans/{function.name}.json"

    def release_key(self, release: str) -> str:
        """Return the key in `LAMBDA_CODE_BUCKET` of a release's index, which lists the versions."""
        return f"{self.releases_path}{quote(release, safe='')}.json"

    @property
    def releases_path(self) -> str:
        return f"{self.stack}/releases/"

    def secret(self, setting: str) -> str:
        """Return the name of the SSM SecureString that holds a secret."""
        return f"{self.secrets_path}/{setting}"

    @property
    def secrets_path(self) -> str:
        return f"/zoom-ingester/{self.stack}"

    @property
    def access_log(self) -> str:
        return f"/aws/apigateway/{self.stack}-api/access_logs"

    @property
    def build_log(self) -> str:
        """The name of CodeBuild's log group.

        The stack creates the group, because a group that CodeBuild creates would outlive the stack.
        """
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
        """The name of the ledger, which has one record for each recording."""
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
