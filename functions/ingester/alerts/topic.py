"""The SNS topic that mails the operators."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from ingester.alerts.mail import Mail, fitted_to_sns
from ingester.log import redact

if TYPE_CHECKING:
    from mypy_boto3_sns.client import SNSClient


class Topic:
    """The SNS topic `<stack>-notifications`."""

    def __init__(self, sns: SNSClient, arn: str) -> None:
        self._sns = sns
        self._arn = arn

    @property
    def region(self) -> str:
        """Region of the topic, and so of the stack."""
        return self._arn.split(":")[3]

    def publish(self, mail: Mail) -> None:
        """Send a mail, after removing secrets and shortening it to SNS's limits.

        Our log records are redacted when they are written. Lambda and libraries don't redact texts.
        """
        safe = redacted(mail)
        self._sns.publish(TopicArn=self._arn, Subject=safe.subject, Message=safe.body)


def redacted(mail: Mail) -> Mail:
    """Return a mail without its secrets and within SNS's limits.

    Truncation comes last, because a secret is recognized by the name before the secret.
    """
    return fitted_to_sns(
        msgspec.structs.replace(mail, subject=redact(mail.subject), body=redact(mail.body))
    )
