"""POST /ingest: turn a request by "+Zoom" or the status page into a webhook event of our own."""

from __future__ import annotations

import logging
import os
import random
import re
import time
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

import msgspec
import requests
from botocore.exceptions import BotoCoreError, ClientError
from msgspec import UNSET

from ingester import log
from ingester.errors import (
    UNREADABLE_JSON,
    AwsFailed,
    BadRequest,
    Forbidden,
    KeyRefused,
    LedgerUnreadable,
    NotFound,
    WebhookFailed,
    WebhookUnreachable,
    ZoomRefused,
    ZoomUnreachable,
)
from ingester.ledger.record import FORGOTTEN, Record
from ingester.ledger.table import Ledger
from ingester.pipeline.states import Origin, State
from ingester.recording.files import Subject, is_meeting_number, uuid_in
from ingester.recording.meeting_number import meeting_number_to_join
from ingester.retry import RandomSource, Sleep
from ingester.runtime import clients, http_endpoint, new_ids
from ingester.runtime.api_gateway import Answer, Request, json_answer
from ingester.runtime.clock import utc_now
from ingester.runtime.container import Container
from ingester.runtime.http_endpoint import AwsFailure, ErrorAnswers
from ingester.schedule.series_link import series_id_in
from ingester.settings import OnDemandSecrets, OnDemandSettings, read, read_secrets
from ingester.status.row import RequestOptions
from ingester.status.table import Requested, StatusChange, StatusTable
from ingester.zoom import webhook_client
from ingester.zoom.api import ZoomApi
from ingester.zoom.webhook_events import IngestOptions

logger = logging.getLogger("ingester.on_demand")

BUDGET_SECONDS = 20.0
"""Time limit of a request in seconds, with retries. API Gateway's own limit is 29 s:
https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html
"""

ZOOM_SECONDS = 11.0
LONGEST_UUID = 2000
"""Maximum length of a uuid, or of a link that contains it, in characters."""

LONGEST_WORKFLOW = 200
"""Maximum length of a workflow's name, in characters, because the status row and /status contain
the name."""

LONGEST_ORIGIN = 100
"""Maximum number of characters of an origin that a log record or an answer shows."""

_WORKFLOW = re.compile(r"(?!\.{1,2}$)[^/\\\x00-\x1f\x7f]*")
"""Form of workflow names that an Opencast URL can end with: neither `.` nor `..`, and without
slashes, backslashes and control characters."""

ACCEPTED = "Ingest accepted"
NO_MEETING_ID = "The Zoom link holds no meeting_id."


@dataclass(frozen=True)
class Dependencies:
    """Clients, tables, clocks, settings and secrets that a request for an ingest works with.

    `monotonic` counts seconds for the time limit.
    """

    settings: OnDemandSettings
    secrets: OnDemandSecrets
    zoom: ZoomApi
    ledger: Ledger
    status: StatusTable
    session: requests.Session
    clock: Callable[[], datetime]
    sleep: Sleep
    monotonic: Callable[[], float] = time.monotonic
    random_fraction: RandomSource = random.random
    new_id: Callable[[], str] = new_ids.random_uuid


def build() -> Dependencies:
    """Make the dependencies from the environment and the secrets in SSM.

    Raises:
        SettingsError: A setting or a secret is missing or malformed.
        BotoCoreError, ClientError: SSM fails.
    """
    settings = read(OnDemandSettings, os.environ)
    log.set_debug(settings.is_debug)
    secrets = read_secrets(OnDemandSecrets, clients.ssm(), settings.secrets_path)
    session = requests.Session()
    return Dependencies(
        settings=settings,
        secrets=secrets,
        zoom=ZoomApi(settings, secrets, session=session, sleep=time.sleep, clock=utc_now),
        ledger=Ledger(clients.table(settings.recordings_table), utc_now),
        status=StatusTable(clients.table(settings.status_table), utc_now),
        session=session,
        clock=utc_now,
        sleep=time.sleep,
    )


container = Container(build)


class IngestRequest(msgspec.Struct, frozen=True, kw_only=True):
    """The body of a request. `uuid` is the recording's uuid, or a link that contains the uuid."""

    uuid: Annotated[str, msgspec.Meta(max_length=LONGEST_UUID)] = ""
    oc_series_id: str = ""
    oc_workflow: Annotated[str, msgspec.Meta(max_length=LONGEST_WORKFLOW)] = ""
    allow_multiple_ingests: bool = False
    ingest_all_mp4: bool = False


def handler(event: Mapping[str, Any], context: object) -> dict[str, Any]:
    """Handle a request from API Gateway."""
    return http_endpoint.handle(
        context, lambda: respond(event, container(), container.rebuild_sparingly)
    )


def respond(
    event: Mapping[str, Any], deps: Dependencies, rebuild: Callable[[], Dependencies] | None = None
) -> Answer:
    """Answer one request.

    `rebuild` returns dependencies with the current secrets. Without `rebuild`, `deps` stay in use.
    """
    return ERRORS.respond(
        event, lambda request: handle_request(request, deps, rebuild or (lambda: deps))
    )


def handle_request(
    request: Request, deps: Dependencies, rebuild: Callable[[], Dependencies]
) -> Answer:
    """Check a request for a recording's ingest, carry the request out, and return the answer.

    `rebuild` returns dependencies with the current secrets.

    Raises:
        Forbidden, BadRequest, NotFound: See `check_origin` and `parse`.
    """
    check_origin(request, deps.settings.origins)
    asked = parse(request)

    def ingest_it() -> Answer:
        ingest(asked, deps, rebuild)
        logger.info("200 %s", ACCEPTED)
        return _message(200, ACCEPTED)

    # `ERRORS.answer` runs in this block so that an error's log record has the recording's uuid.
    with log.context(uuid=asked.uuid):
        return ERRORS.answer(ingest_it)


def _message(status: int, text: str) -> Answer:
    """Return an answer that a script in any page may read (CORS)."""
    return json_answer(status, {"message": text}, {"Access-Control-Allow-Origin": "*"})


def _log_error(status: int, error: Exception | str) -> None:
    logger.warning("%s %s", status, error)


ERRORS = ErrorAnswers(
    statuses={
        ZoomUnreachable: 500,
        ZoomRefused: 500,
        WebhookFailed: 500,
        WebhookUnreachable: 500,
    },
    aws=AwsFailure(
        status=500,
        text="The pipeline could not take this request. Try again later.",
        headline=lambda error: f"{AwsFailed.of(error)} This request wasn't taken.",
        outlook="Nothing: whoever asked was told to try again later.",
    ),
    make=_message,
    report=_log_error,
)


def check_origin(request: Request, allowed: AbstractSet[str]) -> None:
    """Refuse a request that a foreign page makes a browser send (CSRF).

    A browser names the page's origin in each such request, and the page can't change the origin. A
    request without an origin, such as a program's, is allowed. The API's own page is allowed, too.

    Args:
        request: The request.
        allowed: The origins that may send requests; empty if every page may send requests.

    Raises:
        Forbidden: The page isn't allowed.
    """
    origin = request.headers.get("origin", "").strip().lower()
    if not origin:
        return
    host = request.headers.get("host", "").lower()
    is_own = bool(host) and origin == f"https://{host}"
    if not allowed or origin in allowed or is_own:
        # This log record shows an operator what INGEST_ALLOWED_ORIGINS has to name.
        logger.info("A page of %s asks", origin[:LONGEST_ORIGIN])
        return
    raise Forbidden(
        f"Pages of {origin[:LONGEST_ORIGIN]} may not request ingests: an operator has to add it to "
        "INGEST_ALLOWED_ORIGINS."
    )


def parse(request: Request) -> IngestRequest:
    """Parse a request's body, in all the forms that callers send.

    A null or a blank text counts as absent, and texts are stripped. The texts "true" and "false"
    count as booleans, and whole numbers as their digits. Opencast's link to a series may stand in
    place of the series' id.

    Raises:
        BadRequest: The body is wrong.
        NotFound: `uuid` is a link without `meeting_id`, or names a meeting.
    """
    if not request.body:
        raise BadRequest("The request has no body.")
    try:
        content = msgspec.json.decode(request.body)
    except UNREADABLE_JSON as error:
        raise BadRequest("The body is not JSON.") from error
    if not isinstance(content, dict):
        raise BadRequest("The body is not a JSON object.")
    given = {
        key: text for key, value in content.items() if (text := _plain(value)) not in (None, "")
    }
    try:
        asked = msgspec.convert(given, IngestRequest, strict=False)
    except msgspec.ValidationError as error:
        raise BadRequest(f"The body is wrong: {error}") from error
    if not asked.uuid:
        raise BadRequest("The body has no uuid.")
    if not _WORKFLOW.fullmatch(asked.oc_workflow):
        raise BadRequest("oc_workflow is no workflow's name: it is . or .., or has a slash in it.")
    series = series_id_in(asked.oc_series_id)
    if asked.oc_series_id and not series:
        raise BadRequest(
            "The Opencast series (oc_series_id) is neither a series' id nor Opencast's link to one."
        )
    return msgspec.structs.replace(asked, uuid=_uuid(asked.uuid), oc_series_id=series)


def _uuid(text: str) -> str:
    """Return the uuid of a recording from a text that is the uuid or a link.

    Raises:
        NotFound: The link contains no `meeting_id`, or the text names a meeting. The error doesn't
            repeat the link, because the link may contain the meeting's passcode.
    """
    if number := meeting_number_to_join(text):
        raise NotFound(
            f"{NO_MEETING_ID} It is the link to join meeting {number}: choose one of the meeting's "
            "recordings."
        )
    uuid = uuid_in(text)
    if not uuid:
        raise NotFound(f"{NO_MEETING_ID} Paste the link to the recording's page in Zoom.")
    if is_meeting_number(uuid):
        raise NotFound("This is a meeting number. Choose one of its recordings.")
    return uuid


def _plain(value: object) -> object:
    """Return a whole number as digits, a text stripped, and any other value unchanged."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value.strip() if isinstance(value, str) else value


def ingest(request: IngestRequest, deps: Dependencies, rebuild: Callable[[], Dependencies]) -> None:
    """Ask Zoom for the recording and post a webhook event about it, within `BUDGET_SECONDS`.

    A request for a usable recording gets a status row, which also shows a failure of the webhook.

    `rebuild` returns dependencies with the current secrets, and is called only if the webhook
    refuses our key.

    Raises:
        BadRequest: The recording has no video.
        NotFound: Zoom doesn't know the recording, or an operator had the recording forgotten.
        NotReady: Zoom hasn't finished the files.
        WebhookFailed, WebhookUnreachable: The webhook doesn't accept the webhook event.
        ZoomRefused: See `ZoomApi.recordings`.
        ZoomUnreachable: Zoom gives no usable answer.
    """
    begin = deps.monotonic()
    recording = deps.zoom.recordings(request.uuid, seconds=ZOOM_SECONDS)
    if recording is None:
        raise NotFound(f"Zoom knows no recording {request.uuid}.")
    if _record_of(recording.uuid, deps).forgotten:
        raise NotFound(f"{FORGOTTEN} Only an operator can ingest it again.")
    webhook_client.check_files(recording)
    webhook_client.check_video(recording)
    zip_id = f"on-demand-{deps.new_id()}"
    with log.context(zip_id=zip_id):
        subject = Subject(
            meeting_id=recording.id,
            recording_id=recording.uuid,
            topic=recording.topic,
            start_time=recording.start_time,
            origin=Origin.ON_DEMAND,
        )
        deps.status.report(
            zip_id,
            StatusChange(
                State.ON_DEMAND_RECEIVED,
                subject=subject,
                requested=Requested.NOW,
                asked=_request_options(request),
            ),
        )
        options = IngestOptions(
            zip_id=zip_id,
            on_demand_series_id=request.oc_series_id or UNSET,
            oc_workflow=request.oc_workflow or UNSET,
            allow_multiple_ingests=request.allow_multiple_ingests,
            ingest_all_mp4=request.ingest_all_mp4,
        )
        body = webhook_client.webhook_event(recording, options, deps.clock())
        try:
            _post_with_fresh_key(body, begin, deps, rebuild)
        except (WebhookFailed, WebhookUnreachable) as error:
            if _record_of(recording.uuid, deps).request(zip_id).is_sent:
                logger.info("Only the webhook's answers were lost")
                return
            deps.status.report(zip_id, StatusChange(State.WEBHOOK_FAILED, str(error)))
            raise


def _request_options(request: IngestRequest) -> RequestOptions:
    """Return the options of a request, for the status row."""
    return RequestOptions(
        oc_series_id=request.oc_series_id,
        oc_workflow=request.oc_workflow,
        allow_multiple_ingests=request.allow_multiple_ingests,
        ingest_all_mp4=request.ingest_all_mp4,
    )


def _post_with_fresh_key(
    body: bytes, begin: float, deps: Dependencies, rebuild: Callable[[], Dependencies]
) -> None:
    """Post a webhook event to the webhook; once more with a fresh key if the webhook refuses ours.

    See `_post` for `begin`. `rebuild` returns dependencies with the current secrets.

    Raises:
        KeyRefused: The webhook refuses our key, and there is no newer key, or the webhook refuses
            the newer key, too.
        WebhookFailed, WebhookUnreachable: See `webhook_client.post`.
    """
    try:
        _post(body, begin, deps)
    except KeyRefused:
        newer = rebuild()
        if newer.secrets == deps.secrets:
            raise
        _post(body, begin, newer)


def _record_of(uuid: str, deps: Dependencies) -> Record:
    """Return the ledger's record of a recording; an empty one if it can't be read now."""
    try:
        return deps.ledger.get(uuid)
    except (BotoCoreError, ClientError, LedgerUnreadable):
        return Record(uuid=uuid)


def _post(body: bytes, begin: float, deps: Dependencies) -> None:
    """Post the webhook event within `BUDGET_SECONDS` from `begin`, in seconds of `monotonic`.

    Raises:
        WebhookFailed, WebhookUnreachable: See `webhook_client.post`.
    """
    webhook_client.post(
        body,
        url=deps.settings.webhook_url,
        key=deps.secrets.pipeline_signing_key,
        seconds=BUDGET_SECONDS - (deps.monotonic() - begin),
        session=deps.session,
        sleep=deps.sleep,
        clock=deps.clock,
        monotonic=deps.monotonic,
        random_fraction=deps.random_fraction,
    )
