"""A local stack: a local cloud, the deployed CloudFormation stack, and the neighbours' stand-ins.

    with LocalStack() as stack:
        requests.post(f"{stack.state.api_url}/new_recording", verify=stack.state.ca_bundle)

No process of a stack outlives this process (supervisor.py) unless `detach` was called. Slow steps
run in parallel. The CDK's synthesis and deploy determine how long a start takes.
"""

import contextlib
import fcntl
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from secrets import token_urlsafe
from types import TracebackType
from typing import Any, Self, TypeVar

from cdk import settings as site_settings
from cdk.names import Names
from local import deploy, mailbox, standins, subscription_filters
from local.authority import Authority, ensure_authority, write_bundle
from local.cloud import (
    HOST,
    OPERATOR_KEY_ID,
    Cloud,
    choose_port,
    operator_environment,
    start_cloud,
)
from local.neighbours.stand_in import CONTROL_TOKEN
from local.processes import ROOT, Processes, is_supervisor, stop_pids
from local.settings import STACK_VARIABLE, Addresses, api_url, read_local, stack_settings
from local.state import (
    CLOUD,
    GOOGLE_KEY,
    State,
    delete_runtime_files,
    delete_state_files,
    read_state,
    write_state_files,
)
from local.template_check import TemplateCheck, compare
from ops.code.package import Package, upload
from ops.schedule import google_key
from ops.secrets import store as secrets

HOME = ROOT / ".local"
MAIL = "mail"
Result = TypeVar("Result")

Say = Callable[[str, float], None]
"""A function that is called after each step with the step's name and seconds."""

Build = Callable[[Path], Sequence[Package]]
"""A function that builds the functions' packages in a folder."""


class AlreadyUp(Exception):
    """Error for a folder in which a local stack runs. The text says how to end the stack."""


class Busy(Exception):
    """Error for a folder in which another process starts or uses a local stack."""


@dataclass(frozen=True)
class _Prepared:
    """Addresses and settings that are chosen before the local stack's first process starts.

    Attributes:
        authority: Certificates of every local server.
        cloud_port: Port of the cloud.
        neighbours: Addresses of the stand-ins and of real neighbours.
        site: The stack's settings.
        names: The stack's AWS names.
        environment: Environment variables of the CDK and of every program but the cloud.
        cdk: Command line of the CDK.
    """

    authority: Authority
    cloud_port: int
    neighbours: standins.Neighbours
    site: site_settings.Settings
    names: Names
    environment: Mapping[str, str]
    cdk: deploy.Cdk


def stop_following(site: site_settings.Settings, events: Any) -> None:
    """Disable the rule that starts follow every minute, if the stack has the rule.

    Otherwise follow would change rows at any time during a test. The demo and the tests invoke
    follow themselves. `events` is EventBridge's client.
    """
    if site.follow_ingests:
        events.disable_rule(Name=Names(site.stack_name).of("follow"))


class LocalStack:
    """A local stack, from `start` (or `with`) to `stop`.

    `home` is the folder of the stack's files. Each stack needs its own folder. `given` has the
    settings (see settings.py). After the start `state` is the content of `stack.json`, `settings`
    has the stack's settings with secrets, and `template_check` is the result of the comparison of
    the cloud with the template.
    """

    state: State
    settings: Mapping[str, str]
    template_check: TemplateCheck

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
        self._control_token = token_urlsafe(32)
        self._lock = contextlib.ExitStack()

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
        """Start the stack, and wait until it can be used.

        After an error or ^C, no process that this method started is left. Only the owner can read
        the files that this method writes.

        Raises:
            AlreadyUp, Busy: Another local stack runs or starts in the folder.
            ProcessFailed: A process fails, takes too long or can't be started.
            PortTaken: A port isn't free, or no free port was found.
            OpsError: A package can't be built or uploaded, or Google's key can't be used.
            SettingsError, LocalSettingsError, ExtraAuthorityError: A setting is wrong.
        """
        before = os.umask(0o077)
        try:
            self._start()
        except BaseException:
            self.stop()
            raise
        finally:
            os.umask(before)

    def stop(self) -> None:
        """Stop the stack, and wait until its processes have ended.

        If a process was running, the files that only a running stack needs are deleted. Logs and
        mails stay.
        """
        alive = self._processes.alive()
        if alive:
            delete_state_files(self.home)
        self._processes.stop()
        if alive:
            delete_runtime_files(self.home)
        self._lock.close()

    def detach(self) -> None:
        """Let the stack outlive this process, until `local.state.stop_stack` ends the stack."""
        self._processes.detach()
        self._lock.close()
        self._processes = Processes(self.home / "logs")

    def client(self, service: str) -> Any:
        """Return a boto3 client of the local cloud with the key of the account's root."""
        return self._access.client(service)

    @property
    def environment(self) -> dict[str, str]:
        """The environment of `invoke`'s commands for this stack, with settings, secrets and
        credentials."""
        return {**self.settings, **self._operator(), STACK_VARIABLE: self.state.stack_name}

    def _start(self) -> None:
        began = time.monotonic()
        self._claim()
        delete_state_files(self.home)
        prepared = self._prepare()
        with self._threads() as pool:
            cloud = self._deploy(prepared, pool)
        self._remember(cloud, prepared.neighbours)
        self._say("ready", time.monotonic() - began)

    def _prepare(self) -> _Prepared:
        """Choose addresses and settings, and write the certificates. No process is started."""
        local = read_local(self.given)
        authority = ensure_authority(self.home / "tls")
        self._trusted = write_bundle(
            self.home / "trusted.pem", authority, extra=local.extra_ca, public=True
        )
        port = choose_port(local.cloud_port)
        neighbours = standins.choose(local, port)
        url = f"https://{HOST}:{port}"
        self._access = deploy.Access(url, self._trusted, local.region, token_urlsafe(32))
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
        env = self._tool_environment()
        return _Prepared(
            authority=authority,
            cloud_port=port,
            neighbours=neighbours,
            site=site,
            names=Names(site.stack_name),
            environment=env,
            cdk=deploy.Cdk(env, self._processes, self.home),
        )

    def _deploy(self, prepared: _Prepared, pool: ThreadPoolExecutor) -> Cloud:
        """Start all processes, deploy the stack, and compare the cloud with the template.

        Return the cloud.
        """
        cdk, site, env = prepared.cdk, prepared.site, prepared.environment
        synthesized = pool.submit(self._timed, "template synthesized", cdk.synth)
        packages = pool.submit(
            self._timed, "functions packaged", lambda: self._build(self.home / "packages")
        )
        cloud = start_cloud(
            self.home / CLOUD,
            prepared.authority,
            self._trusted,
            self._processes,
            secret=self._access.secret,
            port=prepared.cloud_port,
            region=self._access.region,
        )
        mails = self._start_mailbox(prepared)
        stand_ins_ready = pool.submit(
            self._timed, "stand-ins started", lambda: self._start_stand_ins(prepared)
        )
        self._timed("cloud started", lambda: cloud.wait(prepared.authority.ca_bundle))
        self._upload_secrets_and_code(site, prepared.names, packages.result)
        synthesized.result()
        stand_ins_ready.result()
        if "sheets" in prepared.neighbours.own:
            google_key.save(self.client("ssm"), google_key.read_key(self.home / GOOGLE_KEY))
        self._timed("stack deployed", lambda: cdk.deploy(site.stack_name))
        log_forwarder = subscription_filters.start(self._processes, env, self._access)
        self._timed("cloud compared with template", lambda: self._compare(cdk, site))
        mails.subscribe(self.client("sns"))
        subscription_filters.wait_for(log_forwarder)
        return cloud

    def _start_stand_ins(self, prepared: _Prepared) -> None:
        standins.start(
            prepared.neighbours,
            self._processes,
            prepared.environment,
            prepared.authority,
            trusted=self._trusted,
            google_key=self.home / GOOGLE_KEY,
        )

    def _start_mailbox(self, prepared: _Prepared) -> mailbox.MailboxProcess:
        return mailbox.start(
            self._processes,
            prepared.environment,
            prepared.authority,
            cloud=self._access.url,
            region=self._access.region,
            topic=prepared.names.topic,
            folder=self.home / MAIL,
        )

    def _claim(self) -> None:
        """Lock the folder, and stop processes that an earlier stack left there.

        Raises:
            Busy: Another process has locked the folder.
            AlreadyUp: A local stack runs in the folder.
        """
        self.home.mkdir(parents=True, exist_ok=True)
        self.home.chmod(0o700)
        lock = self._lock.enter_context((self.home / "stack.lock").open("w"))
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
        if state:
            stop_pids(list(state.pids.values()))

    @contextlib.contextmanager
    def _threads(self) -> Iterator[ThreadPoolExecutor]:
        """Yield a thread pool. After an error or ^C, stop all processes, so that threads end.

        Then the files that only a running stack needs are deleted.
        """
        pool = ThreadPoolExecutor(thread_name_prefix="local-stack")
        try:
            yield pool
        except BaseException:
            self._processes.stop()
            delete_runtime_files(self.home)
            raise
        finally:
            pool.shutdown(wait=True, cancel_futures=True)

    def _timed(self, step: str, work: Callable[[], Result]) -> Result:
        began = time.monotonic()
        result = work()
        self._say(step, time.monotonic() - began)
        return result

    def _tool_environment(self) -> dict[str, str]:
        """Return the CDK's and programs' environment, without the caller's AWS configuration."""
        kept = {
            name: value
            for name, value in self.given.items()
            if name in {"PATH", "HOME", "LANG", "TMPDIR", "TZ"}
        }
        return {**kept, **self.settings, **self._operator()}

    def _operator(self) -> dict[str, str]:
        """Return the environment variables that give access to the cloud and to the stand-ins."""
        access = self._access
        cloud = operator_environment(access.url, self._trusted, access.secret, access.region)
        return {**cloud, CONTROL_TOKEN: self._control_token}

    def _upload_secrets_and_code(
        self, site: site_settings.Settings, names: Names, packages: Callable[[], Sequence[Package]]
    ) -> None:
        """Make the code bucket, and write the secrets and packages that the deploy needs."""
        s3, ssm = self.client("s3"), self.client("ssm")
        deploy.make_bucket(s3, site.place.code_bucket, self._access.region)
        secrets.write(ssm, names, site.secrets(), site.generated_secrets)
        made = packages()
        self._timed("packages uploaded", lambda: upload(made, s3, site.place.code_bucket, names))

    def _compare(self, cdk: deploy.Cdk, site: site_settings.Settings) -> None:
        physical = deploy.physical_names(self.client("cloudformation"), site.stack_name)
        template = cdk.template(site.stack_name)
        self.template_check = compare(template, physical, self.client)
        stop_following(site, self.client("events"))

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
            aws_access_key_id=OPERATOR_KEY_ID,
            aws_secret_access_key=self._access.secret,
            control_token=self._control_token,
            pids=self._processes.alive(),
        )
        write_state_files(self.home, self.state, self.environment)
