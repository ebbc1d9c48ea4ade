"""`invoke codebuild`: have CodeBuild check, package, deploy and release a revision."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ClientError
from invoke import Context

from ops import terminal
from ops.command import OpsError, command
from ops.target import target_to_change

POLL_SECONDS = 3.0

Say = Callable[[str], None]


@dataclass
class Build:
    """A build of CodeBuild, with a note of the phases and log lines that `poll` has returned."""

    codebuild: Any
    logs: Any
    build_id: str
    _phases: set[str] = field(default_factory=set)
    _token: dict[str, str] = field(default_factory=dict)

    def poll(self) -> tuple[list[str], Mapping[str, Any]]:
        """Return the new lines to print, and CodeBuild's current description of the build.

        The new lines are lines of the build's log, and a line for each phase that has ended.

        Raises:
            ClientError: AWS refuses a request, for another reason than that the log doesn't exist
                yet.
        """
        (build,) = self.codebuild.batch_get_builds(ids=[self.build_id])["builds"]
        return [*self._log(build), *self._ended(build)], build

    def _ended(self, build: Mapping[str, Any]) -> Iterator[str]:
        for phase in build.get("phases", ()):
            name, status = phase["phaseType"], phase.get("phaseStatus")
            if status and name not in self._phases:
                self._phases.add(name)
                yield f"== {name} {status} ({phase.get('durationInSeconds', 0)} s)"

    def _log(self, build: Mapping[str, Any]) -> Iterator[str]:
        where = build.get("logs", {})
        if not where.get("streamName"):
            return
        while True:
            try:
                page = self.logs.get_log_events(
                    logGroupName=where["groupName"],
                    logStreamName=where["streamName"],
                    startFromHead=True,
                    **self._token,
                )
            except ClientError as error:
                # CodeBuild names the log's stream before the first line creates the stream.
                if error.response["Error"].get("Code") == "ResourceNotFoundException":
                    return
                raise
            yield from (event["message"].rstrip("\n") for event in page["events"])
            token = {"nextToken": page["nextForwardToken"]}
            if not page["events"] or token == self._token:
                self._token = token
                return
            self._token = token


def follow(build: Build, say: Say, sleep: Callable[[float], None]) -> None:
    """Print a build's output until the build ends.

    Raises:
        OpsError: The build doesn't succeed.
        ClientError: See `Build.poll`.
    """
    while True:
        lines, found = build.poll()
        for line in lines:
            say(line)
        status = found["buildStatus"]
        if status == "SUCCEEDED":
            return
        if status != "IN_PROGRESS":
            raise OpsError(f"The build ended as {status}{_failure(found)}.{_log_link(found)}")
        sleep(POLL_SECONDS)


def _failure(build: Mapping[str, Any]) -> str:
    """Return the first phase that ended without success, with CodeBuild's reasons.

    The result is "" if no phase ended without success.
    """
    for phase in build.get("phases", ()):
        if phase.get("phaseStatus") not in {None, "SUCCEEDED", "IN_PROGRESS"}:
            said = "; ".join(
                context["message"] for context in phase.get("contexts", ()) if "message" in context
            )
            return f" in {phase['phaseType']}" + (f": {said.rstrip('.')}" if said else "")
    return ""


def _log_link(build: Mapping[str, Any]) -> str:
    link = build.get("logs", {}).get("deepLink")
    return f" Its log: {link}" if link else ""


@command(name="codebuild", help={"revision": "the tag, branch or commit to release"})
def run_build(_context: Context, revision: str) -> None:
    """Have CodeBuild test and release a revision."""
    if not revision.strip():
        # With an empty revision, CodeBuild would take the head of the default branch:
        # https://docs.aws.amazon.com/codebuild/latest/APIReference/API_StartBuild.html
        raise OpsError("--revision is empty: name the tag, branch or commit to release.")
    target = target_to_change()
    client = target.client("codebuild")
    found = client.batch_get_projects(names=[target.names.codebuild])["projects"]
    if not found:
        raise OpsError(
            f"There is no CodeBuild project {target.names.codebuild}: `invoke stack.update` makes "
            "it."
        )
    [project] = found
    if project["source"]["type"] == "NO_SOURCE":
        raise OpsError(
            "The stack knows no repository to take revisions from: set CODEBUILD_SOURCE_URL, and "
            "`invoke stack.update`."
        )
    started = client.start_build(projectName=target.names.codebuild, sourceVersion=revision)
    build_id = started["build"]["id"]
    terminal.say(f"Build {build_id} of {revision}")
    try:
        with terminal.working(f"Building {revision}") as activity:
            build = Build(client, target.client("logs"), build_id)
            follow(build, activity.answer, time.sleep)
    except KeyboardInterrupt:
        terminal.say(f"The build goes on without being followed: {build_id}")
        raise
    terminal.say(f"{revision} is released. `invoke stack.status` shows what runs.")
