"""Tests of optional protections, such as the site's key, log retention and a web ACL."""

from __future__ import annotations

from typing import Any

import pytest

from cdk.grants import ENCRYPTED, USE_KEY
from cdk.names import FUNCTIONS, LOG_NOTIFICATIONS, UPLOADER, WEBHOOK, Function
from cdk.settings import LOG_RETENTIONS
from ops.grants_document import as_list, resolve
from tests.infra.template import Changed, Template, problems, synthesize

KEY = "arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"
ACL = "arn:aws:wafv2:us-east-1:123456789012:regional/webacl/zip/1234abcd-12ab"


@pytest.fixture(scope="module")
def encrypted(tmp_path_factory: pytest.TempPathFactory) -> Template:
    return synthesize(tmp_path_factory.mktemp("encrypted"), {"KMS_KEY_ARN": KEY})


def statements_on_keys(template: Template, function: Function) -> list[dict[str, Any]]:
    """Return the statements of a function's role that are about KMS."""
    role = template.resources[template.functions[function.name]["Role"]["Fn::GetAtt"][0]]
    [policy] = role["Properties"]["Policies"]
    found = resolve(policy["PolicyDocument"], template.resources)["Statement"]
    return [each for each in found if any("kms:" in action for action in as_list(each["Action"]))]


def test_the_template_has_no_optional_protection_by_default(template: Template) -> None:
    for name in ("kms", "Kms", "KMS", "SSESpecification", "WAF", "Reserved", "BucketKeyEnabled"):
        assert name not in template.text, name


def test_the_key_of_the_site_encrypts_queues_tables_bucket_topic_and_logs(
    encrypted: Template,
) -> None:
    queues = encrypted.queues.values()
    assert {queue["KmsMasterKeyId"] for queue in queues} == {KEY}
    assert not any("SqsManagedSseEnabled" in queue for queue in queues)
    for table in encrypted.tables.values():
        assert table["SSESpecification"] == {
            "KMSMasterKeyId": KEY,
            "SSEEnabled": True,
            "SSEType": "KMS",
        }
    [bucket] = encrypted.of_type("AWS::S3::Bucket").values()
    [rule] = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert rule["BucketKeyEnabled"] is True
    assert rule["ServerSideEncryptionByDefault"] == {
        "KMSMasterKeyID": KEY,
        "SSEAlgorithm": "aws:kms",
    }
    [topic] = encrypted.of_type("AWS::SNS::Topic").values()
    assert topic["KmsMasterKeyId"] == KEY
    groups = encrypted.of_type("AWS::Logs::LogGroup").values()
    assert {group["KmsKeyId"] for group in groups} == {KEY}
    assert not encrypted.of_type("AWS::KMS::Key")


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda function: function.name)
def test_a_function_may_use_the_key_of_the_site_only_through_the_services_of_the_function(
    encrypted: Template, template: Template, function: Function
) -> None:
    assert statements_on_keys(template, function) == []
    [statement] = statements_on_keys(encrypted, function)
    assert set(statement["Action"]) == set(USE_KEY)
    assert statement["Resource"] == KEY
    [services] = statement["Condition"]["StringEquals"].values()
    expected = {f"{each}.us-east-1.amazonaws.com" for each in ENCRYPTED & set(function.services)}
    assert set(as_list(services)) == expected != set()


def test_log_notifications_may_use_the_key_of_the_site_for_the_topic(encrypted: Template) -> None:
    [statement] = statements_on_keys(encrypted, LOG_NOTIFICATIONS)
    assert "sns.us-east-1.amazonaws.com" in str(statement["Condition"])
    [other] = statements_on_keys(encrypted, UPLOADER)
    assert "sns." not in str(other["Condition"])


@pytest.mark.parametrize(
    "key",
    [
        "alias/zip",
        "1234abcd-12ab-34cd-56ef-1234567890ab",
        "arn:aws:kms:us-east-1:123456789012:alias/zip",
    ],
)
def test_kms_key_arn_is_refused_when_it_is_not_the_arn_of_a_key(key: str) -> None:
    [problem] = problems(KMS_KEY_ARN=key)
    assert "the ARN of a key (not of an alias)" in problem


@pytest.mark.parametrize(("name", "arn"), [("KMS_KEY_ARN", KEY), ("WEB_ACL_ARN", ACL)])
def test_an_arn_in_another_region_than_the_stack_is_refused(name: str, arn: str) -> None:
    assert problems(**{name: arn}) == ()
    [problem] = problems(**{name: arn}, AWS_REGION="eu-west-1")
    assert problem == f"{name} is in us-east-1, but has to be in eu-west-1."


def test_a_web_acl_is_associated_with_the_stage(changed: Changed) -> None:
    [association] = changed({"WEB_ACL_ARN": ACL}).of_type("AWS::WAFv2::WebACLAssociation").values()
    assert association["WebACLArn"] == ACL
    parts = association["ResourceArn"]["Fn::Join"][1]
    assert "::/restapis/" in str(parts)
    assert "/stages/" in str(parts)


@pytest.mark.parametrize("acl", [ACL.replace("regional", "global"), "zip", ACL[:-20]])
def test_web_acl_arn_is_refused_when_it_does_not_name_a_regional_acl(acl: str) -> None:
    [problem] = problems(WEB_ACL_ARN=acl)
    assert "the ARN of a regional web ACL" in problem


def test_concurrency_is_reserved_only_for_the_webhook(changed: Changed) -> None:
    functions = changed({"WEBHOOK_RESERVED_CONCURRENCY": "20"}).functions
    reserved = {
        name: properties["ReservedConcurrentExecutions"]
        for name, properties in functions.items()
        if "ReservedConcurrentExecutions" in properties
    }
    assert reserved == {WEBHOOK.name: 20}


def test_all_logs_are_kept_for_log_retention_days(changed: Changed) -> None:
    groups = changed({"LOG_RETENTION_DAYS": "365"}).of_type("AWS::Logs::LogGroup").values()
    assert {group["RetentionInDays"] for group in groups} == {365}


@pytest.mark.parametrize("days", ["0", "31", "six months", "-1", "180.0", "0180"])
def test_a_retention_that_cloudwatch_does_not_offer_is_refused(days: str) -> None:
    [problem] = problems(LOG_RETENTION_DAYS=days)
    assert problem.startswith(f"LOG_RETENTION_DAYS is {days!r}, but has to be one of 1, 3, 5, 7, ")
    assert problem.endswith(", 3653.")


def test_every_retention_of_cloudwatch_is_accepted() -> None:
    for days in LOG_RETENTIONS:
        assert problems(LOG_RETENTION_DAYS=str(days)) == ()


@pytest.mark.parametrize(
    "origins", ["opencast.example.edu", "https://oc.example.edu/admin", "*", "null", "ftp://x.edu"]
)
def test_ingest_allowed_origins_are_refused_when_one_is_not_an_origin(origins: str) -> None:
    [problem] = problems(INGEST_ALLOWED_ORIGINS=origins)
    assert "has to be origins like https://opencast.example.edu" in problem
