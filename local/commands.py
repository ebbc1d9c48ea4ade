"""`invoke local.…`: run the whole system on this machine."""

from __future__ import annotations

import os
import sys
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from invoke import Collection, Context, Exit
from rich.console import Console
from rich.text import Text

from cdk.names import Names
from cdk.settings import SECRETS, Settings, load
from cdk.settings_reader import given_settings
from local import demo as local_demo
from local import play as local_play
from local import recorder
from local import state as local_state
from local.deploy import Access
from local.driver import Driver
from local.processes import is_supervisor
from local.stack import HOME, AlreadyUp, LocalStack, Say
from local.state import State
from ops import terminal
from ops.command import OpsError, command
from ops.target import ROOT
from ops.terminal import Activity

COUNTED = {
    "waiting": "ApproximateNumberOfMessages",
    "in flight": "ApproximateNumberOfMessagesNotVisible",
    "delayed": "ApproximateNumberOfMessagesDelayed",
}


PICTURE_COLUMNS = 90

AFTER_THE_DEMO = (
    "Next: `. .venv/bin/activate`, then `invoke local.up` starts a stack that stays, and "
    "`invoke local.record` sends a recording through it (docs/local.md). AWS: docs/set-up.md."
)
SELECT = 'eval "$(invoke local.env)"'
"""The shell command that selects the local stack."""

BRINGING_UP = "Bringing up the local stack"


def progress(activity: Activity) -> Say:
    """Return a function that prints a line for each finished step."""

    def say(step: str, seconds: float) -> None:
        activity.say(f"  {step:<32}{seconds:6.1f} s")

    return say


@command()
def up(_context: Context) -> None:
    """Start the whole system on this machine."""
    try:
        with terminal.working(BRINGING_UP) as activity:
            stack = LocalStack(say=progress(activity))
            stack.start()
    except AlreadyUp as error:
        terminal.say(str(error))
        return
    stack.detach()
    show_addresses(stack.state)
    check = stack.template_check
    terminal.say(f"Set through the API after the deploy: {', '.join(check.set_after)}.")
    terminal.say(f"Not honoured locally: {', '.join(check.not_honoured)}.")
    terminal.say(f"Other commands work on it after: {SELECT}")


@command()
def down(_context: Context) -> None:
    """End the local stack; its logs and mails are kept."""
    take_down(HOME)


def take_down(home: Path) -> None:
    """End the local stack of the folder `home`, and print whether the stack was up."""
    with terminal.working("Stopping the local stack"):
        was_up = local_state.stop_stack(home)
    print("The local stack is down." if was_up else "No local stack is up.")


@command(help={"json": "print JSON"})
def status(_context: Context, json: bool = False) -> None:
    """Show the local stack's processes and queues."""
    state = running()
    if json:
        terminal.show_json(as_json(state))
        return
    show_addresses(state)
    if is_supervisor(state.pids.get("cloud", 0)):
        show_queues(state)


@command()
def env(_context: Context) -> None:
    """Print shell commands that select the local stack."""
    show_environment(HOME)


def show_environment(home: Path) -> None:
    """Print shell commands that select the local stack of the folder `home`.

    On a terminal, print instead the one command that runs the shell commands.

    Raises:
        OpsError: No stack is running.
    """
    running(home)
    if sys.stdout.isatty():
        # The commands contain the access key of the local cloud's root.
        terminal.say(f"To select the local stack in this shell, type: {SELECT}")
        return
    file = home / local_state.ENVIRONMENT
    for line in file.read_text("utf-8").splitlines():
        name = line.removeprefix("export ").partition("=")[0]
        if name not in SECRETS:
            print(line)
    print(f". {file}  # the secrets")


@command(help={"svg": "draw the terminal to this file, such as docs/demo.svg"})
def demo(_context: Context, svg: str | None = None) -> None:
    """Send recordings through the stack, and check them."""
    # The demo writes secrets of the stack into files, which only the files' owner may read.
    os.umask(0o077)
    if svg is not None:
        draw_demo(Path(svg))
        return
    console = Console(highlight=False)
    console.print("[bold]The local stack[/bold] (seconds of each step, side by side)")
    given = {**local_demo.SETTINGS, **os.environ}
    with ExitStack() as opened:
        with terminal.working(BRINGING_UP) as activity:
            stack = opened.enter_context(LocalStack(given=given, say=progress(activity)))
        driver = opened.enter_context(closing(Driver(stack.state)))
        folder = HOME / "demo"
        folder.mkdir(exist_ok=True)
        held = local_demo.run(driver, folder, zone_of(stack), console)
        with terminal.working("Stopping the local stack"):
            opened.close()
    terminal.say(f"\nThe stack is down again. What its parts said: {HOME.relative_to(ROOT)}/logs")
    if not held:
        raise Exit(code=1)
    terminal.say(AFTER_THE_DEMO)


def draw_demo(path: Path) -> None:
    """Run the demo on a pseudo-terminal, and draw the terminal's screen as SVG.

    Raises:
        OpsError: The demo fails.
    """
    program = [sys.executable, "-m", "invoke", "local.demo"]
    # The picture must not depend on the size and type of the developer's terminal.
    environment = {**os.environ, "COLUMNS": str(PICTURE_COLUMNS), "TERM": "xterm-256color"}
    with terminal.working("Recording the demo"):
        code, printed = recorder.run_on_terminal(program, environment, lambda _: None, ROOT)
    lines = recorder.screen(printed)
    if code:
        raise OpsError("\n".join([*(Text.from_ansi(line).plain for line in lines), "It failed."]))
    path.write_text(
        recorder.picture(["$ make demo", *lines], "make demo", PICTURE_COLUMNS), "utf-8"
    )
    path.chmod(0o644)
    terminal.say(f"The demo's terminal is in {path}.")


@command(
    help={
        "segments": "number of segments: how often the recording was started, "
        f"1 to {local_play.MOST_SEGMENTS} (default 1)",
        "minutes": f"the recording's length, 1 to {local_play.MOST_MINUTES} (default 2); the video "
        "is a still picture",
        "topic": "the recording's topic",
        "fail": "what goes wrong: "
        + ", ".join(f"{name} ({how.outcome})" for name, how in local_play.FAILURES.items()),
    }
)
def record(
    _context: Context,
    segments: int = 1,
    minutes: int = 2,
    topic: str = "HIST E-1010 Mapping the Ocean",
    fail: str | None = None,
) -> None:
    """Make a recording, and send its webhook event."""
    if not 1 <= segments <= local_play.MOST_SEGMENTS:
        raise OpsError(f"--segments has to be 1 to {local_play.MOST_SEGMENTS}.")
    if not 1 <= minutes <= local_play.MOST_MINUTES:
        raise OpsError(f"--minutes has to be 1 to {local_play.MOST_MINUTES}.")
    if fail is not None and fail not in local_play.FAILURES:
        raise OpsError(f"--fail has to be one of {', '.join(local_play.FAILURES)}.")
    state = running()
    with terminal.working("Making the recording"), closing(Driver(state)) as driver:
        recording, answer = local_play.record(
            driver,
            HOME,
            running_zone(),
            local_play.Wish(segments, minutes, topic, fail),
        )
    terminal.say(f"Recorded: {recording.uuid} of meeting {recording.meeting_id}, {topic}")
    terminal.say(f"Webhook: {answer.status} {answer.body}".rstrip())
    for line in outlook(recording.uuid, minutes, fail, float(running_settings().minimum_duration)):
        terminal.say(line)
    terminal.say(f"See it on its way: {state.api_url}/ or, after `{SELECT}`, by")
    terminal.say(f"  invoke recordings --uuid {recording.uuid}")


def outlook(uuid: str, minutes: int, fail: str | None, minimum: float) -> list[str]:
    """Return sentences about a recording that is too short or gets a failure.

    The result is [] for any other recording. `minimum` is the stack's MINIMUM_DURATION, in minutes.
    """
    if minutes < minimum:
        short = f"shorter than MINIMUM_DURATION ({minimum:g} minutes)"
        return [f"The pipeline will ignore the recording, which is {short}."]
    if fail is None:
        return []
    failure = local_play.FAILURES[fail]
    return [f"What goes wrong: {failure.description}", failure.advice.format(uuid=uuid)]


@command(
    name="fail",
    help={
        "who": f"the stand-in that fails: {', '.join(local_play.STAND_INS)}",
        "status": "the HTTP status of the stand-in's answers",
        "for": f"for how many seconds (default {local_play.FAIL_SECONDS})",
    },
)
def fail_stand_in(
    _context: Context, who: str, status: str, for_: int = local_play.FAIL_SECONDS
) -> None:
    """Let a stand-in fail for a while."""
    if who not in local_play.STAND_INS:
        raise OpsError(f"There is no stand-in {who}: {', '.join(local_play.STAND_INS)}.")
    if not status.isdecimal() or not 400 <= int(status) <= 599:
        raise OpsError(f"{status} is no HTTP status of an error: 400 to 599.")
    if for_ < 1:
        raise OpsError("--for has to be 1 or more seconds.")
    with closing(Driver(running())) as driver:
        local_play.fail(driver, who, int(status), for_)
    terminal.say(f"{who} answers {status} for {for_} seconds.")


def zone_of(stack: LocalStack) -> ZoneInfo:
    """Return the time zone of the stack's schedule."""
    return ZoneInfo(load(stack.settings, None).local_time_zone)


def running_zone() -> ZoneInfo:
    """Return the time zone of the running stack's schedule.

    Raises:
        SettingsError: See `running_settings`.
    """
    return ZoneInfo(running_settings().local_time_zone)


def running_settings() -> Settings:
    """Return the settings of the running stack.

    Raises:
        SettingsError: Settings are missing or wrong.
    """
    return load(given_settings({}, HOME / local_state.ENVIRONMENT), None)


def running(home: Path = HOME) -> State:
    """Return the `State` of the running stack of the folder `home`.

    Raises:
        OpsError: No stack is running.
    """
    state = local_state.read_state(home)
    if state is None:
        raise OpsError("No local stack is up: `invoke local.up` starts it.")
    return state


def show_addresses(state: State) -> None:
    """Print the stack's addresses with their processes, and a hint about the certificate."""
    urls = {
        "cloud": state.aws_endpoint_url,
        "zoom": state.zoom_url,
        "opencast": state.opencast_url,
        "slack": state.slack_url or "",
        "sheets": state.sheets_url or "",
    }
    rows: list[tuple[str, str, str | Text]] = [
        ("page", f"{state.api_url}/", ""),
        ("API", state.api_url, ""),
        ("mails", state.mail_folder, ""),
    ]
    for name, url in urls.items():
        pid = state.pids.get(name)
        if pid is None:
            rows.append((name, url, "not ours"))
        else:
            process = str(pid) if is_supervisor(pid) else Text("is gone", style="red")
            rows.append((name, url, process))
    terminal.show(f"Local stack {state.stack_name}", ("", "address", "process"), rows)
    terminal.say(
        "Your browser will warn of the page's certificate: accept the warning, or trust "
        ".local/tls/ca.crt."
    )


def message_counts(state: State) -> dict[str, dict[str, int]]:
    """Return the numbers of messages of each queue, by queue and by the words in COUNTED."""
    names = Names(state.stack_name)
    sqs: Any = Access.of(state).client("sqs")
    counts = {}
    for name in (names.download_queue, names.download_dlq, names.upload_queue, names.upload_dlq):
        url = sqs.get_queue_url(QueueName=name)["QueueUrl"]
        found = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
        counts[name] = {word: int(found[attribute]) for word, attribute in COUNTED.items()}
    return counts


def show_queues(state: State) -> None:
    """Print the numbers of messages in each queue."""
    rows = [(name, *map(str, counts.values())) for name, counts in message_counts(state).items()]
    terminal.show("Queues", ("queue", *COUNTED), rows)


def as_json(state: State) -> dict[str, Any]:
    """Return the stack's status as an object for JSON."""
    running = {name: is_supervisor(pid) for name, pid in state.pids.items()}
    return {
        "stack_name": state.stack_name,
        "page": f"{state.api_url}/",
        "api_url": state.api_url,
        "mail_folder": state.mail_folder,
        "processes": running,
        "queues": message_counts(state) if running.get("cloud") else {},
    }


collection = Collection("local", up, down, status, env, demo, record, fail_stand_in)
