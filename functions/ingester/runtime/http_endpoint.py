"""Answer the requests that API Gateway passes to a function, also after an expected error.

A `RequestError` carries its own status. A function names the status of every other error that it
expects. Any other error escapes: Lambda logs the error, and API Gateway answers 502.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from ingester import log
from ingester.errors import RequestError
from ingester.runtime.api_gateway import Answer, Request, json_answer, proxy_answer, request_of

logger = logging.getLogger("ingester.http_endpoint")


@dataclass(frozen=True, kw_only=True)
class AwsFailure:
    """The answer when AWS fails, and the log record with the traceback.

    Attributes:
        status: HTTP status of the answer.
        text: Text of the answer.
        headline: Returns the message of the log record for an error.
        outlook: Text of the log record about the next automatic step; "" for none.
    """

    status: int
    text: str
    headline: Callable[[Exception], str]
    outlook: str = ""


def message_answer(status: int, text: str) -> Answer:
    """Return a JSON answer whose `message` is `text`."""
    return json_answer(status, {"message": text})


def log_refusal(status: int, error: object) -> None:
    """Log a warning that a request was refused."""
    logger.warning("Refused with %s: %s", status, error)


def log_nothing(_status: int, _error: object) -> None:
    """Log nothing, for a function whose refusals concern only its callers."""


@dataclass(frozen=True, kw_only=True)
class ErrorAnswers:
    """A function's answers to the errors that its use case raises.

    Attributes:
        statuses: HTTP status of each type of error. The first type that matches counts.
        aws: Answer when AWS fails. If `aws` is None, AWS's errors escape.
        make: Makes an answer from a status and a text.
        report: Writes the log record of an answer, given the answer's status, and the error or, if
            AWS failed, the answer's text.
    """

    statuses: Mapping[type[Exception], int] = field(default_factory=dict)
    aws: AwsFailure | None = None
    make: Callable[[int, str], Answer] = message_answer
    report: Callable[[int, Exception | str], None] = log_refusal

    def answer(self, use_case: Callable[[], Answer]) -> Answer:
        """Run a use case, and return its answer, or report its error and return the error's answer.

        Raises:
            BotoCoreError, ClientError: AWS fails, and `aws` is None.
            Exception: The use case raised an error that is neither a RequestError nor AWS's, and of
                no type in `statuses`.
        """
        try:
            return use_case()
        except RequestError as error:
            return self._refuse(error.status, error)
        except (BotoCoreError, ClientError) as error:
            if self.aws is None:
                raise
            outlook = {"outlook": self.aws.outlook} if self.aws.outlook else {}
            logger.exception("%s", self.aws.headline(error), extra=outlook)
            self.report(self.aws.status, self.aws.text)
            return self.make(self.aws.status, self.aws.text)
        except tuple(self.statuses) as error:
            fitting = (one for kind, one in self.statuses.items() if isinstance(error, kind))
            return self._refuse(next(fitting), error)

    def _refuse(self, status: int, error: Exception) -> Answer:
        self.report(status, error)
        return self.make(status, str(error))

    def respond(self, event: Mapping[str, Any], use_case: Callable[[Request], Answer]) -> Answer:
        """Run a use case for the request in a proxy event, and return the answer.

        Raises:
            BotoCoreError, ClientError, Exception: See `answer`.
        """
        return self.answer(lambda: use_case(request_of(event)))


def handle(context: object, respond: Callable[[], Answer]) -> dict[str, Any]:
    """Run one invocation, and return its answer as a proxy response.

    `respond` builds the function's dependencies, and returns the answer. The log is started before
    the dependencies are built, so that errors of the build are logged as well.
    """
    log.start(context)
    return proxy_answer(respond())
