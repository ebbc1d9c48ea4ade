"""Collect the functions' error records for the judge, with their time and recording."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from ingester import log
from tests.simulation.world import World


@dataclass(frozen=True)
class Mail:
    """An error record, which production mails to a person.

    `at` is the world's time. `goes_on` is whether the record says that the work continues. `advice`
    is the advice to the person, or "".
    """

    at: float
    who: str
    text: str
    uuid: str
    zip_id: str
    goes_on: bool
    advice: str = ""


class Collector(logging.Handler):
    """A log handler for living processes: it keeps errors, and adds log records to the story."""

    def __init__(self, world: World) -> None:
        super().__init__(logging.NOTSET)
        self._world = world
        self.mails: list[Mail] = []

    def emit(self, record: logging.LogRecord) -> None:
        world = self._world
        if world.current is None or world.current.is_dead:
            return
        if record.levelno >= logging.ERROR:
            # Production's formatter adds this context to each record.
            about = log._context.get({})  # noqa: SLF001
            text = record.getMessage()
            if record.exc_info and record.exc_info[1] is not None:
                text = f"{text} {type(record.exc_info[1]).__name__}: {record.exc_info[1]}"
            self.mails.append(
                Mail(
                    at=world.time,
                    who=world.current.name,
                    text=text,
                    uuid=about.get("uuid", ""),
                    zip_id=about.get("zip_id", ""),
                    goes_on=bool(getattr(record, "goes_on", False)),
                    advice=str(getattr(record, "advice", "")),
                )
            )
        if world.story is not None:
            world.record(f"{record.levelname}: {record.getMessage()[:200]}")


@contextmanager
def collected(world: World, also: logging.Handler | None = None) -> Iterator[Collector]:
    """Yield a collector of the error records that production logs in the `with` block.

    The handler `also` gets every record that production logs, from level INFO on.
    """
    logger = logging.getLogger("ingester")
    collector = Collector(world)
    before = logger.level, logger.propagate, list(logger.handlers)
    logger.handlers[:] = [collector, *([also] if also else [])]
    logger.propagate = False
    logger.setLevel(logging.INFO if world.story is not None or also else logging.ERROR)
    try:
        yield collector
    finally:
        logger.setLevel(before[0])
        logger.propagate = before[1]
        logger.handlers[:] = before[2]
