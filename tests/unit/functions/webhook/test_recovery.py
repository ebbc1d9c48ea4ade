"""Recoveries of recordings that were removed in Zoom."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from ingester.ledger import record as ledger
from ingester.ledger.record import End
from ingester.pipeline.messages import DownloadMessage, decode
from ingester.pipeline.states import State
from tests.cloud import Clock, Cloud
from tests.hooks import failing, failing_table
from tests.unit.functions.webhook.notifications import (
    UUID,
    ZIP_ID,
    Json,
    Post,
    change_record,
    completed,
    edit_record,
    failing_queue,
    mp4,
    notes_sent,
    on_demand,
    put,
    record_of,
    sent,
    state,
    status_event,
    untouched,
)
from tests.unit.functions.webhook.removals import (
    Notify,
    batch_recovered,
    batch_trashed,
    deleted,
    recovered,
    trashed,
)

TRASHED = "The recording was moved to the trash in Zoom"
each_form = pytest.mark.parametrize(
    "recover", [recovered, batch_recovered], ids=["recovered", "batch_recovered"]
)


def gone(aws: Cloud, zip_id: str = ZIP_ID, uuid: str = UUID) -> None:
    """Note, as the downloader does, that Zoom doesn't have the recording any more."""
    change_record(aws, partial(ledger.with_end, zip_id=zip_id, end=End.GONE), uuid)
    put(aws, State.IGNORED, zip_id, reason=TRASHED)


@each_form
def test_recovery_restores_rows_and_record_and_sends_nothing_when_no_request_has_ended(
    recover: Notify, aws: Cloud, post: Post
) -> None:
    post(completed())
    post(on_demand())
    due: Json = {"retry_due": "2026-10-14T18:40:00Z", "reason": "next try at 18:40"}
    put(aws, State.DOWNLOADER_FAILED, "on-demand-1", **due)
    post(completed(uuid="another=="))
    before, record = aws.rows(), record_of(aws)
    for notify in (trashed, batch_trashed):
        assert post(notify()) == 204
    assert aws.rows()[ZIP_ID]["zoom_notice"] == TRASHED
    assert post(recover()) == 204
    assert aws.rows() == before
    assert record_of(aws).notice == ""
    assert record_of(aws).requests == record.requests
    assert len(sent(aws)) == 3


def test_row_keeps_only_the_reason_of_its_retry_when_a_deleted_recording_is_recovered(
    aws: Cloud, post: Post
) -> None:
    post(completed())
    due: Json = {"retry_due": "2026-10-14T18:40:00Z", "reason": "next try at 18:40"}
    put(aws, State.DOWNLOADER_FAILED, **due)
    for notify in (trashed, deleted, recovered):
        assert post(notify()) == 204
    assert state(aws) == ("DOWNLOADER_FAILED", "next try at 18:40")
    assert "zoom_notice" not in aws.rows()[ZIP_ID]


@pytest.mark.parametrize("end", [None, End.FAILED, End.IGNORED])
def test_recovery_does_not_send_a_request_again_when_the_request_did_not_end_as_gone(
    end: End | None, aws: Cloud, post: Post
) -> None:
    post(completed())
    post(trashed())
    if end:
        change_record(aws, partial(ledger.with_end, zip_id=ZIP_ID, end=end))
    before = State.SENT_TO_OPENCAST if end is None else State.IGNORED
    put(aws, before, reason="as it was")
    assert post(recovered()) == 204
    assert len(sent(aws)) == 1
    assert state(aws) == (before, "as it was")
    assert "zoom_notice" not in aws.rows()[ZIP_ID]
    assert record_of(aws).request(ZIP_ID).end is end


@each_form
def test_recovery_changes_nothing_when_the_recording_was_never_seen(
    recover: Notify, aws: Cloud, post: Post
) -> None:
    assert post(recover()) == 204
    assert untouched(aws)


def test_recovery_removes_the_notice_from_the_row_when_no_ingest_was_requested(
    aws: Cloud, post: Post
) -> None:
    post(status_event("recording.stopped"))
    post(trashed())
    assert post(recovered()) == 204
    assert state(aws) == ("RECORDING_STOPPED", "")
    assert "zoom_notice" not in aws.rows()[ZIP_ID]
    assert not aws.sends


def test_recovery_keeps_the_reason_of_the_row_when_another_step_changes_the_row_meanwhile(
    aws: Cloud, post: Post
) -> None:
    post(completed())
    post(trashed())

    def changed(params: Json) -> bool:
        if "REMOVE zoom_notice" in params["UpdateExpression"]:
            put(aws, State.OC_SERIES_FOUND, reason="changed")
        return False

    with failing(aws.status.meta.client, "dynamodb.UpdateItem", "none", when=changed):
        assert post(recovered()) == 204
    assert state(aws) == ("OC_SERIES_FOUND", "changed")
    assert record_of(aws).notice == ""


@each_form
def test_recovered_recording_is_sent_again_when_its_request_had_ended_as_gone(
    recover: Notify, aws: Cloud, post: Post, clock: Clock
) -> None:
    post(completed())
    post(trashed())
    gone(aws)
    clock.forward(hours=1)
    aws.sends.clear()
    for _ in range(2):
        assert post(recover()) == 204
    (message,) = aws.sent_to(aws.download_queue)
    assert message["delay_seconds"] == 300
    assert message["body"] == {
        "uuid": UUID,
        "zoom_series_id": 0,
        "topic": "",
        "start_time": "",
        "duration": 0,
        "host_id": "",
        "recording_files": [],
        "on_demand_ingest": False,
        "zip_id": ZIP_ID,
        "received_time": "2026-10-14T19:30:00Z",
        "download_token": "",
        "allow_multiple_ingests": False,
        "ingest_all_mp4": False,
        "is_partial": True,
    }
    decode(aws.sends[0]["MessageBody"], DownloadMessage)
    row = aws.rows()[ZIP_ID]
    assert (row["pipeline_state"], row["reason"]) == ("SENT_TO_DOWNLOADER", "")
    steps = [step["state"] for step in row["steps"]]
    assert steps[-2:] == ["WEBHOOK_RECEIVED", "SENT_TO_DOWNLOADER"]
    assert "zoom_notice" not in row
    request = record_of(aws).request(ZIP_ID)
    assert (request.is_sent, request.end, record_of(aws).notice) == (True, None, "")


def test_recovery_sends_each_request_that_ended_as_gone_again_with_its_options(
    aws: Cloud, post: Post
) -> None:
    first: Json = {"on_demand_series_id": "S-1", "oc_workflow": "wf"}
    second: Json = {"allow_multiple_ingests": True, "ingest_all_mp4": True}
    post(completed())
    post(on_demand(**first))
    post(on_demand(zip_id="on-demand-2", **second))
    post(on_demand(zip_id="on-demand-3"))
    post(trashed())
    for zip_id in ("on-demand-1", "on-demand-2"):
        gone(aws, zip_id)
    aws.sends.clear()
    assert post(recovered()) == 204
    messages = {message["body"]["zip_id"]: message for message in aws.sent_to(aws.download_queue)}
    assert set(messages) == {"on-demand-1", "on-demand-2"}
    asked: dict[str, Json] = {
        "on-demand-1": {"allow_multiple_ingests": False, "ingest_all_mp4": False, **first},
        "on-demand-2": second,
    }
    names = (*first, *second)
    for zip_id, message in messages.items():
        body = message["body"]
        assert (message["delay_seconds"], body["on_demand_ingest"]) == (0, True)
        assert {name: body[name] for name in names if name in body} == asked[zip_id]
        assert state(aws, zip_id) == ("SENT_TO_DOWNLOADER", "")


def test_series_of_the_operator_is_kept_when_the_request_of_zoom_is_sent_again(
    aws: Cloud, post: Post
) -> None:
    post(on_demand(zip_id=ZIP_ID, force=True, override_series_id="S-1"))
    post(trashed())
    gone(aws)
    assert post(recovered()) == 204
    _, message = sent(aws)
    assert (message["on_demand_series_id"], message["on_demand_ingest"]) == ("S-1", False)


def test_each_gone_recording_is_sent_again_when_one_webhook_event_names_several_recordings(
    aws: Cloud, post: Post
) -> None:
    uuids = ("a==", "b==", "c==")
    for uuid in uuids:
        post(completed(uuid=uuid))
    post(batch_trashed(*uuids))
    for uuid in ("a==", "c=="):
        gone(aws, f"auto-ingest-{uuid}", uuid)
    aws.sends.clear()
    assert post(batch_recovered(*uuids)) == 204
    assert [message["uuid"] for message in sent(aws)] == ["a==", "c=="]
    assert [record_of(aws, uuid).notice for uuid in uuids] == ["", "", ""]


def test_recovered_recording_is_sent_again_when_it_has_no_notice_of_removal(
    aws: Cloud, post: Post
) -> None:
    # The webhook event of the removal may be lost.
    post(completed())
    change_record(aws, partial(ledger.with_end, zip_id=ZIP_ID, end=End.GONE))
    put(aws, State.DOWNLOADER_FAILED, reason="permanent failure")
    assert post(recovered()) == 204
    assert len(sent(aws)) == 2
    assert state(aws) == ("SENT_TO_DOWNLOADER", "")


def test_webhook_event_is_sent_to_the_downloader_when_it_names_files_of_a_recovered_recording(
    aws: Cloud, post: Post
) -> None:
    # The message of the recovery names no files.
    post(completed())
    post(trashed())
    gone(aws)
    post(recovered())
    assert post(completed(mp4("file-2"))) == 200
    assert len(sent(aws)) == 3


@pytest.mark.parametrize("operation", ["GetItem", "UpdateItem"])
def test_recovered_recording_is_sent_again_when_the_status_table_fails(
    operation: str, aws: Cloud, post: Post
) -> None:
    post(completed())
    post(trashed())
    gone(aws)
    with failing_table(aws.status, operation):
        assert post(recovered()) == 204
    assert len(sent(aws)) == 2
    assert record_of(aws).request(ZIP_ID).is_sent
    assert record_of(aws).notice == ""


def test_recovered_recording_is_sent_by_a_repeated_webhook_event_when_the_queue_failed(
    aws: Cloud, post: Post
) -> None:
    post(completed())
    post(trashed())
    gone(aws)
    with failing_queue(aws):
        assert post(recovered()) == 503
    assert record_of(aws).request(ZIP_ID).end is End.GONE
    assert [post(recovered()), post(recovered())] == [204, 204]
    assert len(sent(aws)) == 2
    assert state(aws) == ("SENT_TO_DOWNLOADER", "")


def test_webhook_event_of_recovery_gets_204_when_the_ledger_fails_after_the_send(
    aws: Cloud, post: Post
) -> None:
    post(completed())
    post(trashed())
    gone(aws)
    with failing_table(aws.recordings, when=notes_sent):
        assert post(recovered()) == 204
    assert len(sent(aws)) == 2


def test_other_recovered_recordings_are_sent_again_when_one_ledger_record_is_unreadable(
    aws: Cloud, post: Post
) -> None:
    uuids = ("a==", "b==")
    for uuid in uuids:
        post(completed(uuid=uuid))
        gone(aws, f"auto-ingest-{uuid}", uuid)
    edit_record(aws, requests="all")
    aws.sends.clear()
    assert post(batch_recovered("a==", UUID, "b==")) == 503
    assert [message["uuid"] for message in sent(aws)] == list(uuids)
    edit_record(aws, requests={})
    assert post(batch_recovered("a==", UUID, "b==")) == 204
    assert len(sent(aws)) == 2


def test_other_recovered_recordings_are_sent_again_when_the_queue_fails_for_one_recording(
    aws: Cloud, post: Post
) -> None:
    uuids = ("a==", "b==")
    for uuid in uuids:
        post(completed(uuid=uuid))
        gone(aws, f"auto-ingest-{uuid}", uuid)
    calls: list[Any] = []

    def first(params: Json) -> bool:
        calls.append(params)
        return len(calls) == 1

    aws.sends.clear()
    with failing(aws.sqs, "sqs.SendMessage", "InternalError", when=first, status=500):
        assert post(batch_recovered(*uuids)) == 503
    assert not record_of(aws, "a==").request("auto-ingest-a==").is_sent
    assert record_of(aws, "b==").request("auto-ingest-b==").is_sent
    assert post(batch_recovered(*uuids)) == 204
    assert record_of(aws, "a==").request("auto-ingest-a==").is_sent
