"""Measure the size of packages and the imports of a cold container: `python -m bench.packages`.

The program imports each function from a package for this machine, and makes the function's first
AWS client, in a new interpreter. `--other` also measures imports from another folder. As in Lambda,
none of the interpreters can write bytecode.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from cdk.names import FUNCTIONS
from ops.code import package
from ops.code.wheels import host, lambda_

SERVICE = "sqs"
CREDENTIALS = {
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_ACCESS_KEY_ID": "none",
    "AWS_SECRET_ACCESS_KEY": "none",
    "AWS_EC2_METADATA_DISABLED": "true",
}
OTHER_SET = "the other set"
OTHER = "boto3, requests, jwt, googleapiclient.discovery, google.oauth2.service_account, slack_sdk"


@dataclass(frozen=True)
class Import:
    """Python statements to time, and the folder from which the statements import."""

    name: str
    folder: Path
    statements: str

    def milliseconds(self) -> float:
        """Run the statements once in a new interpreter, and return their time in milliseconds.

        Raises:
            CalledProcessError: The statements fail.
        """
        program = (
            f"import time; begin = time.perf_counter()\nimport sys\n"
            f"sys.path.insert(0, {str(self.folder)!r})\n{self.statements}\n"
            "print((time.perf_counter() - begin) * 1000)"
        )
        done = subprocess.run(
            [sys.executable, "-I", "-S", "-B", "-c", program],
            env=CREDENTIALS,
            capture_output=True,
            text=True,
            check=True,
        )
        return float(done.stdout)


def imports(folder: Path, other: Path | None) -> Iterator[Import]:
    """Build and unpack the functions' packages in `folder`. Yield an import for each package.

    If `other` is given, yield a last import from the folder `other`. For errors, see
    `ops.code.package.build`.
    """
    packages = package.build(FUNCTIONS, host(), folder)
    for function, built in zip(FUNCTIONS, packages, strict=True):
        unpacked = folder / function.name
        with zipfile.ZipFile(built.path) as archive:
            archive.extractall(unpacked)
        client = f"import boto3; boto3.client({function.services[0]!r})"
        yield Import(function.name, unpacked, f"import {function.module}\n{client}")
    if other:
        yield Import(OTHER_SET, other, f"import {OTHER}\nboto3.client({SERVICE!r})")


def measure(wanted: Sequence[Import], rounds: int) -> dict[str, float]:
    """Time each import once a round, and return the medians in milliseconds by name.

    Raises:
        CalledProcessError: An import fails.
    """
    times: dict[str, list[float]] = {item.name: [] for item in wanted}
    for _ in range(rounds):
        for item in wanted:
            times[item.name].append(item.milliseconds())
    return {name: statistics.median(values) for name, values in times.items()}


def main() -> None:
    """Measure packages and imports, and print a table."""
    options = argparse.ArgumentParser(prog="python -m bench.packages", description=__doc__)
    options.add_argument("--rounds", type=int, default=9, help="rounds (9)")
    options.add_argument("--other", type=Path, help=f"a folder to import {OTHER} from")
    given = options.parse_args()
    with tempfile.TemporaryDirectory() as parent:
        folder = Path(parent)
        times = measure(list(imports(folder, given.other)), given.rounds)
        packages = package.build(FUNCTIONS, lambda_(), folder / "lambda")
    sizes = {built.name: f"{built.size / 1e6:.2f} MB" for built in packages}
    table = Table("function", "zipped for Lambda", "import to first client", "of the other set")
    for name, milliseconds in times.items():
        share = f"{milliseconds / times[OTHER_SET]:.2f}" if given.other else "-"
        table.add_row(name, sizes.get(name, "-"), f"{milliseconds:.0f} ms", share)
    Console().print(table)


if __name__ == "__main__":
    main()
