"""The dashboard. The title of each widget is the question that the widget answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from aws_cdk import Aws, Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from constructs import Construct

from cdk.alarms import BACKLOG
from cdk.functions import SIZES
from cdk.metrics import SUM, Metrics
from cdk.names import (
    DOWNLOADER,
    FOLLOW_INDEX,
    FUNCTIONS,
    MID_INDEX,
    ON_DEMAND_PATH,
    TIME_INDEX,
    UPLOADER,
    WEBHOOK_PATH,
    Function,
    Names,
)

HOUR = Duration.hours(1)
DAY = Duration.days(1)
WIDTH = 24
"""The number of columns in the grid of a CloudWatch dashboard.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/CloudWatch-Dashboard-Body-Structure.html
"""

ZOOM_WAITS_SECONDS = 3
AGE = "ApproximateAgeOfOldestMessage"
WAITING = "ApproximateNumberOfMessagesVisible"

Lines = Mapping[str, cloudwatch.Metric | cloudwatch.MathExpression]
"""A graph's metrics by their labels in the legend."""


class Dashboard(Construct):
    """The dashboard `<stack>-pipeline`. `url` is the dashboard's address in AWS's console."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        names: Names,
        alarms: Sequence[cloudwatch.IAlarm],
    ) -> None:
        super().__init__(scope, construct_id)
        self._names = names
        self._metrics = Metrics(names)
        dashboard = cloudwatch.Dashboard(
            self,
            "Dashboard",
            dashboard_name=names.dashboard,
            default_interval=Duration.days(7),
        )
        alarm_states = cloudwatch.AlarmStatusWidget(
            title="Is an alarm in the state ALARM?", alarms=list(alarms), width=WIDTH, height=4
        )
        dashboard.add_widgets(alarm_states)
        for row in (
            self._recordings(),
            self._speed(),
            self._waiting(),
            self._errors(),
            self._calls_and_time(),
            self._storage(),
        ):
            dashboard.add_widgets(*row)
        self.url = (
            f"https://{Aws.REGION}.console.aws.amazon.com/cloudwatch/home"
            f"?region={Aws.REGION}#dashboards:name={names.dashboard}"
        )

    def _recordings(self) -> list[cloudwatch.IWidget]:
        own = self._metrics.own
        return [
            _graph(
                "How many recordings reached Opencast, and how many didn't?",
                {
                    "in Opencast": own("WorkflowInitiated"),
                    "nothing to ingest": own("RecordingIgnored"),
                    "failed": own("RecordingFailed"),
                    "no Opencast: waiting": own("OpencastUnreachable"),
                },
                period=HOUR,
                stacked=True,
            ),
            _graph(
                "How many does Zoom announce?",
                {
                    "recordings started": own("MeetingStarted"),
                    "meetings ended": own("MeetingEnded"),
                    "recordings completed": own("RecordingCompleted"),
                    "not announced, found by reconcile": own("RecordingsReconciled"),
                },
                period=HOUR,
            ),
            _graph(
                "How many minutes were recorded for a series, how many recordings were too short?",
                {"minutes": own("RecordingDuration")},
                right={"too short": own("SkippedForDuration")},
                period=HOUR,
            ),
        ]

    def _speed(self) -> list[cloudwatch.IWidget]:
        own = self._metrics.own
        return [
            _graph(
                "How many minutes does a recording take to Opencast?",
                {
                    "half of them, at most": own("MinutesInPipeline", "p50"),
                    "95 % within": own("MinutesInPipeline", "p95"),
                    "half of them, until published": own("MinutesToPublished", "p50"),
                    "95 % published within": own("MinutesToPublished", "p95"),
                },
                period=HOUR,
            ),
            _graph("How many bytes are copied?", {"bytes": own("BytesTransferred")}, period=HOUR),
            _graph(
                "How fast is a copy, in MB/s?",
                {
                    "half of them, at least": own("TransferRate", "p50"),
                    "the slowest": own("TransferRate", "Minimum"),
                },
                period=HOUR,
            ),
        ]

    def _waiting(self) -> list[cloudwatch.IWidget]:
        names, of_queue = self._names, self._metrics.of_queue
        queues = {"download": names.download_queue, "upload": names.upload_queue}
        dead = {"downloads": names.download_dlq, "uploads": names.upload_dlq}
        counts = {
            "waiting": WAITING,
            "in work, or to come back": "ApproximateNumberOfMessagesNotVisible",
            "delayed": "ApproximateNumberOfMessagesDelayed",
        }
        return [
            _graph(
                "How long has the oldest message waited, in seconds?",
                {what: of_queue(queue, AGE) for what, queue in queues.items()},
            ),
            _graph(
                "How many messages are on the way?",
                {
                    f"{what}: {count}": of_queue(queue, name)
                    for what, queue in queues.items()
                    for count, name in counts.items()
                },
                limit=(BACKLOG, "upload-backlog goes into ALARM state"),
            ),
            _graph(
                # The graph doesn't show the age of the oldest message, because that metric ignores
                # messages that were received three times. Each command that shows failed messages
                # receives them.
                # https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-available-cloudwatch-metrics.html
                "Do failed messages need attention?",
                {what: of_queue(queue, WAITING) for what, queue in dead.items()},
            ),
        ]

    def _errors(self) -> list[cloudwatch.IWidget]:
        metrics = self._metrics
        routes = {"webhook": WEBHOOK_PATH, "+Zoom": ON_DEMAND_PATH}
        return [
            _graph(
                "Which function crashes, runs out of time, or is throttled?",
                self._functions("Errors"),
                right={
                    f"{function.name} throttled": metrics.of_function(function, "Throttles", SUM)
                    for function in FUNCTIONS
                },
            ),
            _graph(
                "What is refused, and what fails?",
                {
                    "webhook: 401": metrics.own("WebhookUnauthorized"),
                    "webhook: signed with another secret": metrics.own("WebhookWronglySigned"),
                    "webhook: another 4xx for Zoom": metrics.own("WebhookRejected"),
                    "webhook: 5xx for Zoom": metrics.own("WebhookNotTaken"),
                    **{
                        f"{what}: failed": metrics.of_route("POST", path, "5XXError", SUM)
                        for what, path in routes.items()
                    },
                },
            ),
            _graph(
                "How long do Zoom and Opencast wait for an answer, in milliseconds?",
                {
                    f"{what} {statistic}": metrics.of_route("POST", path, "Latency", statistic)
                    for what, path in routes.items()
                    for statistic in ("p50", "p99")
                },
                limit=(ZOOM_WAITS_SECONDS * 1000, "Zoom repeats a webhook event"),
            ),
        ]

    def _calls_and_time(self) -> list[cloudwatch.IWidget]:
        of_function = self._metrics.of_function
        return [
            _graph(
                "What is paid for: how many GB-seconds of functions?",
                {function.name: self._gb_seconds(function) for function in FUNCTIONS},
                period=DAY,
                stacked=True,
            ),
            _graph(
                "What is paid for: how many calls?",
                {**self._functions("Invocations"), "API": self._metrics.of_api("Count", SUM)},
                period=DAY,
                stacked=True,
            ),
            _graph(
                "How many downloads and uploads run at once?",
                {
                    function.name: of_function(function, "ConcurrentExecutions", "Maximum")
                    for function in (DOWNLOADER, UPLOADER)
                },
            ),
        ]

    def _storage(self) -> list[cloudwatch.IWidget]:
        names, metrics = self._names, self._metrics
        tables: dict[str, tuple[str, str | None]] = {
            "status": (names.status_table, None),
            # DynamoDB's metrics of a table don't include reads and writes of the table's indexes:
            # https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/metrics-dimensions.html
            "status by meeting": (names.status_table, MID_INDEX),
            "status by day": (names.status_table, TIME_INDEX),
            "events": (names.events_table, None),
            "ledger": (names.recordings_table, None),
            "ledger, to follow": (names.recordings_table, FOLLOW_INDEX),
            "schedule": (names.schedule_table, None),
            "faults": (names.faults_table, None),
        }
        units = {"read": "ConsumedReadCapacityUnits", "written": "ConsumedWriteCapacityUnits"}
        return [
            _graph(
                "What is paid for: how many bytes of recordings are stored?",
                {"bytes": metrics.stored_bytes()},
                period=DAY,
            ),
            _graph(
                "What is paid for: how many units of the tables?",
                {
                    f"{what} {verb}": metrics.of_table(table, name, index)
                    for what, (table, index) in tables.items()
                    for verb, name in units.items()
                },
                period=DAY,
                stacked=True,
            ),
            _graph(
                "What is paid for: how many bytes are logged?",
                {
                    function.name: metrics.logged_bytes(names.log_group(function))
                    for function in FUNCTIONS
                }
                | {"API": metrics.logged_bytes(names.access_log)},
                period=DAY,
                stacked=True,
            ),
        ]

    def _gb_seconds(self, function: Function) -> cloudwatch.MathExpression:
        """Return a metric of a function's GB-seconds in a day, which are duration times memory."""
        milliseconds = f"{function.module}_milliseconds"
        duration = self._metrics.of_function(function, "Duration", SUM)
        return cloudwatch.MathExpression(
            expression=f"{milliseconds} * {SIZES[function].memory} / 1024 / 1000",
            using_metrics={milliseconds: duration},
            period=DAY,
        )

    def _functions(self, name: str) -> dict[str, cloudwatch.Metric]:
        """Return the sums of Lambda's metric `name`, by the functions' names."""
        return {
            function.name: self._metrics.of_function(function, name, SUM) for function in FUNCTIONS
        }


def _graph(
    title: str,
    left: Lines,
    *,
    right: Lines | None = None,
    period: Duration | None = None,
    stacked: bool = False,
    limit: tuple[float, str] | None = None,
) -> cloudwatch.GraphWidget:
    """Return a graph with a period of 5 minutes by default.

    `limit` is the value and the label of a horizontal line on the left axis.
    """
    line = cloudwatch.HorizontalAnnotation(value=limit[0], label=limit[1]) if limit else None
    return cloudwatch.GraphWidget(
        title=title,
        left=_labelled(left),
        right=_labelled(right or {}),
        period=period or Duration.minutes(5),
        stacked=stacked,
        left_annotations=[line] if line else None,
        left_y_axis=cloudwatch.YAxisProps(min=0, show_units=False),
        right_y_axis=cloudwatch.YAxisProps(min=0, show_units=False),
        width=WIDTH // 3,
    )


def _labelled(lines: Lines) -> list[cloudwatch.IMetric]:
    return [metric.with_(label=label) for label, metric in lines.items()]
