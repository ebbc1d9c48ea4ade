"""The whole local stack: the cloud, the neighbours, and the real stack deployed between them.

    with LocalStack() as stack:
        requests.post(f"{stack.state.api_url}/new_recording", verify=stack.state.ca_bundle)

Each of its processes has a supervisor (supervisor.py): none of them outlives this process, unless
`let_go` was called. Slow steps run side by side; only the CDK's two are on the way of all.
"""

import contextlib
import fcntl
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from cdk import settings as site_settings
from cdk.names import Names
from local import deploy, mailbox, standins, subscription_filters, template_check
from local.authority import Authority, ensure_authority, write_bundle
from local.cloud import HOST, Cloud, choose_port, operator_environment, start_cloud
from local.processes import ROOT, Processes, is_supervisor
from local.settings import OF_A_STACK, Addresses, api_url, read_local, stack_settings
from local.state import CLOUD, GOOGLE_KEY, State, clear, forget, read_state, remember
from ops.code.package import Package, upload
from ops.schedule import google_key
from ops.secrets import store as secrets

HOME = ROOT / ".local"
MAIL = "mail"
Result = TypeVar("Result")

Say = Callable[[str, float], None]
"""Told of each step that is done, and the seconds it took."""

Build = Callable[[Path], Sequence[Package]]
"""Makes the functions' packages in a folder."""


class AlreadyUp(Exception):
    """A local stack runs in this folder. The text says where, and how to end it."""


class Busy(Exception):
    """Another process is starting a local stack in this folder, or works with one of its own."""


class LocalStack:
    """One local stack, from `start` (or `with`) to `stop`.

    `home` is the folder for all its files; two stacks need two. `given` are the settings (see
    settings.py). After the start `state` is what `stack.json` says, `settings` are the stack's
    settings, secrets included, and `parity` tells what the local cloud makes of the template.
    """

    state: State
    settings: Mapping[str, str]
    parity: template_check.Parity

    def __init__(
        self,
        home: Path = HOME,
        given: Mapping[str, str] = os.environ,
        say: Say = lambda _step, _seconds: None,
        build: Build = deploy.build_packages,
    ) -> None:
        self.home = home.absolute()
        self.given = dict(given)
        self._say = say
        self._build = build
        self._processes = Processes(self.home / "logs")
        self._open = contextlib.ExitStack()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Bring it up; returns when it can be used.

        Raises AlreadyUp, Busy, ProcessFailed, PortTaken, the settings' errors and packaging's.
        When it raises, KeyboardInterrupt included, nothing of it is left.
        """
        try:
            self._start()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End it; returns when no process of it is left. Its logs remain."""
        ours = self._processes.alive()
        if ours:
            forget(self.home)
        self._processes.stop()
        if ours:
            clear(self.home)
        self._open.close()

    def let_go(self) -> None:
        """Let it outlive this process, until `local.state.end` ends it."""
        self._processes.let_go()
        self._open.close()
        self._processes = Processes(self.home / "logs")

    def client(self, service: str) -> Any:
        """A boto3 client of the local cloud, as its account's root."""
        return self._access.client(service)

    @property
    def environment(self) -> dict[str, str]:
        """What operators' tasks need to work on this stack: settings, secrets and access."""
        operator = operator_environment(self._access.url, self._trusted, self._access.region)
        return {**self.settings, **operator, OF_A_STACK: self.state.stack_name}

    def _start(self) -> None:
        began = time.monotonic()
        self._claim()
        forget(self.home)
        local = read_local(self.given)
        authority = ensure_authority(self.home / "tls")
        self._trusted = write_bundle(
            self.home / "trusted.pem", authority, extra=local.extra_ca, public=True
        )
        port = choose_port(local.cloud_port)
        neighbours = standins.choose(local)
        files = standins.Files(trusted=self._trusted, google_key=self.home / GOOGLE_KEY)
        self._access = deploy.Access(f"https://{HOST}:{port}", self._trusted, local.region)
        self.settings = stack_settings(
            self.given,
            Addresses(
                cloud=self._access.url,
                zoom=neighbours.zoom_url,
                opencast=neighbours.opencast_url,
                slack=neighbours.slack_url,
                sheets=neighbours.sheets_url,
            ),
        )
        site = site_settings.load(self.settings, None)
        names = Names(site.stack_name)
        env = self._tool_environment()
        cdk = deploy.Cdk(env, self._processes, self.home)
        with self._threads() as pool:
            synthesized = pool.submit(self._timed, "template synthesized", cdk.synth)
            packages = pool.submit(
                self._timed, "functions packaged", lambda: self._build(self.home / "packages")
            )
            cloud = start_cloud(
                self.home / CLOUD,
                authority,
                self._trusted,
                self._processes,
                port=port,
                region=local.region,
            )
            mails = self._start_mailbox(authority, names)
            answering = pool.submit(
                self._timed,
                "neighbours started",
                lambda: standins.start(neighbours, self._processes, env, authority, files),
            )
            self._timed("cloud started", lambda: cloud.wait(authority.ca_bundle))
            self._fill(site, names, packages.result)
            synthesized.result()
            answering.result()
            if "sheets" in neighbours.own:
                google_key.save(self.client("ssm"), google_key.read_key(self.home / GOOGLE_KEY))
            self._timed("stack deployed", lambda: cdk.deploy(site.stack_name))
            logs = subscription_filters.start(self._processes, env, self._access)
            self._timed("cloud compared with template", lambda: self._compare(cdk, site.stack_name))
            mails.subscribe(self.client("sns"))
            subscription_filters.wait_for(logs)
        self._remember(cloud, neighbours)
        self._say("ready", time.monotonic() - began)

    def _start_mailbox(self, authority: Authority, names: Names) -> mailbox.MailboxProcess:
        return mailbox.start(
            self._processes,
            self._tool_environment(),
            authority,
            cloud=self._access.url,
            topic=names.topic,
            folder=self.home / MAIL,
        )

    def _claim(self) -> None:
        """Take this folder for one stack at a time, also while it starts."""
        self.home.mkdir(parents=True, exist_ok=True)
        lock = self._open.enter_context((self.home / "stack.lock").open("w"))
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise Busy(
                f"A local stack is being started or used in {self.home} right now: wait for it, "
                "or end what runs it."
            ) from None
        state = read_state(self.home)
        if state and any(is_supervisor(pid) for pid in state.pids.values()):
            raise AlreadyUp(
                f"The local stack is up already, at {state.api_url}: use it, or end it with "
                "`invoke local.down`."
            )

    @contextlib.contextmanager
    def _threads(self) -> Iterator[ThreadPoolExecutor]:
        """Threads that don't hold up an error or ^C: processes end first, and threads with them."""
        pool = ThreadPoolExecutor(thread_name_prefix="local-stack")
        try:
            yield pool
        except BaseException:
            self._processes.stop()
            clear(self.home)
            raise
        finally:
            pool.shutdown(wait=True, cancel_futures=True)

    def _timed(self, step: str, work: Callable[[], Result]) -> Result:
        began = time.monotonic()
        result = work()
        self._say(step, time.monotonic() - began)
        return result

    def _tool_environment(self) -> dict[str, str]:
        """For the CDK and the neighbours: nothing of the caller's AWS configuration."""
        kept = {
            name: value
            for name, value in self.given.items()
            if name in {"PATH", "HOME", "LANG", "TMPDIR", "TZ"}
        }
        operator = operator_environment(self._access.url, self._trusted, self._access.region)
        return {**kept, **self.settings, **operator}

    def _fill(
        self, site: site_settings.Settings, names: Names, packages: Callable[[], Sequence[Package]]
    ) -> None:
        """Put into the cloud what has to be there before the stack: secrets and code."""
        s3, ssm = self.client("s3"), self.client("ssm")
        deploy.make_bucket(s3, site.place.code_bucket, self._access.region)
        secrets.write(ssm, names, site.secrets())
        made = packages()
        self._timed("packages uploaded", lambda: upload(made, s3, site.place.code_bucket, names))

    def _compare(self, cdk: deploy.Cdk, stack_name: str) -> None:
        physical = deploy.physical_names(self.client("cloudformation"), stack_name)
        self.parity = template_check.compare(cdk.template(stack_name), physical, self.client)

    def _remember(self, cloud: Cloud, neighbours: standins.Neighbours) -> None:
        self.state = State(
            api_url=api_url(cloud.url),
            aws_endpoint_url=cloud.url,
            ca_bundle=str(self._trusted),
            region=self._access.region,
            stack_name=self.settings["STACK_NAME"],
            zoom_url=neighbours.zoom_url,
            opencast_url=neighbours.opencast_url,
            slack_url=neighbours.slack_url,
            sheets_url=neighbours.sheets_url,
            mail_folder=str(self.home / MAIL),
            webhook_secret=self.settings["WEBHOOK_VALIDATION_SECRET_TOKEN"].split(",")[0].strip(),
            slack_signing_secret=self.settings["SLACK_SIGNING_SECRET"],
            pids=self._processes.alive(),
        )
        remember(self.home, self.state, self.environment)
