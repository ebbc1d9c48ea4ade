"""The data of the Zoom stand-in, with recordings, tokens, links and switches.

Tokens and secrets stay in memory.
"""

import base64
import hmac
import json
import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from local.neighbours.zoom_recordings import (
    Recording,
    RecordingFile,
    file_json,
    meeting_json,
)

READ_FILES_SCOPE = "cloud_recording:read:list_recording_files:admin"
OLD_READ_SCOPE = "recording:read:admin"
# A request for a list needs one of the list's scopes. Zoom's refusal names the first scope.
ACCOUNT_RECORDINGS_SCOPES = (
    "cloud_recording:read:list_account_recordings:admin",
    "cloud_recording:read:list_account_recordings:master",
    "account:read:admin",
)
USER_RECORDINGS_SCOPES = ("cloud_recording:read:list_user_recordings:admin", OLD_READ_SCOPE)
USERS_SCOPES = ("user:read:list_users:admin", "user:read:admin")

UserStatus = Literal["active", "inactive"]


@dataclass(frozen=True)
class ZoomApp:
    """A Server-to-Server OAuth app, the app's webhook secret, and lifetimes in seconds."""

    account_id: str = "local-account"
    client_id: str = "local-client"
    client_secret: str = field(default="local-client-secret", repr=False)
    webhook_secret: str = field(default="local-webhook-secret", repr=False)
    scopes: tuple[str, ...] = (READ_FILES_SCOPE, USER_RECORDINGS_SCOPES[0], USERS_SCOPES[0])
    access_token_seconds: int = 3600
    download_token_seconds: int = 86_400
    redirect_seconds: int = 7200


@dataclass(frozen=True)
class Switches:
    """The stand-in's behaviour where sources about Zoom disagree, or where Zoom promises nothing.

    `ranges`: whether the CDN supports Range. `after_expiry`: whether an expired download token
    gets a 401, or the page that an unknown token gets. `name_in`: whether the file's name is in
    the redirect's path or in the CDN's Content-Disposition. `bad_client_status`: the status for
    wrong client credentials. `missing_scope_status`: the status for a missing scope.
    `downloads_at`: the origin of download links if a proxy is in front of the stand-in.
    """

    ranges: bool = True
    after_expiry: Literal["401", "html"] = "401"
    name_in: Literal["location", "disposition"] = "location"
    bad_client_status: Literal[400, 401] = 400
    missing_scope_status: Literal[400, 401] = 400
    downloads_at: str = ""


@dataclass(frozen=True)
class Listed:
    """A file and its recording."""

    recording: Recording
    file: RecordingFile


@dataclass(frozen=True)
class _Grant:
    expires: float
    scopes: tuple[str, ...] = ()
    uuid: str = ""


class ZoomAccount:
    """The data of one account, which threads share. `clock` returns seconds since 1970."""

    def __init__(self, app: ZoomApp, clock: Callable[[], float]) -> None:
        self.app = app
        self.clock = clock
        self.switches = Switches()
        self.base_url = ""
        self.cdn_url = ""
        self._lock = threading.RLock()
        self._recordings: dict[str, Recording] = {}
        self._trashed: set[str] = set()
        self._users: dict[str, UserStatus] = {}
        self._asked: dict[str, int] = {}
        self._access: dict[str, _Grant] = {}
        self._download: dict[str, _Grant] = {}
        self._links: dict[str, tuple[str, RecordingFile]] = {}
        self._cdn_key = secrets.token_bytes(32)

    def add(self, recording: Recording) -> None:
        """Add a recording, or replace the recording with the same uuid, trashed or not."""
        with self._lock:
            self._recordings[recording.uuid] = recording
            self._trashed.discard(recording.uuid)

    def trash(self, uuid: str) -> None:
        """Move a recording to the trash. The API and the downloads no longer find the recording.

        Raises:
            KeyError: No recording has the uuid.
        """
        with self._lock:
            self._trashed.add(self._recordings[uuid].uuid)

    def live(self) -> list[Recording]:
        """Return the recordings that aren't in the trash."""
        with self._lock:
            return [r for uuid, r in self._recordings.items() if uuid not in self._trashed]

    def users(self) -> dict[str, UserStatus]:
        """Return every user's status by id. Hosts of recordings are active by default."""
        with self._lock:
            hosts: dict[str, UserStatus] = {
                recording.host_id: "active" for recording in self._recordings.values()
            }
            return {**hosts, **self._users}

    def set_user(self, user: str, status: UserStatus) -> None:
        """Add a user, or change a user's status."""
        with self._lock:
            self._users[user] = status

    def change(self, listed: Listed) -> None:
        """Replace a file by another version. Existing links then lead to the new version.

        Raises:
            ValueError: The file has no content or no padding.
        """
        recording, old = listed.recording, listed.file
        new = old.changed()
        files = tuple(new if file is old else file for file in recording.files)
        with self._lock:
            self._recordings[recording.uuid] = replace(recording, files=files)
            for link, (uuid, file) in self._links.items():
                if file is old:
                    self._links[link] = (uuid, new)

    def recordings(self) -> tuple[Recording, ...]:
        """Return all recordings, including those in the trash."""
        with self._lock:
            return tuple(self._recordings.values())

    def recording(self, uuid: str) -> Recording:
        """Return the recording of this uuid, trashed or not.

        Raises:
            KeyError: No recording has this uuid.
        """
        with self._lock:
            return self._recordings[uuid]

    def find(self, meeting: str) -> Recording | None:
        """Return a recording by uuid, or a meeting's latest recording by the meeting's number.

        Return None if no recording outside the trash has the uuid or number.
        """
        with self._lock:
            live = self.live()
        if meeting.isascii() and meeting.isdigit():
            live = [r for r in live if r.meeting_id == int(meeting)]
            return max(live, key=lambda r: r.start_time, default=None)
        return next((r for r in live if r.uuid == meeting), None)

    def is_trashed(self, uuid: str) -> bool:
        """Return whether a recording is in the trash or doesn't exist."""
        with self._lock:
            return uuid in self._trashed or uuid not in self._recordings

    def count_request(self, uuid: str) -> None:
        """Count an API request about a recording. `is_processing` depends on that count."""
        with self._lock:
            self._asked[uuid] = self._asked.get(uuid, 0) + 1

    def is_processing(self, uuid: str, file: RecordingFile) -> bool:
        """Return whether Zoom is still processing the file."""
        with self._lock:
            return self._asked.get(uuid, 0) < file.processing_asks

    def issue_access_token(self) -> str:
        """Return a new OAuth token. Older tokens stay valid until they expire."""
        return self._issue(
            self._access, _Grant(self.clock() + self.app.access_token_seconds, self.app.scopes)
        )

    def issue_download_token(self, uuid: str, seconds: float | None = None) -> str:
        """Return a new token for a recording's files.

        The token is valid for `seconds`, by default for the app's `download_token_seconds`.
        """
        lifetime = self.app.download_token_seconds if seconds is None else seconds
        return self._issue(self._download, _Grant(self.clock() + lifetime, uuid=uuid))

    def access_scopes(self, token: str) -> tuple[str, ...] | None:
        """Return the scopes of a valid OAuth token, or None for any other token."""
        with self._lock:
            grant = self._access.get(token)
        return grant.scopes if grant and self.clock() < grant.expires else None

    def expire_access_tokens(self) -> None:
        """Expire every OAuth token that was issued so far."""
        with self._lock:
            self._access = {token: _Grant(0.0) for token in self._access}

    def expire_download_tokens(self, uuid: str | None = None) -> None:
        """Expire the download tokens of one recording, or of all recordings if `uuid` is None."""
        with self._lock:
            for token, grant in self._download.items():
                if uuid in {None, grant.uuid}:
                    self._download[token] = _Grant(0.0, uuid=grant.uuid)

    def may_download(self, token: str, uuid: str) -> Literal["yes", "no", "expired"]:
        """Return "yes" if a bearer token opens a recording's files, else "no" or "expired"."""
        with self._lock:
            grant = self._download.get(token) or self._access.get(token)
        if grant is None or grant.uuid not in {"", uuid}:
            return "no"
        if self.clock() >= grant.expires:
            return "expired"
        readable = {READ_FILES_SCOPE, OLD_READ_SCOPE}
        return "yes" if grant.uuid or readable.intersection(grant.scopes) else "no"

    def _issue(self, book: dict[str, _Grant], grant: _Grant) -> str:
        token = f"eyJ{secrets.token_urlsafe(48)}"
        with self._lock:
            book[token] = grant
        return token

    def describe(self, recording: Recording) -> dict[str, Any]:
        """Return the fields that API answers and webhook events share, with new download links."""
        value: dict[str, Any] = meeting_json(recording) | {
            "account_id": self.app.account_id,
            "host_email": recording.host_email,
            "total_size": recording.total_size,
            "recording_count": len(recording.files),
            "share_url": f"{self.base_url}/rec/share/{secrets.token_urlsafe(24)}",
            "recording_files": self._list(recording, recording.files),
            "password": recording.passcode,
            "recording_play_passcode": recording.passcode and secrets.token_urlsafe(24),
        }
        return {name: given for name, given in value.items() if given is not None}

    def linked(self, link: str) -> Listed | None:
        """Return the file to which a link leads, with the file's recording.

        Return None if the file can't be downloaded.
        """
        with self._lock:
            uuid, file = self._links.get(link, ("", None))
            recording = self._recordings.get(uuid)
        if file is None or recording is None or self.is_trashed(uuid):
            return None
        return None if self.is_processing(uuid, file) else Listed(recording, file)

    def _list(self, recording: Recording, files: tuple[RecordingFile, ...]) -> list[dict[str, Any]]:
        listed = []
        for file in files:
            link = secrets.token_urlsafe(32)
            with self._lock:
                self._links[link] = (recording.uuid, file)
            processing = self.is_processing(recording.uuid, file)
            url = f"{self.switches.downloads_at or self.base_url}/rec/download/{link}"
            listed.append(file_json(file, recording.uuid, url, processing=processing))
        return listed

    def sign_address(self, resource: str) -> str:
        """Return the query that turns a resource's URL into a signed URL, in CloudFront's form."""
        expires = int(self.clock() + self.app.redirect_seconds)
        condition = {"DateLessThan": {"AWS:EpochTime": expires}}
        statement = {"Statement": [{"Resource": resource, "Condition": condition}]}
        policy = json.dumps(statement, separators=(",", ":")).encode()
        signature = hmac.digest(self._cdn_key, policy, "sha256")
        return f"Policy={_cdn64(policy)}&Signature={_cdn64(signature)}&Key-Pair-Id=KLOCALSTANDIN"

    def expire_addresses(self) -> None:
        """Expire every signed URL that was issued so far."""
        with self._lock:
            self._cdn_key = secrets.token_bytes(32)

    def check_address(self, resource: str, policy: str, signature: str) -> bool:
        """Return whether the signature is valid, and the policy allows this resource now."""
        try:
            raw = base64.b64decode(policy.translate(_FROM_CDN64), validate=True)
            given = base64.b64decode(signature.translate(_FROM_CDN64), validate=True)
        except ValueError:
            return False
        if not hmac.compare_digest(hmac.digest(self._cdn_key, raw, "sha256"), given):
            return False
        statement = json.loads(raw)["Statement"][0]
        ends: int = statement["Condition"]["DateLessThan"]["AWS:EpochTime"]
        return statement["Resource"] == resource and self.clock() < ends


_FROM_CDN64 = str.maketrans("-_~", "+=/")


def _cdn64(raw: bytes) -> str:
    """Return CloudFront's base64 for a query, which has `-_~` in place of `+=/`."""
    return base64.b64encode(raw).decode().translate(str.maketrans("+=/", "-_~"))
