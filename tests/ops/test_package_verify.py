"""Tests of `invoke package --verify`, whose second build has to give the same bytes."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path

import pytest

from cdk.names import STATUS_QUERY
from ops.code import package
from ops.code.wheels import host
from ops.code.zip_differences import differences
from ops.command import OpsError


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> package.Package:
    """Return a finished package, which tests copy."""
    (built,) = package.build([STATUS_QUERY], host(), tmp_path_factory.mktemp("dist"))
    return built


@pytest.fixture
def made(kept: package.Package, tmp_path: Path) -> package.Package:
    path = Path(shutil.copy(kept.path, tmp_path))
    return package.Package(kept.name, path, kept.size, kept.sha256)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """Return the folder of the second build, with the wheels of this project's cache."""
    folder = tmp_path / "copy"
    folder.mkdir()
    (folder / ".local").symlink_to(package.ROOT / ".local")
    return folder


def rewrite(path: Path, changes: dict[str, bytes | None]) -> None:
    """Change or add files of a package, or remove files whose content is None.

    The package keeps its comment, so a build treats the package as up to date.
    """
    before = path.with_suffix(".before")
    path.rename(before)
    with zipfile.ZipFile(before) as old, zipfile.ZipFile(path, "w") as new:
        new.comment = old.comment
        for info in old.infolist():
            content = changes.pop(info.filename, old.read(info.filename))
            if content is not None:
                new.writestr(info, content)
        for name, added in changes.items():
            new.writestr(name, added or b"")


def test_verification_of_a_package_names_each_file_that_differs(
    made: package.Package, copy: Path
) -> None:
    rewrite(made.path, {"status_query.py": b"pass", "added.py": b"", "status_page.html": None})
    with pytest.raises(OpsError) as caught:
        package.verify_packages([made], [STATUS_QUERY], host(), copy=copy)
    assert str(caught.value).splitlines() == [
        "A second build gave other packages.",
        "status-query.zip: added.py is only in the first",
        "status-query.zip: status_page.html is only in the second",
        "status-query.zip: status_query.py differs",
    ]


def test_packages_differ_when_their_files_are_the_same_and_their_bytes_are_not(
    tmp_path: Path,
) -> None:
    for name, method in (("a.zip", zipfile.ZIP_STORED), ("b.zip", zipfile.ZIP_DEFLATED)):
        with zipfile.ZipFile(tmp_path / name, "w", method) as archive:
            archive.writestr("x.py", b"pass")
    (found,) = differences(tmp_path / "a.zip", tmp_path / "b.zip")
    assert found.startswith("the files are the same")
    assert list(differences(tmp_path / "a.zip", tmp_path / "a.zip")) == []
