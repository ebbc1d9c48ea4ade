"""Targets: the messages of the download queue and the upload queue."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.fuzz import functions, payloads
from tests.fuzz.fakes import Aws
from tests.fuzz.functions import DOWNLOAD_RECEIVES, UPLOAD_RECEIVES, process
from tests.fuzz.mutations import Mutator, encoded
from tests.fuzz.opencast import good_answers
from tests.fuzz.target import Target, require
from tests.fuzz.zoom import make_download, recording_answer, steps_of

MOST_BYTES = 900_000


def make_message(mutator: Mutator, messages: list[dict[str, Any]], limit: int) -> Any:
    content: Any = mutator.value(mutator.one_of(messages))
    if mutator.chance(0.15):
        content = mutator.raw(encoded(content))
    known = [payloads.record()] if mutator.chance(0.2) else []
    receives = mutator.one_of((1, 2, limit - 1, limit, limit + 1))
    return {"content": content, "receives": receives, "known": mutator.value(known)}


def body_of(content: Any) -> str:
    """Return a body as SQS delivers it: text without the characters that SQS refuses.

    Cut the text to MOST_BYTES characters. Return " " if no character is left. Source:
    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html
    """
    text = encoded(content).decode("utf-8", "replace")[:MOST_BYTES]
    kept = (
        letter
        for letter in text
        if letter in "\t\n\r" or (letter >= " " and letter not in "\ufffe\uffff")
    )
    return "".join(kept) or " "


def check_ended(aws: Aws, url: str, dead: str, given: Any, deps: Any) -> Iterator[str]:
    """Check that a message is deleted, is retried, or goes to the DLQ with a foreseen reason.

    A message must not be retried after its last receive. `url` and `dead` are the URLs of the queue
    and its DLQ. Yield the texts that must contain no secret.
    """
    limit = DOWNLOAD_RECEIVES if url == aws.download_queue else UPLOAD_RECEIVES
    receives = given["receives"]
    retried = process(aws, url, body_of(given["content"]), receives, deps)
    require(not (retried and receives >= limit), "A message comes back after its last receive")
    for letter in aws.queues.messages(dead):
        reason = letter.attributes.get("FailedReason", {}).get("StringValue", "")
        require(reason, "A message in a dead-letter queue without a reason")
        require("not foreseen" not in reason, f"A failure that nobody foresaw: {reason}")
    yield from aws.seen()


def check_download_message(given: Any) -> Iterator[str]:
    aws = Aws()
    aws.recordings.put(given["known"])
    zoom = {"/recordings": recording_answer()}
    deps = functions.downloader_of(aws, zoom, steps_of(given["downloads"]))
    yield from check_ended(aws, aws.download_queue, aws.download_dlq, given, deps)


def check_upload_message(given: Any) -> Iterator[str]:
    aws = Aws()
    aws.recordings.put(given["known"])
    deps = functions.uploader_of(aws, good_answers(), body_of(given["content"]))
    yield from check_ended(aws, aws.upload_queue, aws.upload_dlq, given, deps)


def make_download_message(mutator: Mutator) -> Any:
    made = make_message(mutator, payloads.download_messages(), DOWNLOAD_RECEIVES)
    return made | {"downloads": make_download(mutator)}


def make_upload_message(mutator: Mutator) -> Any:
    return make_message(mutator, payloads.upload_messages(), UPLOAD_RECEIVES)


TARGETS = (
    Target("download-message", 9, make_download_message, check_download_message),
    Target("upload-message", 9, make_upload_message, check_upload_message),
)
