"""Tests of attacks on the local cloud by another user of the machine, or by a web page.

Some tests here send requests as the developer's processes do, which the cloud must answer.
"""

from __future__ import annotations

import hashlib
import http.client
import io
import json
import ssl
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest
import requests
from botocore.config import Config
from botocore.exceptions import ClientError

from local.cloud import ACCOUNT, OPERATOR_KEY_ID
from local.deploy import Access
from local.driver import KeptClients
from local.settings import API_ID, API_ID_TAG, api_url
from tests.local.aws_signature import Signer
from tests.local.conftest import SECRET
from tests.local.processes_of import processes_of

ROOT = Signer(OPERATOR_KEY_ID, SECRET)
EVIL = "https://evil.example"
FORM = {"content-type": "application/x-www-form-urlencoded"}
CREATE_STOLEN = b"Action=CreateTopic&Version=2010-03-31&Name=stolen"
CREATE_HONEST = b"Action=CreateTopic&Version=2010-03-31&Name=honest"

BUCKET, KEY = "secret-files", "a/lecture.mp4"
SHOW_KEYS = """
import os
def handler(event, context):
    return {name: os.environ[name] for name in event}
"""
KEY_NAMES = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"]


@dataclass(frozen=True)
class Target:
    """A cloud to attack, clients with and without credentials, and the key of a function's role."""

    access: Access
    clients: KeptClients
    session: requests.Session
    role: Signer
    role_arn: str
    function_arn: str

    @property
    def url(self) -> str:
        return self.access.url

    def create_topic(
        self,
        signer: Signer | None,
        sent: bytes = CREATE_STOLEN,
        signed: bytes | None = None,
        **headers: str,
    ) -> requests.Response:
        """POST to SNS, signed unless `signer` is None, and return the answer.

        `signed` is the signed body, by default `sent`.
        """
        body = sent if signed is None else signed
        made = signer.headers("POST", f"{self.url}/", "sns", body, FORM) if signer else FORM
        return self.session.post(f"{self.url}/", data=sent, headers={**made, **headers}, timeout=10)

    def get(self, path: str, **headers: str) -> requests.Response:
        return self.session.get(f"{self.url}{path}", headers=headers, timeout=10)

    def assert_refused(self, answer: requests.Response) -> None:
        """Assert that the gateway refused a request, and that the request changed nothing.

        Also assert that web pages can't read the answer.
        """
        assert answer.status_code == 403, answer.text
        assert "gateway" not in answer.text
        assert_unreadable(answer)
        topics = self.clients.client("sns").list_topics()["Topics"]
        assert not [topic for topic in topics if topic["TopicArn"].endswith("stolen")]
        read = self.clients.client("s3").get_object(Bucket=BUCKET, Key=KEY)["Body"].read()
        assert read == b"lecture"


def assert_unreadable(answer: requests.Response) -> None:
    """Assert that web pages of other origins can't read an answer."""
    assert not [name for name in answer.headers if name.lower().startswith("access-control-")]


@pytest.fixture(scope="module")
def target(access: Access) -> Iterator[Target]:
    clients = KeptClients(access)
    s3 = clients.client("s3")
    s3.create_bucket(Bucket=BUCKET)
    s3.put_object(Bucket=BUCKET, Key=KEY, Body=b"lecture")
    s3.put_object(Bucket=BUCKET, Key="a/other", Body=b"other")
    role, function = make_function(access)
    answer = access.client("lambda").invoke(
        FunctionName=function, Payload=json.dumps(KEY_NAMES).encode()
    )
    keys = json.loads(answer["Payload"].read())
    make_api(access)
    with requests.Session() as session:
        session.trust_env, session.verify = False, str(access.ca_bundle)
        signer = Signer(*(keys[name] for name in KEY_NAMES))
        yield Target(access, clients, session, signer, role, function)


def make_function(access: Access) -> tuple[str, str]:
    """Make a function that returns its keys, and return the ARNs of role and function."""
    package = io.BytesIO()
    with zipfile.ZipFile(package, "w") as archive:
        archive.writestr("shows.py", SHOW_KEYS)
    iam = access.client("iam")
    role: str = iam.create_role(RoleName="reader", AssumeRolePolicyDocument="{}")["Role"]["Arn"]
    allowed = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}
    iam.put_role_policy(
        RoleName="reader",
        PolicyName="read",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [allowed]}),
    )
    made = access.client("lambda").create_function(
        FunctionName="shows",
        Runtime="python3.13",
        Role=role,
        Handler="shows.handler",
        Code={"ZipFile": package.getvalue()},
        Timeout=10,
    )
    return role, str(made["FunctionArn"])


def make_api(access: Access) -> None:
    """Make an API whose root answers GET, and allows every web page to read the answer."""
    api = access.client("apigateway")
    made = api.create_rest_api(name="api", tags={API_ID_TAG: API_ID})["id"]
    root = api.get_resources(restApiId=made)["items"][0]["id"]
    where = {"restApiId": made, "resourceId": root, "httpMethod": "GET"}
    header = "method.response.header.Access-Control-Allow-Origin"
    api.put_method(**where, authorizationType="NONE")
    api.put_integration(
        **where, type="MOCK", requestTemplates={"application/json": '{"statusCode": 200}'}
    )
    api.put_method_response(**where, statusCode="200", responseParameters={header: False})
    api.put_integration_response(**where, statusCode="200", responseParameters={header: "'*'"})
    api.create_deployment(restApiId=made, stageName="live")


@pytest.mark.parametrize(
    "signer",
    [
        pytest.param(None, id="unsigned"),
        pytest.param(Signer("test", "test"), id="the-key-of-ministack's-manual"),
        pytest.param(replace(ROOT, secret="wrong"), id="wrong-secret"),
        pytest.param(replace(ROOT, secret=""), id="empty-secret"),
        pytest.param(replace(ROOT, token="token"), id="root-with-a-token"),
        pytest.param(replace(ROOT, key_id=""), id="empty-key-id"),
        pytest.param(Signer(ACCOUNT, "test"), id="account-number-as-key"),
        pytest.param(Signer("999999999999", SECRET), id="another-account"),
        pytest.param(Signer("AKIAIOSFODNN7EXAMPLE", "key"), id="unknown-key"),
        pytest.param(replace(ROOT, at=datetime.now(UTC) - timedelta(hours=1)), id="replay"),
        pytest.param(replace(ROOT, at=datetime.now(UTC) + timedelta(hours=1)), id="future"),
    ],
)
def test_gateway_refuses_a_request_when_its_signature_is_missing_or_made_from_wrong_values(
    target: Target, signer: Signer | None
) -> None:
    target.assert_refused(target.create_topic(signer))


def test_gateway_serves_a_request_when_the_root_user_has_signed_it(target: Target) -> None:
    assert target.create_topic(ROOT, CREATE_HONEST).status_code == 200


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"token": ""}, id="no-token"),
        pytest.param({"token": "guessed"}, id="wrong-token"),
        pytest.param({"secret": "guessed"}, id="wrong-secret"),
    ],
)
def test_gateway_refuses_the_key_of_a_role_when_secret_or_token_is_wrong(
    target: Target, changes: Mapping[str, Any]
) -> None:
    url = f"{target.url}/{BUCKET}/{KEY}"
    wrong = replace(target.role, **changes)
    target.assert_refused(
        target.session.get(url, headers=wrong.headers("GET", url, "s3"), timeout=10)
    )


def test_gateway_refuses_an_action_with_the_key_of_a_role_that_lacks_the_grant(
    target: Target,
) -> None:
    url = f"{target.url}/{BUCKET}/{KEY}"
    headers = target.role.headers("GET", url, "s3")
    assert target.session.get(url, headers=headers, timeout=10).content == b"lecture"
    assert target.create_topic(target.role).status_code == 403


def test_key_of_a_role_cannot_be_derived_from_the_arns_of_function_and_role(target: Target) -> None:
    digest = hashlib.sha256(f"{target.function_arn}:{target.role_arn}".encode()).hexdigest()
    guessed = Signer(
        f"ASIA{digest[:16].upper()}",
        hashlib.sha256(f"secret:{digest}".encode()).hexdigest(),
        hashlib.sha256(f"token:{digest}".encode()).hexdigest(),
    )
    assert guessed.secret != target.role.secret
    url = f"{target.url}/{BUCKET}/{KEY}"
    target.assert_refused(
        target.session.get(url, headers=guessed.headers("GET", url, "s3"), timeout=10)
    )


def test_gateway_refuses_a_request_when_its_body_was_changed(target: Target) -> None:
    target.assert_refused(target.create_topic(ROOT, CREATE_STOLEN, signed=CREATE_HONEST))


def test_gateway_refuses_a_request_when_its_body_does_not_have_the_signed_hash(
    target: Target,
) -> None:
    claimed = {"x-amz-content-sha256": hashlib.sha256(CREATE_HONEST).hexdigest()}
    headers = ROOT.headers("POST", f"{target.url}/", "sns", more={**FORM, **claimed})
    url = f"{target.url}/"
    target.assert_refused(target.session.post(url, data=CREATE_STOLEN, headers=headers, timeout=10))
    honest = target.session.post(url, data=CREATE_HONEST, headers=headers, timeout=10)
    assert honest.status_code == 200


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("DELETE", f"/{BUCKET}/{KEY}"),
        ("GET", f"/{BUCKET}/a/other"),
        ("GET", f"/{BUCKET}/{KEY}?acl"),
    ],
)
def test_gateway_refuses_a_signature_when_method_or_url_was_changed(
    target: Target, method: str, path: str
) -> None:
    headers = ROOT.headers("GET", f"{target.url}/{BUCKET}/{KEY}", "s3")
    target.assert_refused(
        target.session.request(method, f"{target.url}{path}", headers=headers, timeout=10)
    )


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Amz-Target": "AmazonSSM.GetParameter"},
        {"X-Amz-Date": "now"},
        {"X-Amz-Date": ""},
        {"Authorization": "Bearer secret"},
        {"Authorization": f"AWS {OPERATOR_KEY_ID}:c2lnbmF0dXJl"},
        {"Authorization": "AWS4-HMAC-SHA256 Credential=test/x/y/sns/aws4_request"},
        {"Authorization": "AWS4-ECDSA-P256-SHA256 Credential=test/x/sns/aws4_request"},
    ],
    ids=lambda headers: ", ".join(f"{name}: {value[:20]}" for name, value in headers.items()),
)
def test_gateway_refuses_a_signed_request_when_a_header_was_added_or_changed(
    target: Target, headers: Mapping[str, Any]
) -> None:
    target.assert_refused(target.create_topic(ROOT, **headers))


def test_gateway_refuses_a_request_when_its_host_is_not_signed(target: Target) -> None:
    url = f"{target.url}/"
    headers = ROOT.headers("POST", url, "sns", CREATE_STOLEN, FORM, host="")
    target.assert_refused(target.session.post(url, data=CREATE_STOLEN, headers=headers, timeout=10))


@cache
def s3_of(url: str, signer: Signer) -> Any:
    return boto3.Session().client(
        "s3",
        endpoint_url=url,
        region_name=signer.region,
        aws_access_key_id=signer.key_id,
        aws_secret_access_key=signer.secret,
        aws_session_token=signer.token or None,
        config=Config(signature_version="s3v4"),
    )


def presigned(target: Target, signer: Signer = ROOT, seconds: int = 60) -> str:
    where = {"Bucket": BUCKET, "Key": KEY}
    s3 = s3_of(target.url, signer)
    return str(s3.generate_presigned_url("get_object", Params=where, ExpiresIn=seconds))


def test_gateway_serves_the_file_of_a_presigned_url(target: Target) -> None:
    for signer in (ROOT, target.role):
        answer = target.session.get(presigned(target, signer), timeout=10)
        assert (answer.status_code, answer.content) == (200, b"lecture")
        assert_unreadable(answer)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (KEY, "a/other"),
        (KEY, ""),
        (BUCKET, "other-bucket"),
        ("X-Amz-Expires=60", "X-Amz-Expires=600"),
        ("X-Amz-Expires=60", "X-Amz-Expires=-1"),
        ("X-Amz-Expires=60", "X-Amz-Expires=x"),
        ("X-Amz-Signature=", "X-Amz-Signature=0"),
        ("X-Amz-Signature=", "X-Amz-Sign="),
        ("X-Amz-Algorithm=AWS4-HMAC-SHA256", "X-Amz-Algorithm=none"),
        ("X-Amz-SignedHeaders=host", "X-Amz-SignedHeaders="),
        ("%2Fs3%2F", "%2Fsts%2F"),
        ("X-Amz-Date=2", "X-Amz-Date=1"),
        ("X-Amz-Date=", "X-Amz-Date=x"),
    ],
)
def test_gateway_refuses_a_presigned_url_when_it_was_changed(
    target: Target, old: str, new: str
) -> None:
    url = presigned(target)
    assert old in url
    target.assert_refused(target.session.get(url.replace(old, new, 1), timeout=10))


@pytest.mark.parametrize("method", ["PUT", "DELETE", "POST", "OPTIONS"])
def test_gateway_refuses_a_presigned_url_when_the_method_is_not_the_signed_method(
    target: Target, method: str
) -> None:
    target.assert_refused(target.session.request(method, presigned(target), timeout=10))


@pytest.mark.parametrize(
    "more",
    [
        {"data": CREATE_STOLEN, "headers": FORM},
        {"headers": {"X-Amz-Target": "AmazonSSM.GetParameter"}},
        {"headers": {"Authorization": "AWS4-HMAC-SHA256 Credential=test/x/y/sns/aws4_request"}},
        {"headers": {"Origin": EVIL}},
        {"headers": {"Host": "evil.example"}},
    ],
    ids=["body", "target", "second-signature", "origin", "host"],
)
def test_gateway_refuses_a_presigned_url_when_a_body_or_header_is_added_or_the_host_changed(
    target: Target, more: Mapping[str, Any]
) -> None:
    target.assert_refused(target.session.get(presigned(target), **more, timeout=10))


@pytest.mark.parametrize(
    "signer", [replace(ROOT, secret="test"), Signer("AKIAIOSFODNN7EXAMPLE", "key")]
)
def test_gateway_refuses_a_presigned_url_when_a_wrong_key_signed_it(
    target: Target, signer: Signer
) -> None:
    target.assert_refused(target.session.get(presigned(target, signer), timeout=10))


def test_gateway_refuses_a_presigned_url_when_it_has_expired(target: Target) -> None:
    url = presigned(target, seconds=0)
    target.assert_refused(target.session.get(url, timeout=10))


@pytest.mark.parametrize("origin", [EVIL, "null", "http://127.0.0.1", "https://127.0.0.1:1", ""])
def test_gateway_refuses_a_signed_request_when_it_comes_from_a_page_of_another_origin(
    target: Target, origin: str
) -> None:
    target.assert_refused(target.create_topic(ROOT, Origin=origin))


def test_gateway_serves_a_signed_request_when_it_comes_from_a_page_of_the_cloud(
    target: Target,
) -> None:
    answer = target.create_topic(ROOT, CREATE_HONEST, Origin=target.url)
    assert answer.status_code == 200
    assert_unreadable(answer)


@pytest.mark.parametrize(
    "host",
    ["evil.example", "127.0.0.1.evil.example", "evil.localhost", "127.0.0.1@evil.example", ""],
)
@pytest.mark.parametrize("path", ["/", "/_ministack/health", "/_aws/execute-api/localzip/live/"])
def test_gateway_refuses_a_request_when_its_host_is_not_a_name_of_the_cloud(
    target: Target, host: str, path: str
) -> None:
    url = f"{target.url}{path}"
    headers = ROOT.headers("GET", url, "sts", host=host or "x") | {"Host": host}
    target.assert_refused(target.session.get(url, headers=headers, timeout=10))


def test_gateway_serves_a_request_when_its_host_is_localhost(target: Target) -> None:
    url = f"{target.url.replace('127.0.0.1', 'localhost')}/_ministack/health"
    answer = target.session.get(url, headers=ROOT.headers("GET", url, "sts"), timeout=10)
    assert answer.json()["services"]


@pytest.mark.parametrize("path", ["/", f"/{BUCKET}/{KEY}", "/_ministack/reset", "/restapis/"])
def test_gateway_refuses_a_preflight_request_of_a_page_of_another_origin(
    target: Target, path: str
) -> None:
    asked = {"Origin": EVIL, "Access-Control-Request-Method": "POST"}
    answer = target.session.options(f"{target.url}{path}", headers=asked, timeout=10)
    target.assert_refused(answer)


def test_web_page_can_read_only_answers_of_api_routes_that_allow_every_origin(
    target: Target,
) -> None:
    answer = target.get("/_aws/execute-api/localzip/live/", Origin=EVIL)
    assert answer.status_code == 200
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    url = f"{target.url}/{BUCKET}"
    listed = target.session.get(url, headers=ROOT.headers("GET", url, "s3"), timeout=10)
    assert listed.status_code == 200
    assert_unreadable(listed)


@pytest.mark.parametrize(
    "path",
    [
        "/health",
        "/_ministack/health",
        "/_localstack/health",
        "/_ministack/ready",
        "/_ministack/config",
        "/_ministack/rds/iam-auth",
        "/_ministack/cfn-response/token",
        "/_aws/sqs/messages?QueueUrl=x",
        "/_aws/ses",
        "/_aws/lambda-url/x/",
        "/_aws/execute-api",
        "/_aws/execute-api/",
        "/_aws/execute-api/localzip",
        "/_aws/execute-api//live/",
        "/_AWS/execute-api/localzip/live/",
        "//_aws/execute-api/localzip/live/",
        "/restapis/localzip/live/_user_request_/",
        "/.well-known/openid-configuration",
    ],
)
def test_gateway_refuses_an_unsigned_request_when_its_path_is_no_api_route(
    target: Target, path: str
) -> None:
    for method in ("GET", "POST", "PUT"):
        answer = target.session.request(method, f"{target.url}{path}", timeout=10)
        target.assert_refused(answer)


def test_gateway_serves_endpoints_of_ministack_only_to_the_root_user(target: Target) -> None:
    url = f"{target.url}/_ministack/health"
    as_role = target.role.headers("GET", url, "sts")
    target.assert_refused(target.session.get(url, headers=as_role, timeout=10))
    as_root = ROOT.headers("GET", url, "sts")
    assert target.session.get(url, headers=as_root, timeout=10).json()["auth"] == "enabled"


@pytest.mark.parametrize(
    "path", ["../../../../_ministack/reset", "..%2f..%2f..%2f_ministack/reset"]
)
def test_path_traversal_from_an_api_route_does_not_reach_endpoints_of_ministack(
    target: Target, path: str
) -> None:
    parts = urlsplit(target.url)
    trusting = ssl.create_default_context(cafile=str(target.access.ca_bundle))
    connection = http.client.HTTPSConnection(parts.netloc, timeout=10, context=trusting)
    connection.request("POST", f"/_aws/execute-api/{API_ID}/live/{path}")
    assert connection.getresponse().status in {403, 404}
    connection.close()
    assert target.clients.client("s3").head_bucket(Bucket=BUCKET)


def test_gateway_refuses_a_request_for_an_api_route_when_its_signature_is_wrong(
    target: Target,
) -> None:
    url = f"{api_url(target.url)}/"
    wrong = replace(ROOT, secret="test").headers("GET", url, "execute-api")
    target.assert_refused(target.session.get(url, headers=wrong, timeout=10))
    right = ROOT.headers("GET", url, "execute-api")
    assert target.session.get(url, headers=right, timeout=10).status_code == 200


def test_gateway_refuses_a_websocket(target: Target) -> None:
    answer = target.get(
        "/_aws/execute-api/localzip/live",
        **{
            "Connection": "Upgrade",
            "Upgrade": "websocket",
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        },
    )
    target.assert_refused(answer)


def test_local_cloud_listens_on_one_port_only(target: Target) -> None:
    pids = processes_of(target.access.ca_bundle.parent)
    held = {
        link.readlink().name
        for pid in pids
        for link in Path(f"/proc/{pid}/fd").iterdir()
        if link.is_symlink()
    }
    listening = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and f"socket:[{fields[9]}]" in held:
                listening.add(int(fields[1].rpartition(":")[2], 16))
    assert listening == {urlsplit(target.url).port}


def test_command_line_of_the_local_cloud_contains_no_secret(target: Target) -> None:
    lines = [
        Path(f"/proc/{pid}/cmdline").read_bytes()
        for pid in processes_of(target.access.ca_bundle.parent)
    ]
    assert lines
    assert not [line for line in lines if SECRET.encode() in line]


def test_boto3_names_the_reason_of_a_refusal_by_the_gateway(target: Target) -> None:
    stranger = replace(target.access, secret="wrong")
    for service, call in (
        ("dynamodb", "list_tables"),
        ("s3", "list_buckets"),
        ("sqs", "list_queues"),
    ):
        with pytest.raises(ClientError, match="SignatureDoesNotMatch"):
            getattr(stranger.client(service), call)()
