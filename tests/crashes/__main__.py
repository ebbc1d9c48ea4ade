"""`python -m tests.crashes`: kill each function at each of its calls, on a local stack."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]


def main() -> int:
    """Run the sweep; 1 if a recording was lost, doubled or spoilt."""
    sys.path.insert(0, str(ROOT / "functions"))
    from local.stack import HOME, LocalStack  # noqa: PLC0415  # the path is set only now

    given = _arguments()
    # The functions' settings are put right again, also when somebody ends this.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if given.running:
        return _sweep(HOME, given)
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    with (
        tempfile.TemporaryDirectory(prefix="crashes-") as folder,
        LocalStack(Path(folder), given=kept) as stack,
    ):
        return _sweep(stack.home, given)


def _sweep(home: Path, given: argparse.Namespace) -> int:
    from local.driver import Driver  # noqa: PLC0415  # as above
    from local.state import read_state  # noqa: PLC0415
    from tests.crashes import document, sweep  # noqa: PLC0415
    from tests.crashes.ways import WAYS  # noqa: PLC0415
    from tests.e2e.scene import SERIES  # noqa: PLC0415

    state = read_state(home)
    if state is None:
        print("No local stack is up: `invoke local.up` starts it.", file=sys.stderr)
        return 2
    driver = Driver(state)
    driver.add_series(SERIES, "Mapping the Ocean")
    failed = False
    for way in WAYS:
        name = way.function.name
        if given.functions and name not in given.functions:
            continue
        results = []
        with sweep.sweep_of(way, driver, home) as swept:
            calls = swept.learn()
            for aim in sweep.aims_of(calls.all):
                began = time.monotonic()
                results.append(swept.crash(aim, calls))
                seconds = time.monotonic() - began
                told = f"{name}, {aim.moment} {aim.call}: {document.cell(results[-1])}"
                print(f"{told} ({seconds:.0f} s)", flush=True)
        failed = failed or any(result.problem for result in results)
        rendered = document.table(results)
        if given.write:
            text = document.PATH.read_text("utf-8")
            document.PATH.write_text(document.with_table(text, name, rendered), "utf-8")
        else:
            print(f"\n## {name}\n\n{rendered}\n", flush=True)
    driver.close()
    return int(failed)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.crashes", description=__doc__)
    parser.add_argument("--write", action="store_true", help="write the tables into the document")
    parser.add_argument(
        "--running", action="store_true", help="use the stack that `invoke local.up` started"
    )
    parser.add_argument("functions", nargs="*", help="only these, such as zoom-uploader")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
