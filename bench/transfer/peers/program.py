"""A peer as a program of its own, so that its CPU seconds aren't those of what is measured.

It says in one line of JSON which ports it took, and runs until its standard input is closed.
"""

import argparse
import json
import ssl
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol, TypeVar

import msgspec

Settings = TypeVar("Settings")


class Peer(Protocol):
    """What is asked of a server here."""

    @property
    def ports(self) -> tuple[int, ...]: ...

    def close(self) -> None: ...


def run_peer(
    make: Callable[..., Peer],
    settings_type: type[Settings],
    description: str,
    arguments: Sequence[str],
) -> int:
    """Runs `make(settings, tls, port=…, tls_port=…)` until the end of standard input or ^C."""
    options = _parser(description).parse_args(arguments)
    tls = None
    if options.certificate:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(options.certificate, options.key)
    settings = msgspec.json.decode(options.settings, type=settings_type)
    peer = make(settings, tls, port=options.port, tls_port=options.tls_port)
    print(json.dumps({"ports": peer.ports}), flush=True)
    try:
        while sys.stdin.buffer.read(4096):
            pass
    except KeyboardInterrupt:
        pass
    peer.close()
    return 0


def _parser(description: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--port", type=int, default=0, help="of plain HTTP; 0 takes any")
    parser.add_argument("--tls-port", type=int, default=0, help="of HTTPS; 0 takes any")
    parser.add_argument("--certificate", type=Path, help="PEM; without it there is no HTTPS")
    parser.add_argument("--key", type=Path, help="PEM, the certificate's")
    parser.add_argument("--settings", default="{}", help="as JSON")
    return parser
