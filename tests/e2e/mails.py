"""Harness of the alerts that a local stack sends as mails."""

from __future__ import annotations

from email import message_from_string, policy
from email.message import Message
from pathlib import Path

from cdk.names import LOG_NOTIFICATIONS
from local.driver import ALIAS
from tests.e2e.stack import Stack


def mails(stack: Stack, text: str) -> list[Message]:
    """Return the mails that contain `text`, the oldest first."""
    files = sorted(Path(stack.driver.state.mail_folder).glob("*.txt"))
    contents = [file.read_text("utf-8") for file in files]
    return [
        message_from_string(content, policy=policy.default)
        for content in contents
        if text in content
    ]


def await_mail(stack: Stack, text: str, number: int = 1) -> tuple[str, str]:
    """Wait for `number` mails that contain `text`, and return the last mail's subject and body.

    Assert that there are no more mails that contain `text`.
    """

    def look() -> list[Message]:
        found = mails(stack, text)
        return found if len(found) >= number else []

    found = stack.wait(look, f"Mail {number} about {text}")
    assert len(found) == number, [mail["Subject"] for mail in found]
    return str(found[-1]["Subject"]), str(found[-1].get_payload())


def forget_faults(stack: Stack) -> None:
    """Delete all known faults, so that the next fault is mailed immediately."""
    faults = stack.driver.table("notification-faults")
    for row in faults.scan(ConsistentRead=True)["Items"]:
        faults.delete_item(Key={"fault": row["fault"]})


def mailed_failure(stack: Stack) -> None:
    """Make three ingests of a recording fail, and check the two mails about the failure."""
    forget_faults(stack)
    recording = stack.lecture(scheduled=False, topic="Oceans")
    stack.request_ingest(recording, "nowhere")
    subject, body = await_mail(stack, recording.uuid)
    assert subject == f"[{stack.name}] Upload failed: Oceans"
    assert "\n\nRecording: Oceans\n" in body
    assert f"`invoke exec.pipeline {recording.uuid} --oc-series-id SERIES`" in body
    stack.request_ingest(recording, "nowhere")
    stack.request_ingest(recording, "nowhere")
    faults = stack.driver.table("notification-faults")

    def repeated() -> list[str]:
        rows = faults.scan(ConsistentRead=True)["Items"]
        ours = [row for row in rows if recording.uuid in row.get("body", "")]
        return [str(row["fault"]) for row in ours if row["unmailed"] == 2]

    [fault] = stack.wait(repeated, "The count of two repeats")
    assert len(mails(stack, recording.uuid)) == 1
    # The test can't wait for the end of the quiet period and the next scheduled invocation.
    ended = {"UpdateExpression": "SET quiet_until = :now", "ExpressionAttributeValues": {":now": 0}}
    faults.update_item(Key={"fault": fault}, **ended)
    invoked = stack.driver.client("lambda").invoke(
        FunctionName=stack.function(LOG_NOTIFICATIONS), Qualifier=ALIAS
    )
    assert "FunctionError" not in invoked, invoked["Payload"].read()
    subject, body = await_mail(stack, recording.uuid, 2)
    assert subject == f"(2 more times) [{stack.name}] Upload failed: Oceans"
    assert body.startswith("This happened 2 more times since ")
