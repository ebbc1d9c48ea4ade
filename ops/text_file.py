"""Read a text file that is named on the command line."""

from __future__ import annotations

import codecs
from collections.abc import Mapping
from pathlib import Path

from ops.command import OpsError

FOREIGN_FORMATS: Mapping[bytes, str] = {
    b"PK\x03\x04": "an Excel workbook, or another zip",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook",
    codecs.BOM_UTF16_LE: "in UTF-16",
    codecs.BOM_UTF16_BE: "in UTF-16",
}
"""Formats of files that aren't UTF-8, by a file's first bytes."""


def read_text(path: Path, advice: str) -> str:
    """Return a file's text.

    Raises:
        OpsError: The file can't be read, or isn't UTF-8. If the file isn't UTF-8, the error's text
            has the `advice`.
    """
    try:
        content = path.read_bytes()
        for start, what in FOREIGN_FORMATS.items():
            if content.startswith(start):
                raise OpsError(f"{path} is {what}: {advice}.")
        return content.decode("utf-8-sig")
    except FileNotFoundError:
        raise OpsError(f"There is no file {path}.") from None
    except OSError as error:
        raise OpsError(f"{path} can't be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise OpsError(f"{path} is not UTF-8 (byte {error.start}): {advice}.") from error
