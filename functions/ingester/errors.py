"""The errors of this system, as one tree of types.

    IngesterError
    ├── SettingsError            a setting is missing or malformed: deploy again
    ├── RequestError             an HTTP request can't be accepted; has the answer's status code
    │   ├── BadRequest           400
    │   │   └── UnusableSheet    422, a sheet without a sound header or a usable row
    │   ├── Unauthorized         401
    │   │   └── WrongSignature   none of the known secrets made the signature
    │   ├── Forbidden            403
    │   ├── NotFound             404
    │   ├── UpdateRunning        409
    │   ├── NothingToImport      422
    │   ├── NotSetUp             503, until the settings are complete
    │   └── NotReady             503
    ├── MessageError             a queue message can't be read: dead-letter queue
    ├── PermanentFailure         no retry can help: dead-letter queue, a person has to act
    │   ├── FileUnavailable      Zoom doesn't provide a file
    │   │   ├── FileRefused      Zoom answered 401, 403, 404 or 410 to a download
    │   │   │   └── FileNotThere   it was 404 or 410 (it is a FileGone too)
    │   │   ├── FileGone         Zoom doesn't know the file any more
    │   │   │   └── NotAFile     Zoom answered a download with a page
    │   │   └── EmptyFile        Zoom provides a file without bytes
    │   ├── UnusableVideo        a copied video can't be checked within limits
    │   ├── UnusableCaptions     a file of captions can't be read
    │   ├── NoPresenter          no view of the recording can be the presenter
    │   ├── UnknownSeries        Opencast doesn't have the series
    │   ├── StagedFileLost       a staged file is missing or was replaced
    │   ├── LedgerUnreadable     the ledger's record of the recording is malformed
    │   ├── CopyEndless          a copy hasn't ended after a day
    │   ├── TooManyFailures      a retryable failure happened too often
    │   └── Unforeseen           an error of no known type, at a message's last attempt
    ├── RetryableFailure         a retry may help: the message comes back after a backoff
    │   ├── ZoomUnreachable      no connection, a timeout, 429 or 5xx
    │   │   └── ZoomBusy         503: retry later, with fewer requests
    │   │       └── ZoomThrottles   429: all downloads pause
    │   ├── ZoomRefused          Zoom's API refused our credentials or scopes
    │   ├── TransferFailed       the bytes of a file didn't arrive completely
    │   ├── SourceChanged        a file at Zoom changed while it was copied
    │   ├── CopyStuck            several invocations in a row added nothing to a copy
    │   ├── UploadGone           S3 doesn't have the multipart upload any more
    │   ├── OpencastUnreachable  no connection, a timeout, or a malformed answer
    │   │   ├── IngestNotSent    a POST to Opencast never arrived
    │   │   ├── IngestUncertain  a POST to Opencast whose outcome is unknown
    │   │   └── IngestBroken     Opencast answered a POST with 500
    │   ├── OpencastRefused      Opencast refused our user: password or role
    │   │   └── IngestRefused    Opencast answered a POST with 4xx
    │   ├── SlackUnreachable     no connection, a timeout, 429 or 5xx
    │   ├── SlackRefused         Slack refused our token or scopes, or an address has expired
    │   ├── LedgerBusy           other processes keep changing the ledger's record
    │   ├── ScheduleUnreadable   the schedule's row of a meeting is malformed
    │   ├── SheetsUnreachable    no connection, 429, 5xx, or a malformed answer
    │   │   └── SheetsTimedOut   Google didn't answer before the deadline
    │   ├── SheetsRefused        Google refused the key, the sharing or a tab's name
    │   │   └── GoogleKeyRefused the key
    │   ├── WebhookUnreachable   no connection to our own webhook endpoint
    │   └── AwsFailed            a call to AWS failed: a grant, a limit, an outage
    │       └── SlowDown         S3 answered 503, or that a request was too slow
    ├── WebhookFailed            our own webhook endpoint refused a request
    │   └── KeyRefused           our signing key is stale
    ├── Forgotten                no failure: an operator had the recording forgotten
    ├── OutOfTime                no failure: the copy continues in the next invocation
    └── AskLater                 no failure: something isn't finished yet

An error with data of a module's own stands in that module. The text of each error is a sentence for
the operator: what happened, to what, and what to do. It goes into the status row and the log, so it
never contains a token, a password or a presigned URL.
"""

from __future__ import annotations


class IngesterError(Exception):
    """An error whose text explains it to the operator."""


class SettingsError(IngesterError):
    """A setting is missing or malformed."""


class RequestError(IngesterError):
    """An HTTP request can't be accepted. `status` is the answer's status code."""

    status = 400


class BadRequest(RequestError):
    """The request is wrong, and sending it again can't help."""


class UnusableSheet(BadRequest):
    """A sheet has no sound header or no usable row. No sheet of the request is imported."""

    status = 422


class Unauthorized(RequestError):
    """The signature or the token is missing, wrong or too old."""

    status = 401


class WrongSignature(Unauthorized):
    """None of the known secrets made the signature. A secret may have been rotated since."""


class Forbidden(RequestError):
    """The sender may not make this request."""

    status = 403


class NotFound(RequestError):
    """The requested thing doesn't exist."""

    status = 404


class UpdateRunning(RequestError):
    """Another process is updating the schedule."""

    status = 409


class NothingToImport(RequestError):
    """A schedule has no usable row."""

    status = 422


class NotSetUp(RequestError):
    """The settings of a function are incomplete, so it does nothing."""

    status = 503


class NotReady(RequestError):
    """The request can't be accepted yet. The caller may retry."""

    status = 503


class MessageError(IngesterError):
    """A queue message can't be read."""


class PermanentFailure(IngesterError):
    """A failure that no retry can mend. A person has to act."""


class FileUnavailable(PermanentFailure):
    """Zoom doesn't provide a file: it is deleted, not accessible, or no recording at all."""


class FileRefused(FileUnavailable):
    """Zoom answered a download with 401, 403, 404 or 410. A fresh token may help once."""


class FileGone(FileUnavailable):
    """Zoom doesn't know a recording or a file any more, for example because it is in the trash."""


class FileNotThere(FileRefused, FileGone):
    """Zoom answered a download with 404 or 410."""


class NotAFile(FileGone):
    """Zoom answered a download with an HTML page: the file is deleted, or the token is refused."""


class EmptyFile(FileUnavailable):
    """Zoom provides a file without bytes."""


class UnusableVideo(PermanentFailure):
    """A complete copy of a video can't be checked within the limits of memory, time and reads."""

    @classmethod
    def of(cls, name: str, reason: str) -> UnusableVideo:
        """Make the error for the file `name`."""
        return cls(f"{name} is refused: {reason}. If it plays in Zoom, add it in Opencast.")


class UnusableCaptions(PermanentFailure):
    """A file of captions can't be read. The text ends the sentence "it is left out: …"."""


class NoPresenter(PermanentFailure):
    """No view of a recording can be published as the presenter."""


class UnknownSeries(PermanentFailure):
    """Opencast doesn't have the series."""


class StagedFileLost(PermanentFailure):
    """A staged file is missing in S3, or was replaced by another one."""


class LedgerUnreadable(PermanentFailure):
    """The ledger's record of a recording is malformed. A retry could ingest the recording twice."""


class CopyEndless(PermanentFailure):
    """A copy hasn't ended after a day of invocations."""


class TooManyFailures(PermanentFailure):
    """A retryable failure happened as often as the retry policy allows."""


class AttemptsSpent(PermanentFailure):
    """A message was received as often as its function works on it, and none of that ended it."""

    @classmethod
    def of(cls, limit: int) -> AttemptsSpent:
        """Make the error for a message on which a function works `limit` times."""
        return cls(
            f"None of {limit} attempts could tell how it ended: the function ran out of time or "
            "memory, or SQS failed. The log has the attempts."
        )


class Unforeseen(PermanentFailure):
    """An error of no known type, at a message's last attempt. The log has its traceback."""

    @classmethod
    def of(cls, error: Exception) -> Unforeseen:
        """Make the error for a cause whose own text isn't meant for the status row."""
        return cls(f"An error that was not foreseen ({type(error).__name__}): see the log.")


class RetryableFailure(IngesterError):
    """A failure that may go away. A retry may help."""


class ZoomUnreachable(RetryableFailure):
    """Zoom couldn't be reached, or answered that it is busy or broken.

    `retry_after` are the seconds that Zoom asked us to wait, None if it didn't.
    """

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class ZoomBusy(ZoomUnreachable):
    """Zoom is overloaded, or we send too many requests."""


class ZoomThrottles(ZoomBusy):
    """Zoom has answered 429: we send too many requests. All downloads pause."""


class ZoomRefused(RetryableFailure):
    """Zoom's API refused our credentials, or the app lacks a scope. An operator can mend that."""


class TransferFailed(RetryableFailure):
    """The bytes of a file didn't arrive completely."""


class SourceChanged(RetryableFailure):
    """A file at Zoom changed while it was copied."""


class CopyStuck(RetryableFailure):
    """Several invocations in a row added nothing to a copy."""


class UploadGone(RetryableFailure):
    """S3 doesn't have the multipart upload any more: another process ended it."""


class OpencastUnreachable(RetryableFailure):
    """Opencast couldn't be reached, or its answer is malformed."""


class IngestNotSent(OpencastUnreachable):
    """Opencast accepted no connection for the POST, so the POST created nothing."""


class IngestUncertain(OpencastUnreachable):
    """Opencast's answer to the POST never came, so the outcome is unknown."""


class IngestBroken(OpencastUnreachable):
    """Opencast itself answered the POST with 500. Only Opencast knows whether the event exists."""


class OpencastRefused(RetryableFailure):
    """Opencast refused our user. An operator can mend that."""


class IngestRefused(OpencastRefused):
    """Opencast answered the POST with 4xx, so the POST created nothing."""


class SlackUnreachable(RetryableFailure):
    """Slack couldn't be reached, or answered that it is busy or broken.

    `retry_after` are the seconds that Slack asked us to wait, None if it didn't.
    """

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class SlackRefused(RetryableFailure):
    """Slack refused our token, the app lacks a scope, or a message came too late."""


class LedgerBusy(RetryableFailure):
    """Other processes keep changing the ledger's record of a recording."""


class ScheduleUnreadable(RetryableFailure):
    """The schedule's row of a meeting is malformed. An operator can mend that."""


class SheetsUnreachable(RetryableFailure):
    """Google couldn't be reached, is busy or broken, or its answer is malformed.

    `retry_after` are the seconds that Google asked us to wait, None if it didn't.
    """

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class SheetsTimedOut(SheetsUnreachable):
    """Google didn't answer before the deadline."""


class SheetsRefused(RetryableFailure):
    """Google refused to provide the sheet. The owner of the key or the sheet can mend that."""


class GoogleKeyRefused(SheetsRefused):
    """The key is missing, malformed or refused by Google. A newer one may have been saved since."""


class Forgotten(IngesterError):
    """An operator had the recording forgotten, so its message is dropped."""


class OutOfTime(IngesterError):
    """The invocation's time is nearly over. The parts that were copied are kept.

    `stored` of `total` bytes are in S3. `total` is None if Zoom doesn't tell the size of a file.
    """

    def __init__(self, stored: int, total: int | None) -> None:
        of = "" if total is None else f" of {total / 1e6:,.0f}"
        super().__init__(f"{stored / 1e6:,.0f}{of} MB are copied; the next invocation goes on.")
        self.stored = stored
        self.total = total


class AskLater(IngesterError):
    """Something isn't finished yet. The caller has to ask again later."""


class WebhookUnreachable(RetryableFailure):
    """Our own webhook endpoint couldn't be reached."""


class WebhookFailed(IngesterError):
    """Our own webhook endpoint refused a request."""


class KeyRefused(WebhookFailed):
    """The webhook endpoint has another signing key: ours may have been rotated since."""


class AwsFailed(RetryableFailure):
    """A call to AWS failed."""

    @classmethod
    def of(cls, error: Exception) -> AwsFailed:
        """Make the error for one of botocore, with its operation and code but not its long text."""
        # botocore's connection errors have a `response` too, which is None.
        response = getattr(error, "response", None) or {}
        code = response.get("Error", {}).get("Code") or type(error).__name__
        operation = getattr(error, "operation_name", "a call")
        return cls(f"AWS failed: {operation} answered {code}.")


class SlowDown(AwsFailed):
    """S3 is overloaded: retry later, with fewer requests."""
