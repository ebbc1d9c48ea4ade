"""POST /ingest: "+Zoom" requests from Opencast, turned into signed webhook events."""

from __future__ import annotations

import logging
import os
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec
import requests
from botocore.exceptions import BotoCoreError, ClientError
from msgspec import UNSET

from ingester import log
from ingester.errors import (
    AwsFailed,
    BadRequest,
    KeyRefused,
    LedgerUnreadable,
    NotFound,
    RequestError,
    WebhookFailed,
    WebhookUnreachable,
    ZoomRefused,
    ZoomUnreachable,
)
from ingester.ledger.table import Ledger
from ingester.pipeline.states import Origin, State
from ingester.recording.files import Subject, is_meeting_number, uuid_in
from ingester.retry import Chance, Sleep
from ingester.runtime import clients, new_ids
from ingester.runtime.api_gateway import Answer, Request, json_answer, proxy_answer, request_of
from ingester.runtime.container import Container
from ingester.schedule.series_link import series_id_in
from ingester.settings import OnDemandSecrets, OnDemandSettings, read, read_secrets
from ingester.status.row import Asked
from ingester.status.table import Requested, StatusChange, StatusTable
from ingester.zoom import webhook_client as hand_in
from ingester.zoom.api import ZoomApi
from ingester.zoom.webhook_events import IngestOptions

logger = logging.getLogger("ingester.on_demand")

BUDGET_SECONDS = 20.0
"""For everything, tries included: API Gateway gives up after 29."""

ZOOM_SECONDS = 11.0
LONGEST_UUID = 2000
"""Characters of a uuid, or of the link that holds it."""

LONGEST_WORKFLOW = 200
"""Characters. It stays in the row, and /status tells it."""

TOLD = "Nothing: whoever asked was told to try again later."
CORS = {"Access-Control-Allow-Origin": "*"}


@dataclass(frozen=True)
class Dependencies:
    """What the use case works with. `monotonic` counts seconds for the budget."""

    settings: OnDemandSettings
    secrets: OnDemandSecrets
    zoom: ZoomApi
    ledger: Ledger
    status: StatusTable
    session: requests.Session
    clock: Callable[[], datetime]
    sleep: Sleep
    monotonic: Callable[[], float] = time.monotonic
    by_chance: Chance = random.random
    new_id: Callable[[], str] = new_ids.random_uuid


def build() -> Dependencies:
    settings = read(OnDemandSettings, os.environ)
    log.verbose(settings.is_debug)
    secrets = read_secrets(OnDemandSecrets, clients.ssm(), settings.secrets_path)
    session = requests.Session()
    return Dependencies(
        settings=settings,
        secrets=secrets,
        zoom=ZoomApi(settings, secrets, session=session, sleep=time.sleep, clock=_now),
        ledger=Ledger(clients.table(settings.recordings_table), _now),
        status=StatusTable(clients.table(settings.status_table), _now),
        session=session,
        clock=_now,
        sleep=time.sleep,
    )


def _now() -> datetime:
    return datetime.now(UTC)


container = Container(build)


class IngestRequest(msgspec.Struct, frozen=True, kw_only=True):
    """The body of a request. `uuid` is the meeting's, or a link that holds it."""

    uuid: Annotated[str, msgspec.Meta(max_length=LONGEST_UUID)] = ""
    oc_series_id: str = ""
    oc_workflow: Annotated[str, msgspec.Meta(max_length=LONGEST_WORKFLOW)] = ""
    allow_multiple_ingests: bool = False
    ingest_all_mp4: bool = False


def handler(event: Mapping[str, Any], context: object) -> dict[str, Any]:
    """API Gateway's entry."""
    log.start(context)
    return proxy_answer(respond(event, container(), container.renewed))


def respond(
    event: Mapping[str, Any], deps: Dependencies, renewed: Callable[[], Dependencies] | None = None
) -> Answer:
    """The answer to one request, always with a message and open to any page (CORS).

    `renewed` gives deps with the secrets of now, if there may be others than in `deps`.
    """
    try:
        asked = wanted(request_of(event))
    except RequestError as error:
        return _said(error.status, str(error))
    with log.about(uuid=asked.uuid):
        return _answer(asked, deps, renewed or (lambda: deps))


def _answer(
    asked: IngestRequest, deps: Dependencies, renewed: Callable[[], Dependencies]
) -> Answer:
    try:
        ingest(asked, deps, renewed)
    except RequestError as error:
        return _said(error.status, str(error))
    except (ZoomUnreachable, ZoomRefused, WebhookFailed, WebhookUnreachable) as error:
        return _said(500, str(error))
    except (BotoCoreError, ClientError) as error:
        told = f"{AwsFailed.of(error)} This request wasn't taken."
        logger.exception("%s", told, extra={"outlook": TOLD})
        return _said(500, "The pipeline could not take this request. Try again later.")
    return _said(200, "Ingest accepted")


def _said(status: int, message: str) -> Answer:
    logger.log(logging.INFO if status == 200 else logging.WARNING, "%s %s", status, message)
    return json_answer(status, {"message": message}, CORS)


def wanted(request: Request) -> IngestRequest:
    """What a request asks for, in the types that callers really send.

    null and blanks count as absent, and blanks around a text as if they weren't there; "true",
    "false" and numbers in digits are taken, and a link to the series for its id. BadRequest for
    anything else, NotFound for a link without a `meeting_id` and for a meeting's number.
    """
    if not request.body:
        raise BadRequest("The request has no body.")
    try:
        content = msgspec.json.decode(request.body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
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
    series = series_id_in(asked.oc_series_id)
    if asked.oc_series_id and not series:
        raise BadRequest("oc_series_id is no series' id, nor Opencast's link to a series.")
    uuid = uuid_in(asked.uuid)
    if not uuid:
        raise NotFound("The Zoom link holds no meeting_id.")
    if is_meeting_number(uuid):
        raise NotFound("That is a meeting's number; name one recording.")
    return msgspec.structs.replace(asked, uuid=uuid, oc_series_id=series)


def _plain(value: object) -> object:
    """A value of the body: a number as its digits, a text without blanks around it."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value.strip() if isinstance(value, str) else value


def ingest(asked: IngestRequest, deps: Dependencies, renewed: Callable[[], Dependencies]) -> None:
    """Asks Zoom for the recording and hands it to the webhook, within 20 s."""
    begin = deps.monotonic()
    recording = deps.zoom.recordings(asked.uuid, seconds=ZOOM_SECONDS)
    if recording is None:
        raise NotFound(f"Zoom knows no recording {asked.uuid}.")
    hand_in.check_files(recording)
    hand_in.check_video(recording)
    zip_id = f"on-demand-{deps.new_id()}"
    with log.about(zip_id=zip_id):
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
                asked=Asked(
                    oc_series_id=asked.oc_series_id,
                    oc_workflow=asked.oc_workflow,
                    allow_multiple_ingests=asked.allow_multiple_ingests,
                    ingest_all_mp4=asked.ingest_all_mp4,
                ),
            ),
        )
        options = IngestOptions(
            zip_id=zip_id,
            on_demand_series_id=asked.oc_series_id or UNSET,
            oc_workflow=asked.oc_workflow or UNSET,
            allow_multiple_ingests=asked.allow_multiple_ingests,
            ingest_all_mp4=asked.ingest_all_mp4,
        )
        body = hand_in.event_of(recording, options, deps.clock())
        try:
            try:
                _post(body, begin, deps)
            except KeyRefused:
                newer = renewed()
                if newer.secrets == deps.secrets:
                    raise
                _post(body, begin, newer)
        except (WebhookFailed, WebhookUnreachable) as error:
            if _is_sent(recording.uuid, zip_id, deps):
                logger.info("Only the webhook's answers were lost")
                return
            deps.status.report(zip_id, StatusChange(State.WEBHOOK_FAILED, str(error)))
            raise


def _is_sent(uuid: str, zip_id: str, deps: Dependencies) -> bool:
    """Whether the ledger knows that the webhook has taken the request, as far as it can be read."""
    try:
        return deps.ledger.get(uuid).request(zip_id).is_sent
    except (BotoCoreError, ClientError, LedgerUnreadable):
        return False


def _post(body: bytes, begin: float, deps: Dependencies) -> None:
    """Hands the event in, in what is left of the budget since `begin`."""
    hand_in.post(
        body,
        url=deps.settings.webhook_url,
        key=deps.secrets.pipeline_signing_key,
        seconds=BUDGET_SECONDS - (deps.monotonic() - begin),
        session=deps.session,
        sleep=deps.sleep,
        clock=deps.clock,
        monotonic=deps.monotonic,
        by_chance=deps.by_chance,
    )
