"""Where a stack is: what a command has to know to work on one that is there."""

from __future__ import annotations

from dataclasses import dataclass

from cdk import checks
from cdk.settings_reader import Reader

DEFAULT_REGION = "us-east-1"
DEFAULT_ALIAS = "live"

# The longest name of a function, `-zoom-log-notifications`, has to fit into AWS's 64 characters.
_stack_name = checks.matching(
    r"[a-z][a-z0-9-]{0,40}",
    "at most 41 lower-case letters, digits and dashes, beginning with a letter",
)
_bucket_name = checks.matching(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", "the name of an S3 bucket")
_alias = checks.matching(
    r"(?!\d+$)[A-Za-z0-9_-]{1,128}", "letters, digits, dashes and underscores, and not a number"
)
_region = checks.matching(r"[a-z]{2,4}(-[a-z]+)+-\d", "a region of AWS, like us-east-1")


@dataclass(frozen=True)
class Place:
    """A stack's name, the bucket with its code, its release alias, and the way to it.

    `profile` is "" where none is named.
    """

    stack_name: str
    code_bucket: str
    release_alias: str
    region: str
    profile: str


def read_place(reader: Reader) -> Place:
    """The place that settings name. What is missing or wrong is among the reader's problems."""
    return Place(
        stack_name=reader.required(
            "STACK_NAME",
            "the name of the stack, in front of every name in AWS",
            _stack_name,
            "",
        ),
        code_bucket=reader.required(
            "LAMBDA_CODE_BUCKET",
            "the S3 bucket for the functions' packages",
            _bucket_name,
            "",
        ),
        release_alias=reader.optional("LAMBDA_RELEASE_ALIAS", _alias, DEFAULT_ALIAS),
        region=reader.optional("AWS_REGION", _region, "")
        or reader.optional("AWS_DEFAULT_REGION", _region, DEFAULT_REGION),
        profile=reader.text("AWS_PROFILE"),
    )
