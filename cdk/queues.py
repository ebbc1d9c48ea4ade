"""The queues between the functions, with their dead-letter queues."""

from __future__ import annotations

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from cdk.at_rest import AtRest
from cdk.names import Names
from cdk.receive_limits import DOWNLOAD_RECEIVE_LIMIT, MESSAGE_DAYS, RESERVE_RECEIVES

RETENTION = Duration.days(MESSAGE_DAYS)
VISIBILITY = Duration.seconds(960)
"""The queues' visibility timeout, a little more than the timeout of their functions (900 s).

AWS refuses a visibility timeout below a function's timeout. A longer visibility timeout would delay
retries after a crash.
https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html
"""


class Queues(Construct):
    """The queues `download` and `upload` with their dead-letter queues.

    `upload_receive_limit` is the number of receives up to which the uploader works on a message.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        names: Names,
        at_rest: AtRest,
        upload_receive_limit: int,
    ) -> None:
        super().__init__(scope, construct_id)
        self._key = at_rest.key
        self.upload_receive_limit = upload_receive_limit
        self.download_dlq = self._queue("DownloadDlq", names.download_dlq)
        self.download = self._queue(
            "Download", names.download_queue, self.download_dlq, DOWNLOAD_RECEIVE_LIMIT
        )
        self.upload_dlq = self._queue("UploadDlq", names.upload_dlq)
        self.upload = self._queue(
            "Upload", names.upload_queue, self.upload_dlq, upload_receive_limit
        )

    def _queue(
        self, construct_id: str, name: str, dlq: sqs.Queue | None = None, receive_limit: int = 0
    ) -> sqs.Queue:
        # Standard queues get None, because CloudFormation accepts no `false` here.
        fifo = True if name.endswith(".fifo") else None
        return sqs.Queue(
            self,
            construct_id,
            queue_name=name,
            fifo=fifo,
            content_based_deduplication=fifo,
            retention_period=RETENTION,
            visibility_timeout=VISIBILITY,
            encryption=sqs.QueueEncryption.KMS if self._key else sqs.QueueEncryption.SQS_MANAGED,
            encryption_master_key=self._key,
            enforce_ssl=True,
            removal_policy=RemovalPolicy.DESTROY,
            dead_letter_queue=sqs.DeadLetterQueue(
                queue=dlq, max_receive_count=receive_limit + RESERVE_RECEIVES
            )
            if dlq
            else None,
        )
