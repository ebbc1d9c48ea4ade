"""What a package weighs, and how long a cold container imports: `python -m bench.packages`.

Each function's import to its first AWS client is timed in a new interpreter, from its own package
made for this machine, beside a set of imports from another folder, round by round in one run. None
of them can write bytecode, as in Lambda: what is in the folders is all there is.
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
OTHER = "boto3, requests, jwt, googleapiclient.discovery, google.oauth2.service_account, slack_sdk"


@dataclass(frozen=True)
class Import:
    """Something to time: a name, the folder it comes from, and the statements."""

    name: str
    folder: Path
    statements: str

    def milliseconds(self) -> float:
        """Once, in a new interpreter that keeps no bytecode."""
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
    """Each function's own import, from its package unpacked below `folder`, and the other set."""
    for function, made in zip(FUNCTIONS, package.build(FUNCTIONS, host(), folder), strict=True):
        unpacked = folder / function.name
        with zipfile.ZipFile(made.path) as archive:
            archive.extractall(unpacked)
        client = f"import boto3; boto3.client({function.services[0]!r})"
        yield Import(function.name, unpacked, f"import {function.module}\n{client}")
    if other:
        yield Import("the other set", other, f"import {OTHER}\nboto3.client({SERVICE!r})")


def measure(wanted: Sequence[Import], rounds: int) -> dict[str, float]:
    """The median of each, in milliseconds; one of each in every round."""
    found: dict[str, list[float]] = {one.name: [] for one in wanted}
    for _ in range(rounds):
        for one in wanted:
            found[one.name].append(one.milliseconds())
    return {name: statistics.median(values) for name, values in found.items()}


def main() -> None:
    """The command."""
    options = argparse.ArgumentParser(prog="python -m bench.packages", description=__doc__)
    options.add_argument("--rounds", type=int, default=9, help="how often each is timed (9)")
    options.add_argument("--other", type=Path, help=f"a folder from which to import {OTHER}")
    given = options.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        times = measure(list(imports(folder, given.other)), given.rounds)
        made = package.build(FUNCTIONS, lambda_(), folder / "lambda")
    sizes = {one.name: f"{one.size / 1e6:.2f} MB" for one in made}
    table = Table("function", "zipped for Lambda", "import to first client", "of the other set")
    for one, milliseconds in times.items():
        ratio = milliseconds / times["the other set"] if given.other else 0
        share = f"{ratio:.2f}" if ratio else "-"
        table.add_row(one, sizes.get(one, "-"), f"{milliseconds:.0f} ms", share)
    Console().print(table)


if __name__ == "__main__":
    main()
