"""The decorator of every command, which handles errors and closed output.

`tasks.py` collects the commands. A module of `ops` with commands offers a `collection`, or single
commands.
"""

from __future__ import annotations

import functools
import inspect
import io
import logging
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, ParamSpec
from urllib.parse import urlsplit

from botocore.exceptions import ClientError, NoCredentialsError, ProfileNotFound
from botocore.exceptions import ConnectionError as NoConnection
from invoke import Exit, Task, UnexpectedExit, task
from invoke.util import log

from cdk.settings_reader import SettingsError
from ops import waiting
from ops.terminal import discard_output, fitted, fitted_error

P = ParamSpec("P")

OWN_PACKAGES = ("cdk", "ingester", "local", "ops")
"""Packages of this project, whose errors are sentences for the operator."""

INTERRUPTED = 130
HARMLESS_CODES = (0, INTERRUPTED)
"""Exit codes of commands that didn't fail."""

LOCAL_STATE = Path(__file__).resolve().parent.parent / ".local" / "stack.json"
"""The file about a running local stack (`local/state.py`)."""

ERROR_ADVICE: Mapping[type[Exception], str] = {
    NoCredentialsError: (
        "There are no AWS credentials: put them into the shell or make a profile (`aws configure`)."
    ),
    ProfileNotFound: "{}: set AWS_PROFILE to one that `aws configure list-profiles` names.",
    NoConnection: "{}: check the network, the proxy and AWS_REGION.",
    EOFError: "There is no one to ask: set NONINTERACTIVE if nothing is to be asked.",
}
"""Advice for errors that an operator can fix, by type; `{}` is the error's own text."""


MISSING_RIGHTS = "these credentials lack that right; docs/security.md says what operators need."
EXPIRED_CREDENTIALS = "get new credentials (`aws sso login`, or wherever yours come from)."
AWS_ERROR_ADVICE: Mapping[str, str] = {
    "AccessDenied": MISSING_RIGHTS,
    "AccessDeniedException": MISSING_RIGHTS,
    "UnauthorizedOperation": MISSING_RIGHTS,
    "ExpiredToken": EXPIRED_CREDENTIALS,
    "ExpiredTokenException": EXPIRED_CREDENTIALS,
    "InvalidClientTokenId": EXPIRED_CREDENTIALS,
}
"""Advice for AWS's refusals, by error code."""


class OpsError(Exception):
    """An error of a command. The text tells the operator the reason and what to do."""


def wants_traceback() -> bool:
    """Return whether to show tracebacks of errors, because of `invoke --debug` or DEBUG."""
    return bool(os.environ.get("DEBUG")) or log.isEnabledFor(10)


LOGGERS_WITH_SECRETS = ("boto3", "botocore", "s3transfer", "urllib3")
"""Loggers whose log records for debugging hold whole requests, answers, secrets and signatures."""


def silence_request_logs() -> None:
    """Keep the content of requests to AWS out of the output of `invoke --debug`."""
    for name in LOGGERS_WITH_SECRETS:
        logging.getLogger(name).setLevel(logging.INFO)


def error_line(error: Exception) -> str:
    """Return an error's text for the operator, with advice if there is any.

    An error of a library without advice is shown on one line, with the error's type.
    """
    if type(error).__module__.partition(".")[0] in OWN_PACKAGES:
        return str(error) + local_hint(error)
    # When the local stack is down, botocore may report the missing file of the certificate
    # authority in place of the refused connection.
    is_unreachable = isinstance(error, NoConnection) or "certificate bundle" in str(error)
    if is_unreachable and is_local(os.environ):
        return (
            "The local stack, which this shell has selected, doesn't answer. Open a new shell; "
            "for the local stack, start it there (`invoke local.up`) and select it (`eval "
            '"$(invoke local.env)"`).'
        )
    if isinstance(error, ClientError) and (
        advice := AWS_ERROR_ADVICE.get(error.response["Error"]["Code"])
    ):
        return f"{' '.join(str(error).split()).rstrip('.')}: {advice}"
    for kind, advice in ERROR_ADVICE.items():
        if isinstance(error, kind):
            return advice.format(str(error).rstrip(".")) + local_hint(error)
    said = " ".join(str(error).split())
    return f"{type(error).__name__}: {said} (`invoke --debug` shows where)"


def local_hint(
    error: Exception, environment: Mapping[str, str] = os.environ, state: Path = LOCAL_STATE
) -> str:
    """Return a hint to select the local stack; "" if the stack is down or the hint wouldn't help.

    `environment` is the shell's, and `state` is the file about a running local stack.
    """
    if isinstance(error, SettingsError):
        # The text of a SettingsError ends with a list, so the hint needs a line of its own.
        between = "\n" if any("is missing" in problem for problem in error.problems) else ""
    else:
        between = " " if isinstance(error, NoCredentialsError) else ""
    if not between or is_local(environment) or not state.exists():
        return ""
    return f'{between}A local stack is up: `eval "$(invoke local.env)"` selects it.'


def is_local(environment: Mapping[str, str]) -> bool:
    """Return whether a shell's commands go to the local stack."""
    host = urlsplit(environment.get("AWS_ENDPOINT_URL", "")).hostname
    return host in {"localhost", "127.0.0.1"}


@contextmanager
def tolerate_closed_output() -> Iterator[None]:
    """End a command without an error when the reader of its output is gone, as with `| head`.

    Characters that the output's encoding lacks are written as escapes.
    """
    out = sys.stdout
    if isinstance(out, io.TextIOWrapper):
        out.reconfigure(errors="backslashreplace")
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        discard_output(out)
    finally:
        sys.stdout = out


def tolerate_closed_output_everywhere() -> None:
    """Tolerate closed output also when invoke itself prints, as in `invoke -l | head`."""
    usual = sys.excepthook

    def hook(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if issubclass(kind, BrokenPipeError):
            discard_output(sys.stdout)
        else:
            usual(kind, error, trace)

    sys.excepthook = hook


class TypedTask(Task[Callable[..., None]]):
    """A task whose options of type `int | None` are parsed as numbers."""

    def arg_opts(self, name: str, default: Any, taken_names: set[str]) -> dict[str, Any]:
        """Return invoke's keywords for an option, with the kind `int` for an `int | None`.

        invoke itself takes an option's type from the option's default.
        """
        options: dict[str, Any] = super().arg_opts(name, default, taken_names)
        if inspect.signature(self.body).parameters[name].annotation == "int | None":
            options["kind"] = int
        return options


def command(**options: Any) -> Callable[[Callable[P, None]], Task[Callable[P, None]]]:
    """Return a decorator that makes a command of a function.

    The command prints an error on stderr and ends with exit code 1, or raises the error if
    `wants_traceback` returns True. The exit code of an `Exit` of the function stays, and an
    `UnexpectedExit` is always raised. ^C ends the command with exit code 130. A positional argument
    that looks like an option is an error.
    """

    def decorate(body: Callable[P, None]) -> Task[Callable[P, None]]:
        words = [
            name
            for name, parameter in inspect.signature(body).parameters.items()
            if parameter.default is inspect.Parameter.empty or name in options.get("positional", ())
        ]

        @functools.wraps(body)
        def run(*args: P.args, **kwargs: P.kwargs) -> None:
            silence_request_logs()
            waiting.LINE.reset()
            try:
                refuse_options(kwargs.get(name) for name in words)
                with tolerate_closed_output():
                    body(*args, **kwargs)
            except Exit as ended:
                show = fitted if ended.code in HARMLESS_CODES else fitted_error
                raise Exit(show(ended.message or "", sys.stderr), code=ended.code) from ended
            except UnexpectedExit:
                raise
            except KeyboardInterrupt:
                raise Exit("Interrupted.", code=INTERRUPTED) from None
            except Exception as error:
                if wants_traceback():
                    raise
                said = fitted_error(error_line(error), sys.stderr)
                raise Exit(said, code=1) from error
            finally:
                waiting.LINE.reset()

        made: Task[Callable[P, None]] = task(klass=TypedTask, **options)(run)
        return made

    return decorate


def refuse_options(given: Iterable[object]) -> None:
    """Raise OpsError if a positional argument looks like an option.

    invoke takes any next word as a positional argument: `invoke codebuild --verbose` would build a
    revision named `--verbose`.
    """
    for word in given:
        if isinstance(word, str) and word.startswith("-"):
            raise OpsError(
                f"{word} is no option here: `invoke --help COMMAND` shows those that are."
            )
