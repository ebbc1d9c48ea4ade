"""Measure runs of programs that copy files from Zoom's stand-in to S3's."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from bench.transfer import process, results
from bench.transfer.cases import Case, Load
from bench.transfer.check import problem_of
from bench.transfer.options import Options
from bench.transfer.peers.s3_settings import Mode
from bench.transfer.programs.catalog import Program
from bench.transfer.results import Run
from bench.transfer.stand_ins import StandIns

SECONDS = 240.0
SLOWEST_MBPS = 8.0
"""Speed in MB/s from which a run's time limit is computed. The limit is at least `SECONDS`."""


@dataclass(frozen=True)
class Setting:
    """The load and the conditions of a run.

    `what` is the benchmark's command, such as `memory`. The program chooses the number of
    connections if `connections` is None.
    """

    what: str
    case: Case
    load: Load
    is_tls: bool = True
    mode: Mode = "discard"
    connections: int | None = None


Job = tuple[Program, Setting, int]
"""A program, its setting, and the number of the repetition."""


def measure_all(peers: StandIns, jobs: Iterable[Job], options: Options) -> list[Run]:
    """Measure all jobs, and return all runs.

    Each run is printed as soon as the run has ended. With `--out`, the run is also appended to that
    file.
    """
    runs = []
    for program, setting, repetition in jobs:
        run = measure(peers, program, setting, repetition)
        results.write(options.out, run)
        options.say(_line_of(run))
        runs.append(run)
    return runs


def measure(peers: StandIns, program: Program, setting: Setting, repetition: int) -> Run:
    """Run a program once, and return the measurements."""
    load = setting.load
    peers.zoom.configure(setting.case.zoom_settings(load))
    peers.s3.configure(setting.case.s3_settings(setting.mode))
    task = replace(peers.task(load, is_tls=setting.is_tls), connections=setting.connections)
    limit = max(SECONDS, load.size / 1e6 / SLOWEST_MBPS)
    ended = process.run(program, task, peers.folder, kill_after=limit)
    zoom, s3 = peers.zoom.stats(), peers.s3.stats()
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
        problem=outcome_of(peers, ended, load, parts=setting.mode == "hash"),
        zoom=zoom,
        s3=s3,
    )


def outcome_of(peers: StandIns, ended: process.Ended, load: Load, *, parts: bool) -> str:
    """Return the reason why a copy failed, or "" if the copy is whole.

    With `parts`, compare the bytes.
    """
    if ended.exit_code != 0:
        return ended.failure_reason
    return problem_of(peers.s3.objects(), load, parts=parts)


def _line_of(run: Run) -> str:
    connections = f" {run.connections} connections" if run.connections else ""
    wire = "TLS" if run.tls else "plain"
    head = f"{run.program:12} {run.case:4} {run.load} {wire}{connections}"
    if not run.ok:
        return f"{head}: {run.problem}"
    return (
        f"{head}: {run.seconds:.2f} s, {run.mbps:.0f} MB/s, {run.cpu_s_per_gb:.2f} CPU s/GB, "
        f"{run.rss_mb:.0f} MB, {run.fetched / run.size:.2f} of the bytes fetched"
    )
