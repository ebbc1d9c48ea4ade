"""The sentences of AwsFailed for the operator."""

from __future__ import annotations

import pytest
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionClosedError,
    EndpointConnectionError,
    NoCredentialsError,
    ReadTimeoutError,
)

from ingester.errors import AwsFailed


def test_sentence_about_a_failed_aws_call_names_the_operation_and_the_code() -> None:
    message = "User: arn:aws:sts::1:x is not authorized to do it"
    refused = ClientError({"Error": {"Code": "AccessDenied", "Message": message}}, "ListParts")
    error = AwsFailed.of(refused)
    assert str(error) == "AWS failed: ListParts answered AccessDenied."


@pytest.mark.parametrize(
    "error",
    [
        ConnectionClosedError(endpoint_url="https://s3/?X-Amz-Signature=secret"),
        ReadTimeoutError(endpoint_url="https://s3/?X-Amz-Signature=secret"),
        EndpointConnectionError(endpoint_url="https://s3/?X-Amz-Signature=secret"),
        NoCredentialsError(),
    ],
    ids=lambda error: type(error).__name__,
)
def test_sentence_about_a_failed_aws_call_names_the_type_of_the_error_when_aws_gave_no_answer(
    error: BotoCoreError,
) -> None:
    assert str(AwsFailed.of(error)) == f"AWS failed: a call answered {type(error).__name__}."


@pytest.mark.parametrize("response", [{}, {"Error": {}}])
def test_sentence_about_a_failed_aws_call_names_the_type_of_the_error_when_the_answer_has_no_code(
    response: dict[str, dict[str, str]],
) -> None:
    error = ClientError(response, "PutItem")  # type: ignore[arg-type]  # as a proxy can answer
    assert str(AwsFailed.of(error)) == "AWS failed: PutItem answered ClientError."
