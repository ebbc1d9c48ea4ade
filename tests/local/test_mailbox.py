"""Tests of the local mailbox, which writes the SNS notifications of the topic to files."""

from __future__ import annotations

import json
import ssl
import stat
from collections.abc import Callable, Iterator
from email import message_from_string, policy
from pathlib import Path
from typing import Any

import pytest
import requests

from local.authority import Authority
from local.mailbox import Mailbox, Notification, confirm_at
from local.neighbours.https_server import Answer
from tests.neighbours import client_session, web_server

TOPIC = "zip-notifications"
PATH = "token-of-deliveries"
ARN = f"arn:aws:sns:us-east-1:123456789012:{TOPIC}"

Deliver = Callable[..., int]


@pytest.fixture
def session(tls: Authority) -> Iterator[requests.Session]:
    with client_session(tls) as session:
        yield session


@pytest.fixture
def confirmed() -> list[Notification]:
    return []


@pytest.fixture
def deliver(
    tls: Authority, session: requests.Session, tmp_path: Path, confirmed: list[Notification]
) -> Iterator[Deliver]:
    mailbox = Mailbox(
        tls,
        tmp_path / "mail",
        TOPIC,
        "ops@example.edu",
        confirmed.append,
        token=PATH,
    )

    def post(path: str = PATH, **fields: Any) -> int:
        envelope = {
            "Type": "Notification",
            "TopicArn": ARN,
            "Subject": "[zip] Upload failed: Oceans",
            "Message": "Upload failed.",
            "Timestamp": "2026-10-14T18:30:00.000Z",
            **fields,
        }
        url = f"{mailbox.url}/{path}"
        return session.post(url, data=json.dumps(envelope), timeout=10).status_code

    with mailbox:
        yield post


def files(folder: Path) -> list[Path]:
    return sorted((folder / "mail").iterdir())


def test_mailbox_writes_each_sns_notification_as_a_mail(deliver: Deliver, tmp_path: Path) -> None:
    assert deliver(Message="Übung\n\n<img src=x onerror=alert(1)>") == 200
    assert deliver(Subject=None) == 200
    first, second = files(tmp_path)
    assert first.name == "0001-zip-upload-failed-oceans.txt"
    assert second.name == "0002-aws-notification-message.txt"
    mail = message_from_string(first.read_text("utf-8"), policy=policy.default)
    assert mail["To"] == "ops@example.edu"
    assert mail["Subject"] == "[zip] Upload failed: Oceans"
    assert mail["Date"] == "Wed, 14 Oct 2026 18:30:00 +0000"
    assert mail.get_content_type() == "text/plain"
    assert mail.get_payload() == "Übung\n\n<img src=x onerror=alert(1)>\n"


def test_subject_of_a_mail_can_neither_cause_path_traversal_nor_add_a_header(
    deliver: Deliver, tmp_path: Path
) -> None:
    assert deliver(Subject="../../x\r\nBcc: all@example.edu " + "y" * 300) == 200
    [file] = files(tmp_path)
    assert file.name.startswith("0001-x-bcc-all-example-edu-yyy")
    mail = message_from_string(file.read_text("utf-8"), policy=policy.default)
    assert mail["Bcc"] is None


def test_mailbox_removes_old_mails_when_it_is_created(
    deliver: Deliver, tls: Authority, tmp_path: Path
) -> None:
    assert deliver() == 200
    Mailbox(tls, tmp_path / "mail", TOPIC, "ops@example.edu", lambda _: None, token="t")
    assert files(tmp_path) == []
    assert stat.S_IMODE((tmp_path / "mail").stat().st_mode) == 0o700


def test_mailbox_confirms_a_subscription_with_its_token(
    deliver: Deliver, confirmed: list[Notification]
) -> None:
    assert deliver(Type="SubscriptionConfirmation", Token="t", Subject=None) == 200
    assert [notification.token for notification in confirmed] == ["t"]


def test_mailbox_writes_no_mail_when_a_delivery_has_a_wrong_topic_a_wrong_type_or_no_message(
    deliver: Deliver, tmp_path: Path, confirmed: list[Notification]
) -> None:
    assert deliver(TopicArn="arn:aws:sns:us-east-1:1:other") == 404
    assert deliver(TopicArn="arn:aws:sns:us-east-1:1:other", Type="SubscriptionConfirmation") == 404
    assert deliver(Message=None) == 400
    assert deliver(Type="UnsubscribeConfirmation") == 200
    assert files(tmp_path) == []
    assert confirmed == []


@pytest.mark.parametrize("path", ["", "wrong", f"{PATH}/", f"x/{PATH}", "ü"])
def test_mailbox_writes_no_mail_when_the_path_lacks_the_token(
    deliver: Deliver, tmp_path: Path, path: str
) -> None:
    assert deliver(path) == 404
    assert files(tmp_path) == []


def test_mailbox_sends_the_token_to_the_cloud_when_it_confirms_a_subscription(
    tls: Authority, capsys: pytest.CaptureFixture[str]
) -> None:
    notification = Notification("SubscriptionConfirmation", ARN, "m", token="t&t")
    trusting = ssl.create_default_context(cafile=str(tls.ca_bundle))
    with web_server(tls) as web:
        web.pages["/"] = Answer(200)
        confirm_at(web.url, "us-east-1", "secret", trusting)(notification)
    assert web.seen[0].query == {
        "Action": "ConfirmSubscription",
        "TopicArn": ARN,
        "Token": "t&t",
    }
    authorization = web.seen[0].headers["Authorization"]
    assert "/us-east-1/sns/aws4_request" in authorization
    assert capsys.readouterr().out == f"subscribed to {ARN}\n"
