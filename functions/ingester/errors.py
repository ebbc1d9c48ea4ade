"""Everything that can go wrong, as types.

    IngesterError
    ├── SettingsError            a setting is missing or makes no sense: deploy again
    ├── RequestError             the caller's request can't be taken; carries the HTTP status
    │   ├── BadRequest           400
    │   │   └── UnusableSheet    422, nothing of a sheet can be trusted
    │   ├── Unauthorized         401
    │   │   └── WrongSignature   under none of the secrets that are known
    │   ├── NotFound             404
    │   ├── UpdateRunning        409
    │   ├── NothingToImport      422
    │   ├── NotSetUp             503, until the settings say more
    │   └── NotReady             503
    ├── MessageError             a queue message can't be read: dead-letter queue
    ├── PermanentFailure         trying again won't help: dead-letter queue, a person looks
    │   ├── FileUnavailable      Zoom has no such file (any more), or not for us
    │   │   └── FileGone         it says that it has none
    │   ├── NoPresenter          none of the views can be the main one
    │   ├── UnknownSeries        Opencast has no such series
    │   ├── StagedFileLost       a staged file is gone, or another one has its place
    │   ├── LedgerUnreadable     the ledger's record of the recording makes no sense
    │   ├── CopyEndless          a copy has gone on for a day
    │   ├── TooManyFailures      retryable, but it happened too often
    │   └── Unforeseen           none of these, until a message's last try
    ├── RetryableFailure         may pass by itself: the message comes back
    │   ├── ZoomUnreachable      no connection, a time-out, 429 or 5xx
    │   │   └── ZoomBusy         429 or 503: later, and less at once
    │   ├── ZoomRefused          Zoom's API said no: credentials, scopes
    │   ├── TransferFailed       a file's bytes did not arrive whole
    │   ├── SourceChanged        a file became another one while it was copied
    │   ├── CopyStuck            several invocations in a row added nothing to a copy
    │   ├── UploadGone           S3 knows an upload no more: somebody else ended it
    │   ├── OpencastUnreachable  no connection, a time-out, or an answer that makes no sense
    │   ├── OpencastRefused      a credential or role is missing
    │   ├── SlackUnreachable     no connection, a time-out, 429 or 5xx
    │   ├── SlackRefused         Slack said no: token, scopes, an address that has expired
    │   ├── LedgerBusy           other processes keep changing the ledger's record
    │   ├── ScheduleUnreadable   the schedule's row of a meeting makes no sense
    │   ├── SheetsUnreachable    no connection, 429, 5xx, or an answer that makes no sense
    │   │   └── SheetsTimedOut   Google took too long
    │   ├── SheetsRefused        Google said no: the key, the sharing, a tab's name
    │   │   └── GoogleKeyRefused the key itself
    │   ├── WebhookUnreachable   our own webhook endpoint doesn't answer
    │   └── AwsFailed            a call to AWS failed: a grant, a limit, an outage
    │       └── SlowDown         S3 answered 503, or that a request was too slow
    ├── WebhookFailed            our own webhook endpoint refused a request
    │   └── KeyRefused           it knows another signing key than ours
    ├── OutOfTime                not a failure: the next invocation goes on with the copy
    └── AskLater                 not a failure: something isn't finished yet

The text of each is a sentence for the operator: what happened, to what, and what to do. It goes
into the status row and the log, so no token, password or presigned URL may be part of it.
"""

from __future__ import annotations


class IngesterError(Exception):
    """The root: anything that this system knows how to explain."""


class SettingsError(IngesterError):
    """A setting is missing or makes no sense."""


class RequestError(IngesterError):
    """An HTTP request that can't be taken. `status` is the answer's status code."""

    status = 400


class BadRequest(RequestError):
    """What was sent will never be right."""


class UnusableSheet(BadRequest):
    """A sheet with a column missing, or without any: none of it is imported, nor the others."""

    status = 422


class Unauthorized(RequestError):
    """The signature or the token is missing, wrong or too old."""

    status = 401


class WrongSignature(Unauthorized):
    """None of the known secrets made the signature: one may have been rotated since."""


class NotFound(RequestError):
    """What was asked for isn't there."""

    status = 404


class UpdateRunning(RequestError):
    """The schedule is just being updated."""

    status = 409


class NothingToImport(RequestError):
    """A schedule without a single usable row."""

    status = 422


class NotSetUp(RequestError):
    """A function's own settings aren't given, so it does nothing."""

    status = 503


class NotReady(RequestError):
    """It will be right later: the caller may try again."""

    status = 503


class MessageError(IngesterError):
    """A queue message that can't be read."""


class PermanentFailure(IngesterError):
    """Trying again won't help."""


class FileUnavailable(PermanentFailure):
    """Zoom doesn't hand out a file: deleted, not authorized, or not a recording at all."""


class FileGone(FileUnavailable):
    """Zoom doesn't know a recording or a file any more, as when it was moved to the trash."""


class NoPresenter(PermanentFailure):
    """None of a recording's views can be published as the presenter."""


class UnknownSeries(PermanentFailure):
    """Opencast has no series of this id."""


class StagedFileLost(PermanentFailure):
    """A file that was staged is gone from S3, or another one has its place."""


class LedgerUnreadable(PermanentFailure):
    """The ledger's record of a recording makes no sense: sent anew, it may be there twice."""


class CopyEndless(PermanentFailure):
    """A copy has gone on from invocation to invocation for a day."""


class TooManyFailures(PermanentFailure):
    """A retryable failure happened as often as it may."""


class Unforeseen(PermanentFailure):
    """An error that nobody has thought of, in a message's last try. Its cause is in the log."""

    @classmethod
    def of(cls, error: Exception) -> Unforeseen:
        """From the error, whose text isn't meant for a row."""
        return cls(f"An error that was not foreseen ({type(error).__name__}): see the log.")


class RetryableFailure(IngesterError):
    """May pass by itself."""


class ZoomUnreachable(RetryableFailure):
    """Zoom couldn't be reached, or answered that it is busy or broken.

    `retry_after` is what Zoom asked us to wait, in seconds, if it did.
    """

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class ZoomBusy(ZoomUnreachable):
    """Zoom has too much to do, or we ask for too much."""


class ZoomRefused(RetryableFailure):
    """Zoom's API refused our credentials or the app lacks a scope: an operator can mend that."""


class TransferFailed(RetryableFailure):
    """A file's bytes did not arrive whole."""


class SourceChanged(RetryableFailure):
    """The file at Zoom became another one while it was copied."""


class CopyStuck(RetryableFailure):
    """Several invocations in a row have added nothing to a copy."""


class UploadGone(RetryableFailure):
    """S3 doesn't know the multipart upload any more."""


class OpencastUnreachable(RetryableFailure):
    """Opencast couldn't be reached, or its answer can't be believed."""


class OpencastRefused(RetryableFailure):
    """Opencast refused our user: an operator can mend that."""


class SlackUnreachable(RetryableFailure):
    """Slack couldn't be reached, or answered that it is busy or broken.

    `retry_after` is what Slack asked us to wait, in seconds, if it did.
    """

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class SlackRefused(RetryableFailure):
    """Slack refused our token, the app lacks a scope, or a message came too late."""


class LedgerBusy(RetryableFailure):
    """Other processes keep changing the ledger's record of a recording."""


class ScheduleUnreadable(RetryableFailure):
    """A meeting's row in the schedule makes no sense: an operator can mend that."""


class SheetsUnreachable(RetryableFailure):
    """Google couldn't be reached, is busy or broken, or its answer can't be believed.

    `retry_after` is what it asked us to wait, in seconds, if it did.
    """

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class SheetsTimedOut(SheetsUnreachable):
    """Google didn't answer in time."""


class SheetsRefused(RetryableFailure):
    """Google refused to hand out the sheet: whoever owns the key or the sheet can mend that."""


class GoogleKeyRefused(SheetsRefused):
    """There is no usable key, or Google doesn't take it: another one may have been saved since."""


class OutOfTime(IngesterError):
    """The invocation's time is nearly up, and what has been copied is kept.

    `stored` of `total` bytes are in S3; `total` is None where a file's size isn't told.
    """

    def __init__(self, stored: int, total: int | None) -> None:
        of = "" if total is None else f" of {total / 1e6:,.0f}"
        super().__init__(f"{stored / 1e6:,.0f}{of} MB are copied; the next invocation goes on.")
        self.stored = stored
        self.total = total


class AskLater(IngesterError):
    """Something isn't finished yet; asking again later is all there is to do."""


class WebhookUnreachable(RetryableFailure):
    """The on-demand function couldn't reach the webhook endpoint."""


class WebhookFailed(IngesterError):
    """The webhook endpoint didn't take an on-demand request."""


class KeyRefused(WebhookFailed):
    """The webhook endpoint knows another signing key: ours may have been rotated since."""


class AwsFailed(RetryableFailure):
    """A call to AWS failed."""

    @classmethod
    def of(cls, error: Exception) -> AwsFailed:
        """From botocore's error: the operation and the code, not the text, which can be long."""
        # botocore's errors of connections have a `response` too, which is None.
        response = getattr(error, "response", None) or {}
        code = response.get("Error", {}).get("Code") or type(error).__name__
        operation = getattr(error, "operation_name", "a call")
        return cls(f"AWS failed: {operation} answered {code}.")


class SlowDown(AwsFailed):
    """S3 has too much to do: later, and less at once."""
