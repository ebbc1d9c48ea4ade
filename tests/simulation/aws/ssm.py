"""A fake of boto3's SSM client for reading parameters."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from botocore.exceptions import ClientError

from tests.simulation.aws.calls import Call, answer, client_error


class ParameterNotFound(ClientError):
    """The fake of botocore's error for a name without a parameter."""


class FakeParameters:
    """A fake of SSM's client, with SecureStrings. `call` is the hook around each call."""

    def __init__(self, *, call: Call) -> None:
        self.exceptions = SimpleNamespace(
            ClientError=ClientError, ParameterNotFound=ParameterNotFound
        )
        self._call = call
        self._values: dict[str, tuple[str, int]] = {}

    def set(self, name: str, value: str) -> None:
        """Set a parameter without the hook."""
        self._values[name] = value, self._values.get(name, ("", 0))[1] + 1

    def get_parameter(self, *, Name: str, WithDecryption: bool = False) -> dict[str, Any]:
        """Return the parameter. Without `WithDecryption` the parameter's value is encrypted.

        Raises:
            ParameterNotFound: There is no such parameter.
        """

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
