"""The real functions over the fakes, built like production's.

In the simulator only this module imports the functions and the classes of their dependencies.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, cast

import requests
import urllib3

import downloader
import follow
import on_demand
import reconcile
import uploader
import webhook
from cdk.receive_limits import DOWNLOAD_RECEIVE_LIMIT
from ingester.errors import IngesterError
from ingester.ledger.table import Ledger
from ingester.opencast.client import Opencast, opencast_of
from ingester.pipeline.messages import UploadMessage
from ingester.pipeline.queue import Queue
from ingester.reconcile.state_table import ReconcileState
from ingester.recording.events_table import EventsTable
from ingester.recording.staging_bucket import Staging
from ingester.runtime.api_gateway import proxy_answer
from ingester.runtime.container import Container
from ingester.runtime.queue_worker import QueueWorker, SourceQueue
from ingester.schedule.table import ScheduleTable
from ingester.settings import (
    DownloaderSettings,
    FollowSettings,
    OnDemandSecrets,
    OnDemandSettings,
    OpencastSettings,
    ReconcileSettings,
    UploaderSecrets,
    UploaderSettings,
    WebhookSecrets,
    WebhookSettings,
    ZoomSecrets,
    ZoomSettings,
    read_secrets,
)
from ingester.status.table import StatusTable
from ingester.transfer.engine import Engine
from ingester.zoom import webhook_client
from ingester.zoom.api import MeetingRecordings, ZoomApi
from ingester.zoom.download import ZoomFile
from ingester.zoom.download_urls import DownloadHosts
from ingester.zoom.pause_table import ZoomPause
from tests.simulation.cloud import SECRETS, STACK, UPLOAD_RECEIVE_LIMIT, Cloud
from tests.simulation.engine import Copies, FakeEngine
from tests.simulation.event_sources import Context, EventSources, Gateway, LambdaFunction
from tests.simulation.http import Response, lost
from tests.simulation.opencast import Opencast as FakeOpencast
from tests.simulation.opencast import OpencastSession
from tests.simulation.truth import Scenario
from tests.simulation.world import World
from tests.simulation.zoom import DownloadHttp, Zoom, ZoomSession

ZOOM_API = "https://api.zoom.us/v2"
ZOOM_OAUTH = "https://zoom.us/oauth/token"
OPENCAST = "https://opencast.example.edu"
WEBHOOK = "https://webhook.example.edu/live/new_recording"
FUNCTION_SECONDS, FOLLOW_FUNCTION_SECONDS, LONG_FUNCTION_SECONDS = 30.0, 300.0, 900.0
HOSTS = DownloadHosts(("zoom.us", "*.zoom.us"))
ZOOM_ACCESS: dict[str, Any] = {
    "stack_name": STACK,
    "secrets_path": SECRETS,
    "zoom_api_base_url": ZOOM_API,
    "zoom_account_id": "account",
    "zoom_client_id": "client",
}


class System:
    """The stack's functions in a world."""

    def __init__(self, world: World, scenario: Scenario, cloud: Cloud, zoom: Zoom) -> None:
        self.world = world
        self.cloud = cloud
        self.zoom = zoom
        self.opencast = FakeOpencast(world, scenario, cloud.bucket)
        self.site = scenario.site
        self.copies = Copies(
            cloud.bucket,
            {
                recording.content_of(file): file
                for recording in scenario.recordings
                for file in recording.files
            },
            zoom.contents,
        )
        self.webhook = LambdaFunction(
            world, "webhook", self._webhook, _run_webhook, FUNCTION_SECONDS
        )
        self.on_demand = LambdaFunction(
            world, "on_demand", self._on_demand, _run_on_demand, FUNCTION_SECONDS
        )
        self.downloader = LambdaFunction(
            world, "downloader", self._downloader, self._run_downloader, LONG_FUNCTION_SECONDS
        )
        self.uploader = LambdaFunction(
            world, "uploader", self._uploader, self._run_uploader, LONG_FUNCTION_SECONDS
        )
        self.reconcile = LambdaFunction(
            world, "reconcile", self._reconcile, _run_reconcile, LONG_FUNCTION_SECONDS
        )
        self.follow = LambdaFunction(
            world, "follow", self._follow, _run_follow, FOLLOW_FUNCTION_SECONDS
        )
        self.new_recording = Gateway(world, self.webhook)
        self.ingest = Gateway(world, self.on_demand)
        self.sources = EventSources(world, cloud)
        self.sources.add(cloud.download_queue, self.downloader, self.site.downloads_at_once)
        self.sources.add(cloud.upload_queue, self.uploader, self.site.uploads_at_once)

    @property
    def functions(self) -> tuple[LambdaFunction[Any], ...]:
        every = (self.webhook, self.on_demand, self.downloader, self.uploader, self.reconcile)
        return (*every, self.follow)

    @property
    def errors(self) -> list[Exception]:
        """Errors that the functions' handlers raised."""
        return [error for function in self.functions for error in function.errors]

    def recording_for_operator(self, uuid: str) -> MeetingRecordings | None:
        """Return a recording from Zoom's API as an operator's command does.

        Return None if Zoom lacks the recording, or on an error.
        """
        secrets = ZoomSecrets(zoom_client_secret="client-secret")
        api = self._zoom_api(ZoomSettings(**ZOOM_ACCESS), secrets)
        try:
            found = api.recordings(uuid, seconds=60.0)
            if found is not None:
                webhook_client.check_files(found)
        except IngesterError:
            return None
        return found

    def _ledger(self) -> Ledger:
        return Ledger(cast(Any, self.cloud.recordings), self.world.now)

    def _status(self) -> StatusTable:
        return StatusTable(cast(Any, self.cloud.status), self.world.now)

    def _events(self) -> EventsTable:
        return EventsTable(cast(Any, self.cloud.events), self.world.now)

    def _queue(self, url: str) -> Queue:
        return Queue(cast(Any, self.cloud.queues), url)

    def _zoom_api(self, settings: Any, secrets: Any) -> ZoomApi:
        session = ZoomSession(self.zoom, ZOOM_API, ZOOM_OAUTH)
        return ZoomApi(
            settings,
            secrets,
            session=cast(requests.Session, session),
            sleep=self.world.sleep,
            clock=self.world.now,
            monotonic=self.world.monotonic,
            random_fraction=self.world.random_fraction,
        )

    def _webhook(self) -> webhook.Dependencies:
        cloud = self.cloud
        settings = WebhookSettings(
            stack_name=STACK,
            secrets_path=SECRETS,
            status_table=cloud.status.name,
            recordings_table=cloud.recordings.name,
            events_table=cloud.events.name,
            download_queue_url=cloud.download_queue,
            webhook_delay_seconds=self.site.webhook_delay,
            ingest_captions=self.site.captions,
            ingest_chapters=self.site.chapters,
        )
        return webhook.Dependencies(
            settings=settings,
            secrets=read_secrets(WebhookSecrets, cloud.parameters, SECRETS),
            ledger=self._ledger(),
            status=self._status(),
            events=self._events(),
            downloads=self._queue(cloud.download_queue),
            clock=self.world.now,
            new_id=self.world.new_id,
        )

    def _on_demand(self) -> on_demand.Dependencies:
        settings = OnDemandSettings(
            **ZOOM_ACCESS,
            status_table=self.cloud.status.name,
            recordings_table=self.cloud.recordings.name,
            webhook_url=WEBHOOK,
        )
        secrets = read_secrets(OnDemandSecrets, self.cloud.parameters, SECRETS)
        return on_demand.Dependencies(
            settings=settings,
            secrets=secrets,
            zoom=self._zoom_api(settings, secrets),
            ledger=self._ledger(),
            status=self._status(),
            session=cast(requests.Session, WebhookSession(self)),
            clock=self.world.now,
            sleep=self.world.sleep,
            monotonic=self.world.monotonic,
            random_fraction=self.world.random_fraction,
            new_id=self.world.new_id,
        )

    def _reconcile(self) -> reconcile.Dependencies:
        table = cast(Any, self.cloud.recordings)
        settings = ReconcileSettings(
            **ZOOM_ACCESS, recordings_table=table.name, webhook_url=WEBHOOK, reconcile_days=3
        )
        secrets = read_secrets(OnDemandSecrets, self.cloud.parameters, SECRETS)
        return reconcile.Dependencies(
            settings=settings,
            secrets=secrets,
            zoom=self._zoom_api(settings, secrets),
            ledger=self._ledger(),
            state=ReconcileState(table),
            session=cast(requests.Session, WebhookSession(self)),
            clock=self.world.now,
            sleep=self.world.sleep,
            monotonic=self.world.monotonic,
            random_fraction=self.world.random_fraction,
        )

    def _downloader(self) -> downloader.Dependencies:
        cloud = self.cloud
        settings = DownloaderSettings(
            **ZOOM_ACCESS,
            status_table=cloud.status.name,
            recordings_table=cloud.recordings.name,
            schedule_table=cloud.schedule.name,
            staging_bucket=cloud.bucket.name,
            ingest_captions=self.site.captions,
            ingest_chapters=self.site.chapters,
            download_queue_url=cloud.download_queue,
            download_dlq_url=cloud.download_dlq,
            download_receive_limit=DOWNLOAD_RECEIVE_LIMIT,
            upload_queue_url=cloud.upload_queue,
            default_series_id=self.site.default_series,
        )
        secrets = read_secrets(ZoomSecrets, cloud.parameters, SECRETS)
        http = cast(urllib3.PoolManager, DownloadHttp(self.zoom))
        return downloader.Dependencies(
            settings=settings,
            zoom=self._zoom_api(settings, secrets),
            engine=cast(Engine, FakeEngine(self.world, self.copies, self.site.zoom_rate)),
            open_file=partial(ZoomFile, http=http, hosts=HOSTS),
            staging=Staging(cast(Any, cloud.bucket), cloud.bucket.name),
            ledger=self._ledger(),
            status=self._status(),
            schedule=ScheduleTable(cast(Any, cloud.schedule)),
            downloads=self._queue(cloud.download_queue),
            dead_letters=self._queue(cloud.download_dlq),
            uploads=self._queue(cloud.upload_queue),
            inspect=self.copies.inspect,
            pause=ZoomPause(cast(Any, cloud.recordings), self.world.now),
            clock=self.world.now,
        )

    def _uploader(self) -> uploader.Dependencies:
        cloud = self.cloud
        settings = UploaderSettings(
            stack_name=STACK,
            secrets_path=SECRETS,
            status_table=cloud.status.name,
            recordings_table=cloud.recordings.name,
            events_table=cloud.events.name,
            staging_bucket=cloud.bucket.name,
            upload_queue_url=cloud.upload_queue,
            upload_dlq_url=cloud.upload_dlq,
            upload_receive_limit=UPLOAD_RECEIVE_LIMIT,
            opencast_base_url=OPENCAST,
            opencast_api_user="zip",
            default_oc_workflow="dce-wf",
            default_publisher="pub@example.edu",
            captions_workflow="publish",
            oc_chat_as="attachment" if self.site.attachments else "track",
            follow_ingests=self.site.follows,
        )
        return uploader.Dependencies(
            settings=settings,
            opencast=self._opencast(settings),
            staging=Staging(cast(Any, cloud.bucket), cloud.bucket.name),
            ledger=self._ledger(),
            status=self._status(),
            events=self._events(),
            uploads=self._queue(cloud.upload_queue),
            dead_letters=self._queue(cloud.upload_dlq),
            clock=self.world.now,
            new_id=self.world.new_id,
        )

    def _follow(self) -> follow.Dependencies:
        cloud = self.cloud
        settings = FollowSettings(
            stack_name=STACK,
            secrets_path=SECRETS,
            status_table=cloud.status.name,
            recordings_table=cloud.recordings.name,
            opencast_base_url=OPENCAST,
            opencast_api_user="zip",
            follow_ingests=self.site.follows,
        )
        return follow.Dependencies(
            settings=settings,
            opencast=self._opencast(settings),
            ledger=self._ledger(),
            status=self._status(),
            clock=self.world.now,
        )

    def _opencast(self, settings: OpencastSettings) -> Opencast:
        secrets = read_secrets(UploaderSecrets, self.cloud.parameters, SECRETS)
        session = OpencastSession(self.opencast, OPENCAST)
        return opencast_of(settings, secrets, cast(requests.Session, session))

    def _source(self, url: str, dlq_url: str, receive_limit: int) -> SourceQueue:
        return SourceQueue(self._queue(url), self._queue(dlq_url), receive_limit)

    def _run_downloader(
        self, event: Any, container: Container[downloader.Dependencies], context: Context
    ) -> Any:
        cloud = self.cloud
        source = self._source(cloud.download_queue, cloud.download_dlq, DOWNLOAD_RECEIVE_LIMIT)
        return downloader.run(
            event, lambda: downloader.worker_of(container(), context), lambda: source
        )

    def _run_uploader(
        self, event: Any, container: Container[uploader.Dependencies], context: Context
    ) -> Any:
        cloud = self.cloud
        source = self._source(cloud.upload_queue, cloud.upload_dlq, UPLOAD_RECEIVE_LIMIT)

        def worker() -> QueueWorker[UploadMessage]:
            return uploader.worker_of(container(), uploader.read_seconds_of(context))

        return uploader.run(event, worker, lambda: source)


class WebhookSession:
    """A fake of `requests.Session`, with which functions call the pipeline's webhook."""

    def __init__(self, system: System) -> None:
        self._system = system

    def post(
        self,
        url: str,
        *,
        data: bytes,
        headers: Mapping[str, str],
        timeout: tuple[float, float],
        allow_redirects: bool = False,
    ) -> Response:
        assert (url, allow_redirects) == (WEBHOOK, False)
        world = self._system.world
        answer = world.call(
            "webhook.POST",
            lambda: self._system.new_recording.post(data, headers, timeout[1]),
            lost,
        )
        if answer is None:
            raise requests.exceptions.ReadTimeout("Read timed out.")
        return Response(answer[0], answer[1], {"Content-Type": "application/json"})


def _run_webhook(event: Any, container: Container[webhook.Dependencies], _context: Context) -> Any:
    return proxy_answer(
        webhook.respond(event, container(), container.rebuild_or_none, container.built_recently)
    )


def _run_on_demand(
    event: Any, container: Container[on_demand.Dependencies], _context: Context
) -> Any:
    return proxy_answer(on_demand.respond(event, container(), container.rebuild_sparingly))


def _run_follow(event: Any, container: Container[follow.Dependencies], _context: Context) -> Any:
    return follow.answer(event, container())


def _run_reconcile(
    event: Any, container: Container[reconcile.Dependencies], context: Context
) -> Any:
    seconds = context.get_remaining_time_in_millis() / 1000 - reconcile.MARGIN_SECONDS
    return reconcile.answer(event, container(), seconds, container.rebuild_sparingly)
