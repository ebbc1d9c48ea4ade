"""Checks of the stack by cdk-nag's AwsSolutions rules. REASONS justifies each accepted finding.

A reason without a finding is an error, too. Only this module uses cdk-nag.
"""

from __future__ import annotations

import json
from fnmatch import fnmatchcase
from typing import NamedTuple

import pytest
from aws_cdk import Validations
from cdk_nag import AwsSolutionsChecks

from cdk.app import build
from cdk.settings import load
from tests.infra.template import SETTINGS, STACK

EVERYTHING = {
    **SETTINGS,
    "OC_SUBNET_IDS": "subnet-0123456789abcdef0",
    "OC_SECURITY_GROUP_ID": "sg-0123456789abcdef0",
    "CODEBUILD_SOURCE_URL": "https://github.com/example/zip",
}
"""Settings of a stack with functions in Opencast's VPC, and with CodeBuild's source."""

SELF_AUTHENTICATING = (
    "Zoom, Slack and Opencast can't sign in with IAM or Cognito. The functions check each request "
    "themselves: a signature over its bytes, or the API's own policy the caller's address."
)
VERSIONS = "`:*` are the versions of this one function, which a release publishes."

REASONS = {
    ("AwsSolutions-APIG2", "Api/Api"): (
        "Whether a request is signed is checked before anything in it is looked at, else a forged "
        "one would learn from a 400 what the API expects. So the functions check bodies, by types."
    ),
    ("AwsSolutions-APIG3", "Api/Api/DeploymentStage.*"): (
        "A web ACL costs more than the stack does, and has nothing to do: there is no SQL, and "
        "nobody signs in. Forged requests end at the signature, before a table is read."
    ),
    ("AwsSolutions-APIG4", "Api/Api/Default/*"): SELF_AUTHENTICATING,
    ("AwsSolutions-COG4", "Api/Api/Default/*"): SELF_AUTHENTICATING,
    ("AwsSolutions-IAM4[[]*AmazonAPIGatewayPushToCloudWatchLogs]", "Api/Api/CloudWatchRole"): (
        "The role by which API Gateway writes the logs of all APIs of the account and region; AWS "
        "keeps its policy for this purpose, and a narrower one would break the others."
    ),
    ("AwsSolutions-S1", "Staging/Files"): (
        "Access logs hold whole addresses, so the signatures by which Opencast fetches files for "
        "hours. Who gets at the bucket is two functions; files live for days."
    ),
    ("AwsSolutions-DDB3", "Tables/Status"): (
        "Rows live for seven days and tell where recordings are now: a state of yesterday would be "
        "wrong. What was lost is asked for again, in Zoom."
    ),
    ("AwsSolutions-DDB3", "Tables/Events"): (
        "Read once, when the recording is ingested, mostly on the same day. Without it pauses are "
        "missing; the recording isn't."
    ),
    ("AwsSolutions-DDB3", "Tables/Faults"): (
        "Remembers for minutes what was mailed, so that it isn't mailed again. Lost, there is one "
        "mail too many."
    ),
    ("AwsSolutions-L1", "Functions/*"): (
        "Python 3.13 is tested and locked for (decision 3); the next one is taken when all "
        "packages have wheels for it, and with a release that can be gone back from."
    ),
    ("AwsSolutions-IAM5[[]Resource::<StagingFiles*.Arn>/[*]]", "Functions/zoom-*loader/Role"): (
        "Keys are made of meeting and time. The bucket holds nothing but what this pipeline stages."
    ),
    **{
        ("AwsSolutions-IAM5[[]Resource::[*]]", f"Functions/{function}/Role"): (
            "In a VPC Lambda makes network interfaces with the function's role, and EC2 knows no "
            "resources for these actions. Only the two functions that call Opencast have them, "
            "and only with OC_SUBNET_IDS."
        )
        for function in ("zoom-uploader", "zoom-follow")
    },
    ("AwsSolutions-IAM5[[]*:function:zip-test-*:[*]]", "Build/Project/Role/*"): VERSIONS,
    ("AwsSolutions-IAM5[[]*:stack/zip-test/[*]]", "Build/Project/Role/*"): (
        "Behind the name CloudFormation puts an id of its own: this is one stack."
    ),
    ("AwsSolutions-IAM5[[]*:s3:::zip-code/zip-test/[*]]", "Build/Project/Role/*"): (
        "Packages are kept under names that hold their hash; the prefix is this stack's."
    ),
    ("AwsSolutions-IAM5[[]*:log-group:/aws/codebuild/*:[*]]", "Build/Project/Role/*"): (
        "The streams of the project's own log group."
    ),
    ("AwsSolutions-CB4", "Build/Project"): (
        "The project makes no artifacts: packages go to LAMBDA_CODE_BUCKET, under that bucket's "
        "own encryption, and CodeBuild encrypts its own data with the account's key."
    ),
}
"""Accepted findings, as patterns of (rule, path in the stack), with the reasons."""


class Finding(NamedTuple):
    """A rule that a construct breaks. In `rule`, rules about grants name the grant in brackets."""

    rule: str
    path: str


@pytest.fixture(scope="module")
def findings(tmp_path_factory: pytest.TempPathFactory) -> set[Finding]:
    folder = tmp_path_factory.mktemp("nag")
    app = build(load(EVERYTHING, None), outdir=folder)
    Validations.of(app).add_plugins(AwsSolutionsChecks(app))
    # `synth` raises an error even if REASONS accepts all findings.
    with pytest.raises(RuntimeError, match="ValidationFailed"):
        app.synth()
    report = json.loads((folder / "validation-report.json").read_text())
    [of_nag] = [each for each in report["pluginReports"] if each["pluginName"] == "AwsSolutions"]
    return {
        Finding(
            violation["ruleName"],
            construct["constructPath"].removeprefix(f"{STACK}/").removesuffix("/Resource"),
        )
        for violation in of_nag["violations"]
        for construct in violation["violatingConstructs"]
    }


def covers(reason: tuple[str, str], finding: Finding) -> bool:
    return all(fnmatchcase(*pair) for pair in zip(finding, reason, strict=True))


def test_every_finding_of_cdk_nag_has_a_reason(findings: set[Finding]) -> None:
    left = [each for each in findings if not any(covers(reason, each) for reason in REASONS)]
    assert left == []


def test_every_reason_belongs_to_a_finding_of_cdk_nag(findings: set[Finding]) -> None:
    unneeded = [reason for reason in REASONS if not any(covers(reason, each) for each in findings)]
    assert unneeded == []
