"""The local cloud, which is ministack on loopback in its own virtual environment.

The stack's functions are child processes of ministack, with ministack's Python and environment
variables. So `.venv-cloud` has only the packages that ministack needs, and `environment` returns
every variable. Our own program (gateway.py) serves ministack, for two reasons. Our program demands
signatures. ministack's own command would also listen on port 443 if root ran that command.
"""

import json
import random
import shutil
import socket
import ssl
import urllib.error
import urllib.request
from collections.abc import Container
from dataclasses import dataclass, field
from pathlib import Path

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from local.authority import Authority
from local.processes import ROOT, Processes, ProcessFailed, Running

PYTHON = ROOT / ".venv-cloud" / "bin" / "python"
HOST = "127.0.0.1"
ACCOUNT = "123456789012"
REGION = "us-east-1"
OPERATOR_KEY_ID = "test"
"""Id of the key of the account's root. ministack always accepts this id; the secret is random."""
GATEWAY = Path(__file__).with_name("gateway.py")

# The kernel gives higher ports to outgoing connections (ip_local_port_range in ip(7)).
FREE_PORTS = range(20_000, 32_000)
START_SECONDS = 20.0


class PortTaken(Exception):
    """Error for a port that can't be used, or for lack of a free port. The text has a remedy."""


@dataclass(frozen=True)
class Cloud:
    """A started cloud. `url` is the endpoint of every service and of the API."""

    url: str
    process: Running
    secret: str = field(repr=False)

    def wait(self, ca_bundle: Path, timeout: float = START_SECONDS) -> None:
        """Wait until the cloud answers.

        Raises:
            ProcessFailed: The cloud has ended, or was stopped because it didn't answer within
                `timeout` seconds.
        """
        context = ssl.create_default_context(cafile=str(ca_bundle))
        self.process.wait_for(lambda: _healthy(self.url, self.secret, context), timeout)

    def stop(self) -> None:
        """Stop the cloud and its functions, and wait for their end. The cloud's content is lost."""
        self.process.stop()


def start_cloud(
    folder: Path,
    authority: Authority,
    trusted: Path,
    processes: Processes,
    *,
    secret: str,
    port: int = 0,
    region: str = REGION,
    python: Path = PYTHON,
) -> Cloud:
    """Start the cloud with its files in `folder`, without waiting until the cloud answers.

    All files that `folder` had are deleted. `trusted` is the PEM file of the authorities that
    functions trust. `secret` is the secret access key of the account's root. Port 0 stands for any
    free port. `python` is the Python of `.venv-cloud`.

    Raises:
        PortTaken: The port isn't free, or no free port was found.
        ProcessFailed: `.venv-cloud` is missing, or `processes` were stopped before.
    """
    if not python.exists():
        raise ProcessFailed(f"{python} is missing: run `make setup`.")
    chosen = choose_port(port)
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "tmp").mkdir(mode=0o700, parents=True)
    env = environment(folder, authority, trusted, chosen, region, secret)
    # Without -P, our modules beside the program would be imported in place of ministack's.
    process = processes.start("cloud", [python, "-P", GATEWAY], env, folder)
    return Cloud(f"https://{HOST}:{chosen}", process, secret)


def environment(
    folder: Path, authority: Authority, trusted: Path, port: int, region: str, secret: str
) -> dict[str, str]:
    """Return all environment variables of the cloud, which each function inherits.

    For the arguments, see `start_cloud`.
    """
    return {
        "PATH": "/usr/bin:/bin",
        "HOME": str(folder),
        "LANG": "C.UTF-8",
        "TMPDIR": str(folder / "tmp"),
        "STATE_DIR": str(folder / "state"),
        "S3_DATA_DIR": str(folder / "s3"),
        "AUTH": "true",
        "USE_SSL": "1",
        "MINISTACK_SSL_CERT": str(authority.certificate),
        "MINISTACK_SSL_KEY": str(authority.key),
        "MINISTACK_ACCOUNT_ID": ACCOUNT,
        "MINISTACK_REGION": region,
        "MINISTACK_HOST": HOST,
        "GATEWAY_PORT": str(port),
        "LAMBDA_EXECUTOR": "local",
        "SMTP_HOST": "",
        # The gateway doesn't protect ministack's servers for IoT and SFTP.
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
        "AWS_ACCESS_KEY_ID": OPERATOR_KEY_ID,
        "AWS_SECRET_ACCESS_KEY": secret,
        "AWS_EC2_METADATA_DISABLED": "true",
        "PYTHONDONTWRITEBYTECODE": "1",
        **trust(trusted),
    }


def trust(bundle: Path) -> dict[str, str]:
    """Return environment variables by which requests, botocore, urllib and Node trust a bundle."""
    names = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "AWS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS")
    return dict.fromkeys(names, str(bundle))


def operator_environment(
    url: str, ca_bundle: Path, secret: str, region: str = REGION
) -> dict[str, str]:
    """Return environment variables by which boto3, the CDK and invoke act as the account's root."""
    return {
        "AWS_ENDPOINT_URL": url,
        "AWS_ACCESS_KEY_ID": OPERATOR_KEY_ID,
        "AWS_SECRET_ACCESS_KEY": secret,
        "AWS_REGION": region,
        "AWS_DEFAULT_REGION": region,
        "AWS_EC2_METADATA_DISABLED": "true",
        "PACKAGE_PLATFORM": "host",
        "AWS_CONFIG_FILE": "/dev/null",
        "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
        "NO_PROXY": f"{HOST},localhost",
        "no_proxy": f"{HOST},localhost",
        **trust(ca_bundle),
    }


def signed_get(url: str, service: str, secret: str, region: str = REGION) -> urllib.request.Request:
    """Return a GET request to the cloud, signed by the account's root."""
    request = AWSRequest("GET", url)
    SigV4Auth(Credentials(OPERATOR_KEY_ID, secret), service, region).add_auth(request)
    return urllib.request.Request(url, headers=dict(request.headers))  # noqa: S310 - our own URL


def choose_port(wanted: int, taken: Container[int] = ()) -> int:
    """Return the wanted port if it is free. For 0, return a free port that isn't in `taken`.

    `taken` are ports that were chosen before, on which nothing listens yet.

    Raises:
        PortTaken: The wanted port isn't free, or no free port was found.
    """
    if wanted:
        if reason := _why_taken(wanted):
            raise PortTaken(
                f"Port {wanted} on {HOST} can't be used ({reason}): stop the program that listens "
                "there, or set LOCAL_CLOUD_PORT to another port (0, the default, takes any free "
                "port)."
            )
        return wanted
    # With a random order, two stacks that start at the same time seldom choose the same port.
    candidates = [port for port in FREE_PORTS if port not in taken]
    for candidate in random.sample(candidates, min(100, len(candidates))):
        if not _why_taken(candidate):
            return candidate
    raise PortTaken(
        f"No free port found on {HOST} from {FREE_PORTS.start} to {FREE_PORTS.stop}: "
        "set LOCAL_CLOUD_PORT to a free port outside this range."
    )


def _why_taken(port: int) -> str:
    """Return the reason why a port can't be bound, or "" if the port is free."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            return error.strerror or "no reason given"
    return ""


def _healthy(url: str, secret: str, context: ssl.SSLContext) -> bool:
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
    )
    try:
        health = signed_get(f"{url}/_ministack/health", "sts", secret)
        with opener.open(health, timeout=5) as answer:
            return bool(json.load(answer)["services"])
    except (OSError, urllib.error.URLError, ValueError, KeyError):
        return False
