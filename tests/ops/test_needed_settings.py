"""Tests that only commands that use packages require the code bucket."""

from __future__ import annotations

import pytest

from tests.command_line import invoke

WITH_PACKAGES = ("deploy.all", "release", "debug.on", "package --upload-to-s3", "stack.delete")
WITHOUT_PACKAGES = ("recordings", "queue.downloads", "logs.all", "exec.reconcile", "secrets.status")


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("STACK_NAME", "LAMBDA_CODE_BUCKET"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("name", WITHOUT_PACKAGES)
def test_a_command_requires_no_code_bucket_when_it_uses_no_packages(name: str) -> None:
    done = invoke(*name.split())
    assert "STACK_NAME is missing" in done.err
    assert "LAMBDA_CODE_BUCKET" not in done.err


@pytest.mark.parametrize("name", WITH_PACKAGES)
def test_a_command_requires_the_code_bucket_when_it_uses_packages(name: str) -> None:
    assert "LAMBDA_CODE_BUCKET is missing" in invoke(*name.split()).err
