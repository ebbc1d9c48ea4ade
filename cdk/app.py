"""The CDK app, which the CDK's command line runs: `python -m cdk.app [ENV_FILE]`.

Settings come from the environment and from ENV_FILE, if one is named.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from aws_cdk import Annotations, App

from cdk.settings import Settings, load
from cdk.settings_reader import SettingsError
from cdk.stack import ZoomIngester


def build(settings: Settings, *, outdir: Path | None = None) -> App:
    """Return the app with its stack, and add the settings' notes to the stack as warnings.

    `outdir` is the folder for the template. With None, the CDK's command line sets the folder.
    """
    app = App(analytics_reporting=False, outdir=str(outdir) if outdir else None)
    stack = ZoomIngester(app, settings)
    for note in settings.notes:
        Annotations.of(stack).add_warning_v2(f"zoom-ingester:{note.split()[0]}", note)
    return app


def main(arguments: list[str]) -> int:
    """Write the stack's template, and return 0.

    If there are problems with the settings, print the problems instead, and return 1.
    """
    try:
        settings = load(os.environ, Path(arguments[0]) if arguments else None)
    except SettingsError as error:
        print(error, file=sys.stderr)
        return 1
    build(settings).synth()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
