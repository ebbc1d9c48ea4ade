"""A client of the Opencast stand-in, and helpers for ingests and answers."""

from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import requests
from requests.auth import HTTPDigestAuth

from tests.local.file_server import FileServer
from tests.neighbours import CONTROL

DIGEST = {"X-Requested-Auth": "Digest"}
WORKFLOW = "{http://workflow.opencastproject.org}"
PACKAGE = "{http://mediapackage.opencastproject.org}"
Form = list[tuple[str, Any]]


class Client:
    """A client that trusts the Opencast stand-in's authority and follows no redirect."""

    def __init__(self, url: str, ca_bundle: Path) -> None:
        self.url = url
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.verify = str(ca_bundle)

    def ask(
        self,
        path: str,
        auth: Any = None,
        headers: dict[str, str] | None = None,
        method: str = "GET",
        **more: Any,
    ) -> requests.Response:
        return self.session.request(
            method,
            self.url + path,
            auth=auth,
            headers={**(CONTROL if path.startswith("/_control/") else {}), **(headers or {})},
            allow_redirects=False,
            timeout=10,
            **more,
        )

    def admin(self, path: str, **more: Any) -> requests.Response:
        return self.ask(path, HTTPDigestAuth("zip", "secret"), DIGEST, **more)

    def ingest(
        self, parts: list[tuple[str, str]], workflow: str = "/publish", user: str = "zip"
    ) -> requests.Response:
        """POST form fields as an ingest, in their order, and return the answer."""
        form: Form = [(name, (None, value)) for name, value in parts]
        return self.post(form, workflow, user)

    def post(self, form: Form, workflow: str = "/publish", user: str = "zip") -> requests.Response:
        return self.ask(
            f"/ingest/addMediaPackage{workflow}",
            HTTPDigestAuth(user, "secret" if user == "zip" else user),
            DIGEST,
            "POST",
            files=form,
        )

    def listing(self) -> list[dict[str, Any]]:
        """Return the stand-in's ingests, read from its control path."""
        return list(self.ask("/_control/ingests").json())


def parse(answer: bytes) -> ET.Element:
    """Return the root element of an answer in XML."""
    return ET.fromstring(answer)  # noqa: S314 - the stand-in's own answer


def lecture(files: FileServer, identifier: str = "mp-1") -> list[tuple[str, str]]:
    """Return the form fields of a small ingest with one file."""
    return [
        ("identifier", identifier),
        ("title", "Lecture"),
        ("flavor", "multipart/chunked+source"),
        ("mediaUri", f"{files.url}/b/000-speaker.mp4?X-Amz-Signature=topsecret"),
    ]
