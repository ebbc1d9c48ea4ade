"""Find the bottleneck of a load, and the change that widens the bottleneck."""

from __future__ import annotations

from dataclasses import dataclass

from tests.simulation.capacity.loads import ENGINE_RATE
from tests.simulation.capacity.measure import Measured

SATURATED = 0.85
"""Smallest used share at which a resource counts as saturated."""


@dataclass(frozen=True)
class Bound:
    """The bottleneck of a load, and the change that widens the bottleneck."""

    by: str
    change: str


def bound_of(measured: Measured) -> Bound:
    """Return the bottleneck of a load.

    The bottleneck is the saturated resource nearest to Opencast, or Zoom if no resource is
    saturated. But a load whose recordings are all copied and ingested at the same time has no
    bottleneck.
    """
    load, site = measured.load, measured.load.opencast
    if load.recordings <= min(load.uploads, load.downloads):
        return Bound("nothing: one copy, one ingest", "nothing")
    if measured.opencast_rate >= SATURATED * site.together:
        return Bound(
            f"Opencast: {_mb(site.together)} for all ingests", "Opencast's network, disks or nodes"
        )
    if measured.upload_busy >= SATURATED:
        return Bound(
            f"{load.uploads} uploads at once, {_mb(site.an_ingest)} each", "`OC_TRACK_UPLOAD_MAX`"
        )
    if measured.download_busy >= SATURATED:
        return Bound(
            f"{load.downloads} downloads at once, {_mb(ENGINE_RATE)} each", "`DOWNLOADS_AT_ONCE`"
        )
    return Bound("Zoom: its webhook events come within five minutes", "nothing")


def _mb(rate: float) -> str:
    return f"{rate / 1e6:,.0f} MB/s"
