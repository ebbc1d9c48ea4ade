"""What operators and developers type after `invoke`: collected here, written in `ops/`."""

from __future__ import annotations

import sys
from pathlib import Path

# `invoke` imports this file from anywhere below; `ingester` lies in a source root of its own.
sys.path.append(str(Path(__file__).parent / "functions"))

from ops import checks, package, requirements
from ops.command import Commands

namespace = Commands(package.make_packages, checks.run_tests, requirements.update_requirements)
