"""Mails about faults. A mail names the failure, the recording if known, the outlook and the advice.

The most important facts come first, because people read mails on phones. Details come last. SNS
sends plain text, so nothing in a mail is markup. SNS documents its limits:
https://docs.aws.amazon.com/sns/latest/api/API_Publish.html
"""

from __future__ import annotations

import shlex
import unicodedata
from collections.abc import Iterable, Sequence
from datetime import datetime
from textwrap import indent
from urllib.parse import quote
from zoneinfo import ZoneInfo

import msgspec

from ingester import timestamps
from ingester.alerts.faults import Fault
from ingester.alerts.log_records import LogRecord
from ingester.log_level import Level
from ingester.pipeline.retry_policy import ZOOM_REPEATS
from ingester.pipeline.states import FAILED, State
from ingester.status.advice import phrases
from ingester.status.diagnosis import PATIENCE, diagnose
from ingester.status.row import StatusRow
from ingester.status.words import reason_with_code, series_words, state_with_code

SUBJECT_LIMIT = 99
"""Maximum number of characters in a subject. SNS requires fewer than 100:
https://docs.aws.amazon.com/sns/latest/api/API_Publish.html"""

BODY_LIMIT = 64 * 1024
"""Maximum number of bytes in a body. SNS accepts 256 KB, and bills each 64 KB as a message:
https://aws.amazon.com/sns/pricing/"""

RECORDS_SHOWN = 5
OTHERS_NAMED = 50
RECORD_TEXT_LIMIT = 6000
TEXT_LIMIT = 2000
INDENT = "    "
CUT = "\n[…] The rest is in the log."


class Mail(msgspec.Struct, frozen=True, kw_only=True):
    """The subject and the body of a mail. `fitted_to_sns` brings a mail within SNS's limits."""

    subject: str
    body: str


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """Log stream that the log records come from, and the stack of the log stream.

    `page` is the address of the stack's status page, "" if unknown.
    """

    stack: str
    region: str
    log_group: str
    log_stream: str
    page: str = ""


AFTER_CRASH = (
    "Its message returns to the queue after 16 minutes and is retried, unless this was its last "
    "attempt. Then it isn't retried automatically, and the message is kept 14 days."
)


class _About(msgspec.Struct, frozen=True):
    """Texts for mails about one function: its work, the outlook after a crash, and the advice."""

    work: str
    after_crash: str
    advice: str


_ABOUT = {
    "zoom-webhook": _About(
        "Webhook",
        f"The webhook event has to be sent again. {ZOOM_REPEATS}",
        "If the recording isn't in `invoke recordings` by then: `invoke exec.pipeline UUID`.",
    ),
    "zoom-on-demand": _About(
        "+Zoom request",
        "Nothing: whoever asked was told that it failed.",
        "Ask again, in Opencast or by `invoke exec.on-demand UUID`.",
    ),
    "zoom-downloader": _About(
        "Download",
        AFTER_CRASH,
        "If it happens again: `invoke queue.downloads` shows the message, `invoke recordings` the "
        "row.",
    ),
    "zoom-uploader": _About(
        "Upload",
        AFTER_CRASH,
        "If it happens again: `invoke queue.uploads` shows the message, `invoke recordings` the "
        "row.",
    ),
    "status-query": _About(
        "Status query",
        "Nothing is lost: whoever asked was told to ask again.",
        "Nothing, unless it happens again.",
    ),
    "slack": _About(
        "/zip",
        "Nothing is lost, but who typed it may have no answer.",
        "Nothing, unless it happens again.",
    ),
    "schedule-update": _About(
        "Schedule update",
        "Not retried automatically. Part of the schedule may be changed already.",
        "Send the sheet again: it brings the rest.",
    ),
    "zoom-reconcile": _About(
        "Reconcile",
        "It looks again when it is due next, also for what it missed now.",
        "If the message names something to fix, such as a scope: fix it, and see by "
        "`invoke exec.reconcile --dry-run` whether it is enough. Else nothing, unless it happens "
        "again.",
    ),
    "zoom-follow": _About(
        "Processing in Opencast",
        "Opencast is asked again within a minute.",
        "Look for the recording in Opencast.",
    ),
}
_OTHER = _About("", "Not known.", "See its log.")


def fault_mail(
    fault: Fault,
    row: StatusRow | None,
    source: Source,
    now: datetime,
    zone: ZoneInfo,
    *,
    is_readable: bool = True,
) -> Mail:
    """Write the mail about a fault.

    Args:
        fault: The fault.
        row: Status row of the ingest that the fault is about; None if the row is unknown.
        source: Log stream of the fault's log records.
        now: Current time.
        zone: Local time zone.
        is_readable: False if `row` is None because the row couldn't be read.
    """
    first = fault.first
    about = _ABOUT.get(fault.function, _OTHER)
    title = _title(fault, about)
    what = row.topic if row and row.topic else first.headline
    subject = f"[{source.stack}] {title}: {_one_line(what)}"
    expected, advice = _outlook(first, row, about, now)
    if first.uuid:
        advice = advice.replace("UUID", shlex.quote(_one_line(first.uuid)))
    paragraphs = [
        f"{title}: {_cause(first, row)[:TEXT_LIMIT]}",
        *_recording(first, row, zone, is_readable=is_readable),
        f"What happens next: {expected}",
        f"What to do: {advice}",
        "\n".join((*_page_link(first, row, source.page), f"Log: {log_link(source)}")),
        f"Log group {source.log_group}\nLog stream {source.log_stream}",
        *_details(fault.records),
    ]
    return Mail(subject=subject, body="\n\n".join(paragraphs))


def repeat_mail(mail: Mail, times: int, since: datetime, until: datetime, zone: ZoneInfo) -> Mail:
    """Write the mail about a fault that happened again after its last mail.

    Args:
        mail: Mail about the last occurrence.
        times: Number of occurrences since the last mail.
        since: Time of the last mail.
        until: Time of the last occurrence.
        zone: Local time zone.
    """
    more = f"{times} more {'time' if times == 1 else 'times'}"
    first, last = (moment.astimezone(zone).strftime("%H:%M") for moment in (since, until))
    return Mail(
        subject=f"({more}) {mail.subject}",
        body=f"This happened {more} since {first}, last at {last} ({zone}). The last one:\n\n"
        f"{mail.body}",
    )


def with_limit_note(mail: Mail) -> Mail:
    """Return the mail with a note that further failures are counted instead of mailed."""
    return Mail(
        subject=f"(many) {mail.subject}",
        body="Too many failures: from here on they are counted, not mailed one by one. "
        "`invoke recordings --failed` lists the recordings, `invoke logs.all --since 1h` shows "
        f"everything. The latest:\n\n{mail.body}",
    )


def combined_mail(mails: Sequence[Mail]) -> Mail:
    """Write one mail in place of `mails`, whose faults can't be counted.

    `mails` has at least one mail. The new mail has the first mail's text, and the subjects of
    `OTHERS_NAMED` other mails at most.
    """
    first, *others = mails
    if not others:
        return first
    count = f"{len(others)} other{'s' if len(others) > 1 else ''}"
    subjects = "\n".join(_one_line(mail.subject) for mail in others[:OTHERS_NAMED])
    return Mail(
        subject=f"(and {count}) {first.subject}",
        body="The table that counts faults can't be written, so these have one mail together. "
        f"Beside the one below:\n{subjects}\nThe log has everything.\n\n{first.body}",
    )


def fitted_to_sns(mail: Mail) -> Mail:
    """Return a mail that is shortened to SNS's limits, with its subject as one line of ASCII.

    Control characters in the body become spaces, except newlines and tabs.
    """
    plain = unicodedata.normalize("NFKD", _one_line(mail.subject))
    letters = "".join(letter for letter in plain if not unicodedata.combining(letter))
    subject = letters.encode("ascii", "replace").decode()
    if len(subject) > SUBJECT_LIMIT:
        subject = f"{subject[: SUBJECT_LIMIT - 3].rstrip()}..."
    body = "".join(map(_writable, mail.body))
    encoded = body.encode()
    if len(encoded) > BODY_LIMIT:
        kept = encoded[: BODY_LIMIT - len(CUT.encode())]
        body = kept.decode("utf-8", "ignore") + CUT
    return Mail(subject=subject or "?", body=body or "?")


def log_link(source: Source) -> str:
    """Return the log stream's address in CloudWatch's console.

    After the `#`, the console expects names that are encoded twice, with `$` instead of `%`.
    """
    group, stream = (
        quote(quote(name, safe=""), safe="").replace("%", "$")
        for name in (source.log_group, source.log_stream)
    )
    region = source.region
    domain = f"{region}.console.aws.amazon.com"
    if region.startswith("us-gov-"):
        domain = f"{region}.console.amazonaws-us-gov.com"
    elif region.startswith("cn-"):
        domain = f"{region}.console.amazonaws.cn"
    return (
        f"https://{domain}/cloudwatch/home?region={region}"
        f"#logsV2:log-groups/log-group/{group}/log-events/{stream}"
    )


def page_link(page: str, uuid: str, meeting_id: int = 0) -> str:
    """Return the address of a recording on the stack's status page, whose address is `page`.

    `meeting_id` is 0 if the meeting's number isn't known.
    """
    meeting = f"meeting={meeting_id}&" if meeting_id else ""
    return f"{page}#{meeting}recording={quote(uuid, safe='')}"


def _page_link(record: LogRecord, row: StatusRow | None, page: str) -> Iterable[str]:
    uuid = row.recording_id if row else record.uuid
    if page and uuid:
        yield f"Page: {page_link(page, uuid, row.meeting_id if row else 0)}"


def _cause(record: LogRecord, row: StatusRow | None) -> str:
    """Return a failure's cause: the row's reason if it explains the failure, else the headline."""
    ended = row is not None and row.state in FAILED | {State.OPENCAST_FAILED}
    if row and ended and row.reason and not record.crash and not record.goes_on:
        return _one_line(reason_with_code(row))
    return _one_line(record.headline)


def _title(fault: Fault, about: _About) -> str:
    work = about.work or fault.function
    if fault.first.crash:
        return f"{work} {fault.first.crash}"
    if fault.first.goes_on:
        return f"{work} went on, with an error"
    if fault.first.level >= Level.ERROR:
        return f"{work} failed"
    return f"{work}, {fault.first.level.name.lower()}"


def _recording(
    record: LogRecord, row: StatusRow | None, zone: ZoneInfo, *, is_readable: bool
) -> Iterable[str]:
    if row is None:
        if record.uuid:
            lack = "isn't there" if is_readable else "couldn't be read just now"
            yield f"Recording: {_one_line(record.uuid)} (its row {lack})"
        return
    try:
        start = timestamps.parse(row.start_time).astimezone(zone).strftime("%Y-%m-%d %H:%M")
    except (ValueError, OverflowError):
        start = _one_line(row.start_time)
    course = f"Course: {_one_line(row.course)}\n" if row.course else ""
    series = f"Series: {_one_line(series_words(row))[:TEXT_LIMIT]}\n" if row.oc_series_id else ""
    yield (
        f"Recording: {_one_line(row.topic)[:TEXT_LIMIT]}\n{course}{series}"
        f"Began {start} ({zone}), meeting {row.meeting_id}, uuid {_one_line(row.recording_id)}"
    )
    if row.state:
        reason = f": {_one_line(reason_with_code(row))}" if row.reason else ""
        yield f"State: {state_with_code(row.state)}{reason}"


def _outlook(
    record: LogRecord, row: StatusRow | None, about: _About, now: datetime
) -> tuple[str, str]:
    """Return the outlook (the next automatic step), and the advice for a person."""
    if record.crash:
        return about.after_crash, about.advice
    if record.goes_on:
        return record.outlook, record.advice or "Nothing, unless it happens again."
    if row is None:
        return record.outlook or "Not known.", about.advice
    # log-notifications reads only this row, so it doesn't know the recording's other ingests.
    diagnosis = diagnose(row, (), now, PATIENCE)
    said = phrases(row, diagnosis)
    if record.outlook and not diagnosis.will_retry:
        return record.outlook, said.operator or about.advice
    return said.mail_outlook, said.mail_advice or said.operator


def _details(records: tuple[LogRecord, ...]) -> Iterable[str]:
    if len(records) > 1:
        first = f", the first {RECORDS_SHOWN}" if len(records) > RECORDS_SHOWN else ""
        yield f"{len(records)} records are about it{first}:"
    for record in records[:RECORDS_SHOWN]:
        where = " ".join(filter(None, (record.timestamp, record.level.name, record.location)))
        ids = " ".join(
            f"{name} {_one_line(value)}"
            for name, value in (
                ("zip_id", record.zip_id),
                ("uuid", record.uuid),
                ("request", record.request_id),
            )
            if value
        )
        texts = (record.message[:RECORD_TEXT_LIMIT], record.exception[-RECORD_TEXT_LIMIT:])
        # Indent each line, so that foreign text can't look like a paragraph of the mail.
        quoted = (indent(text, INDENT, lambda _line: True) for text in texts)
        yield "\n".join(filter(None, (where, ids, *quoted)))


def _one_line(text: str) -> str:
    """Return foreign text on one line, without control characters."""
    return " ".join("".join(map(_visible, text)).split())


def _visible(letter: str) -> str:
    return " " if unicodedata.category(letter) in {"Cc", "Cf", "Cs", "Zl", "Zp"} else letter


def _writable(letter: str) -> str:
    return letter if letter in "\n\t" else _visible(letter)
