"""One measured run: peers set, program run, S3 looked at."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from bench.transfer import process
from bench.transfer.cases import Case, Load
from bench.transfer.check import problem_of
from bench.transfer.peers.s3_settings import Mode
from bench.transfer.programs.catalog import Program
from bench.transfer.results import Run
from bench.transfer.workplace import Workplace

SECONDS = 240.0
SLOWEST_MBPS = 8.0
"""A run may take as long as it would at this rate, but always `SECONDS`."""


@dataclass(frozen=True)
class Setting:
    """What a program is measured in. `mode` is what S3 does with bodies."""

    what: str
    case: Case
    load: Load
    is_tls: bool
    mode: Mode = "discard"
    connections: int | None = None


def measure(place: Workplace, program: Program, setting: Setting, repetition: int) -> Run:
    """Runs the program once in the setting."""
    load = setting.load
    place.zoom.configure(setting.case.zoom_settings(load))
    place.s3.configure(setting.case.s3_settings(setting.mode))
    task = replace(place.task(load, is_tls=setting.is_tls), connections=setting.connections)
    limit = max(SECONDS, load.size / 1e6 / SLOWEST_MBPS)
    ended = process.run(program, task, place.folder, kill_after=limit)
    zoom, s3 = place.zoom.stats(), place.s3.stats()
    reported = ended.reported
    return Run(
        what=setting.what,
        program=program.name,
        case=setting.case.name,
        load=load.name,
        tls=setting.is_tls,
        repetition=repetition,
        connections=setting.connections,
        size=load.size,
        seconds=reported.transfer_s if reported else ended.seconds,
        cpu_s=reported.cpu_s if reported else ended.cpu_s,
        rss_mb=ended.rss_mb,
        rss_before_mb=reported.rss_before_mb if reported else None,
        attempts=reported.attempts if reported else None,
        fetched=zoom.body_bytes,
        problem=problem(place, ended, setting),
        zoom=zoom,
        s3=s3,
    )


def problem(place: Workplace, ended: process.Ended, setting: Setting) -> str:
    """Why a run doesn't count, empty if it does."""
    if ended.was_killed:
        return f"not done after {ended.seconds:.0f} s"
    if ended.exit_code != 0:
        return ended.why
    parts = setting.mode == "hash"
    return problem_of(place.s3.objects(), setting.load, parts=parts)


Say = Callable[[str], None]


def say_run(run: Run, say: Say) -> None:
    """Tells of a run in one line, as it comes."""
    connections = f" {run.connections} connections" if run.connections else ""
    wire = "TLS" if run.tls else "plain"
    head = f"{run.program:12} {run.case:4} {run.load} {wire}{connections}"
    if not run.ok:
        say(f"{head}: {run.problem}")
        return
    say(
        f"{head}: {run.seconds:.2f} s, {run.mbps:.0f} MB/s, {run.cpu_s_per_gb:.2f} CPU s/GB, "
        f"{run.rss_mb:.0f} MB, {run.fetched / run.size:.2f} of the bytes fetched"
    )
