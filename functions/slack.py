"""POST /slack: `/zip` and the button below its answers.

Slack waits three seconds for an answer. A press is acknowledged at once, and a command that isn't
ready in half of that is answered with "One moment": the function invokes itself to do the work and
to post the result to the request's `response_url`.
"""

from __future__ import annotations

import logging
import os
import ssl
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Final

import msgspec
from botocore.exceptions import BotoCoreError, ClientError

from ingester import log
from ingester.errors import (
    BadRequest,
    RequestError,
    ScheduleUnreadable,
    SlackRefused,
    SlackUnreachable,
    WrongSignature,
)
from ingester.runtime import clients
from ingester.runtime.api_gateway import Answer, Request, json_answer, proxy_answer, request_of
from ingester.runtime.container import Container
from ingester.runtime.deadlines import begin, result, within
from ingester.schedule.model import ScheduledMeeting
from ingester.schedule.table import ScheduleTable
from ingester.settings import SlackSecrets, SlackSettings, read, read_secrets
from ingester.slack import answer as zip_answer
from ingester.slack import api as wire
from ingester.slack import wording as zip_words
from ingester.slack.answer import Site
from ingester.slack.api import Asked, Command, Members, Nothing, Press
from ingester.slack.blocks import (
    Message,
    channel_link,
    escaped,
    meeting_message,
    note,
    payload,
)
from ingester.slack.command import Button, Window, meeting_asked_for, read_button
from ingester.slack.deadlines import Limits, limits
from ingester.status.row import StatusRow
from ingester.status.table import StatusTable
from ingester.time_zones import zone_of

logger = logging.getLogger("ingester.slack")

LATER_SECONDS = 18.0
"""For the work in that other invocation, which has 30."""

POST_SECONDS = 5.0
"""For Slack to take a message; a press brings two at most."""

LATER = "slack_asked"
"""The key of that invocation's event. API Gateway's events never have it: what a caller sends is
inside their `body`."""

ACKNOWLEDGED: Final = Answer(status=200)


@dataclass(frozen=True)
class Dependencies:
    """What the use case works with. `invoke` is given the event of another invocation, `post` an
    address, a message and seconds."""

    settings: SlackSettings
    secrets: SlackSecrets
    members: Members
    status: StatusTable
    schedule: ScheduleTable
    invoke: Callable[[bytes], None]
    post: Callable[[str, Message, float], None]
    clock: Callable[[], datetime]
    monotonic: Callable[[], float] = time.monotonic

    @property
    def site(self) -> Site:
        settings = self.settings
        return Site(
            stack_name=settings.stack_name,
            zone=zone_of(settings.local_time_zone),
            buffer_minutes=settings.buffer_minutes,
            cluster=settings.oc_cluster_name,
            zoom_web=settings.zoom_web,
            patience=timedelta(hours=settings.oc_ingest_patience_hours),
        )


def build() -> Dependencies:
    settings = read(SlackSettings, os.environ)
    log.verbose(settings.is_debug)
    secrets = read_secrets(SlackSecrets, clients.ssm(), settings.secrets_path)
    context = ssl.create_default_context()
    client = wire.web_client(secrets.slack_api_token, settings.slack_api_base_url, context)
    return Dependencies(
        settings=settings,
        secrets=secrets,
        members=Members(client, settings.groups, sleep=time.sleep),
        status=StatusTable(clients.table(settings.status_table), _now),
        schedule=ScheduleTable(clients.table(settings.schedule_table)),
        invoke=partial(_invoke, settings.own_alias),
        post=lambda url, message, seconds: wire.post(
            url, message, context=context, seconds=seconds
        ),
        clock=_now,
    )


def _now() -> datetime:
    return datetime.now(UTC)


def _invoke(own_alias: str, event: bytes) -> None:
    """Lambda's client is made only where it is needed: it costs a cold start its time."""
    clients.lambda_().invoke(FunctionName=own_alias, InvocationType="Event", Payload=event)


def _carried(old: Dependencies, new: Dependencies) -> Dependencies:
    """New secrets are no reason to ask Slack anew: else anybody's forged signature would be one."""
    return replace(new, members=new.members.or_known(old.members))


container = Container(build, carry=_carried)


def handler(event: Mapping[str, Any], context: object) -> dict[str, Any]:
    """API Gateway's entry, and the one of the function's own invocations."""
    log.start(context)
    if LATER in event:
        finish(event, container())
        return {}
    return proxy_answer(respond(event, container(), container.renewed))


def respond(
    event: Mapping[str, Any], deps: Dependencies, renewed: Callable[[], Dependencies] | None = None
) -> Answer:
    """The answer to one request, within Slack's three seconds.

    `renewed` gives deps with the secrets of now, if there may be others than in `deps`.
    """
    ends = _limits(event, deps)
    try:
        request = request_of(event)
        deps = _that_know_the_sender(request, deps, renewed or (lambda: deps))
        if not deps.secrets.slack_signing_secret:
            # Whoever sent this: nothing in it was looked at, so it is nothing to mail either.
            logger.warning("SLACK_SIGNING_SECRET is missing: a request to /slack was not taken")
            return _said(note(zip_words.NOT_SET_UP))
        asked = wire.parse(request.body)
    except RequestError as error:
        logger.warning("Refused with %s: %s", error.status, error)
        return json_answer(error.status, {"message": str(error)})
    if isinstance(asked, Nothing):
        return ACKNOWLEDGED
    with log.about(slack_user=asked.user_id):
        return _answered(asked, deps, ends)


def _limits(event: Mapping[str, Any], deps: Dependencies) -> Limits:
    """How long to wait for others, by when the request arrived at API Gateway."""
    now = deps.monotonic()
    arrived = (event.get("requestContext") or {}).get("requestTimeEpoch")
    if not isinstance(arrived, int):
        return limits(0.0, now)
    return limits(deps.clock().timestamp() - arrived / 1000, now)


def _that_know_the_sender(
    request: Request, deps: Dependencies, renewed: Callable[[], Dependencies]
) -> Dependencies:
    """The deps under whose secret the request is signed, or those of now if none is set.

    A signature that can't be explained may be under a secret that was set since.
    """
    if deps.secrets.slack_signing_secret:
        try:
            _verify(request, deps)
        except WrongSignature:
            logger.info("The signature isn't understood: is the secret another one by now?")
        else:
            return deps
    newer = renewed()
    if newer.secrets.slack_signing_secret:
        _verify(request, newer)
    return newer


def _verify(request: Request, deps: Dependencies) -> None:
    secret, now = deps.secrets.slack_signing_secret, deps.clock().timestamp()
    wire.verify(secret, request.headers, request.body, now)


def _answered(asked: Command | Press, deps: Dependencies, ends: Limits) -> Answer:
    """A command's answer. A press is acknowledged; what it brings is another invocation's work."""
    if isinstance(asked, Press):
        if not _handed_over(asked, deps, ends):
            _deliver(asked, (note(zip_words.NO_STATUS),), ends.answer - deps.monotonic(), deps)
        return ACKNOWLEDGED
    try:
        return _said(messages_for(asked, deps, ends.work)[0])
    except TimeoutError:
        handed_over = _handed_over(asked, deps, ends)
        return _said(note(zip_words.ONE_MOMENT if handed_over else zip_words.NO_STATUS))


def _said(message: Message) -> Answer:
    return json_answer(200, payload(message))


def _handed_over(asked: Command | Press, deps: Dependencies, ends: Limits) -> bool:
    """Hands the work to another invocation; whether AWS said in time that it took it."""
    try:
        within(
            ends.hand_over(deps.monotonic()),
            deps.monotonic,
            deps.invoke,
            msgspec.json.encode({LATER: asked}),
        )
    except (BotoCoreError, ClientError, TimeoutError):
        logger.exception("The function could not invoke itself")
        return False
    logger.info("The result is posted later")
    return True


def finish(event: Mapping[str, Any], deps: Dependencies) -> None:
    """Does what couldn't be done in time, and posts it.

    Never raises for what can go wrong outside: Lambda would begin anew, and post twice.
    """
    asked = msgspec.convert(event[LATER], Command | Press)
    with log.about(slack_user=asked.user_id):
        try:
            messages = messages_for(asked, deps, deps.monotonic() + LATER_SECONDS)
        except TimeoutError:
            logger.exception("No answer for Slack, even after %s s", LATER_SECONDS)
            messages = (note(zip_words.NO_STATUS),)
        _deliver(asked, messages, POST_SECONDS, deps)


def _deliver(
    asked: Asked, messages: tuple[Message, ...], seconds: float, deps: Dependencies
) -> None:
    """Posts messages, each once and in so many seconds."""
    for message in messages:
        try:
            # Also as a whole: a time-out of a connection counts from each byte anew.
            ends = deps.monotonic() + seconds
            within(ends, deps.monotonic, deps.post, asked.response_url, message, seconds)
        except SlackRefused:
            logger.exception("Slack refused a message")
            return
        except (SlackUnreachable, TimeoutError):
            # It may be there, so it isn't sent again; and then the old one has to lose its button.
            logger.exception("A message may not have been posted to Slack")


def messages_for(asked: Command | Press, deps: Dependencies, ends: float) -> tuple[Message, ...]:
    """What to say, a refusal or an answer; for a press perhaps also the old message anew.

    Slack and the tables are asked side by side. TimeoutError if they haven't answered at `ends`
    (as `monotonic` counts).
    """
    settings = deps.settings
    if missing := _missing(deps):
        logger.error("Slack isn't set up: %s missing", ", ".join(missing))
        return (note(zip_words.NOT_SET_UP),)
    if not _is_allowed_here(asked, settings):
        places = f"{channel_link(settings.channel)} and in direct messages"
        where = places if settings.channel else "direct messages"
        return (note(zip_words.WRONG_CHANNEL.format(places=where)),)
    pool = ThreadPoolExecutor(3, "asking")
    try:
        may = begin(pool, deps.members.has, asked.user_id, seconds=LATER_SECONDS)
        answer = _begun_answer(asked, pool, deps)
        if not result(may, ends, deps.monotonic):
            groups = ", ".join(f"@{escaped(group)}" for group in settings.groups)
            return (note(zip_words.NOT_ALLOWED.format(groups=groups)),)
        return answer(ends)
    except (SlackUnreachable, SlackRefused):
        logger.exception("It can't be told who is in the groups")
        return (note(zip_words.NO_GROUPS),)
    except (BotoCoreError, ClientError):
        logger.exception("The tables can't be read")
        return (note(zip_words.NO_STATUS),)
    finally:
        # Who is late goes on alone: its time is limited by its own time-outs.
        pool.shutdown(wait=False, cancel_futures=True)


def _missing(deps: Dependencies) -> tuple[str, ...]:
    """The settings without which nobody can be let in."""
    needed = {
        "SLACK_API_TOKEN": deps.secrets.slack_api_token,
        "SLACK_ALLOWED_GROUPS": deps.settings.groups,
    }
    return tuple(name for name, value in needed.items() if not value)


def _is_allowed_here(asked: Asked, settings: SlackSettings) -> bool:
    channel = settings.channel
    return asked.is_direct_message or (
        bool(channel) and channel in {asked.channel_name, asked.channel_id}
    )


def _begun_answer(
    asked: Command | Press, pool: ThreadPoolExecutor, deps: Dependencies
) -> Callable[[float], tuple[Message, ...]]:
    """Begins to ask the tables, before it is known whether the user may see the answer."""
    try:
        button = read_button(asked.value) if isinstance(asked, Press) else None
        meeting = button.mid if button else meeting_asked_for(getattr(asked, "text", ""))
    except BadRequest as error:
        refusal = (note(str(error)),)
        return lambda _ends: refusal
    if meeting is None:
        return lambda _ends: (note(zip_words.HELP),)
    rows = begin(pool, deps.status.of_meeting, meeting)
    schedule = begin(pool, _schedule_of, meeting, deps)

    def answer(ends: float) -> tuple[Message, ...]:
        found = _Found(
            meeting, result(rows, ends, deps.monotonic), *result(schedule, ends, deps.monotonic)
        )
        return _of_press(button, found, deps) if button else (found.message(Window(), deps),)

    return answer


def _schedule_of(meeting: int, deps: Dependencies) -> tuple[ScheduledMeeting | None, bool]:
    """A meeting's schedule, and whether it can be read."""
    try:
        return deps.schedule.get(meeting), True
    except ScheduleUnreadable:
        logger.exception("The schedule can't be read")
        return None, False


@dataclass(frozen=True)
class _Found:
    """What the tables know of a meeting."""

    meeting: int
    rows: list[StatusRow]
    schedule: ScheduledMeeting | None
    schedule_is_readable: bool

    def message(
        self, window: Window, deps: Dependencies, *, replaces: bool = False, has_button: bool = True
    ) -> Message:
        answer = zip_answer.about(
            self.meeting,
            self.rows,
            self.schedule,
            window,
            deps.site,
            deps.clock(),
            schedule_is_readable=self.schedule_is_readable,
            has_button=has_button,
        )
        return meeting_message(answer, replaces=replaces)


def _of_press(button: Button, found: _Found, deps: Dependencies) -> tuple[Message, ...]:
    """More in the same message; or a new one, and then the old one again without its button."""
    if not button.begins_new_message:
        return (found.message(button.wanted, deps, replaces=True),)
    return (
        found.message(button.wanted, deps),
        found.message(button.shown, deps, replaces=True, has_button=False),
    )
