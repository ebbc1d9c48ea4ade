"""Targets: the functions' environments, and the secrets in SSM."""

from __future__ import annotations

from collections.abc import Iterator
from contextvars import copy_context
from typing import Any

import msgspec

from ingester import settings
from ingester.errors import SettingsError
from tests.fuzz import planted
from tests.fuzz.mutations import Mutator, filled
from tests.fuzz.target import Target, require
from tests.simulation.aws.calls import call_directly
from tests.simulation.aws.ssm import FakeParameters

SETTINGS: tuple[type[settings.Settings], ...] = (
    settings.WebhookSettings,
    settings.OnDemandSettings,
    settings.ReconcileSettings,
    settings.DownloaderSettings,
    settings.UploaderSettings,
    settings.StatusQuerySettings,
    settings.SlackSettings,
    settings.LogNotificationsSettings,
    settings.ScheduleUpdateSettings,
)
SECRETS: tuple[type[settings.Secrets], ...] = (
    settings.WebhookSecrets,
    settings.OnDemandSecrets,
    settings.UploaderSecrets,
    settings.SlackSecrets,
    settings.ScheduleUpdateSecrets,
)
NUMERIC = ("SECONDS", "LIMIT", "DAYS", "HOURS", "MINUTES", "DURATION", "CONNECTIONS")


def make_settings(mutator: Mutator) -> Any:
    number = mutator.random.randrange(len(SETTINGS))
    names = settings.variables_of(SETTINGS[number])
    values = {name: "12" if name.endswith(NUMERIC) else "https://a.example" for name in names}
    return {"type": number, "values": mutator.value(values)}


def check_settings(given: Any) -> Iterator[str]:
    """Check that reading settings succeeds or raises SettingsError.

    Yield the texts that must contain no secret.
    """
    kind = SETTINGS[given["type"]]
    items = given["values"].items() if isinstance(given["values"], dict) else ()
    # Lambda's environment variables are UTF-8 without NUL.
    texts = {str(name): filled(str(value)).replace("\0", "") for name, value in items}
    values = {name: text.encode("utf-8", "replace").decode() for name, text in texts.items()}
    try:
        read = settings.read(kind, values)
        for name, member in vars(kind).items():
            if isinstance(member, property):
                yield f"{name} {getattr(read, name)}"
    except SettingsError as error:
        yield str(error)


def make_secrets(mutator: Mutator) -> Any:
    number = mutator.random.randrange(len(SECRETS))
    names = settings.variables_of(SECRETS[number])
    texts = (planted.ZOOM_SECRET, "a,b", ",", "\ud800", "x" * 4096, "ä", "\0" * 9, "{}")
    return {"type": number, "values": {name: mutator.one_of(texts) for name in names}}


def check_secrets(given: Any) -> Iterator[str]:
    """Check that reading secrets succeeds or raises SettingsError, and that no text shows them.

    Yield the texts that must contain no secret.
    """
    kind, parameters = SECRETS[given["type"]], FakeParameters(call=call_directly)
    for name, value in given["values"].items():
        # SSM stores only text that UTF-8 can encode.
        parameters.set(f"/p/{name}", value.encode("utf-8", "replace").decode())
    try:
        # The log hides a secret that was read in the same context. A copy of the context keeps the
        # inputs apart.
        read = copy_context().run(settings.read_secrets, kind, parameters, "/p")
        yield repr(read)
        values = [value for value in msgspec.structs.astuple(read) if len(value) > 8]
        require(not any(value in repr(read) for value in values), "A secret in a repr")
    except SettingsError as error:
        yield str(error)


TARGETS = (
    Target("settings", 1, make_settings, check_settings),
    Target("secrets", 1, make_secrets, check_secrets),
)
