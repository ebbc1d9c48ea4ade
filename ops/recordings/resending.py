"""Resend a recording's webhook event: ask Zoom's API, and POST a signed body to the webhook."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import requests
from msgspec import UNSET

from cdk.names import Names
from cdk.settings import Settings
from ingester.recording.files import automated_zip_id
from ingester.settings import OnDemandSecrets, SsmClient, ZoomSettings, read_secrets
from ingester.zoom import webhook_client as hand_in
from ingester.zoom.api import MeetingRecordings, ZoomApi
from ingester.zoom.webhook_events import IngestOptions
from ops.arguments import recording_uuid
from ops.command import OpsError, refuse_options

ZOOM_SECONDS = 60.0
WEBHOOK_SECONDS = 60.0


def now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class Resender:
    """Dependencies of resending: Zoom's API, and the webhook with the webhook's signing key."""

    zoom: ZoomApi
    webhook_url: str
    secrets: OnDemandSecrets
    session: requests.Session
    sleep: Callable[[float], None]
    clock: Callable[[], datetime] = now

    def recording(self, uuid: str) -> MeetingRecordings:
        """Return a recording whose MP4 and chat files Zoom has finished.

        Raises:
            OpsError: Zoom has no recording with the uuid.
            ZoomUnreachable, ZoomRefused: Zoom's API can't be asked, refuses the request, or answers
                with a malformed list.
            NotReady: Zoom has no files yet, or hasn't finished an MP4 or chat file.
        """
        found = self.zoom.recordings(uuid, seconds=ZOOM_SECONDS)
        if found is None:
            raise OpsError(
                f"Zoom knows no recording {uuid}: take the uuid of the meeting that was recorded, "
                "or the link to the recording in Zoom."
            )
        hand_in.check_files(found)
        return found

    def send(
        self, recording: MeetingRecordings, *, series_id: str = "", ignore_schedule: bool = False
    ) -> str:
        """Request a recording's automated ingest again, and return the zip id.

        `series_id` is the operator's Opencast series, or "". With `ignore_schedule`, the schedule
        doesn't decide on the series. The ingest may be in any state. When this function returns,
        the row has left its previous state, unless the webhook failed to write the row.

        Raises:
            WebhookFailed, WebhookUnreachable: The webhook doesn't accept the webhook event, or
                can't be reached.
        """
        zip_id = automated_zip_id(recording.uuid)
        options = IngestOptions(
            zip_id=zip_id,
            force=True,
            override_series_id=series_id or UNSET,
            ignore_schedule=ignore_schedule or UNSET,
        )
        hand_in.post(
            hand_in.webhook_event(recording, options, self.clock()),
            url=self.webhook_url,
            key=self.secrets.pipeline_signing_key,
            seconds=WEBHOOK_SECONDS,
            session=self.session,
            sleep=self.sleep,
            clock=self.clock,
        )
        return zip_id


def resender(
    settings: Settings,
    ssm: SsmClient,
    webhook_url: str,
    session: requests.Session,
    sleep: Callable[[float], None],
) -> Resender:
    """Return a resender with the `settings` of the stack, and the stack's secrets from SSM.

    Raises:
        SettingsError: A secret is missing in SSM.
        BotoCoreError, ClientError: See `read_secrets`.
    """
    path = Names(settings.stack_name).secrets_path
    secrets = read_secrets(OnDemandSecrets, ssm, path)
    zoom = ZoomSettings(
        stack_name=settings.stack_name,
        secrets_path=path,
        zoom_api_base_url=settings.zoom_api_base_url,
        zoom_oauth_url=settings.zoom_oauth_url,
        zoom_account_id=settings.zoom_account_id,
        zoom_client_id=settings.zoom_client_id,
        zoom_api_key=settings.zoom_api_key,
    )
    api = ZoomApi(zoom, secrets, session=session, sleep=sleep, clock=now)
    return Resender(api, webhook_url, secrets, session, sleep)


def uuid_of(text: str) -> str:
    """Return the uuid in a command's argument: a uuid alone, or a link.

    Raises:
        OpsError: The text contains no uuid, or looks like an option.
    """
    uuid = recording_uuid(text)
    refuse_options([uuid])
    return uuid
