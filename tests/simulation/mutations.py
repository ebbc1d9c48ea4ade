"""Mistakes in the code that the simulator must catch.

`python -m tests.simulation.mutations` applies each mistake to a copy of the code, and runs up
to `MOST_WORLDS` worlds until one fails. Then the program prints the failing world, or MISSED if no
world fails.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
MOST_WORLDS = 1000
SECONDS = 3600

WEBHOOK = "functions/webhook.py"
UPLOADER = "functions/uploader.py"
RECONCILE = "functions/reconcile.py"
FOLLOW = "functions/follow.py"
FOLLOWING = "functions/ingester/opencast/following.py"
LEDGER = "functions/ingester/ledger/record.py"
OPENCAST = "functions/ingester/opencast/client.py"
QUEUES = "functions/ingester/pipeline/queue.py"
QUEUE_WORKER = "functions/ingester/runtime/queue_worker.py"
COMPLETE_MESSAGE = "functions/ingester/zoom/complete_message.py"
LOOKUP = "functions/ingester/opencast/lookup.py"
INGEST_ONCE = "functions/ingester/opencast/ingest_once.py"
CAPTIONS_DOWNLOAD = "functions/ingester/captions/download.py"
CAPTIONS_STAGING = "functions/ingester/captions/staging.py"
CAPTIONS_UPLOAD = "functions/ingester/captions/upload.py"


@dataclass(frozen=True)
class Mutation:
    """A mistake: `new` replaces `old`, which occurs once in `file`.

    `seed` is the seed of a world that fails. The tests start with this seed to save time.
    """

    name: str
    file: str
    old: str
    new: str
    profile: str = "faults"
    seed: int = 0


MUTATIONS: Sequence[Mutation] = (
    Mutation(
        "a POST needs no claim",
        INGEST_ONCE,
        "        if self.ledger.replace("
        "record, ledger.with_claim(record, media_package, claim)):\n",
        "        if media_package:\n",
        seed=2,
    ),
    Mutation(
        "files count as sent when they are only seen",
        LEDGER,
        "    return request.is_sent and (request.is_taken_over or files <= set(request.sent))\n",
        "    return bool(request.at) and files <= set(record.files)\n",
    ),
    Mutation(
        "the message is noted as sent before it is sent",
        WEBHOOK,
        "    deps.downloads.send(encode(message), delay_seconds=delay)\n"
        "    deps.ledger.change_or_log(\n"
        "        message.uuid, lambda record: "
        "ledger.with_sent(accept(record), message.zip_id, files)\n    )\n",
        "    deps.ledger.change_or_log(\n"
        "        message.uuid, lambda record: "
        "ledger.with_sent(accept(record), message.zip_id, files)\n    )\n"
        "    deps.downloads.send(encode(message), delay_seconds=delay)\n",
        seed=27,
    ),
    Mutation(
        "a proxy's 502 counts as Opencast's answer",
        OPENCAST,
        "        if status >= 500 and (status != 500 or _is_page(response)):\n",
        "        if status == 504:\n",
        seed=61,
    ),
    Mutation(
        "a POST with unknown outcome is repeated at once",
        LEDGER,
        "    is_young = now - timestamps.parse(ingest.posted_at) < timeout\n",
        "    is_young = False\n",
        seed=2,
    ),
    Mutation(
        "an idle service registry proves that no ingest runs",
        OPENCAST,
        "        return is_idle.get(active.text.strip()) if active.status_code == 200 else None\n",
        "        return bool(is_idle)\n",
        profile="disorder",
        seed=2,
    ),
    Mutation(
        "each attempt of a second ingest has a new random id",
        LOOKUP,
        "        if not own and message.allow_multiple_ingests:\n",
        "        if message.allow_multiple_ingests:\n",
        seed=47,
    ),
    Mutation(
        "an event that a person deleted in Opencast is ingested again",
        LEDGER,
        "    return Absence.ASKED_AGAIN if request.at > ingest.posted_at else Absence.DELETED\n",
        "    return Absence.ASKED_AGAIN\n",
        seed=468,
    ),
    Mutation(
        "files missing in Zoom's API are left out without a report",
        COMPLETE_MESSAGE,
        "        omitted_files=missing,\n",
        "",
        profile="disorder",
        seed=118,
    ),
    Mutation(
        "late files are left out without a report",
        UPLOADER,
        "    for difference in found:\n",
        "    for difference in ():\n",
        profile="disorder",
        seed=14,
    ),
    Mutation(
        "a chat file that Zoom doesn't serve is dropped",
        "functions/ingester/zoom/stage_recording.py",
        "                elif not isinstance(result, EmptyFile):\n",
        "                elif source.file.is_mp4:\n",
        profile="disorder",
        seed=69,
    ),
    Mutation(
        "a failed note after the send returns the old message to the queue",
        QUEUE_WORKER,
        "                outcome.queue.send_in_order(outcome.body, group=outcome.group)\n",
        "                outcome.queue.send_in_order(outcome.body, group=outcome.group)\n"
        "                raise AwsFailed('after the send')\n",
        profile="disorder",
        seed=11,
    ),
    Mutation(
        "a recovered recording stays abandoned",
        WEBHOOK,
        "    for zip_id, request in ledger.gone_requests(record).items():\n",
        "    for zip_id, request in ():\n",
        profile="disorder",
        seed=158,
    ),
    Mutation(
        "a failure deletes the message",
        UPLOADER,
        "    return Retry(seconds=seconds, "
        "report=partial(_report_failure, message, text, due, deps))\n",
        "    _report_failure(message, told, due, deps)\n    return Done()\n",
        seed=42,
    ),
    Mutation(
        "waiting deletes the message",
        UPLOADER,
        "    return Retry(seconds=seconds, report=partial(_report_waiting, message, text, deps))\n",
        "    _report_waiting(message, told, deps)\n    return Done()\n",
        seed=144,
    ),
    Mutation(
        "a message in a dead-letter queue has no reason",
        QUEUES,
        "            MessageAttributes=_failed_reason(reason),\n",
        "",
        seed=8,
    ),
    Mutation(
        "a failed send is ignored",
        WEBHOOK,
        "    deps.downloads.send(encode(message), delay_seconds=delay)\n",
        "    try:\n"
        "        deps.downloads.send(encode(message), delay_seconds=delay)\n"
        "    except (BotoCoreError, ClientError):\n"
        "        pass\n",
        seed=55,
    ),
    Mutation(
        "reconcile ignores its baseline",
        RECONCILE,
        "        begin = timestamps.parse(baseline) if baseline else None\n",
        "        begin = None\n",
        seed=9,
    ),
    Mutation(
        "reconcile ignores recordings that are known but not ingested",
        "functions/ingester/reconcile/decisions.py",
        "    if not record.was_requested:\n        return False\n",
        "    return record.was_requested\n",
        seed=20,
    ),
    Mutation(
        "reconcile does nothing",
        RECONCILE,
        "            decision = self._request_if_missed(listed)\n",
        "            decision = Decision.KNOWN\n",
        seed=20,
    ),
    Mutation(
        "the ledger doesn't note the captions of an event",
        LEDGER,
        "captions={**ingest.captions, kind: captions})\n",
        "captions=ingest.captions)\n",
        profile="captions",
        seed=10,
    ),
    Mutation(
        "the captions of all recordings are staged under one key",
        CAPTIONS_STAGING,
        '        key = staging_key(number, start, 0, f"{JOINED}{kind}", digest, "vtt")\n',
        '        key = f"1/{len((number, start, digest)) and kind}.vtt"\n',
        profile="captions",
        seed=288,
    ),
    Mutation(
        "late captions don't wait for the end of the event's workflow",
        CAPTIONS_UPLOAD,
        "    if deps.opencast.has_active_workflow(media_package):\n"
        '        raise AskLater("A workflow of the event is running")\n',
        "    if deps.opencast.has_active_workflow(media_package):\n        return Done()\n",
        profile="captions",
        seed=41,
    ),
    Mutation(
        "the video waits for its captions",
        CAPTIONS_DOWNLOAD,
        "        deps.downloads.send(encode(later), delay_seconds=FIRST_WAIT_SECONDS)\n",
        '        raise AskLater(f"There are no captions of {later.uuid} yet")\n',
        profile="captions",
        seed=386,
    ),
    Mutation(
        "the cues of a segment aren't moved to where it lies in the video",
        "functions/ingester/captions/cues.py",
        "            begins=stretch.begins + cue.begins,\n",
        "            begins=cue.begins,\n",
        profile="captions",
        seed=10,
    ),
    Mutation(
        "an announced transcript is forgotten while its ingest is on its way",
        CAPTIONS_DOWNLOAD,
        '        raise AskLater("The recording isn\'t in Opencast yet")\n',
        "        return False\n",
        profile="captions",
        seed=41,
    ),
    Mutation(
        "the ledger doesn't note the chapters that went along with an ingest",
        CAPTIONS_UPLOAD,
        "        if track.kind not in SUMMARIES\n    }\n",
        '        if track.kind not in SUMMARIES | {"chapters"}\n    }\n',
        profile="captions",
        seed=14,
    ),
    Mutation(
        "the summaries of all segments are sent under one key",
        CAPTIONS_STAGING,
        "                tracks.append("
        "CaptionTrack(kind=kind, filename=result.key, file_ids=ids))\n",
        "                key = tracks[0].filename if tracks else result.key\n"
        "                tracks.append(CaptionTrack(kind=kind, filename=key, file_ids=ids))\n",
        profile="captions",
        seed=4,
    ),
    Mutation(
        "summaries that can't be staged are left out without a report",
        CAPTIONS_DOWNLOAD,
        "            note = SUMMARIES_UNKNOWN.format(*captions.waiting) "
        "if captions.waiting else UNSET\n",
        "",
        profile="captions",
        seed=49,
    ),
    Mutation(
        "the follow-up of an ingest never ends",
        FOLLOWING,
        '    if age >= LONGEST:\n        return ""\n',
        "",
    ),
    Mutation(
        "a workflow that failed is not told",
        FOLLOW,
        '        logger.error("%s %s", reason, page, extra=FAILED)\n',
        '        logger.warning("%s %s", reason, page, extra=FAILED)\n',
    ),
    Mutation(
        "an ingest is published by another event of the recording",
        FOLLOW,
        "        news = deps.opencast.news_of(media_package, ingest.workflow)\n",
        "        other = next(iter(record.ingests))\n"
        "        news = deps.opencast.news_of(other, record.ingests[other].workflow)\n",
        seed=37,
    ),
    Mutation(
        "an event that the index lacks for a moment counts as deleted",
        FOLLOWING,
        "        is_deleted = now - timestamps.parse(since) >= ABSENT\n",
        "        is_deleted = True\n",
        seed=28,
    ),
    Mutation(
        "staged files are given up before Opencast has them",
        UPLOADER,
        "    record = once.run(\n",
        "    _release(message, claim, deps)\n    record = once.run(\n",
    ),
    Mutation(
        "the visibility timeout is shorter than the work",
        "tests/simulation/cloud.py",
        "VISIBILITY = 960\n",
        "VISIBILITY = 20\n",
        seed=8,
    ),
)


def caught_by(mutation: Mutation, seed: int = 0) -> tuple[bool, str]:
    """Run worlds from `seed` on with a mutation. Return whether a world fails, and the output.

    Raises:
        ValueError: The replaced code doesn't occur exactly once.
        subprocess.TimeoutExpired: The worlds take longer than `SECONDS`.
    """
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder)
        for name in ("cdk", "functions", "tests/simulation"):
            shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
        (copy / "tests/__init__.py").touch()
        path = copy / mutation.file
        code = path.read_text()
        if code.count(mutation.old) != 1:
            raise ValueError(f"{mutation.name}: the code occurs {code.count(mutation.old)} times")
        path.write_text(code.replace(mutation.old, mutation.new))
        arguments = ["--first", "--worlds", str(MOST_WORLDS), "--seed", str(seed)]
        arguments += ["--profile", mutation.profile]
        done = subprocess.run(
            [sys.executable, "-m", "tests.simulation", *arguments],
            cwd=copy,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
    return done.returncode == 1 and done.stdout.startswith("World"), done.stdout + done.stderr


def main() -> int:
    """Run worlds with each mutation whose name contains the argument, or with all mutations.

    Print the result for each mutation. Return 1 if a mutation is missed, else 0.

    Raises:
        ValueError: The code that a mutation replaces doesn't occur exactly once.
        subprocess.TimeoutExpired: The worlds of a mutation take longer than `SECONDS`.
    """
    chosen = [
        mutation for mutation in MUTATIONS if not sys.argv[1:] or sys.argv[1] in mutation.name
    ]
    missed = 0
    with ThreadPoolExecutor(2) as executor:
        for mutation, (is_caught, printed) in zip(
            chosen, executor.map(caught_by, chosen), strict=True
        ):
            missed += not is_caught
            word = "caught" if is_caught else "MISSED"
            print(f"{word}  {mutation.name}: {printed.strip()[:150]}", flush=True)
    return int(bool(missed))


if __name__ == "__main__":
    sys.exit(main())
