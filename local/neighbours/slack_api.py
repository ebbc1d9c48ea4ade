"""The Slack stand-in's HTTP: Web API methods, and the addresses for answers.

Errors are JSON with status 200 at the Web API, except 429 and 5xx.
[docs.slack.dev/reference/methods/usergroups.list, …/usergroups.users.list, …/apis/web-api]
"""

from collections import deque
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

import msgspec

from local.neighbours.host import Fault
from local.neighbours.https_server import Answer, Request, json_answer, text_answer
from local.neighbours.slack_messages import Refused, read_draft, show
from local.neighbours.slack_workspace import Group, Refusal, ResponseUrl, Workspace

READ_GROUPS = "usergroups:read"
USES, LIFETIME_SECONDS = 5, 1800
PER_MINUTE = 20
"""Calls of one method a minute that "Tier 2" allows."""

FORM = "application/x-www-form-urlencoded"
Arguments = Mapping[str, str]


class Problem(Exception):
    """What a method answers with `ok: false`."""

    def __init__(self, error: str, **more: Any) -> None:
        super().__init__(error)
        self.content = {"ok": False, "error": error, **more}


class SlackApi:
    """Answers an app's requests."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._methods = {
            "auth.test": self._auth_test,
            "usergroups.list": self._groups,
            "usergroups.users.list": self._members,
        }
        self._calls: dict[str, deque[float]] = {name: deque() for name in self._methods}
        self.places = (*self._methods, "response_url")

    def where(self, request: Request) -> str:
        """The method, or `response_url`."""
        if request.path.startswith("/api/"):
            return request.path.removeprefix("/api/")
        return "response_url" if request.path in self._workspace.response_urls else "elsewhere"

    def answer(self, request: Request) -> Answer:
        """What Slack answers."""
        with self._workspace.lock:
            if request.path.startswith("/api/"):
                return self._call(request.path.removeprefix("/api/"), request)
            if hook := self._workspace.response_urls.get(request.path):
                return self._respond(hook, request)
        return text_answer(404, "text/html", b"no_service")

    def refusal(self, fault: Fault) -> Answer:
        """429 with the seconds to wait, or an error of Slack's server."""
        if fault.status == 429:
            return _rate_limited(fault.retry_after)
        return text_answer(fault.status, "text/html", b"<html><body>Server Error</body></html>")

    def _call(self, name: str, request: Request) -> Answer:
        app = self._workspace.app
        headers = (
            ("X-OAuth-Scopes", ",".join(app.scopes)),
            ("X-Accepted-OAuth-Scopes", READ_GROUPS),
        )
        method = self._methods.get(name)
        try:
            if method is None:
                raise Problem("unknown_method", req_method=name)
            arguments = _arguments(request)
            self._check_token(request, arguments)
            if not self._may_call(name):
                return _rate_limited(30)
            return json_answer(200, {"ok": True, **method(arguments)}, *headers)
        except Problem as problem:
            return json_answer(200, problem.content, *headers)

    def _check_token(self, request: Request, arguments: Arguments) -> None:
        kind, _, given = request.headers.get("Authorization", "").partition(" ")
        token = given.strip() if kind.lower() == "bearer" else ""
        # Slack takes no token in a URL from apps of today.
        if request.method == "POST" and not token:
            token = arguments.get("token", "") if "token" not in request.query else ""
        if not token:
            raise Problem("not_authed")
        if token != self._workspace.app.bot_token:
            raise Problem("invalid_auth")

    def _may_call(self, name: str) -> bool:
        calls, now = self._calls[name], self._workspace.clock()
        while calls and calls[0] <= now - 60:
            calls.popleft()
        if len(calls) >= PER_MINUTE:
            return False
        calls.append(now)
        return True

    def _auth_test(self, _: Arguments) -> dict[str, Any]:
        app = self._workspace.app
        return {
            "url": f"https://{app.team_domain}.slack.com/",
            "team": app.team_domain,
            "user": "zip",
            "team_id": app.team_id,
            "user_id": app.bot_user_id,
            "bot_id": app.bot_id,
            "is_enterprise_install": False,
        }

    def _groups(self, arguments: Arguments) -> dict[str, Any]:
        self._check_scope(READ_GROUPS)
        disabled = _true(arguments, "include_disabled")
        groups = [g for g in self._workspace.groups.values() if disabled or not g.disabled]
        return {"usergroups": [self._group(group, arguments) for group in groups]}

    def _group(self, group: Group, arguments: Arguments) -> dict[str, Any]:
        told: dict[str, Any] = {
            "id": group.id,
            "team_id": self._workspace.app.team_id,
            "is_usergroup": True,
            "is_subteam": True,
            "name": group.name,
            "description": "",
            "handle": group.handle,
            "is_external": False,
            "date_create": 1446598059,
            "date_update": 1446670362,
            "date_delete": 1446670362 if group.disabled else 0,
            "auto_type": None,
            "auto_provision": False,
            "created_by": "USLACKBOT",
            "updated_by": "USLACKBOT",
            "deleted_by": None,
            "prefs": {"channels": [], "groups": []},
        }
        if _true(arguments, "include_users"):
            told["users"] = list(group.users)
        if _true(arguments, "include_count"):
            told["user_count"] = len(group.users)
        return told

    def _members(self, arguments: Arguments) -> dict[str, Any]:
        self._check_scope(READ_GROUPS)
        asked = arguments.get("usergroup")
        if not asked:
            raise _invalid("[ERROR] missing required field: usergroup")
        group = self._workspace.groups.get(asked)
        if group is None or (group.disabled and not _true(arguments, "include_disabled")):
            raise Problem("no_such_subteam")
        return {"users": list(group.users)}

    def _check_scope(self, scope: str) -> None:
        scopes = self._workspace.app.scopes
        if scope not in scopes:
            raise Problem("missing_scope", needed=scope, provided=",".join(scopes))

    def _respond(self, hook: ResponseUrl, request: Request) -> Answer:
        """A message to a response_url."""
        if request.method != "POST":
            return text_answer(405, "text/html", b"method_not_allowed")
        if self._workspace.clock() - hook.made_at > LIFETIME_SECONDS:
            return self._refuse(hook, Refused("expired_url"), 404)
        if hook.uses >= USES:
            return self._refuse(hook, Refused("used_url"), 404)
        hook.uses += 1
        try:
            draft = read_draft(_payload(request))
            if draft.is_empty and not draft.delete:
                raise Refused("no_text")
            show(self._workspace, draft, hook)
        except Refused as refused:
            return self._refuse(hook, refused, 400)
        return text_answer(200, "text/plain; charset=utf-8", b"ok")

    def _refuse(self, hook: ResponseUrl, refused: Refused, status: int) -> Answer:
        self._workspace.refused.append(
            Refusal("response_url", refused.error, refused.messages, hook.channel, hook.user)
        )
        content: dict[str, Any] = {"ok": False, "error": refused.error}
        if refused.messages:
            content["response_metadata"] = {"messages": refused.messages}
        return json_answer(status, content)


def _arguments(request: Request) -> Arguments:
    """A method's arguments: of the URL, and of a form."""
    kind = request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if request.method not in {"GET", "POST"}:
        raise Problem("invalid_request_method")
    if request.method == "GET" or not request.body:
        return request.query
    if kind == "application/json":
        # Methods that read take their arguments from a form only; JSON is passed over.
        return request.query
    if kind != FORM:
        raise Problem("invalid_post_type")
    try:
        form = dict(parse_qsl(request.body.decode("utf-8"), keep_blank_values=True))
    except UnicodeDecodeError:
        raise Problem("invalid_form_data") from None
    return {**request.query, **form}


def _payload(request: Request) -> Any:
    """The message in the body of a request to a response_url."""
    kind = request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    content = request.body
    if kind == FORM:
        content = dict(parse_qsl(content.decode("utf-8", "replace"))).get("payload", "").encode()
    elif kind != "application/json":
        raise Refused("invalid_payload", [f"[ERROR] the content type is {kind or 'missing'}"])
    try:
        return msgspec.json.decode(content)
    except msgspec.DecodeError:
        raise Refused("invalid_payload") from None


def _true(arguments: Arguments, name: str) -> bool:
    given = arguments.get(name, "").lower()
    if given not in {"", "0", "1", "true", "false"}:
        raise _invalid(f"[ERROR] must be a boolean [json-pointer:/{name}]")
    return given in {"1", "true"}


def _invalid(message: str) -> Problem:
    return Problem("invalid_arguments", response_metadata={"messages": [message]})


def _rate_limited(seconds: int) -> Answer:
    return json_answer(429, {"ok": False, "error": "ratelimited"}, ("Retry-After", str(seconds)))
