"""Show the stack as tables or as JSON (`invoke stack.status`), and a change set."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from botocore.exceptions import ClientError

from cdk.names import FUNCTIONS, RECONCILE, RESOURCE_ID, UPLOADER, Function, Names
from cdk.weaknesses import Weakness
from ingester import timestamps
from ingester.errors import LedgerUnreadable
from ingester.metrics import Metric
from ingester.reconcile.decisions import check_of
from ingester.reconcile.state_table import ReconcileState
from ops import terminal
from ops.code.releases import Releases
from ops.command import OpsError
from ops.queues.queue_messages import SqsQueue
from ops.stack.access import opencast_access
from ops.target import Target

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient

Item = TypeVar("Item")
Answer = TypeVar("Answer")

WEEK = timedelta(days=7)

AGE_PERIOD = timedelta(minutes=15)
"""Period that is searched for the age of a queue's oldest message.

SQS emits the metric every minute, but not while the queue is idle.
https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-available-cloudwatch-metrics.html
"""

LINK = (
    "`aws sns subscribe --topic-arn {topic} --protocol email --notification-endpoint ADDRESS` "
    "sends a link to follow."
)
FOLLOW = "follow the link in AWS's mail, or ask for another (docs/operations.md, No mail comes)."


@dataclass(frozen=True)
class FunctionStatus:
    """The released version of a function, and the kinds of unreleased changes in `$LATEST`.

    `released` is the version's number, and `made` the version's time in UTC. `unreleased` is "",
    "code", "settings" or "code and settings". `debug` says whether the version has debug logging
    on.
    """

    name: str
    released: str
    description: str
    made: str
    unreleased: str
    debug: bool


@dataclass(frozen=True)
class QueueStatus:
    """The numbers of a queue's messages, and the oldest message's age in seconds.

    The age is 0 for an empty queue, and None if CloudWatch has no value.
    """

    name: str
    waiting: int
    in_flight: int
    delayed: int
    oldest_seconds: int | None

    @property
    def is_dlq(self) -> bool:
        """True for a dead-letter queue."""
        return self.name.removesuffix(".fifo").endswith("-dlq")


@dataclass(frozen=True)
class RefusedRequests:
    """Counts of refusals by the webhook.

    `refused` counts the requests that got a 401, and `wrongly_signed` the wrongly signed requests
    among them.
    """

    refused: int
    wrongly_signed: int


@dataclass(frozen=True)
class Overview:
    """The content of `stack.status`.

    Attributes:
        state: CloudFormation's status of the stack.
        outputs: The stack's outputs by export name, without the ids of the API's resources.
        alarms: The reasons of the alarms in the state ALARM, by name.
        mails: Whether each subscriber of the topic has confirmed, by address.
        opencast: A sentence on the access to Opencast; "" without an uploader.
        reconcile: A sentence on reconcile; "" without the function.
        strangers: Requests that the webhook refused with 401 in the last week.
        problems: Sentences on missing functions, aliases, queues, topic or subscribers.
        weak_settings: Weak settings of the shell and `.env`.
    """

    stack: str
    state: str
    outputs: Mapping[str, str]
    functions: tuple[FunctionStatus, ...]
    queues: tuple[QueueStatus, ...]
    alarms: Mapping[str, str]
    mails: Mapping[str, bool]
    opencast: str
    reconcile: str
    strangers: RefusedRequests
    problems: tuple[str, ...]
    weak_settings: tuple[Weakness, ...]

    def as_json(self) -> dict[str, Any]:
        """Return the overview as an object for JSON."""
        return asdict(self)


def pipeline_stacks(cloudformation: CloudFormationClient) -> set[str]:
    """Return the names of the pipelines' stacks in the account and region.

    Raises:
        ClientError: CloudFormation refuses the request.
    """
    ending = f"-webhook{RESOURCE_ID}"
    pages = cloudformation.get_paginator("list_exports").paginate()
    return {
        export["Name"].removesuffix(ending)
        for page in pages
        for export in page.get("Exports", ())
        if export["Name"].endswith(ending)
    }


def read_overview(target: Target, weak_settings: tuple[Weakness, ...] = ()) -> Overview:
    """Return the stack's overview, with the given `weak_settings`.

    Raises:
        ClientError: AWS refuses a request, and the overview has no sentence about the refusal.
    """
    found = target.client("cloudformation").describe_stacks(StackName=target.place.stack_name)
    stack = found["Stacks"][0]
    names = target.names
    releases = Releases(target.client("lambda"), names, target.place.release_alias)
    problems: list[str] = []
    functions = _each_or_problem(
        FUNCTIONS, lambda function: _function(releases, function), problems
    )
    made = {function.name for function in functions}
    has_uploader = names.function(UPLOADER) in made
    has_reconcile = names.function(RECONCILE) in made
    return Overview(
        stack=target.place.stack_name,
        state=stack["StackStatus"],
        outputs=_outputs(stack),
        functions=functions,
        queues=_queues(target, problems),
        alarms=_alarms(target, names),
        mails=_mails(target, stack["StackId"], problems),
        opencast=opencast_access(target, releases) if has_uploader else "",
        reconcile=reconcile_sentence(target, releases, datetime.now(UTC)) if has_reconcile else "",
        strangers=RefusedRequests(
            refused=_in_a_week(target, Metric.WEBHOOK_UNAUTHORIZED),
            wrongly_signed=_in_a_week(target, Metric.WEBHOOK_WRONGLY_SIGNED),
        ),
        problems=tuple(problems),
        weak_settings=weak_settings,
    )


def _each_or_problem(
    things: Sequence[Item], ask: Callable[[Item], Answer], problems: list[str]
) -> tuple[Answer, ...]:
    """Return each existing item's status, and add sentences about missing items to `problems`.

    `ask` returns an item's status, and raises OpsError for a missing item. All items may be missing
    after a failed creation. A new function is missing until an update.
    """
    answers = []
    for thing in things:
        try:
            answers.append(ask(thing))
        except OpsError as error:
            problems.append(str(error))
    return tuple(answers)


def message_counts(target: Target) -> dict[str, int]:
    """Return the number of messages of each queue that exists and isn't empty.

    Raises:
        ClientError: SQS or CloudWatch refuses a request.
    """
    counted = {
        queue.name: queue.waiting + queue.in_flight + queue.delayed for queue in _queues(target, [])
    }
    return {name: count for name, count in counted.items() if count}


def _queues(target: Target, problems: list[str]) -> tuple[QueueStatus, ...]:
    names = target.names
    queues = (names.download_queue, names.download_dlq, names.upload_queue, names.upload_dlq)
    return _each_or_problem(queues, lambda name: _queue(target, name), problems)


def outputs(target: Target) -> dict[str, str]:
    """Return the stack's outputs by export name, without the ids of the API's resources.

    Raises:
        ClientError: CloudFormation refuses the request.
    """
    found = target.client("cloudformation").describe_stacks(StackName=target.place.stack_name)
    return _outputs(found["Stacks"][0])


def _outputs(stack: Mapping[str, Any]) -> dict[str, str]:
    found = {
        output["ExportName"]: output["OutputValue"]
        for output in stack.get("Outputs", ())
        if "ExportName" in output and not output["ExportName"].endswith(RESOURCE_ID)
    }
    return dict(sorted(found.items()))


def _function(releases: Releases, function: Function) -> FunctionStatus:
    latest, released = releases.latest(function), releases.released(function)
    differs = {
        "code": not latest.same_code(released),
        "settings": latest.configuration != released.configuration,
    }
    return FunctionStatus(
        name=releases.name(function),
        released=released.version,
        description=released.description,
        made=released.modified[:19].replace("T", " "),
        unreleased=" and ".join(what for what, does in differs.items() if does),
        debug=bool(released.variables.get("DEBUG")),
    )


def _queue(target: Target, name: str) -> QueueStatus:
    counts = SqsQueue(target.client("sqs"), name).counts()
    waiting, in_flight, delayed = counts.waiting, counts.in_flight, counts.delayed
    is_empty = not (waiting or in_flight or delayed)
    oldest = 0 if is_empty else _oldest_seconds(target, name)
    return QueueStatus(name, waiting, in_flight, delayed, oldest)


def _oldest_seconds(target: Target, queue: str) -> int | None:
    """Return the age in seconds of a queue's oldest message, or None if CloudWatch has no value.

    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-available-cloudwatch-metrics.html
    """
    now = datetime.now(UTC)
    answer = target.client("cloudwatch").get_metric_statistics(
        Namespace="AWS/SQS",
        MetricName="ApproximateAgeOfOldestMessage",
        Dimensions=[{"Name": "QueueName", "Value": queue}],
        StartTime=now - AGE_PERIOD,
        EndTime=now,
        Period=60,
        Statistics=["Maximum"],
    )
    points = sorted(answer["Datapoints"], key=lambda point: point["Timestamp"])
    return int(points[-1]["Maximum"]) if points else None


def _in_a_week(target: Target, metric: Metric) -> int:
    """Return the sum of one of the functions' own metrics over the last seven days."""
    now = datetime.now(UTC)
    answer = target.client("cloudwatch").get_metric_statistics(
        Namespace=target.names.metrics,
        MetricName=metric,
        StartTime=now - WEEK,
        EndTime=now,
        Period=int(WEEK.total_seconds()),
        Statistics=["Sum"],
    )
    return int(sum(point["Sum"] for point in answer["Datapoints"]))


def _alarms(target: Target, names: Names) -> dict[str, str]:
    """Return the stack's alarms in the state ALARM, each with its reason."""
    pages = (
        target.client("cloudwatch")
        .get_paginator("describe_alarms")
        .paginate(AlarmNamePrefix=f"{names.stack}-", StateValue="ALARM")
    )
    return {
        alarm["AlarmName"]: alarm.get("StateReason", "")
        for page in pages
        for alarm in page["MetricAlarms"]
        # The prefix `zip-` also finds the alarms of a stack `zip-dev`, which has another topic.
        if any(action.endswith(f":{names.topic}") for action in alarm.get("AlarmActions", ()))
    }


def _mails(target: Target, stack_arn: str, problems: list[str]) -> dict[str, bool]:
    """Return whether each subscriber of the topic has confirmed and so gets mails, by address.

    If the topic is missing or has no subscriber, add a sentence to `problems`.

    SNS sets the subscription of a mailbox with too many mails back to pending, and deletes the
    subscription after 48 hours. https://repost.aws/knowledge-center/sns-email-subscription-disabled
    """
    _, partition, _, region, account, _ = stack_arn.split(":", 5)
    topic = f"arn:{partition}:sns:{region}:{account}:{target.names.topic}"
    sns = target.client("sns")
    try:
        pages = list(sns.get_paginator("list_subscriptions_by_topic").paginate(TopicArn=topic))
    except sns.exceptions.NotFoundException:
        problems.append(f"There is no topic {target.names.topic}: nothing is mailed.")
        return {}
    found = {
        subscription["Endpoint"]: subscription["SubscriptionArn"].startswith("arn:")
        for page in pages
        for subscription in page["Subscriptions"]
    }
    if not found:
        problems.append(f"Nobody gets mails: {LINK.format(topic=topic)}")
    return found


def reconcile_sentence(target: Target, releases: Releases, now: datetime) -> str:
    """Return a sentence on reconcile's last run, or that reconcile is off or hasn't run yet.

    If the last run can't be read, the sentence says why.

    Raises:
        OpsError: The function or its alias doesn't exist.
        ClientError: Lambda refuses a request.
    """
    days = int(releases.released(RECONCILE).variables.get("RECONCILE_DAYS") or 0)
    try:
        state = ReconcileState(target.table(target.names.recordings_table)).get() if days else None
    except LedgerUnreadable as error:
        return str(error)
    except ClientError as error:
        return f"its last run can't be read ({error.response['Error'].get('Code')})"
    check = check_of(state, days, now)
    if check is None:
        return "off (RECONCILE_DAYS is 0)"
    if not check.at:
        return "hasn't run yet"
    brought = f"{check.handed_in} requested" if check.handed_in else "nothing missing"
    seconds = int((now - timestamps.parse(check.at)).total_seconds())
    last = f"last run {check.at}, {age(max(0, seconds))} ago"
    return f"{last}. {check.problem}" if check.problem else f"{last}: {brought}"


def show(found: Overview) -> None:
    """Print the overview as tables and sentences."""
    has_failed = "FAILED" in found.state or "ROLLBACK" in found.state
    terminal.say(f"{found.stack}: {found.state}", failed=has_failed)
    _show_outputs(found.outputs)
    terminal.show(
        "Functions",
        ("function", "released", "as", "made (UTC)", "not released yet", "debug"),
        [
            (
                function.name,
                function.released,
                function.description or "-",
                function.made[:16],
                function.unreleased or "-",
                "on" if function.debug else "-",
            )
            for function in found.functions
        ],
    )
    terminal.show(
        "Queues",
        ("queue", "waiting", "in flight", "delayed", "oldest"),
        [
            (
                queue.name,
                terminal.marked(str(queue.waiting), failed=bool(queue.is_dlq and queue.waiting)),
                str(queue.in_flight),
                str(queue.delayed),
                "?" if queue.oldest_seconds is None else age(queue.oldest_seconds),
            )
            for queue in found.queues
        ],
    )
    if found.alarms:
        alarms = [(terminal.marked(name, failed=True), why) for name, why in found.alarms.items()]
        terminal.show("Alarms in ALARM state", ("alarm", "why"), alarms)
    else:
        terminal.say("No alarm is in ALARM state.")
    for address, is_confirmed in found.mails.items():
        verb = "go to" if is_confirmed else "don't go to"
        why = "" if is_confirmed else f", which isn't confirmed: {FOLLOW}"
        terminal.say(f"Mails {verb} {address}{why}", failed=not is_confirmed)
    if found.opencast:
        terminal.say(f"Opencast: {found.opencast}")
    if found.reconcile:
        terminal.say(f"Reconcile: {found.reconcile}")
    if found.strangers.refused:
        terminal.say(
            f"Webhook: {found.strangers.refused} requests in seven days weren't signed correctly, "
            f"{found.strangers.wrongly_signed} of them with another secret (forged, unless the "
            "alarm webhook-signature was in ALARM state)"
        )
    for problem in found.problems:
        terminal.say(problem, failed=True)
    for weakness in found.weak_settings:
        what = "accepted" if weakness.is_accepted else "the next stack.update refuses it"
        terminal.say(f"{weakness.setting} is weak: {weakness.reason} ({what})")


def age(seconds: int) -> str:
    """Return a period in words, such as `2 h 5 min`; "-" for 0 seconds."""
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s" if rest else "-"


def show_outputs(target: Target) -> None:
    """Print the stack's outputs by export name.

    Raises:
        ClientError: See `outputs`.
    """
    _show_outputs(outputs(target))


def _show_outputs(found: Mapping[str, str]) -> None:
    terminal.show("Outputs (each is exported under this name)", ("name", "value"), found.items())


def show_change_set(target: Target, name: str) -> None:
    """Print the changes of a change set, or that an update would change nothing.

    An empty change set is deleted.

    Raises:
        OpsError: The change set has changes, and failed.
        ClientError: CloudFormation refuses to describe the change set.
    """
    cloudformation = target.client("cloudformation")
    stack = target.place.stack_name
    found = cloudformation.describe_change_set(StackName=stack, ChangeSetName=name)
    changes = [change["ResourceChange"] for change in found.get("Changes", ())]
    while token := found.get("NextToken"):
        found = cloudformation.describe_change_set(
            StackName=stack, ChangeSetName=name, NextToken=token
        )
        changes += [change["ResourceChange"] for change in found.get("Changes", ())]
    if not changes:
        terminal.say("An update would change nothing.")
        _drop(cloudformation, stack, name)
        return
    if found["Status"] == "FAILED":
        raise OpsError(f"The change set can't be used: {found.get('StatusReason', 'no reason')}.")
    show_changes(name, changes)


def show_changes(name: str, changes: Sequence[Mapping[str, Any]]) -> None:
    """Print the changes of a change set, and how to apply them."""
    terminal.show(
        f"Change set {name}",
        ("what", "resource", "type", "replaced"),
        [
            (
                change["Action"],
                change["LogicalResourceId"],
                change["ResourceType"],
                change.get("Replacement", "-"),
            )
            for change in changes
        ],
    )
    terminal.say(
        "It waits in CloudFormation, to be executed or deleted there. `invoke stack.update` does "
        "the same without it, and lets changed settings run too, for which this one needs a "
        "release."
    )


def _drop(cloudformation: Any, stack: str, name: str) -> None:
    try:
        cloudformation.delete_change_set(StackName=stack, ChangeSetName=name)
    except ClientError:
        # The CDK's command line may have deleted the empty change set already.
        return
