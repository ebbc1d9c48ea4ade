"""The commands of `invoke`, collected from `ops/` and `local/`."""

from __future__ import annotations

import sys
from pathlib import Path

from invoke import Collection

# `ops` imports `ingester`, which lies in `functions/`. The path is absolute, because `invoke` also
# runs in folders below this one.
sys.path.append(str(Path(__file__).parent / "functions"))

from local import commands as local
from ops import audit, checks, requirements
from ops.code import codebuild, debug, deploy, package
from ops.command import tolerate_closed_output_everywhere
from ops.command_line import adapt_invoke
from ops.logs import commands as logs
from ops.migration import commands as migration
from ops.queues import commands as queue
from ops.recordings import execute
from ops.recordings import listing as recordings
from ops.schedule import commands as schedule
from ops.secrets import commands as secrets
from ops.stack import commands as stack

adapt_invoke()
tolerate_closed_output_everywhere()
namespace = Collection(
    checks.run_tests,
    audit.audit,
    codebuild.run_build,
    package.make_packages,
    deploy.release,
    requirements.update_requirements,
    migration.migrate,
    stack.collection,
    deploy.collection,
    debug.collection,
    execute.collection,
    queue.collection,
    logs.collection,
    recordings.collection,
    schedule.collection,
    secrets.collection,
    local.collection,
)
