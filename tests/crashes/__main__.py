"""Kill each function at each of its calls, on a local stack (`python -m tests.crashes`)."""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]


def main() -> int:
    """Run the crash sweep.

    Return the exit code: 0, 1 if a crash left a problem (see `Result`), or 2 if no local stack is
    up.
    """
    sys.path.insert(0, str(ROOT / "functions"))
    from local.stack import HOME, LocalStack  # noqa: PLC0415  # needs `sys.path`
    from tests.e2e.operator import shell_environment  # noqa: PLC0415

    options = _options()
    # SIGTERM has to run the cleanup that restores the functions' settings.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if options.running:
        return _sweep(HOME, options)
    with (
        tempfile.TemporaryDirectory(prefix="crashes-") as folder,
        LocalStack(Path(folder), given=shell_environment()) as stack,
    ):
        return _sweep(stack.home, options)


def _sweep(home: Path, options: argparse.Namespace) -> int:
    from local.driver import Driver  # noqa: PLC0415  # as above
    from local.state import read_state  # noqa: PLC0415
    from tests.crashes import document, sweep  # noqa: PLC0415
    from tests.crashes.triggers import TRIGGERS  # noqa: PLC0415
    from tests.e2e.stack import SERIES  # noqa: PLC0415

    state = read_state(home)
    if state is None:
        print("No local stack is up: `invoke local.up` starts it.", file=sys.stderr)
        return 2
    driver = Driver(state)
    driver.add_series(SERIES, "Mapping the Ocean")
    failed = False
    for trigger in TRIGGERS:
        name = trigger.function.name
        if options.functions and name not in options.functions:
            continue
        results = []
        with sweep.sweep_of(trigger, driver, home) as swept:
            calls = swept.learn()
            chosen = [call for call in calls.all if options.call in str(call)]
            for aim in sweep.aims_of(chosen):
                began = time.monotonic()
                results.append(swept.crash(aim, calls))
                seconds = time.monotonic() - began
                line = f"{name}, {aim.moment} {aim.call}: {document.cell(results[-1])}"
                print(f"{line} ({seconds:.0f} s)", flush=True)
        failed = failed or any(result.problem for result in results)
        rendered = document.table(results)
        if options.write and not options.call:
            text = document.PATH.read_text("utf-8")
            document.PATH.write_text(document.with_table(text, name, rendered), "utf-8")
        else:
            print(f"\n## {name}\n\n{rendered}\n", flush=True)
    driver.close()
    return int(failed)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.crashes", description=__doc__)
    parser.add_argument("--write", action="store_true", help="write the tables into the document")
    parser.add_argument(
        "--running", action="store_true", help="use the stack that `invoke local.up` started"
    )
    parser.add_argument("--call", default="", help="only calls whose name contains this text")
    parser.add_argument("functions", nargs="*", help="only these, such as zoom-uploader")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
