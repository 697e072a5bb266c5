"""PostgreSQL in the sandbox: Debian's own package, in an image of the sandbox's registry."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Final

import boto3
import yaml

from constructs_lib.settings.environment import Environment
from constructs_lib.settings.load import load_settings
from moor.outputs import Outputs
from moor.toolchain.toolchain import ROOT
from sandbox.credentials import Credentials
from sandbox.engine.connect import connect
from sandbox.lifecycle import Sandbox
from sandbox.machines.image import base_image, build
from sandbox.names import Owner, project_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from docker import DockerClient

NAME: Final = "day-two"
PORT: Final = 5432
IMAGE: Final = "postgresql:debian"
_REGISTRY: Final = "172.30.52.1:5052"
_FROM_HERE: Final = "127.52.0.1:5052"
"""The same registry: an engine takes one on loopback without TLS."""

_SETTINGS: Final[dict[str, Any]] = {
    "project": NAME,
    "aws": {
        "region": "eu-central-1",
        "ssh": {"port": 2222, "cidrs": ["127.0.0.0/8"]},
        "docker_api": {"cidrs": ["127.0.0.0/8"], "service_ports": [PORT]},
        "data_volume": {"size_gib": 4},
    },
    "services": "compose.yaml",
    "variables": {"IMAGE": f"{_REGISTRY}/{IMAGE}"},
    "sandbox": {
        "api_port": 4652,
        "addresses": "127.52.0.0/24",
        "subnet": "172.30.52.0/24",
        "registry_port": 5052,
    },
}

_COMPOSE: Final = f"""\
services:
  database:
    image: ${{IMAGE}}
    restart: unless-stopped
    stop_signal: SIGINT          # PostgreSQL's fast shutdown
    stop_grace_period: 30s
    volumes: [rows:/var/lib/postgresql/data]
    ports: ["{PORT}:{PORT}"]
    healthcheck:
      test: [CMD, pg_isready, -q]
      interval: 1s
      retries: 60
volumes: {{rows: }}
"""

_DOCKERFILE: Final = b"""\
ARG BASE
FROM ${BASE}
RUN apt-get update \\
    && DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends postgresql \\
    && rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin \\
    && ln -s /usr/lib/postgresql/*/bin/* /usr/local/bin/ \\
    && install -d -o postgres -g postgres -m 0700 /var/lib/postgresql/data
COPY start /usr/local/sbin/start
USER postgres
ENTRYPOINT ["/usr/local/sbin/start"]
"""

# Whoever reaches the port may write: it is open to this computer alone, and has numbers in it.
_START: Final = b"""\
#!/bin/sh
set -eu
data=/var/lib/postgresql/data
if [ ! -s "$data/PG_VERSION" ]; then
  initdb --pgdata "$data" --auth trust --username postgres
  echo 'host all all all trust' >> "$data/pg_hba.conf"
fi
exec postgres -D "$data" -c 'listen_addresses=*'
"""


class Database:
    """The environment, its machine, and the commands on it.

    Args:
        folder: Where its settings are written.
    """

    def __init__(self, folder: Path) -> None:
        file = folder / f"{NAME}.yaml"
        file.write_text(yaml.safe_dump(_SETTINGS), encoding="utf-8")
        (folder / "compose.yaml").write_text(_COMPOSE, encoding="utf-8")
        self.environment = Environment(name=NAME, settings_file=file, root=ROOT)
        self._variables = {
            **{k: v for k, v in os.environ.items() if not k.startswith("AWS_")},
            "ENVIRONMENT": str(file),
        }
        settings = load_settings(file).sandbox
        assert settings is not None  # noqa: S101  (for the type checker)
        self._sandbox = Sandbox(self.environment, settings, lambda _: None, self._variables)

    def publish(self, report: Callable[[str], None]) -> None:
        """Start the sandbox, and put PostgreSQL into its registry.

        Args:
            report: Takes one line of progress for each step that takes seconds.

        Raises:
            RuntimeError: The registry does not take it.
        """
        self._sandbox.start()
        engine, files = (
            self.beneath(),
            {"Dockerfile": (_DOCKERFILE, 0o644), "start": (_START, 0o755)},
        )
        name = f"{_FROM_HERE}/{IMAGE}"
        build(engine, name, files, base_image(engine, report), report)
        for line in engine.images.push(name, stream=True, decode=True):
            if "error" in line:
                raise RuntimeError(f"{name}: must be pushed, got: {line['error']}")

    def beneath(self) -> DockerClient:
        """Return the engine that machines are containers of."""
        return connect(self._sandbox.status().engine_url)

    def start(self, *words: str) -> subprocess.Popen[str]:
        """Start a command of `moor`, in a process group of its own."""
        return subprocess.Popen(
            [sys.executable, "-m", "moor", *words],
            cwd=ROOT,
            env=self._variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def moor(self, *words: str) -> str:
        """Run a command of `moor`, and return what it printed.

        Raises:
            RuntimeError: Its exit status is not 0. The text has the end of what it printed.
        """
        with self.start(*words) as process:
            told, _ = process.communicate()
        if process.returncode != 0:
            raise RuntimeError(f"moor {' '.join(words)}: got {process.returncode}:\n{told[-3000:]}")
        return told

    def repair(self) -> int:
        """Run `moor up` until it succeeds; returns how often it ran.

        Raises:
            RuntimeError: It did not in three times.
        """
        for attempt in (1, 2):
            with suppress(RuntimeError):
                self.moor("up")
                return attempt
        self.moor("up")
        return 3

    @property
    def address(self) -> str:
        """The machine's address."""
        return Outputs.load(self.environment).public_ip

    def kill_machine(self) -> None:
        """Kill the machines that run, as a power cut would."""
        owner = Owner(environment=NAME, project=project_of(ROOT))
        engine: Any = self.beneath()
        for page in self._ec2().describe_instances()["Reservations"]:
            for instance in page["Instances"]:
                if instance["State"]["Name"] == "running":
                    engine.api.kill(owner.name(instance["InstanceId"]), signal="SIGKILL")

    def kill_emulator(self) -> None:
        """Kill the emulated AWS."""
        os.kill(self._emulator(), signal.SIGKILL)

    @contextmanager
    def hanging(self) -> Iterator[None]:
        """Let the emulated AWS answer nothing: whatever is asked of it hangs."""
        process = self._emulator()
        os.kill(process, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(process, signal.SIGCONT)

    def _emulator(self) -> int:
        text = (self.environment.sandbox / "process.json").read_text(encoding="utf-8")
        return int(re.findall(r'"pid": (\d+)', text)[0])

    def _ec2(self) -> Any:  # noqa: ANN401  (boto3 has no types)
        key = Credentials.read(self.environment.sandbox_credentials)
        assert key is not None  # noqa: S101  (for the type checker)
        return boto3.client(
            "ec2",
            endpoint_url=self._sandbox.endpoint_url,
            region_name="eu-central-1",
            aws_access_key_id=key.access_key,
            aws_secret_access_key=key.secret_key,
        )

    def end(self) -> None:
        """Remove everything, the data too."""
        self.moor("down")
        subprocess.run(
            [sys.executable, "-m", "moor", "data", "give-up"],
            cwd=ROOT,
            env=self._variables,
            input=f"{NAME}\n",
            capture_output=True,
            text=True,
            check=True,
        )


def interrupted(process: subprocess.Popen[str]) -> None:
    """Kill a command with all that it has started in its group, and wait until it is gone."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def waited(process: subprocess.Popen[str], seconds: float) -> bool:
    """Wait for some seconds; returns whether the process runs still."""
    end = time.monotonic() + seconds
    while process.poll() is None and time.monotonic() < end:
        time.sleep(0.1)
    return process.poll() is None
