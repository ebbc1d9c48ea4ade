"""Zoom's answers to requests for OAuth tokens, a meeting's recordings, downloads and CDN files.

https://developers.zoom.us/docs/api/meetings/#tag/cloud-recording
"""

import base64
import binascii
import hmac
import re
import secrets
from email.utils import formatdate
from typing import Any
from urllib.parse import parse_qsl, quote, unquote

from local.media import HTML_PAGE
from local.neighbours.https_server import Answer, Request, json_answer, text_answer
from local.neighbours.zoom_account import (
    OLD_READ_SCOPE,
    READ_FILES_SCOPE,
    Listed,
    ZoomAccount,
)

LONGEST_TTL = 604_800
CONTENT_TYPES = {
    "MP4": "video/mp4",
    "M4A": "audio/mp4",
    "TXT": "text/plain",
    "VTT": "text/vtt",
    "JSON": "application/json",
}
RECORDINGS_PATH = re.compile(r"/v2/meetings/([^/]+)/recordings")
DOWNLOAD_PATH = re.compile(r"/rec/download/([^/]+)")
CDN_PATH = re.compile(r"/replay/([^/]+)/([^/]+)")


def issue_token(account: ZoomAccount, request: Request) -> Answer:
    """Answer `POST /oauth/token`, which needs Basic authorization.

    The parameters may be in the query or in the form, because Zoom's guides show both places.
    """
    if request.method != "POST":
        return _oauth_refusal(405, "invalid_request", "Request method not supported")
    form = dict(parse_qsl(request.body.decode("utf-8", "replace")))
    given = form | dict(request.query)
    if given.get("grant_type") != "account_credentials":
        return _oauth_refusal(400, "unsupported_grant_type", "unsupported grant type")
    client = _basic(request)
    app = account.app
    if client is None or not _same(client, (app.client_id, app.client_secret)):
        status = account.switches.bad_client_status
        return _oauth_refusal(status, "invalid_client", "Invalid client_id or client_secret")
    if given.get("account_id") != app.account_id:
        return _oauth_refusal(400, "invalid_request", "Bad Request: unknown account_id")
    return json_answer(
        200,
        {
            "access_token": account.issue_access_token(),
            "token_type": "bearer",
            "expires_in": app.access_token_seconds,
            "scope": " ".join(app.scopes),
            "api_url": account.base_url,
        },
    )


def list_recordings(account: ZoomAccount, request: Request) -> Answer:
    """Answer `GET /v2/meetings/{meeting}/recordings`. `meeting` is a uuid or a number."""
    scopes = account.access_scopes(_bearer(request) or "")
    if scopes is None:
        return _refusal(401, 124, "Invalid access token.")
    if not {READ_FILES_SCOPE, OLD_READ_SCOPE}.intersection(scopes):
        wanted = f"Invalid access token, does not contain scopes:[{READ_FILES_SCOPE}]."
        return _refusal(account.switches.missing_scope_status, 4711, wanted)
    try:
        ttl = int(request.query.get("ttl", account.app.download_token_seconds))
    except ValueError:
        ttl = -1
    if not 0 <= ttl <= LONGEST_TTL:
        return _refusal(400, 300, f"Validation Failed: ttl must be from 0 to {LONGEST_TTL}.")
    meeting = meeting_of(request.path)
    recording = account.find(meeting) if meeting is not None else None
    if recording is None:
        return _refusal(404, 3301, "This recording does not exist.")
    account.count_request(recording.uuid)
    value: dict[str, Any] = account.describe(recording)
    if "download_access_token" in request.query.get("include_fields", "").split(","):
        value["download_access_token"] = account.issue_download_token(recording.uuid, ttl)
    return json_answer(200, value)


def meeting_of(path: str) -> str | None:
    """Return the uuid or number of the meeting in a path; None if Zoom's gateway finds no meeting.

    The gateway decodes a path once, and doesn't find a uuid that then begins with `/` or contains
    `//`. So a uuid that begins with `/` or contains `//` has to be encoded twice. Any other uuid
    may be encoded once or twice.
    """
    match = RECORDINGS_PATH.fullmatch(path)
    once = unquote(match[1]) if match else "//"
    return None if once.startswith("/") or "//" in once else unquote(once)


def start_download(account: ZoomAccount, request: Request) -> Answer:
    """Answer `GET /rec/download/<link>`.

    Only a token in the Authorization header counts.

    Returns:
        302 to the CDN if the link leads to a file that can be downloaded, and the token is valid.
        401 if the link leads to a file that can be downloaded, the token has expired, and the
        switch `after_expiry` is `401`. Otherwise 200 with an HTML page.
    """
    listed = download_of(account, request)
    token = _bearer(request)
    if listed is None or token is None:
        return _page()
    match account.may_download(token, listed.recording.uuid):
        case "expired" if account.switches.after_expiry == "401":
            refusal = {"status": False, "errorCode": 401, "errorMessage": "Forbidden"}
            return json_answer(401, refusal)
        case "yes":
            return json_answer(302, {}, ("Location", _cdn_address(account, request, listed)))
        case _:
            return _page()


def download_of(account: ZoomAccount, request: Request) -> Listed | None:
    """Return the file to which a download link or a URL of the CDN leads, or None."""
    match = DOWNLOAD_PATH.fullmatch(request.path) or CDN_PATH.fullmatch(request.path)
    return account.linked(match[1]) if match else None


def serve_file(account: ZoomAccount, request: Request) -> Answer:
    """Answer a request to the CDN with the file at a valid signed URL, or one range of the file.

    The answer is 403 if the URL isn't valid, 404 if the file can't be downloaded, 412 if the file
    doesn't have the ETag in If-Match, and 416 if the range is outside the file.
    """
    query = request.query
    signed = account.check_address(
        account.cdn_url + request.path, query.get("Policy", ""), query.get("Signature", "")
    )
    listed = download_of(account, request)
    if not signed:
        return _denied(403, "AccessDenied", "Access Denied")
    if listed is None or listed.file.path is None:
        return _denied(404, "NoSuchKey", "The specified key does not exist.")
    return _content(account, request, listed)


def _content(account: ZoomAccount, request: Request, listed: Listed) -> Answer:
    path, size = listed.file.path, listed.file.size
    if path is None:
        raise ValueError(f"{listed.file.name} has no content")
    etag = f'"{listed.file.sha256()[:32]}"'
    headers = [
        ("Content-Type", CONTENT_TYPES.get(listed.file.extension, "application/octet-stream")),
        ("ETag", etag),
        ("Last-Modified", formatdate(path.stat().st_mtime, usegmt=True)),
    ]
    if account.switches.name_in == "disposition":
        name = quote(listed.file.name)
        headers.append(("Content-Disposition", f"attachment; filename*=UTF-8''{name}"))
    if request.headers.get("If-Match", etag) not in {etag, "*"}:
        return _denied(412, "PreconditionFailed", "At least one precondition did not hold")
    asked = None
    if account.switches.ranges:
        headers.append(("Accept-Ranges", "bytes"))
        if request.headers.get("If-Range", etag) == etag:
            asked = _byte_range(request.headers.get("Range", ""), size)
    rate = listed.file.bytes_per_second
    if asked is None:
        return Answer(200, tuple(headers), file=path, length=size, bytes_per_second=rate)
    first, last = asked
    if first >= size or first > last:
        return Answer(416, (("Content-Range", f"bytes */{size}"),))
    headers.append(("Content-Range", f"bytes {first}-{last}/{size}"))
    length = last - first + 1
    found = tuple(headers)
    return Answer(206, found, file=path, offset=first, length=length, bytes_per_second=rate)


def _byte_range(header: str, size: int) -> tuple[int, int] | None:
    """Return the numbers of the first and last byte of a valid Range header (RFC 9110), or None.

    If the range is outside the file, the first number is `size` or more.
    """
    match = re.fullmatch(r"bytes=(\d*)-(\d*)", header.replace(" ", ""))
    if match is None or match[0] == "bytes=-":
        return None
    if not match[1]:
        length = int(match[2])
        return (max(0, size - length), size - 1) if length else (size, size)
    first = int(match[1])
    if match[2] and int(match[2]) < first:
        return None
    return first, min(int(match[2] or size), size - 1) if first < size else first


def _cdn_address(account: ZoomAccount, request: Request, listed: Listed) -> str:
    link = request.path.rpartition("/")[2]
    in_path = account.switches.name_in == "location"
    name = quote(listed.file.name) if in_path else secrets.token_hex(8)
    resource = f"{account.cdn_url}/replay/{link}/{name}"
    return f"{resource}?{account.sign_address(resource)}"


def _basic(request: Request) -> tuple[str, str] | None:
    scheme, _, credentials = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        name, colon, secret = base64.b64decode(credentials, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return (name, secret) if colon else None


def _same(given: tuple[str, str], right: tuple[str, str]) -> bool:
    return hmac.compare_digest(":".join(given).encode(), ":".join(right).encode())


def _bearer(request: Request) -> str | None:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" and token.strip() else None


def _refusal(status: int, code: int, message: str) -> Answer:
    return json_answer(status, {"code": code, "message": message})


def _oauth_refusal(status: int, error: str, reason: str) -> Answer:
    return json_answer(status, {"reason": reason, "error": error})


def _page() -> Answer:
    return text_answer(200, "text/html;charset=UTF-8", HTML_PAGE)


def _denied(status: int, code: str, message: str) -> Answer:
    error = f"<Error><Code>{code}</Code><Message>{message}</Message></Error>"
    xml = f'<?xml version="1.0" encoding="UTF-8"?>{error}'
    return text_answer(status, "text/xml", xml.encode())
