"""Explain Google's refusals in sentences for the person who has to act."""

from __future__ import annotations

import re
from collections.abc import Sequence

import msgspec

from ingester.errors import UNREADABLE_JSON, GoogleKeyRefused, SheetsRefused


class _Detail(msgspec.Struct, frozen=True):
    reason: str = ""


class _Problem(msgspec.Struct, frozen=True):
    """Google's explanation of a refusal."""

    message: str = ""
    status: str = ""
    details: list[_Detail] = []

    @property
    def is_disabled(self) -> bool:
        """Whether the account's project hasn't enabled the API."""
        return any(detail.reason == "SERVICE_DISABLED" for detail in self.details)


class _Refusal(msgspec.Struct, frozen=True):
    error: _Problem = _Problem()


def refusal(status: int, body: bytes, *, account: str, tabs: Sequence[str]) -> SheetsRefused:
    """Return the error for an answer by which Google refuses a request.

    `account` is the service account's address, and `tabs` are the names of the requested tabs. The
    error is a GoogleKeyRefused if another key may help.
    """
    problem = _problem_in(body)
    said = one_line(problem.message) or "without a reason"
    if status == 401:
        return GoogleKeyRefused(f"Google doesn't take the token of {account} ({said}).")
    if problem.is_disabled:
        text = (
            f"The Google Sheets API is not enabled in the Google Cloud project of {account}: "
            "enable it there, and try again after some minutes."
        )
    elif status == 403:
        text = (
            f"The sheet is not shared with {account}: share it with this address, as a viewer "
            f"(Google says: {said})."
        )
    elif status == 404:
        text = (
            "Google knows no document with the id in GSHEETS_DOC_ID: it is the part of the "
            "sheet's address between /d/ and /edit."
        )
    elif problem.status == "FAILED_PRECONDITION":
        text = (
            "The document in GSHEETS_DOC_ID is not a Google Sheet: save an Excel file as one "
            f"(File, Save as Google Sheets) and use its id. Google says: {said}"
        )
    elif "Unable to parse range" in problem.message:
        text = _no_such_tab(problem.message, tabs)
    else:
        text = f"Google answered {status}: {said}"
    return SheetsRefused(text)


def _problem_in(body: bytes) -> _Problem:
    try:
        return msgspec.json.decode(body, type=_Refusal).error
    except UNREADABLE_JSON:
        return _Problem()


def _no_such_tab(message: str, tabs: Sequence[str]) -> str:
    refused = message.partition(": ")[2].strip()
    missing = [name for name in tabs if refused in {name, quoted_tab(name)}]
    what = f"no tab {missing[0]}" if missing else f"not all of the tabs {', '.join(tabs)}"
    return (
        f"The sheet has {what}: was it renamed? Its tabs have to be named as in "
        "GSHEETS_SHEET_NAMES. Nothing was changed."
    )


def quoted_tab(name: str) -> str:
    """Return a tab's A1 notation. Without quotes, a name may mean a cell or a named range.

    https://developers.google.com/workspace/sheets/api/guides/concepts
    """
    return "'" + name.replace("'", "''") + "'"


def one_line(text: str) -> str:
    """Return at most 200 characters of a text, on one line."""
    return re.sub(r"\s+", " ", text)[:200].strip()
