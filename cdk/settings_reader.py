"""How settings are read: from the shell and `.env`, one by one, with all that is wrong gathered.

The environment wins over the file. An empty setting counts as not given.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TypeVar

from dotenv import dotenv_values

from cdk import checks

Value = TypeVar("Value")


class SettingsError(Exception):
    """The stack's settings are incomplete or wrong; the text names every one of them."""

    def __init__(self, problems: list[str]) -> None:
        lines = "\n".join(f"  - {problem}" for problem in problems)
        super().__init__(
            f"These settings (environment or .env; see example.env) are missing or wrong:\n{lines}"
        )
        self.problems = tuple(problems)


class Reader:
    """Reads settings one by one and gathers what is wrong with them."""

    def __init__(self, given: Mapping[str, str], hidden: Collection[str] = ()) -> None:
        """`hidden` are the settings whose values no message shows."""
        self.given = given
        self.hidden = hidden
        self.problems: list[str] = []

    def optional(self, name: str, check: checks.Check[Value], default: Value) -> Value:
        """The setting's value, or `default` if it isn't given or is wrong."""
        text = self.given.get(name, "")
        if not text:
            return default
        try:
            return check(text)
        except ValueError as error:
            shown = "" if name in self.hidden else f" is {text!r}, but"
            self.problems.append(f"{name}{shown} has to be {error}.")
            return default

    def required(self, name: str, what: str, check: checks.Check[Value], empty: Value) -> Value:
        """The setting's value. Missing, it is a problem; `what` says what belongs there."""
        if not self.given.get(name):
            self.problems.append(f"{name} is missing: {what}.")
        return self.optional(name, check, empty)

    def text(self, name: str, default: str = "") -> str:
        return self.optional(name, checks.any_text, default)

    def check(self) -> None:
        """SettingsError with all that was wrong so far."""
        if self.problems:
            raise SettingsError(self.problems)


def given_settings(environment: Mapping[str, str], env_file: Path | None) -> dict[str, str]:
    """What is set in `env_file` and, winning over it, in the environment; stripped, not empty.

    `env_file` may be None or not exist. SettingsError if it is no text.
    """
    try:
        from_file = dotenv_values(env_file, interpolate=False) if env_file else {}
    except UnicodeDecodeError as error:
        raise SettingsError([f"{env_file} isn't in UTF-8 ({error}): save it as that."]) from error
    together = {**from_file, **environment}
    return {name: value.strip() for name, value in together.items() if value and value.strip()}
