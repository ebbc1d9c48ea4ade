"""The errors of this system, as one tree of types.

    IngesterError
    ├── SettingsError            a setting or secret is missing or malformed: deploy again
    ├── RequestError             an HTTP request can't be accepted; has the answer's status code
    │   ├── BadRequest           400
    │   │   └── UnusableSheet    422, a sheet or meeting that can't be imported
    │   ├── Unauthorized         401
    │   │   └── WrongSignature   no known secret fits; for Slack, also a wrong timestamp or body
    │   ├── Forbidden            403
    │   ├── NotFound             404
    │   ├── UpdateRunning        409
    │   ├── NothingToImport      422
    │   ├── NotSetUp             503, until the settings are complete
    │   └── NotReady             503
    ├── MessageError             a queue message or an event of CloudWatch Logs can't be read
    ├── PermanentFailure         no retry can help: dead-letter queue, a person has to act
    │   ├── FileUnavailable      a recording or file can't be fetched from Zoom
    │   │   ├── FileRefused      401, 403, 404 or 410 to a download, or a malformed token
    │   │   │   └── FileNotThere   the answer was 404 or 410 (also a FileGone)
    │   │   ├── FileGone         Zoom doesn't know a recording or file, or provides no video
    │   │   │   └── NotAFile     Zoom answered a download with a page
    │   │   └── EmptyFile        Zoom provides a file without bytes
    │   ├── FileTooLarge         a file has more bytes than the pipeline accepts for its kind
    │   ├── UnusableVideo        a copied video can't be checked
    │   ├── UnusableCaptions     a file of captions can't be used
    │   ├── NoPresenter          the recording has no video to publish or archive
    │   ├── UnknownSeries        Opencast doesn't have the series
    │   ├── StagedFileLost       a staged file is missing or was replaced
    │   ├── LedgerUnreadable     the ledger's record or reconcile's state is malformed
    │   ├── CopyTooLong          a copy hasn't ended after a day
    │   ├── AttemptsExhausted    the last attempt to process a message broke off
    │   └── UnexpectedFailure    an error of no known type, at a message's last attempt
    ├── RetryableFailure         a retry may help: the message comes back after a backoff
    │   ├── ZoomUnreachable      no connection, a malformed answer, 429 or 5xx
    │   │   └── ZoomBusy         503, or 429 of a host that isn't Zoom's: send fewer requests
    │   │       └── ZoomThrottles   Zoom's own 429: all downloads pause
    │   ├── ZoomRefused          Zoom's API refused a request, or access isn't configured
    │   ├── TransferFailed       a transfer didn't bring the complete and correct file
    │   ├── SourceChanged        a file at Zoom changed while it was copied
    │   ├── CopyStuck            several invocations in a row added nothing to a copy
    │   ├── UploadGone           S3 doesn't have the multipart upload any more
    │   ├── OpencastUnreachable  no connection, a malformed answer, or an unexpected status
    │   │   ├── IngestNotSent    a POST to Opencast never arrived
    │   │   ├── IngestOutcomeUnknown   a POST to Opencast whose outcome is unknown
    │   │   └── IngestBroken     Opencast answered a POST with 500
    │   ├── OpencastRefused      Opencast refused a request, such as for our user's role
    │   │   └── IngestRefused    Opencast refused a POST
    │   ├── SlackUnreachable     no connection, a malformed answer, 429 or 5xx
    │   ├── SlackRefused         Slack refused a request, such as for a wrong token
    │   ├── LedgerBusy           other processes change the ledger's record concurrently
    │   ├── ScheduleUnreadable   the schedule's row of a meeting is malformed
    │   ├── SheetsUnreachable    no connection, 429, 5xx, or a malformed answer
    │   │   └── SheetsTimedOut   Google didn't answer before the deadline
    │   ├── SheetsRefused        Google refused the request, or the sheet is too large
    │   │   └── GoogleKeyRefused   the key is missing or unusable, or key or token is refused
    │   ├── WebhookUnreachable   no connection to our own webhook endpoint, or 5xx
    │   └── AwsFailed            a call to AWS failed: a grant, a limit, an outage
    │       └── SlowDown         S3 answered 5xx, or that a request was too slow
    ├── WebhookFailed            our own webhook endpoint didn't accept a request
    │   └── KeyRefused           our signing key is stale
    ├── Forgotten                no failure: an operator had the recording forgotten
    ├── OutOfTime                no failure: the copy continues in the next invocation
    └── AskLater                 no failure: the work can't be finished now

An error that carries data of one module is defined in that module. An error's text tells the
operator what happened, to what, and what to do if a person has to act. The status row and the log
show this text, so it never contains a token, a password or a presigned URL.
"""

from __future__ import annotations

UNREADABLE_JSON = (ValueError, RecursionError)
"""Errors of `msgspec.json.decode` for a foreign text: not JSON, of another type, not UTF-8, or too
deep."""


class IngesterError(Exception):
    """An error whose text explains the error to the operator."""


class SettingsError(IngesterError):
    """A setting or secret that is missing or malformed."""


class RequestError(IngesterError):
    """A refusal of an HTTP request. `status` is the answer's status code."""

    status = 400


class BadRequest(RequestError):
    """A refusal of a request that is wrong, or that can't be carried out."""


class UnusableSheet(BadRequest):
    """A refusal of all sheets, because one sheet can't be used or a meeting is too large."""

    status = 422


class Unauthorized(RequestError):
    """A refusal of a request without a valid signature or token."""

    status = 401


class WrongSignature(Unauthorized):
    """A signature that fits no known secret, or a wrong timestamp or body of a request from Slack.

    A secret may have been rotated since it was read.
    """


class Forbidden(RequestError):
    """A refusal of a request that its sender may not make."""

    status = 403


class NotFound(RequestError):
    """A refusal, because the request names no recording that the function may ingest."""

    status = 404


class UpdateRunning(RequestError):
    """A refusal, because another process is updating the schedule."""

    status = 409


class NothingToImport(RequestError):
    """A refusal of a schedule without a usable row."""

    status = 422


class NotSetUp(RequestError):
    """A refusal by a function that does nothing, because its settings are incomplete."""

    status = 503


class NotReady(RequestError):
    """A refusal of a request that can't be carried out now. The caller may retry."""

    status = 503


class MessageError(IngesterError):
    """A queue message, or an event of CloudWatch Logs, that can't be read."""


class PermanentFailure(IngesterError):
    """A failure that no retry can fix. A person has to act."""


class FileUnavailable(PermanentFailure):
    """A recording or file that can't be fetched from Zoom, such as a file without bytes."""


class FileRefused(FileUnavailable):
    """A download that Zoom answered with 401, 403, 404 or 410, or whose token no header can have.

    A fresh token may help once.
    """


class FileGone(FileUnavailable):
    """A recording or file that Zoom no longer has, or a recording without a video from Zoom."""


class FileNotThere(FileRefused, FileGone):
    """A download that Zoom answered with 404 or 410."""


class NotAFile(FileGone):
    """An HTML page from Zoom instead of a file, which is deleted or needs another token."""


class EmptyFile(FileUnavailable):
    """A file without bytes at Zoom."""


class FileTooLarge(PermanentFailure):
    """A file with more bytes than the pipeline accepts for the file's kind."""


class UnusableVideo(PermanentFailure):
    """A complete copy of a video that can't be checked, for example because a check crashes."""

    @classmethod
    def of(cls, name: str, reason: str) -> UnusableVideo:
        """Return the error for the file `name`. `reason` says why the file can't be checked."""
        return cls(f"{name} is refused: {reason}. If it plays in Zoom, add it in Opencast.")


class UnusableCaptions(PermanentFailure):
    """A file of captions that can't be used.

    The error's text ends the sentence "The … is left out: …".
    """


class NoPresenter(PermanentFailure):
    """A recording without a video to publish or archive."""


class UnknownSeries(PermanentFailure):
    """A series that Opencast doesn't have."""


class StagedFileLost(PermanentFailure):
    """A staged file that is missing in S3, or that another file has replaced."""


class LedgerUnreadable(PermanentFailure):
    """A malformed record in the ledger, or a malformed state of reconcile in the same table."""


class CopyTooLong(PermanentFailure):
    """A copy that hasn't ended after a day of invocations."""


class AttemptsExhausted(PermanentFailure):
    """A message whose last allowed attempt has broken off, and so had no outcome."""

    @classmethod
    def of(cls, limit: int) -> AttemptsExhausted:
        """Return the error for a message that was attempted `limit` times."""
        return cls(
            f"The last of {limit} attempts broke off: the function ran out of time or "
            "memory, or SQS failed. The log has the attempts."
        )


class UnexpectedFailure(PermanentFailure):
    """An error of no known type, at a message's last attempt. The log has the traceback."""

    @classmethod
    def of(cls, error: Exception) -> UnexpectedFailure:
        """Return the error for an exception, whose own text isn't meant for the status row."""
        return cls(f"An error that was not foreseen ({type(error).__name__}): see the log.")


class RetryableFailure(IngesterError):
    """A failure that may go away, so that a retry may help."""


class ZoomUnreachable(RetryableFailure):
    """A failure to reach Zoom, a malformed answer, or an answer that Zoom is busy or broken.

    `retry_after` is the number of seconds that Zoom asked us to wait; None without a number.
    """

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class ZoomBusy(ZoomUnreachable):
    """An answer that Zoom or a download host is overloaded, or gets too many requests."""


class ZoomThrottles(ZoomBusy):
    """Zoom's own answer 429: we send too many requests. The downloader pauses all downloads."""


class ZoomRefused(RetryableFailure):
    """A request that Zoom's API refused, or access to the API that isn't configured.

    An operator can usually fix the cause: credentials, a scope or a setting.
    """


class TransferFailed(RetryableFailure):
    """A transfer that didn't bring the complete and correct file."""


class SourceChanged(RetryableFailure):
    """A file at Zoom that changed while it was copied."""


class CopyStuck(RetryableFailure):
    """A copy to which several invocations in a row added nothing."""


class UploadGone(RetryableFailure):
    """A multipart upload that S3 doesn't have any more, such as after another process ended it."""


class OpencastUnreachable(RetryableFailure):
    """A failure to reach Opencast, a malformed answer, or an unexpected status such as 5xx."""


class IngestNotSent(OpencastUnreachable):
    """A POST for which Opencast accepted no connection, so the POST created nothing."""


class IngestOutcomeUnknown(OpencastUnreachable):
    """A POST whose outcome is unknown: Opencast's answer never came, or is malformed."""


class IngestBroken(OpencastUnreachable):
    """A POST that Opencast itself answered with 500."""


class OpencastRefused(RetryableFailure):
    """A request that Opencast refused, most often because of our user's password or roles."""


class IngestRefused(OpencastRefused):
    """A POST that Opencast refused with a status below 500, so the POST created nothing."""


class SlackUnreachable(RetryableFailure):
    """A failure to reach Slack, a malformed answer, or an answer that Slack is busy or broken.

    `retry_after` is the number of seconds that Slack asked us to wait; None without a number.
    """

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class SlackRefused(RetryableFailure):
    """A request that Slack refused, such as for a wrong token or an expired address."""


class LedgerBusy(RetryableFailure):
    """A record in the ledger, or reconcile's state, that other processes change concurrently."""


class ScheduleUnreadable(RetryableFailure):
    """A malformed row of the schedule. An operator can fix the row."""


class SheetsUnreachable(RetryableFailure):
    """A failure to reach Google, or a malformed answer or a 429 or 5xx from Google.

    `retry_after` is the number of seconds that Google asked us to wait; None without a number.
    """

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class SheetsTimedOut(SheetsUnreachable):
    """A request that Google didn't answer before the deadline."""


class SheetsRefused(RetryableFailure):
    """A sheet that Google refused to provide, or that is too large. A person has to act."""


class GoogleKeyRefused(SheetsRefused):
    """A missing or unusable key, or a refused key or token. SSM may have a newer key."""


class Forgotten(IngesterError):
    """A message that is dropped, because an operator had the message's recording forgotten."""


class OutOfTime(IngesterError):
    """The end of an invocation's time during a copy. The copied parts are kept.

    `stored` of `total` bytes are in S3. `total` is None if Zoom doesn't state the size of a file.
    """

    def __init__(self, stored: int, total: int | None) -> None:
        of = "" if total is None else f" of {total / 1e6:,.0f}"
        super().__init__(f"{stored / 1e6:,.0f}{of} MB are copied; the next invocation goes on.")
        self.stored = stored
        self.total = total


class AskLater(IngesterError):
    """Work that can't be finished now. The caller has to ask again later."""


class WebhookUnreachable(RetryableFailure):
    """A failure to reach our own webhook endpoint, or its answer 5xx."""


class WebhookFailed(IngesterError):
    """A request that our own webhook endpoint didn't accept."""


class KeyRefused(WebhookFailed):
    """A refusal of our signing key by our webhook endpoint. The key may have been rotated."""


class AwsFailed(RetryableFailure):
    """A call to AWS that failed."""

    @classmethod
    def of(cls, error: Exception) -> AwsFailed:
        """Return the error for a botocore error, with botocore's operation and code only."""
        # botocore's connection errors have a `response` too, which is None.
        response = getattr(error, "response", None) or {}
        code = response.get("Error", {}).get("Code") or type(error).__name__
        operation = getattr(error, "operation_name", "a call")
        return cls(f"AWS failed: {operation} answered {code}.")


class SlowDown(AwsFailed):
    """A 5xx of S3, or S3's answer that a request was too slow. Send fewer requests."""
