"""`make setup`: create or refresh the virtual environments and the CDK's command line.

`python3 -m ops.setup docs` sets up the environment of `make docs` alone. If all folders are up to
date, the program changes nothing.

This program also runs on Python 3.6, so that an old Python can print that a newer Python is needed.
So this file uses only the standard library and the syntax of Python 3.6. Annotations that 3.6 can't
evaluate are quoted.
"""

import fcntl
import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import BinaryIO, Callable

OLDEST_PYTHON = (3, 11)
OLDEST_NODE = 20
DISK_NEEDED_GB = 2
ROOT = Path(__file__).resolve().parent.parent
STATE = Path(".local")
STAMP = ".setup-stamp"
SHOW_SECONDS = 0.5
REPEAT_SECONDS = 10.0
ERASE_LINE = "\r\033[K"
DEV_LOCK = Path("requirements", "dev.txt")
DOCS_LOCK = Path("requirements", "docs.txt")
CLOUD_LOCK = Path("requirements", "cloud.txt")
NODE_LOCKS = (Path("package.json"), Path("package-lock.json"))

# Errors that pip and npm print if a server is unreachable. HTTP errors aren't included.
UNREACHABLE = re.compile(
    r"NewConnectionError|ConnectTimeout|ConnectionError|NameResolutionError|ReadTimeoutError"
    r"|ProxyError|SSLError|Temporary failure in name resolution|Network is unreachable"
    r"|ENOTFOUND|ECONNREFUSED|ECONNRESET|ETIMEDOUT|EAI_AGAIN|ENETUNREACH"
)

# In the caller's shell, REDIRECTING_SETTINGS would redirect an installation.
REDIRECTING_SETTINGS = (
    "PYTHONPATH",
    "PYTHONHOME",
    "PIP_USER",
    "PIP_TARGET",
    "PIP_PREFIX",
    "VIRTUAL_ENV",
)


class SetupError(Exception):
    """An error that stops the set-up. The text is one line for the developer."""


class Step:
    """A folder to fill, and the lock files that determine the folder's content.

    `interpreter` names the Python or Node that runs the content. A change of the interpreter makes
    the folder out of date. `install(folder, fresh, log)` fills the folder; `fresh` says whether the
    folder was emptied before.
    """

    def __init__(
        self,
        folder: str,
        locks: "tuple[Path, ...]",
        interpreter: str,
        install: "Callable[[str, bool, BinaryIO], None]",
    ) -> None:
        self.folder = folder
        self.locks = locks
        self.identity = f"{interpreter} in {ROOT / folder}"
        self.install = install
        self.stamp = Path(folder, STAMP)

    def current_stamp(self) -> "list[str]":
        """Return an up-to-date folder's stamp: interpreter and path, and the lock files' hash."""
        digest = hashlib.sha256()
        for lock in self.locks:
            digest.update(lock.read_bytes())
        return [self.identity, digest.hexdigest()]

    def stored_stamp(self) -> "list[str]":
        """Return the stamp in the folder; [] if the folder has no stamp."""
        try:
            return self.stamp.read_text(encoding="utf-8").splitlines()
        except OSError:
            return []

    def run(self) -> None:
        """Fill the folder, and write the folder's stamp.

        The folder is emptied first if the interpreter or the folder's path has changed, or if the
        folder has no stamp. An interrupted run leaves no stamp, so the next run fills the folder
        again.

        Raises:
            SetupError: A command of the installation failed.
        """
        current_stamp = self.current_stamp()
        if Path(self.folder).is_symlink():
            # npm would empty the folder to which the link leads.
            Path(self.folder).unlink()
        fresh = self.stored_stamp()[:1] != [self.identity]
        if fresh:
            shutil.rmtree(self.folder, ignore_errors=True)
        else:
            self.stamp.unlink()
        with log_path(self.folder).open("wb+") as log:
            self.install(self.folder, fresh, log)
        self.stamp.write_text("\n".join(current_stamp) + "\n", encoding="utf-8")


def log_path(folder: str) -> Path:
    """Return the path of the file with a step's full output."""
    return STATE / f"setup-{folder.strip('.')}.log"


def call(command: "list[str]", log: BinaryIO) -> None:
    """Run a command, and write the output to the log.

    Raises:
        SetupError: The command failed. The text is the reason on one line.
    """
    environment = {
        name: value for name, value in os.environ.items() if name not in REDIRECTING_SETTINGS
    }
    log.write(f"$ {' '.join(command)}\n".encode())
    log.flush()
    started = log.tell()
    code = subprocess.call(
        command, stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, env=environment
    )
    if code == 0:
        return
    log.seek(started)
    said = log.read().decode("utf-8", "replace")
    if UNREACHABLE.search(said):
        raise SetupError("the package registry can't be reached: check network, proxy, mirror")
    if "No space left on device" in said or "ENOSPC" in said:
        raise SetupError("the disk is full")
    errors = re.findall(r"^(?:npm )?err(?:or)?\b.*$", said, re.IGNORECASE | re.MULTILINE)
    raise SetupError(errors[0] if errors else f"{command[0]} ended with {code}")


def interpreter_outside() -> str:
    """Return the Python that creates environments, which isn't itself in an environment."""
    return str(getattr(sys, "_base_executable", None) or sys.executable)


def python_in(folder: str) -> str:
    """Return the interpreter of a virtual environment."""
    return str(Path(folder, "bin", "python"))


def install_tools(folder: str, fresh: bool, log: BinaryIO) -> None:
    """Fill `.venv` with the tools of developers and operators, and the local stack's programs.

    If `fresh`, first make the virtual environment. At the end, run `ops.warm_up`.

    Raises:
        SetupError: A command of the installation failed.
    """
    python = python_in(folder)
    lock = str(DEV_LOCK)
    if fresh:
        call([interpreter_outside(), "-m", "venv", folder], log)
        # Compiling all packages would double the time. Python compiles modules at their first
        # import.
        pip = [python, "-m", "pip", "install", "--no-compile", "--require-hashes"]
        call([*pip, "--no-deps", "-r", lock], log)
        call([python, "-m", "pip", "check"], log)
    else:
        sync = [python, "-m", "piptools", "sync", "--pip-args"]
        sync.append("--no-compile --no-deps --require-hashes")
        call([*sync, lock], log)
    call([python, "-m", "ops.warm_up"], log)


def install_cloud(folder: str, _fresh: bool, log: BinaryIO) -> None:
    """Make `.venv-cloud` anew, with only the local cloud's packages.

    Functions in the local cloud can import every package of that environment.

    Raises:
        SetupError: A command of the installation failed.
    """
    shutil.rmtree(folder, ignore_errors=True)
    python = python_in(folder)
    lock = str(CLOUD_LOCK)
    call([interpreter_outside(), "-m", "venv", folder], log)
    call([python, "-m", "pip", "install", "--require-hashes", "--no-deps", "-r", lock], log)
    call([python, "-m", "pip", "check"], log)
    call([python, "-m", "pip", "uninstall", "--yes", "setuptools", "pip"], log)


def install_docs(folder: str, _fresh: bool, log: BinaryIO) -> None:
    """Make `.venv-docs` anew, with the tools that build the website of the documents.

    Raises:
        SetupError: A command of the installation failed.
    """
    shutil.rmtree(folder, ignore_errors=True)
    call([interpreter_outside(), "-m", "venv", folder], log)
    pip = [python_in(folder), "-m", "pip"]
    call([*pip, "install", "--require-hashes", "--no-deps", "-r", str(DOCS_LOCK)], log)
    call([*pip, "check"], log)


def install_node(_folder: str, _fresh: bool, log: BinaryIO) -> None:
    """Fill `node_modules` with the CDK's command line.

    Raises:
        SetupError: npm failed.
    """
    # By default npm waits a minute before its last attempt, even without a network:
    # https://docs.npmjs.com/cli/using-npm/config#fetch-retry-maxtimeout
    call(
        [
            "npm",
            "ci",
            "--ignore-scripts",
            "--no-audit",
            "--no-fund",
            "--fetch-retry-maxtimeout=10000",
        ],
        log,
    )


def check_python() -> str:
    """Check that the running Python can be used, and return its version, such as "Python 3.11.2".

    Raises:
        SetupError: Python is too old, or can't make virtual environments.
    """
    version = ".".join(str(part) for part in sys.version_info[:3])
    oldest = ".".join(str(part) for part in OLDEST_PYTHON)
    if sys.version_info < OLDEST_PYTHON:
        raise SetupError(
            f"Python {oldest} or newer is needed, and {sys.executable} is {version}: "
            f"install one and name it, as in `make setup PYTHON=python{oldest}`"
        )
    if not importlib.util.find_spec("ensurepip"):
        raise SetupError(
            f"{sys.executable} can't make virtual environments: install its venv module "
            "(on Debian and Ubuntu: the package python3-venv)"
        )
    return f"Python {version}"


def check_node() -> str:
    """Check that Node and npm can be used, and return Node's version, such as "Node 22".

    Raises:
        SetupError: Node is missing, broken or too old, or npm is missing.
    """
    for program in ("node", "npm"):
        if not shutil.which(program):
            raise SetupError(
                f"{program} is not on the PATH: the CDK's command line needs "
                f"Node.js {OLDEST_NODE} or newer with npm"
            )
    version = _output("node", "--version")
    major = re.match(r"v(\d+)\.", version)
    if not major or int(major.group(1)) < OLDEST_NODE:
        raise SetupError(
            f"Node.js {OLDEST_NODE} or newer is needed, and {shutil.which('node')} "
            f"is {version or 'broken'}"
        )
    return f"Node {major.group(1)}"


def _output(*command: str) -> str:
    """Return a command's standard output without outer spaces; "" if the command can't be run."""
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, check=False)
        return done.stdout.decode(errors="replace").strip()
    except OSError:
        return ""


def check_disk(needed: float) -> None:
    """Raise SetupError if less than `needed` GB of disk are free."""
    free = shutil.disk_usage(ROOT).free / 1e9
    if free < needed:
        raise SetupError(f"{ROOT} has {free:.1f} GB of free disk, and {needed:.0f} GB are needed")


def failure_line(reason: str, steps: "list[Step]") -> str:
    """Return one line about a failure, with the steps that the failure stopped."""
    folders = ", ".join(step.folder for step in steps)
    logs = ", ".join(str(log_path(step.folder)) for step in steps)
    return f"{folders}: {reason} (everything that was said: {logs})"


def has_moving_line() -> bool:
    """Return whether standard output is a terminal whose last line can be written again."""
    return sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb"


def wait_for(threads: "dict[str, threading.Thread]") -> None:
    """Wait until threads end, and show the unfinished threads in a terminal's last line.

    If standard output can't rewrite its last line, print a line every `REPEAT_SECONDS` instead.
    """
    moves = has_moving_line()
    began = shown = time.monotonic()
    while True:
        busy = [name for name, thread in threads.items() if thread.is_alive()]
        if not busy:
            break
        threads[busy[0]].join(SHOW_SECONDS)
        now = time.monotonic()
        line = f"  {', '.join(busy)}: {now - began:.0f} s …"
        if moves:
            print(f"{ERASE_LINE}{line}", end="", flush=True)
        elif now - shown >= REPEAT_SECONDS:
            shown = now
            print(line, flush=True)
    if moves:
        print(ERASE_LINE, end="", flush=True)


def run_all(steps: "list[Step]") -> None:
    """Run the steps in parallel, show the unfinished steps, and print a line for each success.

    Raises:
        SetupError: A step failed.
    """
    failures: "dict[str, list[Step]]" = {}
    erase = ERASE_LINE if has_moving_line() else ""

    def run(step: Step) -> None:
        started = time.monotonic()
        try:
            step.run()
        except Exception as error:  # noqa: BLE001 - raised below; the thread would swallow it
            reason = str(error) if isinstance(error, (SetupError, OSError)) else repr(error)
            failures.setdefault(reason, []).append(step)
        else:
            print(f"{erase}  {step.folder:<13}{time.monotonic() - started:6.1f} s", flush=True)

    threads = {
        step.folder: threading.Thread(target=run, args=(step,), daemon=True) for step in steps
    }
    for thread in threads.values():
        thread.start()
    wait_for(threads)
    if failures:
        raise SetupError(
            "; ".join(failure_line(reason, where) for reason, where in failures.items())
        )


def set_up(for_docs: bool) -> None:
    """Bring `.venv`, `.venv-cloud` and `node_modules` up to date, or only `.venv-docs`.

    `for_docs` chooses `.venv-docs`. Otherwise, a set-up that changes a folder ends with
    `say_how_to_use`.

    Raises:
        SetupError: The set-up failed. The text has the reason.
    """
    python = check_python()
    if for_docs:
        bring_up_to_date(python, [Step(".venv-docs", (DOCS_LOCK,), python, install_docs)])
        return
    node = check_node()
    steps = [
        Step(".venv", (DEV_LOCK,), python, install_tools),
        Step(".venv-cloud", (CLOUD_LOCK,), python, install_cloud),
        Step("node_modules", NODE_LOCKS, node, install_node),
    ]
    if bring_up_to_date(f"{python} and {node}", steps):
        say_how_to_use(ROOT, shutil.which("invoke"))


def say_how_to_use(project: Path, invoke: "str | None") -> None:
    """Print how to activate `.venv` in a shell, unless the shell finds the project's `invoke`.

    `invoke` is the program that the shell finds; None if the shell finds no program.
    """
    if invoke != str(project / ".venv" / "bin" / "invoke"):
        print("Before you use `invoke` in a shell: . .venv/bin/activate", flush=True)


def bring_up_to_date(
    programs: str, steps: "list[Step]", disk_needed: float = DISK_NEEDED_GB
) -> bool:
    """Run the steps whose folders are out of date, and return whether there were such steps.

    The file lock `setup.lock` keeps a second set-up waiting. `programs` names the programs in the
    printed line. `disk_needed` is the free disk in GB that the steps need.

    Raises:
        SetupError: Too little disk is free, or a step failed.
    """
    # Only the owner may read `.local`, because the local stack keeps secrets there.
    STATE.mkdir(mode=0o700, exist_ok=True)
    with (STATE / "setup.lock").open("w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        stale = [step for step in steps if step.stored_stamp() != step.current_stamp()]
        if stale:
            check_disk(disk_needed)
            print(f"Setting up with {programs}:", flush=True)
            run_all(stale)
        return bool(stale)


def main() -> int:
    """Run the set-up, print the reason of a failure, and return the exit code."""
    os.chdir(ROOT)
    try:
        set_up(for_docs=sys.argv[1:] == ["docs"])
    except (SetupError, OSError) as error:
        print(f"Set-up failed: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Set-up interrupted.", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
