"""POST /slack: the command `/zip` and the button below the command's answers.

Slack waits three seconds for an answer
(https://docs.slack.dev/interactivity/implementing-slash-commands). The function acknowledges a
press of the button without doing the work. If a command takes more than about half of the three
seconds, the answer is "One moment". In both cases the function invokes itself to do the work and to
post the result to the request's `response_url`.
"""

from __future__ import annotations

import logging
import os
import ssl
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final

import msgspec
from botocore.exceptions import BotoCoreError, ClientError

from ingester import log
from ingester.errors import (
    BadRequest,
    ScheduleUnreadable,
    SlackRefused,
    SlackUnreachable,
    WrongSignature,
)
from ingester.runtime import clients, http_endpoint
from ingester.runtime.api_gateway import Answer, Request, json_answer
from ingester.runtime.clock import utc_now
from ingester.runtime.container import Container
from ingester.runtime.deadlines import call_with_deadline, start_call, wait_for_result
from ingester.runtime.http_endpoint import ErrorAnswers
from ingester.schedule.model import ScheduledMeeting
from ingester.schedule.table import ScheduleTable
from ingester.settings import SlackSecrets, SlackSettings, read, read_secrets
from ingester.slack import answer, api, wording
from ingester.slack.answer import Site
from ingester.slack.api import Command, Interaction, Members, Nothing, Press
from ingester.slack.blocks import (
    Message,
    channel_link,
    escaped,
    meeting_message,
    note,
    payload,
)
from ingester.slack.command import Button, Window, meeting_asked_for, read_button
from ingester.slack.deadlines import Deadlines, deadlines_of
from ingester.status.row import StatusRow
from ingester.status.table import StatusTable
from ingester.time_zones import zone_of

logger = logging.getLogger("ingester.slack")

BACKGROUND_SECONDS = 18.0
"""Time limit in seconds of the work in an invocation that the function starts itself. The
function's timeout is 30 s."""

POST_SECONDS = 5.0
"""Time limit in seconds to post a message to Slack. A press of the button causes two posts at
most."""

SELF_INVOCATION_KEY = "slack_asked"
"""Key in the event with which the function invokes itself. An event of API Gateway never has this
key, because API Gateway chooses the event's keys, whatever a caller sends."""

ACKNOWLEDGED: Final = Answer(status=200)
ERRORS = ErrorAnswers()


@dataclass(frozen=True)
class Dependencies:
    """Clients, tables, clocks, settings and secrets that the answers to Slack work with.

    `invoke` takes the event of another invocation. `post` takes a URL, a message and a timeout in
    seconds.
    """

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
        """The settings that answers depend on.

        Raises:
            SettingsError: See `zone_of`.
        """
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
    """Make the dependencies from the environment and the secrets in SSM.

    Raises:
        SettingsError: A setting or a secret is missing or malformed.
        BotoCoreError, ClientError: SSM fails.
    """
    settings = read(SlackSettings, os.environ)
    log.set_debug(settings.is_debug)
    secrets = read_secrets(SlackSecrets, clients.ssm(), settings.secrets_path)
    context = ssl.create_default_context()
    client = api.web_client(secrets.slack_api_token, settings.slack_api_base_url, context)
    return Dependencies(
        settings=settings,
        secrets=secrets,
        members=Members(client, settings.groups, sleep=time.sleep),
        status=StatusTable(clients.table(settings.status_table), utc_now),
        schedule=ScheduleTable(clients.table(settings.schedule_table)),
        invoke=partial(_invoke, settings.own_alias),
        post=lambda url, message, seconds: api.post(url, message, context=context, seconds=seconds),
        clock=utc_now,
    )


def _invoke(own_alias: str, event: bytes) -> None:
    """Invoke this function asynchronously.

    Lambda's client is made only here, because making the client slows down a cold start.
    """
    clients.lambda_().invoke(FunctionName=own_alias, InvocationType="Event", Payload=event)


def _carry_over_members(old: Dependencies, new: Dependencies) -> Dependencies:
    """Keep the cached group members when secrets are reloaded, unless groups, token or URL changed.

    Without the cached members, a forged request would trigger calls to Slack.
    """
    return replace(new, members=new.members.with_cached_groups_of(old.members))


container = Container(build, carry_over=_carry_over_members)


def handler(event: Mapping[str, Any], context: object) -> dict[str, Any]:
    """Handle a request from API Gateway, or an invocation by the function itself."""
    if SELF_INVOCATION_KEY in event:
        log.start(context)
        finish(event, container())
        return {}
    return http_endpoint.handle(
        context, lambda: respond(event, container(), container.rebuild_sparingly)
    )


def respond(
    event: Mapping[str, Any], deps: Dependencies, rebuild: Callable[[], Dependencies] | None = None
) -> Answer:
    """Answer one request within Slack's three seconds.

    `rebuild` returns dependencies with the current secrets. Without `rebuild`, `deps` stay in use.
    """
    deadlines = _deadlines(event, deps)
    return ERRORS.respond(
        event, lambda request: handle_request(request, deps, rebuild or (lambda: deps), deadlines)
    )


def handle_request(
    request: Request, deps: Dependencies, rebuild: Callable[[], Dependencies], deadlines: Deadlines
) -> Answer:
    """Authenticate and parse a request, and answer it.

    `rebuild` returns dependencies with the current secrets.

    Raises:
        Unauthorized: The signature is missing, wrong or too old.
        BadRequest: See `api.parse`.
        SettingsError: See `messages_for`.
    """
    deps = _authenticate(request, deps, rebuild)
    if not deps.secrets.slack_signing_secret:
        # Log only a warning: an unknown sender must not be able to cause mails.
        logger.warning("SLACK_SIGNING_SECRET is missing: a request to /slack was not taken")
        return _message_answer(note(wording.NOT_SET_UP))
    interaction = api.parse(request.body, deps.settings.slack_api_base_url)
    if isinstance(interaction, Nothing):
        return ACKNOWLEDGED
    with log.context(slack_user=interaction.user_id):
        if isinstance(interaction, Press):
            return _answer_press(interaction, deps, deadlines)
        return _answer_command(interaction, deps, deadlines)


def _deadlines(event: Mapping[str, Any], deps: Dependencies) -> Deadlines:
    """Return the deadlines of a request, from the time at which it arrived at API Gateway.

    If the event lacks this time, the deadlines count from now.
    """
    now = deps.monotonic()
    arrived = (event.get("requestContext") or {}).get("requestTimeEpoch")
    if not isinstance(arrived, int):
        return deadlines_of(0.0, now)
    return deadlines_of(deps.clock().timestamp() - arrived / 1000, now)


def _authenticate(
    request: Request, deps: Dependencies, rebuild: Callable[[], Dependencies]
) -> Dependencies:
    """Verify a request, and return the dependencies with the secret of the request's signature.

    An unknown signature may be made with a secret that was set after the secrets were read.

    Returns:
        The current dependencies, without verification, if no secret is set at all.

    Raises:
        Unauthorized: The signature is missing, wrong or too old.
    """
    if deps.secrets.slack_signing_secret:
        try:
            _verify(request, deps)
        except WrongSignature:
            logger.info("The signature isn't understood: is the secret another one by now?")
        else:
            return deps
    newer = rebuild()
    if newer.secrets.slack_signing_secret:
        _verify(request, newer)
    return newer


def _verify(request: Request, deps: Dependencies) -> None:
    secret, now = deps.secrets.slack_signing_secret, deps.clock().timestamp()
    api.verify(secret, request.headers, request.body, now)


def _answer_press(press: Press, deps: Dependencies, deadlines: Deadlines) -> Answer:
    """Acknowledge a press of the button, and leave the work to another invocation.

    If the function can't invoke itself, post a note.
    """
    if not _invoke_for_later(press, deps, deadlines):
        _deliver(press, (note(wording.NO_STATUS),), deadlines.answer - deps.monotonic(), deps)
    return ACKNOWLEDGED


def _answer_command(command: Command, deps: Dependencies, deadlines: Deadlines) -> Answer:
    """Answer a command, or leave the work to another invocation if the work takes too long.

    If the function can't invoke itself, answer with a note.
    """
    try:
        return _message_answer(messages_for(command, deps, deadlines.work)[0])
    except TimeoutError:
        is_invoked = _invoke_for_later(command, deps, deadlines)
        return _message_answer(note(wording.ONE_MOMENT if is_invoked else wording.NO_STATUS))


def _message_answer(message: Message) -> Answer:
    return json_answer(200, payload(message))


def _invoke_for_later(
    interaction: Command | Press, deps: Dependencies, deadlines: Deadlines
) -> bool:
    """Leave the work to another invocation of this function.

    Returns:
        Whether Lambda accepted the call before the deadline.
    """
    try:
        call_with_deadline(
            deadlines.for_invoke(deps.monotonic()),
            deps.monotonic,
            deps.invoke,
            msgspec.json.encode({SELF_INVOCATION_KEY: interaction}),
        )
    except (BotoCoreError, ClientError, TimeoutError) as error:
        logger.error(
            "The function could not invoke itself: %s",
            repr(error),
            exc_info=not isinstance(error, TimeoutError),
            extra=log.nonfatal("The user reads that the state can't be read now."),
        )
        return False
    logger.info("The result is posted later")
    return True


def finish(event: Mapping[str, Any], deps: Dependencies) -> None:
    """Do the work that was left to this invocation, and post the result.

    Failures of Slack and AWS are logged and not raised.

    Raises:
        SettingsError: See `messages_for`.
    """
    interaction = msgspec.convert(event[SELF_INVOCATION_KEY], Command | Press)
    with log.context(slack_user=interaction.user_id):
        try:
            messages = messages_for(interaction, deps, deps.monotonic() + BACKGROUND_SECONDS)
        except TimeoutError:
            logger.exception("No answer for Slack, even after %s s", BACKGROUND_SECONDS)
            messages = (note(wording.NO_STATUS),)
        _deliver(interaction, messages, POST_SECONDS, deps)


def _deliver(
    interaction: Interaction, messages: tuple[Message, ...], seconds: float, deps: Dependencies
) -> None:
    """Post messages in order, each within `seconds`. Stop if Slack refuses a message."""
    for message in messages:
        try:
            # The timeout of a connection restarts with each byte, so limit the whole post, too.
            deadline = deps.monotonic() + seconds
            call_with_deadline(
                deadline, deps.monotonic, deps.post, interaction.response_url, message, seconds
            )
        except SlackRefused:
            logger.exception("Slack refused a message")
            return
        except (SlackUnreachable, TimeoutError):
            # Slack may have posted the message, so don't repeat it. The next message removes the
            # old message's button.
            logger.exception("A message may not have been posted to Slack")


def messages_for(
    interaction: Command | Press, deps: Dependencies, deadline: float
) -> tuple[Message, ...]:
    """Return the messages to post: one or two about the meeting, or a note instead.

    Slack and the tables are asked at the same time. After a press of the button, a message may
    replace the old message. `deadline` is a time on the clock `deps.monotonic`, in seconds.

    Raises:
        TimeoutError: Slack or a table hasn't answered by `deadline`.
        SettingsError: See `Dependencies.site`.
    """
    settings = deps.settings
    if missing := _missing(deps):
        logger.error("Slack isn't set up: %s missing", ", ".join(missing))
        return (note(wording.NOT_SET_UP),)
    if not _is_allowed_here(interaction, settings):
        places = f"{channel_link(settings.channel)} and in direct messages"
        where = places if settings.channel else "direct messages"
        return (note(wording.WRONG_CHANNEL.format(places=where)),)
    pool = ThreadPoolExecutor(3, "asking")
    try:
        is_member = start_call(
            pool, deps.members.has, interaction.user_id, seconds=BACKGROUND_SECONDS
        )
        lookup = _begin_lookup(interaction, pool, deps)
        if not wait_for_result(is_member, deadline, deps.monotonic):
            groups = ", ".join(f"@{escaped(group)}" for group in settings.groups)
            return (note(wording.NOT_ALLOWED.format(groups=groups)),)
        return lookup.messages(deadline, deps) if isinstance(lookup, Lookup) else (lookup,)
    except (SlackUnreachable, SlackRefused) as error:
        logger.error(
            "Slack didn't say who may use /zip: %s",
            error,
            extra=log.nonfatal(
                "The user reads that the groups can't be read now.",
                "If Slack refuses the token: `invoke secrets.rotate SLACK_API_TOKEN`. Else "
                "nothing, unless it happens again.",
            ),
        )
        return (note(wording.NO_GROUPS),)
    except (BotoCoreError, ClientError):
        logger.exception("The tables can't be read")
        return (note(wording.NO_STATUS),)
    finally:
        # A late call keeps running in its thread until the call returns or times out.
        pool.shutdown(wait=False, cancel_futures=True)


def _missing(deps: Dependencies) -> tuple[str, ...]:
    """Return the names of the missing settings and secrets without which nobody may use /zip."""
    needed = {
        "SLACK_API_TOKEN": deps.secrets.slack_api_token,
        "SLACK_ALLOWED_GROUPS": deps.settings.groups,
    }
    return tuple(name for name, value in needed.items() if not value)


def _is_allowed_here(interaction: Interaction, settings: SlackSettings) -> bool:
    channel = settings.channel
    return interaction.is_direct_message or (
        bool(channel) and channel in {interaction.channel_name, interaction.channel_id}
    )


@dataclass(frozen=True)
class Lookup:
    """A query of the tables for a meeting, which runs in other threads.

    `button` is the pressed button; None for a command.
    """

    meeting: int
    button: Button | None
    rows: Future[list[StatusRow]]
    schedule: Future[tuple[ScheduledMeeting | None, bool]]

    def messages(self, deadline: float, deps: Dependencies) -> tuple[Message, ...]:
        """Return the messages to post, once the tables have answered.

        `deadline` is a time on the clock `deps.monotonic`, in seconds.

        Raises:
            TimeoutError: The tables haven't answered by `deadline`.
            BotoCoreError, ClientError: A table can't be read.
            SettingsError: See `Dependencies.site`.
        """
        rows = wait_for_result(self.rows, deadline, deps.monotonic)
        schedule, is_readable = wait_for_result(self.schedule, deadline, deps.monotonic)
        found = FoundMeeting(self.meeting, rows, schedule, is_readable)
        if self.button:
            return _messages_of_press(self.button, found, deps)
        return (found.message(Window(), deps),)


def _begin_lookup(
    interaction: Command | Press, pool: ThreadPoolExecutor, deps: Dependencies
) -> Lookup | Message:
    """Start to query the tables for the meeting that a request names.

    The queries run while Slack is asked whether the user may see the answer.

    Returns:
        The lookup; or a message if the request names no meeting, or is malformed.
    """
    try:
        button = read_button(interaction.value) if isinstance(interaction, Press) else None
        meeting = button.mid if button else meeting_asked_for(getattr(interaction, "text", ""))
    except BadRequest as error:
        return note(str(error))
    if meeting is None:
        return note(wording.HELP)
    return Lookup(
        meeting,
        button,
        rows=start_call(pool, deps.status.of_meeting, meeting),
        schedule=start_call(pool, _schedule_of, meeting, deps),
    )


def _schedule_of(meeting: int, deps: Dependencies) -> tuple[ScheduledMeeting | None, bool]:
    """Return a meeting's schedule, or None, and whether the schedule can be read."""
    try:
        return deps.schedule.get(meeting), True
    except ScheduleUnreadable:
        logger.exception("The schedule can't be read")
        return None, False


@dataclass(frozen=True)
class FoundMeeting:
    """A meeting's data from the tables."""

    meeting: int
    rows: list[StatusRow]
    schedule: ScheduledMeeting | None
    schedule_is_readable: bool

    def message(
        self, window: Window, deps: Dependencies, *, replaces: bool = False, has_button: bool = True
    ) -> Message:
        shown = answer.meeting_answer(
            self.meeting,
            self.rows,
            self.schedule,
            window,
            deps.site,
            deps.clock(),
            schedule_is_readable=self.schedule_is_readable,
            has_button=has_button,
        )
        return meeting_message(shown, replaces=replaces)


def _messages_of_press(
    button: Button, found: FoundMeeting, deps: Dependencies
) -> tuple[Message, ...]:
    """Return the messages that show more recordings after a press of the button.

    Either one message replaces the old message and shows more; or a new message shows the next
    recordings, and another message replaces the old message to remove the button.
    """
    if not button.begins_new_message:
        return (found.message(button.next_window, deps, replaces=True),)
    return (
        found.message(button.next_window, deps),
        found.message(button.shown_window, deps, replaces=True, has_button=False),
    )
