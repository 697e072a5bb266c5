"""A Docker engine of our own, for where there is none: its folders, its processes, its end.

All that it writes is in one folder, a cache that can be deleted, and in a folder for its
sockets. `stop` undoes what it did to the machine's network. What is ours is written down, see
`record`; the last sandbox on it stops it, whichever checkout that is of.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import subprocess
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

from constructs_lib.files.private_file import PRIVATE_DIRECTORY_MODE
from sandbox.engine.connect import connect
from sandbox.engine.host_network import network_state, restore_network
from sandbox.engine.processes import (
    ProcessIdentity,
    all_processes,
    boot_id,
    command_line,
    parent,
    program_of,
    user_of,
)
from sandbox.engine.record import EngineRecord
from sandbox.engine.runtime_folder import private, runtime_folder
from sandbox.errors import ENGINE_ERRORS, SandboxError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

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

    def __init__(self, directory: Path) -> None:
        # Resolved: a folder has one name here, whatever leads to it.
        self._directory = directory.resolve()
        self._sockets = self._socket_directory()

    @classmethod
    def here(cls, directory: Path) -> Self:
        """Return the engine of this network: the one that is written down, else one of our own.

        Args:
            directory: The folder of the one that this checkout would start.
        """
        own = cls(directory)
        record = EngineRecord.read() or EngineRecord.adopt(own._directory)
        if record is not None and record.directory.is_dir():
            return cls(record.directory)
        return own

    @property
    def url(self) -> str:
        """Where the engine answers."""
        return f"unix://{self._sockets}/docker.sock"

    def has_run(self) -> bool:
        """Tell whether the engine was started and never properly stopped.

        Its containers are on disk then, and come back with its next start.
        """
        with contextlib.suppress(OSError):
            if any((self._directory / "data" / "containers").iterdir()):
                return True
        return self._record() is not None

    def is_running(self) -> bool:
        """Tell whether the engine runs and answers."""
        record = self._record()
        if record is None or not record.runs():
            return False
        try:
            connect(self.url).close()
        except ENGINE_ERRORS:
            return False
        return True

    def start(self, report: Callable[[str], None]) -> None:
        """Start the engine, detached, and wait until it answers.

        Raises:
            SandboxError: It cannot be started; the text may have the end of its log. Another
                engine manages this network: two would undo each other's firewall rules.
        """
        missing = [p for p in ("dockerd", "containerd", "iptables") if shutil.which(p) is None]
        if missing:
            raise SandboxError(NO_ENGINE)
        begun = time.monotonic()
        before = self._stop_former()
        _refuse_beside_others()
        self._directory.parent.mkdir(parents=True, exist_ok=True)
        if self._directory.is_dir() and self._directory.stat().st_uid == os.geteuid():
            # Made open by an earlier version.
            self._directory.chmod(PRIVATE_DIRECTORY_MODE)
        private(self._directory)
        private(self._sockets)
        # A killed engine's containers live on, and the new one takes them over by what is in
        # this folder. But it refuses to start where its process id is still written down.
        for name in ("dockerd.pid", "docker.sock", "containerd.sock", "containerd.sock.ttrpc"):
            (self._sockets / name).unlink(missing_ok=True)
        record = EngineRecord(directory=self._directory, before=before or network_state())
        record.write()
        containerd = self._spawn("containerd", self._containerd_arguments())
        record = replace(record, containerd=containerd)
        record.write()
        try:
            self._wait_for(self._sockets / "containerd.sock", containerd, "containerd")
            daemon = self._spawn("dockerd", self._dockerd_arguments())
            replace(record, dockerd=daemon).write()
            self._wait_for(self._sockets / "docker.sock", daemon, "dockerd", ask=True)
        except SandboxError:
            self.stop()
            raise
        report(f"docker engine started in {time.monotonic() - begun:.1f} s")

    def stop(self) -> None:
        """Stop the engine and undo what it changed outside its folder. May be repeated."""
        record = self._record()
        if record is None:
            return
        _stop_daemons(record)
        self._stop_shims()
        self._unmount()
        if record.before.get("boot") == boot_id():
            restore_network(record.before)
        shutil.rmtree(self._sockets, ignore_errors=True)
        EngineRecord.forget()

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
        return runtime_folder() / f"engine-{digest}"

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

    def _record(self) -> EngineRecord | None:
        """Return what is written down of this very engine."""
        record = EngineRecord.read()
        return record if record is not None and record.directory == self._directory else None

    def _stop_former(self) -> Mapping[str, Any] | None:
        """Stop what is left of an engine of this network.

        Returns:
            The network as it was before that one, where that is not restored.
        """
        record = EngineRecord.read()
        if record is None:
            return None
        if record.directory != self._directory:
            # Its folder is gone: nobody will start that one again.
            PrivateEngine(record.directory).stop()
            return None
        _stop_daemons(record)
        return record.before if record.before.get("boot") == boot_id() else None

    def _stop_shims(self) -> None:
        """Stop what outlives containerd on purpose: shims, each with a container beneath it."""
        address = str(self._sockets / "containerd.sock")
        for pid in all_processes():
            # They name our socket in their arguments, which anybody's process could do, too.
            ours = user_of(pid) == os.geteuid() and program_of(pid).startswith("containerd-shim")
            if ours and address in command_line(pid):
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


def _stop_daemons(record: EngineRecord) -> None:
    """End an engine's processes, where they are still those that we started."""
    for identity in (record.dockerd, record.containerd):
        if identity is not None and identity.is_ours():
            identity.stop(patience=30)


def _refuse_beside_others() -> None:
    """See that no other engine manages the firewall of this network.

    Raises:
        SandboxError: One does. It is neither used nor stopped: nobody has told us whose it is.
    """
    here = Path("/proc/self/ns/net").readlink()
    for pid in all_processes():
        # Root's alone can manage a firewall. A plain user's process of that name is nothing to us.
        if user_of(pid) != 0 or program_of(pid) != "dockerd":
            continue
        with contextlib.suppress(OSError):
            if Path(f"/proc/{pid}/ns/net").readlink() == here:
                msg = (
                    "docker engine: must be the only one in this network, got another dockerd "
                    f"(process {pid}) that the sandbox has not started; set DOCKER_HOST to its "
                    "socket, or stop it (two engines in one network would undo each other's "
                    "firewall rules)"
                )
                raise SandboxError(msg)
