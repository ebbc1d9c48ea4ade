"""Tests of `invoke audit`, most with the real pip-audit and npm against stand-ins on loopback."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from invoke import Exit

from ops import audit
from ops.audit import NODE_CONTROL, PYTHON_CONTROL, Report, Result, Vulnerability
from ops.requirements import ROOT, sources, versions
from tests.ops.vulnerability_services import Services, served

CONTROLS = {PYTHON_CONTROL, NODE_CONTROL}
HASH = f"\\\n    --hash=sha256:{'0' * 64}"
NOWHERE = "http://127.0.0.1:9"
"""An address at which no server listens."""


@pytest.fixture
def services() -> Iterator[Services]:
    with served(Services()) as started:
        yield started


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Return a project with three lock files: of a function, of Python tools, and of npm tools."""
    files = {
        "function_requirements/webhook.txt": f"requests==2.32.1 {HASH}\n",
        "requirements/dev.txt": f"requests==2.32.1 {HASH}\nPyYAML==6.0.1 {HASH}\n",
        "package.json": json.dumps({"name": "x", "devDependencies": {"lodash": "4.17.4"}}),
        "package-lock.json": json.dumps(
            {
                "name": "x",
                "lockfileVersion": 3,
                "packages": {
                    "": {"name": "x", "devDependencies": {"lodash": "4.17.4"}},
                    "node_modules/lodash": {"version": "4.17.4", "dev": True},
                },
            }
        ),
    }
    for name, content in files.items():
        path = tmp_path / "project" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return tmp_path / "project"


def reports(project: Path, environment: dict[str, str]) -> list[Report]:
    return [tool(project, environment) for tool in (audit.audit_python, audit.audit_node)]


def environment(services: Services, folder: Path) -> dict[str, str]:
    return services.environment(folder, os.environ["PATH"])


def test_audit_is_clean_when_no_dependency_has_a_known_vulnerability(
    services: Services, project: Path, tmp_path: Path
) -> None:
    found = reports(project, environment(services, tmp_path))
    assert found == [Report("pip-audit", 2, ()), Report("npm audit", 1, ())]
    assert audit.result_of(found) is Result.CLEAN
    own = {("requests", "2.32.1"), ("pyyaml", "6.0.1"), ("lodash", "4.17.4")}
    assert set(services.asked) == own | CONTROLS


def test_audit_names_each_vulnerability_and_whether_the_dependency_is_deployed(
    services: Services, project: Path, tmp_path: Path
) -> None:
    services.python |= {("requests", "2.32.1"): "PYSEC-1", ("pyyaml", "6.0.1"): "PYSEC-2"}
    services.node |= {("lodash", "4.17.4"): "GHSA-1"}
    python, node = found = reports(project, environment(services, tmp_path))
    assert python.found == (
        Vulnerability("pyyaml", "6.0.1", "PYSEC-2", "6.0.1.1", "tools"),
        Vulnerability("requests", "2.32.1", "PYSEC-1", "2.32.1.1", "functions"),
    )
    assert node.found == (Vulnerability("lodash", "4.17.4", "GHSA-1", "not <=4.17.4", "tools"),)
    assert python.line == "pip-audit: 2 releases checked, 2 known vulnerabilities."
    assert node.line == "npm audit: 1 releases checked, 1 known vulnerability."
    assert audit.result_of(found) is Result.VULNERABLE


def test_audit_result_is_unchecked_when_the_services_answer_503(
    services: Services, project: Path, tmp_path: Path
) -> None:
    services.status = 503
    found = reports(project, environment(services, tmp_path))
    assert audit.result_of(found) is Result.UNCHECKED
    assert all(report.line.startswith(f"{report.tool}: not checked. ") for report in found)
    assert all("503" in report.problem for report in found)


def test_audit_result_is_unchecked_when_the_services_cannot_be_reached(
    project: Path, tmp_path: Path
) -> None:
    found = reports(project, environment(Services(url=NOWHERE), tmp_path))
    assert audit.result_of(found) is Result.UNCHECKED
    assert [report.checked for report in found] == [0, 0]
    assert all("127.0.0.1" in report.problem for report in found)


def test_npm_audit_is_unchecked_when_npm_answers_with_json_that_is_no_object(
    services: Services, project: Path, tmp_path: Path
) -> None:
    npm = tmp_path / "bin" / "npm"
    npm.parent.mkdir()
    npm.write_text("#!/bin/sh\necho '[1]'\n")
    npm.chmod(0o755)
    report = audit.audit_node(project, services.environment(tmp_path, str(npm.parent)))
    assert report == Report("npm audit", 0, (), "It gave no reason.")


def test_audit_result_is_unchecked_when_the_services_know_no_vulnerability(
    services: Services, project: Path, tmp_path: Path
) -> None:
    # A mirror may lack the data and answer as if there were no vulnerability at all.
    services.python, services.node = {}, {}
    found = reports(project, environment(services, tmp_path))
    assert audit.result_of(found) is Result.UNCHECKED
    assert found[0].problem == "Its service knows no vulnerability of jinja2 2.10, which has some."
    assert found[1].problem.startswith("Its service knows no vulnerability of minimist 0.0.8")


def test_audit_of_npm_checks_nothing_and_says_why_when_npm_is_missing(
    services: Services, project: Path, tmp_path: Path
) -> None:
    found = audit.audit_node(project, services.environment(tmp_path, "/nowhere"))
    assert found == Report("npm audit", 0, (), "npm is not on the PATH.")


def test_audit_result_is_unchecked_when_the_service_does_not_know_a_dependency() -> None:
    control = {"name": PYTHON_CONTROL[0], "version": PYTHON_CONTROL[1], "vulns": [{"id": "x"}]}
    skipped = {"name": "own", "skip_reason": "not found"}
    found = audit.python_report([control, skipped], set())
    assert found.problem == "Its service doesn't know own."
    assert audit.result_of([found]) is Result.UNCHECKED


VULNERABLE = Report("a", 1, (Vulnerability("p", "1", "x", "2", "tools"),))


@pytest.mark.parametrize(
    ("reports", "code"),
    [
        ([VULNERABLE, Report("b", 0, (), "why")], Result.VULNERABLE),
        ([Report("a", 1, ()), Report("b", 0, (), "why")], Result.UNCHECKED),
    ],
    ids=["vulnerable", "unchecked"],
)
def test_audit_ends_with_the_exit_code_of_the_worst_report(
    reports: list[Report], code: Result
) -> None:
    with pytest.raises(Exit) as ended:
        audit.conclude(reports)
    assert ended.value.code == code


def test_audit_asks_about_two_versions_of_a_package_separately() -> None:
    pins = {("a", "1"), ("a", "2"), ("a", "3"), ("b", "1")}
    assert audit.without_duplicates(pins) == [{"a": "1", "b": "1"}, {"a": "2"}, {"a": "3"}]


def test_the_audit_command_checks_every_python_lock_file_and_reports_a_vulnerable_dependency(
    services: Services, tmp_path: Path
) -> None:
    locks = [(ROOT / source).with_suffix(".txt") for source in sources()]
    pins = {pin for lock in locks for pin in versions(lock).items()}
    boto3 = next(pin for pin in sorted(pins) if pin[0] == "boto3")
    services.python[boto3] = "PYSEC-1"
    command = [sys.executable, "-m", "invoke", "audit"]
    given = environment(services, tmp_path)
    done = subprocess.run(command, cwd=ROOT, env=given, capture_output=True, text=True, check=False)
    assert done.returncode == Result.VULNERABLE, done
    assert "Upgrade what is vulnerable" in done.stderr
    assert f"boto3 {boto3[1]}" in done.stdout
    assert "PYSEC-1" in done.stdout
    assert set(services.asked) >= pins
