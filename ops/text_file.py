"""Read a text file that is named on the command line."""

from __future__ import annotations

from pathlib import Path

from ops.command import OpsError


def read_text(path: Path, advice: str) -> str:
    """Return a file's text. Raises OpsError, with `advice` if the file isn't UTF-8."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            return file.read()
    except FileNotFoundError:
        raise OpsError(f"There is no file {path}.") from None
    except OSError as error:
        raise OpsError(f"{path} can't be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise OpsError(f"{path} is not UTF-8 (byte {error.start}): {advice}.") from error
