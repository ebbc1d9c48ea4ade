"""The operators' mailbox of a local stack, which writes notifications of SNS to files.

    python -m local.mailbox --port 0 --cloud https://127.0.0.1:20000 --folder .local/mail …

The local cloud sends no mail. So the mailbox subscribes to the stack's topic by HTTPS, and writes
each notification, with a mail's headers, to a file such as `0001-<subject>.txt`.
https://docs.aws.amazon.com/sns/latest/dg/sns-message-and-json-formats.html
"""

import argparse
import hmac
import os
import re
import ssl
import sys
import threading
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path
from secrets import token_urlsafe
from typing import Any
from urllib.parse import urlencode

import msgspec

from local.authority import Authority, ensure_authority
from local.cloud import HOST, choose_port, signed_get
from local.neighbours.https_server import Answer, Request
from local.neighbours.stand_in import StandIn, run
from local.processes import Processes, Running

SECONDS = 10.0
MOST_OF_SUBJECT = 60
"""Largest number of characters of the subject in a file's name."""

SUBSCRIBED = "subscribed to"
TOKEN = "LOCAL_MAILBOX_TOKEN"  # noqa: S105 - a name
"""Name of the variable with the token of deliveries. Other users can't read the environment."""


class Notification(msgspec.Struct, frozen=True, rename="pascal"):
    """A delivery by SNS. The first delivery has a `token` that confirms the subscription."""

    type: str
    topic_arn: str
    message: str
    subject: str | None = None
    token: str = ""
    timestamp: str = ""


class Mailbox(StandIn):
    """A server that writes a topic's notifications to files in a folder.

    Older files `*.txt` in the folder are deleted first. `to` is the operators' address. `confirm`
    is called with the notification that asks to confirm the subscription. The URL's path is
    `token`, because SNS can't send a token in a header.
    """

    def __init__(
        self,
        tls: Authority,
        folder: Path,
        topic: str,
        to: str,
        confirm: Callable[[Notification], None],
        *,
        token: str,
        port: int = 0,
    ) -> None:
        super().__init__(tls, port)
        self._path = f"/{token}".encode()
        self._folder = folder
        self._topic = topic
        self._to = to
        self._confirm = confirm
        self._lock = threading.Lock()
        self._count = 0
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for old in folder.glob("*.txt"):
            old.unlink()

    def answer(self, request: Request) -> Answer:
        """Confirm the subscription or write a notification, depending on the delivery's type.

        A delivery of another type has no effect. Return 404 for a wrong path or topic, 400 for a
        body that isn't SNS's, and 200 otherwise.
        """
        if not hmac.compare_digest(request.path.encode(), self._path):
            return Answer(404)
        try:
            notification = msgspec.json.decode(request.body, type=Notification)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return Answer(400)
        if notification.topic_arn.rpartition(":")[2] != self._topic:
            return Answer(404)
        if notification.type == "SubscriptionConfirmation":
            self._confirm(notification)
        elif notification.type == "Notification":
            self._write(notification)
        return Answer(200)

    def _write(self, notification: Notification) -> None:
        subject = notification.subject or "AWS Notification Message"
        headers = {
            "From": f"{self._topic} <no-reply@sns.amazonaws.com>",
            "To": self._to,
            "Subject": subject,
            "Date": format_datetime(_time(notification.timestamp)),
            "Content-Type": "text/plain; charset=utf-8",
        }
        lines = [f"{name}: {' '.join(value.split())}\n" for name, value in headers.items()]
        slug = re.sub("[^a-z0-9]+", "-", subject.lower())[:MOST_OF_SUBJECT].strip("-")
        with self._lock:
            self._count += 1
            file = self._folder / f"{self._count:04}-{slug}.txt"
            unfinished = file.with_suffix(".part")
            unfinished.write_text(f"{''.join(lines)}\n{notification.message}\n", "utf-8")
            unfinished.replace(file)
        print(file, flush=True)


def _time(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except ValueError:
        return datetime.now(UTC)


def confirm_at(
    cloud: str, region: str, secret: str, tls: ssl.SSLContext
) -> Callable[[Notification], None]:
    """Return a function that confirms a subscription as the link in SNS's message does.

    The function signs the request as the account's root, whose secret key is `secret`, because the
    local cloud at the URL `cloud` requires a signature. Then the function prints `SUBSCRIBED` and
    the topic.
    """

    def confirm(notification: Notification) -> None:
        query = urlencode(
            {
                "Action": "ConfirmSubscription",
                "TopicArn": notification.topic_arn,
                "Token": notification.token,
            }
        )
        direct = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=tls)
        )
        with direct.open(signed_get(f"{cloud}/?{query}", "sns", secret, region), timeout=SECONDS):
            print(SUBSCRIBED, notification.topic_arn, flush=True)

    return confirm


@dataclass(frozen=True)
class MailboxProcess:
    """A started mailbox for one topic."""

    process: Running
    url: str
    topic: str
    token: str = field(repr=False)

    def subscribe(self, sns: Any) -> None:
        """Subscribe the mailbox to the topic, and wait until the subscription is confirmed.

        Raises:
            ProcessFailed: The mailbox doesn't start, or doesn't confirm the subscription.
        """
        self.process.wait_for_output(self.url, SECONDS)
        [arn] = [
            topic["TopicArn"]
            for page in sns.get_paginator("list_topics").paginate()
            for topic in page["Topics"]
            if topic["TopicArn"].endswith(f":{self.topic}")
        ]
        endpoint = f"{self.url}/{self.token}"
        sns.subscribe(TopicArn=arn, Protocol="https", Endpoint=endpoint)
        self.process.wait_for_output(SUBSCRIBED, SECONDS)


def start(
    processes: Processes,
    env: Mapping[str, str],
    authority: Authority,
    *,
    cloud: str,
    region: str,
    topic: str,
    folder: Path,
) -> MailboxProcess:
    """Start a mailbox on a free port, without waiting until the mailbox listens.

    `env` is the mailbox's environment, which has the stack's settings.

    Raises:
        PortTaken: No free port was found.
        ProcessFailed: `processes` were stopped before.
    """
    port = choose_port(0)
    options = {
        "--port": port,
        "--tls-dir": authority.certificate.parent,
        "--cloud": cloud,
        "--region": region,
        "--folder": folder,
        "--topic": topic,
        "--to": env["NOTIFICATION_EMAIL"],
    }
    words = [str(word) for option in options.items() for word in option]
    token = token_urlsafe(32)
    command = [sys.executable, "-m", "local.mailbox", *words]
    process = processes.start("mailbox", command, {**env, TOKEN: token})
    return MailboxProcess(process, f"https://{HOST}:{port}", topic, token)


def main(argv: Sequence[str] | None = None, environ: Mapping[str, str] = os.environ) -> int:
    """Run the mailbox until SIGTERM or SIGINT, and return the exit code.

    The secrets `AWS_SECRET_ACCESS_KEY` and `LOCAL_MAILBOX_TOKEN` come from the environment, where
    other users can't read them.
    """
    options = _arguments(argv)
    tls = ensure_authority(options.tls_dir)
    trusting = ssl.create_default_context(cafile=str(tls.ca_bundle))
    secret = environ["AWS_SECRET_ACCESS_KEY"]
    confirm = confirm_at(options.cloud, options.region, secret, trusting)
    mailbox = Mailbox(
        tls,
        options.folder,
        options.topic,
        options.to,
        confirm,
        token=environ[TOKEN],
        port=options.port,
    )
    return run(mailbox, "The mailbox")


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m local.mailbox", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0: a free one")
    parser.add_argument("--tls-dir", type=Path, required=True)
    parser.add_argument("--cloud", required=True, help="the local cloud's address")
    parser.add_argument("--region", required=True)
    parser.add_argument("--folder", type=Path, required=True, help="for the mails")
    parser.add_argument("--topic", required=True, help="the topic's name")
    parser.add_argument("--to", required=True, help="the operators' address")
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(main())
