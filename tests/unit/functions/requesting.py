"""The harness of functions that send requests to the webhook: on-demand and reconcile."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from ingester.ledger.table import Ledger
from ingester.settings import OnDemandSecrets
from ingester.zoom.api import ZoomApi
from local.authority import Authority
from local.neighbours.https_server import text_answer
from local.neighbours.zoom import ZoomStandIn
from tests.cloud import Clock, Cloud
from tests.function_harness import OWN_KEY
from tests.unit.zoom_account import APP, Endpoint, TimedSession, endpoint, zoom_stand_in
from tests.waits import Stopwatch

H = TypeVar("H", bound="RequestingHarness")
OK = text_answer(200, "text/plain", b"Success")


@dataclass
class RequestingHarness(ABC):
    """A function that requests recordings, and its neighbours."""

    aws: Cloud
    clock: Clock
    zoom: ZoomStandIn
    hook: Endpoint
    session: TimedSession
    watch: Stopwatch

    def __post_init__(self) -> None:
        self.set_up()

    @abstractmethod
    def set_up(self, **settings: Any) -> None:
        """Build the function's dependencies with the usual settings, changed by `settings`."""

    def settings(self, **changes: Any) -> dict[str, Any]:
        return {
            "stack_name": "test",
            "secrets_path": "/zoom-ingester/test",
            "zoom_api_base_url": self.zoom.api_base_url,
            "zoom_oauth_url": self.zoom.oauth_url,
            "zoom_account_id": APP.account_id,
            "zoom_client_id": APP.client_id,
            "recordings_table": self.aws.recordings.name,
            "webhook_url": self.hook.url,
            **changes,
        }

    def dependencies(self, settings: Any) -> dict[str, Any]:
        """Return the dependencies that on-demand and reconcile have in common."""
        secrets = OnDemandSecrets(
            zoom_client_secret=APP.client_secret, pipeline_signing_key=OWN_KEY
        )
        common: dict[str, Any] = {
            "session": self.session,
            "sleep": self.watch.sleep,
            "clock": self.clock,
            "monotonic": self.watch,
        }
        return {
            "settings": settings,
            "secrets": secrets,
            "zoom": ZoomApi(settings, secrets, **common),
            "ledger": Ledger(self.aws.recordings, self.clock),
            **common,
        }


@contextmanager
def requesting(
    harness: type[H], aws: Cloud, clock: Clock, tls: Authority, folder: Path
) -> Iterator[H]:
    """Yield a harness whose webhook answers 200."""
    watch = Stopwatch()
    with (
        zoom_stand_in(tls, folder, clock) as zoom,
        endpoint(tls) as hook,
        TimedSession(tls.ca_bundle, watch) as session,
    ):
        hook.answers.append(OK)
        yield harness(aws, clock, zoom, hook, session, watch)
