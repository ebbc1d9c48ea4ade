"""Tests that the downloader's package contains the program that the MP4 check starts."""

from pathlib import Path

from cdk.names import DOWNLOADER
from ingester.transfer.mp4 import CHILD
from ops.code.closure import closure
from ops.code.package import ROOT, sources


def test_the_downloader_package_contains_the_mp4_program_which_imports_no_project_module() -> None:
    root = ROOT / "functions"
    child = CHILD.relative_to(root)
    assert child in sources(DOWNLOADER, root)
    assert closure(".".join(child.with_suffix("").parts), root) == [Path(child)]
