"""Run the benchmark of copies: `python -m bench.transfer` (see bench/README.md)."""

import sys

from bench.transfer.command_line import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
