"""Slack's answers to the app's requests to Web API methods and response_urls.

Errors of a Web API method have status 200, except 429 and 5xx.
https://docs.slack.dev/reference/methods/usergroups.list
https://docs.slack.dev/reference/methods/usergroups.users.list
https://docs.slack.dev/apis/web-api
"""

from collections import deque
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

import msgspec

from local.neighbours.faults import Fault
from local.neighbours.https_server import Answer, Request, json_answer, text_answer
from local.neighbours.slack_messages import Refused, read_draft, show
from local.neighbours.slack_workspace import Refusal, ResponseUrl, Workspace

READ_GROUPS = "usergroups:read"
RESPONSE_URL_USES, RESPONSE_URL_SECONDS = 5, 1800
CALLS_A_MINUTE = 20
"""Limit for each method of "Tier 2" (https://docs.slack.dev/apis/web-api/rate-limits)."""

FORM = "application/x-www-form-urlencoded"
Arguments = Mapping[str, str]


class Problem(Exception):
    """Error of a Web API method. `content` is the answer, with `ok: false`."""

    def __init__(self, error: str, **more: Any) -> None:
        super().__init__(error)
        self.content = {"ok": False, "error": error, **more}


class SlackApi:
    """Slack's Web API and response_urls, as an app calls them."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._methods = {"usergroups.list": self._groups, "usergroups.users.list": self._members}
        self._calls: dict[str, deque[float]] = {name: deque() for name in self._methods}
        self.places = (*self._methods, "response_url")

    def where(self, request: Request) -> str:
        """Return the place of a request: a method's name, `response_url` or `elsewhere`."""
        if request.path.startswith("/api/"):
            return request.path.removeprefix("/api/")
        return "response_url" if request.path in self._workspace.response_urls else "elsewhere"

    def answer(self, request: Request) -> Answer:
        """Carry out a request, and return Slack's answer."""
        with self._workspace.lock:
            if request.path.startswith("/api/"):
                return self._call(request.path.removeprefix("/api/"), request)
            if hook := self._workspace.response_urls.get(request.path):
                return self._respond(hook, request)
        return text_answer(404, "text/html", b"no_service")

    def refusal(self, fault: Fault) -> Answer:
        """Return an error with the fault's status. A 429 has a Retry-After, too."""
        if fault.status == 429:
            return _rate_limited(fault.retry_after)
        return text_answer(fault.status, "text/html", b"<html><body>Server Error</body></html>")

    def _call(self, name: str, request: Request) -> Answer:
        method = self._methods.get(name)
        try:
            if method is None:
                raise Problem("unknown_method", req_method=name)
            arguments = _arguments(request)
            self._check_token(request, arguments)
            if not self._may_call(name):
                return _rate_limited(30)
            self._check_scope()
            return json_answer(200, {"ok": True, **method(arguments)})
        except Problem as problem:
            return json_answer(200, problem.content)

    def _check_token(self, request: Request, arguments: Arguments) -> None:
        kind, _, given = request.headers.get("Authorization", "").partition(" ")
        token = given.strip() if kind.lower() == "bearer" else ""
        # Apps created after February 2021 can't send the token in the URL:
        # https://docs.slack.dev/changelog/2020-11-no-more-tokens-in-querystrings-for-newly-created-apps
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
        if len(calls) >= CALLS_A_MINUTE:
            return False
        calls.append(now)
        return True

    def _check_scope(self) -> None:
        scopes = self._workspace.app.scopes
        if READ_GROUPS not in scopes:
            raise Problem("missing_scope", needed=READ_GROUPS, provided=",".join(scopes))

    def _groups(self, _: Arguments) -> dict[str, Any]:
        groups = [
            {
                "id": group.id,
                "team_id": self._workspace.app.team_id,
                "is_usergroup": True,
                "name": group.handle.title(),
                "handle": group.handle,
                "date_delete": 0,
            }
            for group in self._workspace.groups.values()
        ]
        return {"usergroups": groups}

    def _members(self, arguments: Arguments) -> dict[str, Any]:
        asked = arguments.get("usergroup")
        if not asked:
            message = "[ERROR] missing required field: usergroup"
            raise Problem("invalid_arguments", response_metadata={"messages": [message]})
        if asked not in self._workspace.groups:
            raise Problem("no_such_subteam")
        return {"users": list(self._workspace.groups[asked].users)}

    def _respond(self, hook: ResponseUrl, request: Request) -> Answer:
        """Show the message that an app sends to a response_url, or refuse the message."""
        if request.method != "POST":
            return text_answer(405, "text/html", b"method_not_allowed")
        if self._workspace.clock() - hook.made_at > RESPONSE_URL_SECONDS:
            return self._refuse(hook, Refused("expired_url"), 404)
        if hook.uses >= RESPONSE_URL_USES:
            return self._refuse(hook, Refused("used_url"), 404)
        hook.uses += 1
        try:
            draft = read_draft(_payload(request))
            if draft.is_empty:
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


def _content_type(request: Request) -> str:
    return request.headers.get("Content-Type", "").partition(";")[0].strip().lower()


def _arguments(request: Request) -> Arguments:
    """Return a method's arguments from the URL and the form.

    Raises:
        Problem: The method or the body of the request is wrong.
    """
    if request.method not in {"GET", "POST"}:
        raise Problem("invalid_request_method")
    # Only Slack's write methods accept JSON (https://docs.slack.dev/apis/web-api).
    if not request.body or _content_type(request) == "application/json":
        return request.query
    if _content_type(request) != FORM:
        raise Problem("invalid_post_type")
    try:
        form = dict(parse_qsl(request.body.decode("utf-8"), keep_blank_values=True))
    except UnicodeDecodeError:
        raise Problem("invalid_form_data") from None
    return {**request.query, **form}


def _payload(request: Request) -> Any:
    """Return the message in the JSON body of a request to a response_url.

    Raises:
        Refused: The body or its content type isn't JSON.
    """
    kind = _content_type(request)
    if kind != "application/json":
        raise Refused("invalid_payload", [f"[ERROR] the content type is {kind or 'missing'}"])
    try:
        return msgspec.json.decode(request.body)
    except (ValueError, RecursionError):
        raise Refused("invalid_payload") from None


def _rate_limited(seconds: int) -> Answer:
    return json_answer(429, {"ok": False, "error": "ratelimited"}, ("Retry-After", str(seconds)))
