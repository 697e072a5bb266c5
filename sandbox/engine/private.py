"""A Docker engine of our own, for where there is none: its folders, its processes, its end.

All that it writes is in one folder, a cache that can be deleted, and in a folder for its
sockets. `stop` undoes what it did to the machine's network.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from sandbox.engine.connect import connect
from sandbox.engine.host_network import network_state, restore_network
from sandbox.engine.processes import (
    ProcessIdentity,
    all_processes,
    boot_id,
    command_line,
    parent,
)
from sandbox.errors import ENGINE_ERRORS, SandboxError

if TYPE_CHECKING:
    from collections.abc import Callable

    import docker

NO_ENGINE: Final = (
    "docker engine: must be running and answer, got none; start Docker, or install the packages "
    "docker.io and iptables and run as root, so that the sandbox can start an engine of its own"
)

_SOCKET_PATH_LIMIT: Final = 107
"""Bytes that a Unix socket's path may have (Source: unix(7), sun_path without its zero)."""

_LONGEST_SOCKET: Final = "/exec/libnetwork/0123456789ab.sock"
_START_TIMEOUT: Final = 40.0


class PrivateEngine:
    """A Docker engine of our own, with folders of its own.

    Args:
        directory: Where its images, log and record are kept. Everything there can be made
            again.
    """

    RECORD: Final = "engine.json"

    def __init__(self, directory: Path) -> None:
        self._directory = directory.absolute()
        self._sockets = self._socket_directory()

    @property
    def url(self) -> str:
        """Where the engine answers."""
        return f"unix://{self._sockets}/docker.sock"

    def has_run(self) -> bool:
        """Tell whether the engine was started and never properly stopped."""
        return (self._directory / self.RECORD).exists()

    def is_running(self) -> bool:
        """Tell whether the engine runs and answers."""
        daemon = ProcessIdentity.from_json(self._record().get("dockerd"))
        if daemon is None or not daemon.is_alive():
            return False
        try:
            connect(self.url).close()
        except ENGINE_ERRORS:
            return False
        return True

    def start(self, report: Callable[[str], None]) -> None:
        """Start the engine, detached, and wait until it answers.

        Raises:
            SandboxError: It cannot be started; the text has the end of its log.
        """
        missing = [p for p in ("dockerd", "containerd", "iptables") if shutil.which(p) is None]
        if missing:
            raise SandboxError(NO_ENGINE)
        begun = time.monotonic()
        self._stop_daemons()
        self._directory.mkdir(parents=True, exist_ok=True)
        self._make_socket_directory()
        # A killed engine's containers live on, and the new one takes them over by what is in
        # this folder. But it refuses to start where its process id is still written down.
        for name in ("dockerd.pid", "docker.sock", "containerd.sock", "containerd.sock.ttrpc"):
            (self._sockets / name).unlink(missing_ok=True)
        record = self._record()
        before = record.get("before")
        if not isinstance(before, dict) or before.get("boot") != boot_id():
            before = network_state()
        record = {"before": before}
        self._write_record(record)
        containerd = self._spawn("containerd", self._containerd_arguments())
        record["containerd"] = containerd.to_json()
        self._write_record(record)
        try:
            self._wait_for(self._sockets / "containerd.sock", containerd, "containerd")
            daemon = self._spawn("dockerd", self._dockerd_arguments())
            record["dockerd"] = daemon.to_json()
            self._write_record(record)
            self._wait_for(self._sockets / "docker.sock", daemon, "dockerd", ask=True)
        except SandboxError:
            self.stop()
            raise
        report(f"docker engine started in {time.monotonic() - begun:.1f} s")

    def stop(self) -> None:
        """Stop the engine and undo what it changed outside its folder. May be repeated."""
        record = self._record()
        self._stop_daemons()
        self._stop_shims()
        self._unmount()
        before = record.get("before")
        if isinstance(before, dict) and before.get("boot") == boot_id():
            restore_network(before)
        shutil.rmtree(self._sockets, ignore_errors=True)
        (self._directory / self.RECORD).unlink(missing_ok=True)

    def is_unused(self, client: docker.DockerClient) -> bool:
        """Tell whether nobody has a container or a network on the engine."""
        if client.containers.list(all=True, ignore_removed=True):
            return False
        return all(n.name in {"bridge", "host", "none"} for n in client.networks.list())

    def _socket_directory(self) -> Path:
        inside = self._directory / "run"
        if len(os.fsencode(inside)) + len(_LONGEST_SOCKET) <= _SOCKET_PATH_LIMIT:
            return inside
        digest = hashlib.sha256(os.fsencode(self._directory)).hexdigest()[:12]
        return Path(tempfile.gettempdir()) / f"moor-engine-{digest}"

    def _make_socket_directory(self) -> None:
        self._sockets.mkdir(mode=0o700, exist_ok=True)
        # Anyone may have made a folder of this name in the temporary folder before us.
        status = self._sockets.lstat()
        if self._sockets.is_symlink() or status.st_uid != os.geteuid():
            msg = (
                f"docker engine: {self._sockets}: must belong to user {os.geteuid()}, got user "
                f"{status.st_uid}; remove it"
            )
            raise SandboxError(msg)
        self._sockets.chmod(0o700)

    def _containerd_arguments(self) -> list[str]:
        # No configuration file: the machine's own must not leak in.
        config = self._sockets / "containerd.toml"
        config.write_text(
            "version = 2\n"
            f"root = {json.dumps(str(self._directory / 'containerd'))}\n"
            f"state = {json.dumps(str(self._sockets / 'containerd'))}\n"
            'disabled_plugins = ["io.containerd.grpc.v1.cri"]\n'
            "[grpc]\n"
            f"address = {json.dumps(str(self._sockets / 'containerd.sock'))}\n"
        )
        return ["--config", str(config), "--log-level", "warn"]

    def _dockerd_arguments(self) -> list[str]:
        return [
            f"--host={self.url}",
            f"--containerd={self._sockets / 'containerd.sock'}",
            f"--data-root={self._directory / 'data'}",
            f"--exec-root={self._sockets / 'exec'}",
            f"--pidfile={self._sockets / 'dockerd.pid'}",
            # The machine's own /etc/docker/daemon.json must not leak in.
            f"--config-file={self._sockets / 'daemon.json'}",
            # The sandbox has a network of its own: no docker0 on the user's machine.
            "--bridge=none",
            "--log-level=warn",
        ]

    def _spawn(self, program: str, arguments: list[str]) -> ProcessIdentity:
        (self._sockets / "daemon.json").write_text("{}\n")
        with (self._directory / f"{program}.log").open("wb") as log:
            process = subprocess.Popen(
                [shutil.which(program) or program, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                cwd="/",
            )
        identity = ProcessIdentity.of(process.pid)
        # It runs on after us; without this Python warns when the object goes.
        process.returncode = 0
        if identity is None:
            raise SandboxError(self._failure(program))
        return identity

    def _wait_for(
        self, path: Path, process: ProcessIdentity, program: str, *, ask: bool = False
    ) -> None:
        deadline = time.monotonic() + _START_TIMEOUT
        while time.monotonic() < deadline:
            if not process.is_alive():
                break
            if path.exists():
                if not ask:
                    return
                with contextlib.suppress(*ENGINE_ERRORS):
                    connect(f"unix://{path}").close()
                    return
            time.sleep(0.05)
        raise SandboxError(self._failure(program))

    def _failure(self, program: str) -> str:
        log = self._directory / f"{program}.log"
        end = log.read_text(errors="replace").splitlines()[-15:] if log.exists() else []
        return "\n".join(
            (
                (
                    f"docker engine: {program} must start and answer within "
                    f"{_START_TIMEOUT:.0f} s, got no answer; the end of {log}:"
                ),
                *(f"  {line}" for line in end),
            )
        )

    def _record(self) -> dict[str, Any]:
        try:
            data = json.loads((self._directory / self.RECORD).read_text())
        except (OSError, ValueError):
            return {}
        return data if isinstance(data, dict) else {}

    def _write_record(self, record: dict[str, Any]) -> None:
        file = self._directory / self.RECORD
        temporary = file.with_suffix(".new")
        temporary.write_text(json.dumps(record, indent=1))
        temporary.replace(file)

    def _stop_daemons(self) -> None:
        record = self._record()
        for name in ("dockerd", "containerd"):
            identity = ProcessIdentity.from_json(record.get(name))
            if identity is not None:
                identity.stop(patience=30)

    def _stop_shims(self) -> None:
        """Stop what outlives containerd on purpose: shims, each with a container beneath it."""
        address = str(self._sockets / "containerd.sock")
        for pid in all_processes():
            arguments = command_line(pid)
            # They name our socket in their arguments.
            if arguments and "containerd-shim" in arguments[0] and address in arguments:
                beneath = [child for child in all_processes() if parent(child) == pid]
                for process in (*beneath, pid):
                    identity = ProcessIdentity.of(process)
                    if identity is not None:
                        identity.stop(patience=0)

    def _unmount(self) -> None:
        """Release the mounts that dockerd leaves: its data folder, namespaces, containers."""
        roots = (str(self._directory) + "/", str(self._sockets) + "/")
        points = [
            line.split()[4].encode().decode("unicode_escape")
            for line in Path("/proc/self/mountinfo").read_text().splitlines()
        ]
        for point in sorted((p for p in points if p.startswith(roots)), key=len, reverse=True):
            subprocess.run(["umount", "--lazy", point], check=False, capture_output=True)
