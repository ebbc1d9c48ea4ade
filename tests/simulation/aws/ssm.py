"""A fake of boto3's SSM client, for the parameters that the functions read."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from botocore.exceptions import ClientError

from tests.simulation.aws.calls import Call, answer, client_error


class ParameterNotFound(ClientError):
    """There is no such parameter."""


class FakeParameters:
    """SSM's client. `call` is the hook around each call."""

    def __init__(self, *, call: Call) -> None:
        self.exceptions = SimpleNamespace(
            ClientError=ClientError, ParameterNotFound=ParameterNotFound
        )
        self._call = call
        self._values: dict[str, tuple[str, int]] = {}

    def set(self, name: str, value: str) -> None:
        """Give a SecureString a new value, without the hook."""
        self._values[name] = value, self._values.get(name, ("", 0))[1] + 1

    def remove(self, name: str) -> None:
        """Delete a parameter, if it is there, without the hook."""
        self._values.pop(name, None)

    def get_parameter(self, *, Name: str, WithDecryption: bool = False) -> dict[str, Any]:
        """The parameter; without `WithDecryption` its value is unreadable."""

        def effect() -> dict[str, Any]:
            if Name not in self._values:
                code, text = "ParameterNotFound", f"Parameter {Name} not found."
                raise client_error("GetParameter", code, text, error=ParameterNotFound)
            value, version = self._values[Name]
            return answer(
                Parameter={
                    "Name": Name,
                    "Type": "SecureString",
                    "Value": value if WithDecryption else f"encrypted:{version}",
                    "Version": version,
                }
            )

        return self._call("ssm.GetParameter", effect)
