"""A certificate authority for a local stack, so that every local server uses real HTTPS.

The authority's private key signs one certificate and is never written to a file. So nobody who
finds the folder can sign another certificate that a developer's machine trusts.
"""

import contextlib
import fcntl
import os
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import certifi
import trustme
from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm

from local.loopback import SERVER_NAMES

DEFAULT_FOLDER = Path(".local/tls")
LIFETIME = timedelta(days=365)
RENEW_WITHIN = timedelta(days=2)

_UNUSABLE = (OSError, TypeError, ValueError, InvalidSignature, UnsupportedAlgorithm)
"""Exceptions for files that are missing, unreadable, malformed or don't belong together."""


class ExtraAuthorityError(Exception):
    """Error for a setting `LOCAL_EXTRA_CA` that names no PEM file with certificates."""


@dataclass(frozen=True)
class Authority:
    """Paths of the authority's certificate, and of the servers' certificate and private key."""

    ca_bundle: Path
    certificate: Path
    key: Path

    def ssl_context(self) -> ssl.SSLContext:
        """Return a TLS context for a server, with the servers' certificate and key."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(self.certificate, self.key)
        return context


def ensure_authority(folder: Path = DEFAULT_FOLDER, *, now: datetime | None = None) -> Authority:
    """Return the authority in `folder`. Make a new authority if the folder has no usable one.

    An authority that expires within two days is unusable, too. Several processes may call this
    function in parallel, because a file lock lets only one process make the authority.
    """
    moment = now or datetime.now(UTC)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    authority = Authority(folder / "ca.crt", folder / "server.crt", folder / "server.key")
    with _locked(folder / ".lock"):
        if not _usable(authority, moment):
            _issue(authority, moment)
    return authority


def write_bundle(
    path: Path, authority: Authority, *, extra: Path | None = None, public: bool = False
) -> Path:
    """Write a PEM file with certificates of authorities to trust, and return its path.

    The file has the local authority, the authorities in the file `extra` and, if `public`, the
    authorities of certifi. The setting `LOCAL_EXTRA_CA` names `extra`.

    Raises:
        ExtraAuthorityError: `extra` can't be read or has no certificate.
    """
    parts = [authority.ca_bundle.read_text("ascii")]
    if extra is not None:
        parts.append(_certificates_in(extra))
    if public:
        parts.append(Path(certifi.where()).read_text("utf-8"))
    path.parent.mkdir(parents=True, exist_ok=True)
    _write(path, "\n".join(part.strip() for part in parts) + "\n")
    return path


def _certificates_in(extra: Path) -> str:
    try:
        text = extra.read_text("utf-8")
        x509.load_pem_x509_certificates(text.encode())
    except (OSError, ValueError) as error:
        raise ExtraAuthorityError(
            f"LOCAL_EXTRA_CA: no certificates could be read from {extra} ({error}). "
            "Name a PEM file with the authorities to trust, or leave the setting out."
        ) from error
    return text


def _usable(authority: Authority, now: datetime) -> bool:
    """Return whether the three files exist, belong together and are valid for two more days."""
    try:
        ca = x509.load_pem_x509_certificate(authority.ca_bundle.read_bytes())
        certificate = x509.load_pem_x509_certificate(authority.certificate.read_bytes())
        certificate.verify_directly_issued_by(ca)
        authority.ssl_context()
    except _UNUSABLE:
        return False
    ends = min(ca.not_valid_after_utc, certificate.not_valid_after_utc)
    return certificate.not_valid_before_utc <= now and now + RENEW_WITHIN < ends


def _issue(authority: Authority, now: datetime) -> None:
    ca = trustme.CA(organization_name="Zoom Ingester Pipeline, local stack")
    server = ca.issue_cert(*SERVER_NAMES, not_after=now + LIFETIME)
    chain = "".join(blob.bytes().decode("ascii") for blob in server.cert_chain_pems)
    _write(authority.key, server.private_key_pem.bytes().decode("ascii"))
    _write(authority.certificate, chain)
    _write(authority.ca_bundle, ca.cert_pem.bytes().decode("ascii"))


def _write(path: Path, text: str) -> None:
    """Write a text atomically to a file that only the owner can read."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    beside.unlink(missing_ok=True)
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    beside.replace(path)


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
