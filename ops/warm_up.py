"""The last step of filling `.venv`, which speeds up the local stack's first start.

`python -m ops.warm_up`, run in `.venv`, installs the packages of the functions' lock files for
this machine and makes Python compile the large library of the CDK.
"""

from __future__ import annotations

import importlib
import os
from concurrent.futures import ThreadPoolExecutor

from cdk.names import FUNCTIONS
from ops.code.package import ROOT, lock_of
from ops.code.wheels import CACHE, host, install, lock_hash
from ops.stack.cdk_cli import QUIET


def fetch_packages() -> None:
    """Install the packages of every function's lock file for this machine into the cache.

    Raises:
        OpsError: The packages of a lock file can't be installed, or bytecode can't be made.
    """
    locks = {lock_hash(lock): lock for lock in (lock_of(each, ROOT) for each in FUNCTIONS)}
    platform = host()
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda lock: install(lock, platform, ROOT / CACHE), locks.values()))


def main() -> None:
    """Fetch the packages, and load the CDK, in parallel.

    Raises:
        OpsError: See `fetch_packages`.
    """
    os.environ.update(QUIET)
    with ThreadPoolExecutor() as pool:
        fetched = pool.submit(fetch_packages)
        importlib.import_module("cdk.app")
        fetched.result()


if __name__ == "__main__":
    main()
