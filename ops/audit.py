"""`invoke audit`: look up known vulnerabilities of every locked package (pip-audit, npm audit).

The tools pip-audit and npm audit ask services on the internet. A mirror without the data answers
like a service that knows no vulnerability. So each tool also asks about the control: a release with
a known vulnerability. If a tool's answer doesn't report the control, the report says that nothing
was checked.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Any

from invoke import Context, Exit

from ops import terminal
from ops.command import command
from ops.requirements import ROOT, versions

PYTHON_CONTROL = ("jinja2", "2.10")
NODE_CONTROL = ("minimist", "0.0.8")
"""The control of `npm audit`, with CVE-2020-7598. (PYTHON_CONTROL has CVE-2019-10906.)"""

DEPLOYED = "function_requirements"
TOOLS = "requirements"
"""The folder with the lock files of tools. `DEPLOYED` has the lock files of the functions."""

SECONDS = 15
"""Timeout in seconds of one request by pip-audit."""


class Result(IntEnum):
    """The command's exit codes. The code 1 stands for any other error."""

    CLEAN = 0
    VULNERABLE = 2
    UNCHECKED = 3


@dataclass(frozen=True, order=True)
class Vulnerability:
    """A known vulnerability of a package in a lock file.

    `fixed_in` describes the versions without the vulnerability. `used_by` is "functions" for a
    package that the functions use, otherwise "tools".
    """

    package: str
    version: str
    name: str
    fixed_in: str
    used_by: str


@dataclass(frozen=True)
class Report:
    """A tool's findings. `checked` is the number of checked releases.

    `problem` says why the tool left releases unchecked; "" if the tool checked all releases.
    """

    tool: str
    checked: int
    found: tuple[Vulnerability, ...]
    problem: str = ""

    @property
    def line(self) -> str:
        """The report in one line."""
        if self.problem and not self.checked:
            return f"{self.tool}: not checked. {self.problem}"
        count = len(self.found) or "no"
        known = f"{count} known {'vulnerability' if count == 1 else 'vulnerabilities'}"
        return f"{self.tool}: {self.checked} releases checked, {known}. {self.problem}".rstrip()


Tool = Callable[[Path, Mapping[str, str]], Report]


def result_of(reports: list[Report]) -> Result:
    """Return the result of all tools. VULNERABLE takes precedence over UNCHECKED."""
    if any(report.found for report in reports):
        return Result.VULNERABLE
    return Result.UNCHECKED if any(report.problem for report in reports) else Result.CLEAN


def audit_python(root: Path, environment: Mapping[str, str]) -> Report:
    """Audit the releases in every Python lock file, and the release PYTHON_CONTROL, with pip-audit.

    Return a report. pip-audit reads its own variables `PIP_AUDIT_…`, which may choose another
    service.
    """
    pins = {pin for folder in (DEPLOYED, TOOLS) for pin in locked(root, folder)}
    options = ["--format=json", "--desc=off", "--progress-spinner=off", f"--timeout={SECONDS}"]
    # Lock files are complete, so pip-audit needn't resolve or install anything.
    command_line = [sys.executable, "-m", "pip_audit", *options, "--no-deps", "--disable-pip"]
    dependencies: list[Any] = []
    with tempfile.TemporaryDirectory() as folder:
        for releases in without_duplicates({*pins, PYTHON_CONTROL}):
            file = Path(folder, "releases.txt")
            file.write_text("".join(f"{name}=={pin}\n" for name, pin in releases.items()), "utf-8")
            done = _run([*command_line, "--requirement", str(file)], root, environment)
            answer = _json(done.stdout)
            if "dependencies" not in answer:
                return Report("pip-audit", 0, (), _reason(done.stderr))
            dependencies += answer["dependencies"]
    return python_report(dependencies, locked(root, DEPLOYED))


def locked(root: Path, folder: str) -> set[tuple[str, str]]:
    """Return the (package, version) pairs that the lock files of a folder pin."""
    return {pin for lock in (root / folder).glob("*.txt") for pin in versions(lock).items()}


def without_duplicates(pins: set[tuple[str, str]]) -> list[dict[str, str]]:
    """Divide pins into groups, because pip-audit refuses a file with two versions of a package.

    Each group maps the names of packages to versions.
    """
    divided: list[dict[str, str]] = []
    for name, version in sorted(pins):
        for part in divided:
            if name not in part:
                part[name] = version
                break
        else:
            divided.append({name: version})
    return divided


def python_report(dependencies: list[Any], deployed: set[tuple[str, str]]) -> Report:
    """Convert pip-audit's answer to a report. `deployed` has deployed (package, version) pairs."""
    known = [each for each in dependencies if "skip_reason" not in each]
    control = [each for each in known if (each["name"], each["version"]) == PYTHON_CONTROL]
    if not any(each["vulns"] for each in control):
        return Report("pip-audit", 0, (), _missed_control(PYTHON_CONTROL))
    skipped = sorted(each["name"] for each in dependencies if "skip_reason" in each)
    found = [
        Vulnerability(
            package=each["name"],
            version=each["version"],
            name=vulnerability["id"],
            fixed_in=", ".join(vulnerability["fix_versions"]),
            used_by="functions" if (each["name"], each["version"]) in deployed else "tools",
        )
        for each in known
        if each not in control
        for vulnerability in each["vulns"]
    ]
    problem = f"Its service doesn't know {', '.join(skipped)}." if skipped else ""
    return Report("pip-audit", len(known) - len(control), tuple(sorted(set(found))), problem)


def audit_node(root: Path, environment: Mapping[str, str]) -> Report:
    """Audit package-lock.json with `npm audit`, and return a report.

    npm's own settings choose the registry.
    """
    if not shutil.which("npm", path=environment.get("PATH")):
        return Report("npm audit", 0, (), "npm is not on the PATH.")
    package = json.loads((root / "package.json").read_text("utf-8"))
    lock = json.loads((root / "package-lock.json").read_text("utf-8"))
    with tempfile.TemporaryDirectory() as folder:
        for name, content in with_control(package, lock).items():
            Path(folder, name).write_text(json.dumps(content), "utf-8")
        options = ["--json", "--package-lock-only", "--fetch-retries=0"]
        done = _run(["npm", "audit", *options], Path(folder), environment)
    answer = _json(done.stdout)
    if "vulnerabilities" not in answer:
        said = answer.get("message") or answer.get("error", {}).get("summary")
        return Report("npm audit", 0, (), _reason(said or done.stderr))
    return node_report(answer["vulnerabilities"], lock)


def with_control(
    package: Mapping[str, Any], lock: Mapping[str, Any]
) -> dict[str, Mapping[str, Any]]:
    """Return package.json and package-lock.json with NODE_CONTROL added, by file name."""
    name, version = NODE_CONTROL
    wanted = {"dependencies": {**package.get("dependencies", {}), name: version}}
    added = {"": {**lock["packages"][""], **wanted}, f"node_modules/{name}": {"version": version}}
    return {
        "package.json": {**package, **wanted},
        "package-lock.json": {**lock, "packages": {**lock["packages"], **added}},
    }


def node_report(vulnerabilities: Mapping[str, Any], lock: Mapping[str, Any]) -> Report:
    """Convert the `vulnerabilities` of npm's answer to a report.

    `lock` is the content of package-lock.json.
    """
    if not vulnerabilities.get(NODE_CONTROL[0]):
        return Report("npm audit", 0, (), _missed_control(NODE_CONTROL))
    found = tuple(sorted(set(_node_vulnerabilities(vulnerabilities, lock["packages"]))))
    return Report("npm audit", len([name for name in lock["packages"] if name]), found)


def _node_vulnerabilities(
    vulnerabilities: Mapping[str, Any], packages: Mapping[str, Any]
) -> Iterator[Vulnerability]:
    for package, entry in vulnerabilities.items():
        for node in entry["nodes"]:
            for via in entry["via"]:
                # A `via` that is a text names another vulnerable package, which has an entry of its
                # own.
                if node in packages and isinstance(via, dict):
                    version, name = packages[node]["version"], via["url"].rsplit("/", 1)[-1]
                    yield Vulnerability(package, version, name, f"not {via['range']}", "tools")


def _run(
    command_line: list[str], folder: Path, environment: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command_line, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


def _json(text: str) -> dict[str, Any]:
    """Return a tool's answer, or {} if the output isn't a JSON object."""
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _reason(said: str) -> str:
    """Return the reason in a tool's output: the last error with a text, or the last line."""
    lines = said.strip().splitlines() or ["It gave no reason."]
    errors = [line for line in lines if re.match(r"[\w.]+(Error|Exception): .", line)]
    return (errors or lines)[-1]


def _missed_control(control: tuple[str, str]) -> str:
    return f"Its service knows no vulnerability of {' '.join(control)}, which has some."


def conclude(reports: list[Report]) -> None:
    """Print the vulnerabilities, and end the command unless the result is CLEAN.

    Raises:
        Exit: A package is vulnerable, or some packages couldn't be checked. The exit code is the
            result.
    """
    found = [each for report in reports for each in report.found]
    if found:
        rows = [
            (
                terminal.marked(f"{v.package} {v.version}", failed=True),
                v.name,
                v.fixed_in,
                v.used_by,
            )
            for v in found
        ]
        terminal.show("", ("release", "vulnerability", "fixed in", "used by"), rows)
    result = result_of(reports)
    if result is Result.VULNERABLE:
        raise Exit(
            "Upgrade what is vulnerable: `invoke update-requirements --package NAME`.", code=result
        )
    if result is Result.UNCHECKED:
        raise Exit("Whether all packages are free of known vulnerabilities is open.", code=result)


def ask(name: str, tool: Tool, root: Path, environment: Mapping[str, str]) -> Report:
    """Run a tool, show on stderr that the tool is running, and return the tool's report."""
    with terminal.working(f"Asking about known vulnerabilities: {name}"):
        return tool(root, environment)


@command(name="audit")
def audit(_context: Context) -> None:
    """Look up known vulnerabilities of all packages."""
    reports = []
    for name, tool in (("pip-audit", audit_python), ("npm audit", audit_node)):
        reports.append(ask(name, tool, ROOT, os.environ))
        terminal.say(reports[-1].line)
    conclude(reports)
