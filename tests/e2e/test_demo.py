"""The demo holds what it shows."""

from __future__ import annotations

import io
from pathlib import Path
from zoneinfo import ZoneInfo

from rich.console import Console

from local import demo
from tests.e2e.scene import Scene


def test_the_demo(scene: Scene, tmp_path: Path) -> None:
    console = Console(file=io.StringIO(), width=100)
    held = demo.run(scene.driver, tmp_path, ZoneInfo("US/Eastern"), console)
    said = console.file.getvalue()  # type: ignore[attr-defined]  # a StringIO, as above
    assert held, said
    assert said.count("✓") >= 7
