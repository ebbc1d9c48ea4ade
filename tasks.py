"""What operators and developers type after `invoke`: collected here, written in `ops/`."""

from __future__ import annotations

import sys
from pathlib import Path

from invoke import Collection

# `invoke` imports this file from anywhere below; `ingester` lies in a source root of its own.
sys.path.append(str(Path(__file__).parent / "functions"))

from ops import (
    checks,
    codebuild,
    debug,
    deploy,
    execute,
    local,
    logs,
    migrate,
    package,
    queue,
    recordings,
    requirements,
    schedule,
    secret_tasks,
    stack,
)
from ops.command import take_both_spellings

take_both_spellings()
namespace = Collection(
    checks.run_tests,
    codebuild.run_build,
    package.make_packages,
    deploy.release,
    requirements.update_requirements,
    migrate.migrate,
    secret_tasks.collection,
    stack.collection,
    deploy.collection,
    debug.collection,
    execute.collection,
    queue.collection,
    logs.collection,
    recordings.recordings,
    schedule.collection,
    local.collection,
)
