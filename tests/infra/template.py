"""A CloudFormation template, and the settings that the tests synthesize it from."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from cdk.app import build
from cdk.settings import SECRETS, load
from cdk.settings_reader import SettingsError

STACK = "zip-test"
SECRET_SETTINGS = {name: f"secret-of-{name}" for name in SECRETS}
SETTINGS = {
    "STACK_NAME": STACK,
    "LAMBDA_CODE_BUCKET": "zip-code",
    "NOTIFICATION_EMAIL": "ops@example.edu",
    "ZOOM_API_BASE_URL": "https://api.zoom.us/v2",
    "ZOOM_ACCOUNT_ID": "account",
    "ZOOM_CLIENT_ID": "client",
    "ZOOM_API_KEY": "key",
    "OPENCAST_BASE_URL": "https://opencast.example.edu",
    "OPENCAST_API_USER": "zip",
    "DEFAULT_OC_WORKFLOW": "DCE-import-from-zoom",
    "INGEST_ALLOWED_IPS": "192.0.2.7,198.51.100.0/24",
    "INGEST_ALLOWED_ORIGINS": "https://opencast.example.edu",
    "STACK_TAGS": "Key=project,Value=MH Key=cost center,Value=12 a",
    **SECRET_SETTINGS,
}


def joined(value: Any) -> str:
    """Return a value of the template as text, in which references are names in braces."""
    if isinstance(value, str):
        return value
    [(function, argument)] = value.items()
    if function == "Fn::Join":
        return str(argument[0]).join(joined(part) for part in argument[1])
    return f"{{{argument if isinstance(argument, str) else argument[0]}}}"


class Template:
    """A parsed template. `resources` maps logical ids to resources."""

    def __init__(self, text: str) -> None:
        self.text = text
        content = json.loads(text)
        self.resources: dict[str, Any] = content["Resources"]
        self.outputs: dict[str, Any] = content["Outputs"]

    def of_type(self, resource_type: str) -> dict[str, Any]:
        """Return the properties of all resources of a type, by logical id."""
        return {
            logical_id: resource["Properties"]
            for logical_id, resource in self.resources.items()
            if resource["Type"] == resource_type
        }

    def named(self, resource_type: str, key: str) -> dict[str, Any]:
        """Return the properties of all resources of a type, by the short name in property `key`."""
        return {self.short(joined(p[key])): p for p in self.of_type(resource_type).values()}

    @property
    def functions(self) -> dict[str, Any]:
        """The functions' properties by short name."""
        return self.named("AWS::Lambda::Function", "FunctionName")

    @property
    def queues(self) -> dict[str, Any]:
        """The queues' properties by short name."""
        return self.named("AWS::SQS::Queue", "QueueName")

    @property
    def tables(self) -> dict[str, Any]:
        """The tables' properties by short name."""
        return self.named("AWS::DynamoDB::Table", "TableName")

    @property
    def alarms(self) -> dict[str, Any]:
        """The alarms' properties by short name."""
        return self.named("AWS::CloudWatch::Alarm", "AlarmName")

    def api_paths(self) -> dict[str, str]:
        """Return the last parts of the API's paths, by logical id."""
        resources = self.of_type("AWS::ApiGateway::Resource")
        return {logical_id: properties["PathPart"] for logical_id, properties in resources.items()}

    @staticmethod
    def short(name: str) -> str:
        """Return a name in AWS without the stack's name."""
        return name.removeprefix(f"{STACK}-")


Changed = Callable[[Mapping[str, str]], Template]
"""The type of a function that synthesizes a template with changed settings."""


def synthesize(
    folder: Path, changes: Mapping[str, str] | None = None, env_file: Path | None = None
) -> Template:
    """Return the template for SETTINGS after `changes` ("" removes a setting).

    Settings that SETTINGS lacks come from `env_file`, or from the cached look-up beside `env_file`.
    """
    settings = load({**SETTINGS, **(changes or {})}, env_file)
    build(settings, outdir=folder).synth()
    return Template((folder / f"{STACK}.template.json").read_text())


def problems(**changes: str) -> tuple[str, ...]:
    """Return the problems of SETTINGS after `changes` ("" removes a setting)."""
    try:
        load({**SETTINGS, **changes}, None)
    except SettingsError as error:
        return error.problems
    return ()
