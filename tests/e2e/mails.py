"""The mails that a local stack has sent, and what has it send some."""

from __future__ import annotations

from email import message_from_string, policy
from email.message import Message
from pathlib import Path

from cdk.names import LOG_NOTIFICATIONS, Names
from tests.e2e import deployed
from tests.e2e.scene import Scene


def mails(scene: Scene, needle: str) -> list[Message]:
    """The mails that have `needle` in them, in the order in which they came."""
    files = sorted(Path(scene.driver.state.mail_folder).glob("*.txt"))
    texts = [file.read_text("utf-8") for file in files]
    return [message_from_string(text, policy=policy.default) for text in texts if needle in text]


def mail(scene: Scene, needle: str, number: int = 1) -> tuple[str, str]:
    """Waits until so many mails have `needle` in them: subject and body of the last."""

    def look() -> list[Message]:
        found = mails(scene, needle)
        return found if len(found) >= number else []

    found = scene.wait(look, f"mail {number} about {needle}")
    assert len(found) == number, [one["Subject"] for one in found]
    return str(found[-1]["Subject"]), str(found[-1].get_payload())


def forget_faults(scene: Scene) -> None:
    """What was mailed a short time ago is mailed again, on a stack that tests ran on before."""
    faults = scene.driver.table("notification-faults")
    for row in faults.scan(ConsistentRead=True)["Items"]:
        faults.delete_item(Key={"fault": row["fault"]})


def mailed(scene: Scene) -> None:
    """A failure is mailed with its recording; its repeats come as one mail with a count."""
    forget_faults(scene)
    recording = scene.lecture(scheduled=False, topic="Oceans")
    stack = scene.driver.state.stack_name

    def fail() -> None:
        answer = scene.driver.ask_for_ingest(uuid=recording.uuid, oc_series_id="nowhere")
        assert answer.status == 200, answer

    fail()
    subject, body = mail(scene, recording.uuid)
    assert subject == f"[{stack}] Upload failed: Oceans"
    assert "\n\nRecording: Oceans\n" in body
    assert f"`invoke exec.pipeline {recording.uuid} --oc-series-id SERIES`" in body
    fail()
    fail()
    faults = scene.driver.table("notification-faults")

    def counted() -> list[str]:
        rows = faults.scan(ConsistentRead=True)["Items"]
        ours = [row for row in rows if recording.uuid in row.get("body", "")]
        return [str(row["fault"]) for row in ours if row["unmailed"] == 2]

    [fault] = scene.wait(counted, "two repeats that are counted")
    assert len(mails(scene, recording.uuid)) == 1
    # Ten minutes later, and the clock calls.
    ended = {"UpdateExpression": "SET quiet_until = :now", "ExpressionAttributeValues": {":now": 0}}
    faults.update_item(Key={"fault": fault}, **ended)
    called = scene.driver.client("lambda").invoke(
        FunctionName=Names(stack).function(LOG_NOTIFICATIONS), Qualifier=deployed.ALIAS
    )
    assert "FunctionError" not in called, called["Payload"].read()
    subject, body = mail(scene, recording.uuid, 2)
    assert subject == f"(2 more times) [{stack}] Upload failed: Oceans"
    assert body.startswith("This happened 2 more times since ")
