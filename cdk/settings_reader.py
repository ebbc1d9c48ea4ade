"""Read settings from the shell and `.env`, and gather all problems with the settings."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from dotenv import dotenv_values

from cdk.settings_row import Setting, Value


class SettingsError(Exception):
    """An error whose text lists all problems with the settings."""

    def __init__(self, problems: list[str]) -> None:
        lines = "\n".join(f"  - {problem}" for problem in problems)
        super().__init__(
            f"These settings (environment or .env; see example.env) are missing or wrong:\n{lines}"
        )
        self.problems = tuple(problems)


class Reader:
    """A reader of single settings, which gathers problems with the settings in `problems`."""

    def __init__(self, given: Mapping[str, str]) -> None:
        """Make a reader of `given`, which has the text of each given setting by name."""
        self.given = given
        self.problems: list[str] = []

    def read(self, setting: Setting[Value]) -> Value:
        """Return the value of the setting or its fallback, or the default if neither is valid.

        Add a problem if a required setting is missing, or if a text is wrong.
        """
        if setting.missing and not self.given.get(setting.name):
            self.problems.append(f"{setting.name} is missing: {setting.missing}.")
        for name in filter(None, (setting.name, setting.fallback)):
            text = self.given.get(name)
            if text:
                try:
                    return setting.check(text)
                except ValueError as error:
                    shown = "" if setting.secret else f" is {text!r}, but"
                    self.problems.append(f"{name}{shown} has to be {error}.")
        return setting.default

    def check(self) -> None:
        """Raise SettingsError with all problems so far, if there are any."""
        if self.problems:
            raise SettingsError(self.problems)


def given_settings(environment: Mapping[str, str], env_file: Path | None) -> dict[str, str]:
    """Return the texts of all variables in `env_file` and the environment, by name.

    The environment overrides the file, even with an empty text. Texts are stripped, and empty texts
    are left out. `env_file` may be None, or name a file that doesn't exist.

    Raises:
        SettingsError: The file isn't UTF-8.
    """
    try:
        from_file = dotenv_values(env_file, interpolate=False) if env_file else {}
    except UnicodeDecodeError as error:
        raise SettingsError([f"{env_file} isn't in UTF-8 ({error}): save it as that."]) from error
    together = {**from_file, **environment}
    return {name: value.strip() for name, value in together.items() if value and value.strip()}
