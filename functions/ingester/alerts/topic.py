"""SNS: the topic whose subscribers are the operators' mailboxes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from ingester.alerts.mail import Mail, fitted
from ingester.log import redact

if TYPE_CHECKING:
    from mypy_boto3_sns.client import SNSClient


class Topic:
    """`<stack>-notifications`, named by its ARN."""

    def __init__(self, sns: SNSClient, arn: str) -> None:
        self._sns = sns
        self._arn = arn

    @property
    def region(self) -> str:
        """The region that the topic, and so the stack, is in."""
        return self._arn.split(":")[3]

    def publish(self, mail: Mail) -> None:
        """Sends a mail, cut to SNS's limits, without what looks like a secret in it.

        Records are redacted when they are written; here it is done again for what others wrote.
        """
        safe = redacted(mail)
        self._sns.publish(TopicArn=self._arn, Subject=safe.subject, Message=safe.body)


def redacted(mail: Mail) -> Mail:
    """The mail without secrets and within SNS's limits. It is cut last, so that no secret loses
    the name by which it is known."""
    return fitted(
        msgspec.structs.replace(mail, subject=redact(mail.subject), body=redact(mail.body))
    )
