"""The Docker engine under the sandbox: the user's own, or else a private one.

A private engine is started where there is none and the caller is root with `dockerd` and
`containerd` installed. All that it writes is in one folder, a cache that can be deleted, and
in a folder for its sockets. `stop` undoes what it did to the machine's network.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import json
import os
import shutil
import socket
import subprocess
import tempfile
import time
from dataclasses import dataclass
from ipaddress import IPv4Network, ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import docker
from docker.errors import DockerException

from constructs_lib.files.lock import exclusive_lock
from sandbox.engine.processes import (
    ProcessIdentity,
    all_processes,
    boot_id,
    command_line,
    parent,
)
from sandbox.errors import ENGINE_ERRORS, SandboxError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

DEFAULT_URL: Final = "unix:///var/run/docker.sock"

_SOCKET_PATH_LIMIT: Final = 107
"""Bytes that a Unix socket's path may have (Source: unix(7), sun_path without its zero)."""

_LONGEST_SOCKET: Final = "/exec/libnetwork/0123456789ab.sock"
_START_TIMEOUT: Final = 40.0
_ANSWER_TIMEOUT: Final = 120
"""Seconds to wait for one answer of the engine: a build step or a container's stop is long."""

_NO_ENGINE: Final = (
    "docker engine: must be running and answer, got none; start Docker, or install the packages "
    "docker.io and iptables and run as root, so that the sandbox can start an engine of its own"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """A Docker engine that answers.

    Attributes:
        client: The connected client.
        url: Where it answers: `unix://…`.
        private: The private engine behind it, where it is one of ours.
    """

    client: docker.DockerClient
    url: str
    private: PrivateEngine | None


def connect(url: str) -> docker.DockerClient:
    """Connect to an engine.

    Args:
        url: `unix://…` or `tcp://…`.

    Raises:
        DockerException: It does not answer.
    """
    if url.startswith("unix://"):
        # First by hand: the library leaves a socket open where nobody answers.
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            try:
                probe.connect(url.removeprefix("unix://"))
            except OSError as error:
                msg = f"{url}: {error.strerror}"
                raise DockerException(msg) from error
    client = docker.DockerClient(base_url=url, version="auto", timeout=_ANSWER_TIMEOUT)
    client.ping()
    return client


def find_engine(
    *,
    directory: Path,
    addresses: IPv4Network,
    variables: Mapping[str, str],
    report: Callable[[str], None],
    start: bool = True,
) -> Engine | None:
    """Find the engine to use, and start a private one where there is none.

    The order: `DOCKER_HOST`; the current Docker context; the default socket; an engine in
    this network namespace that another checkout started; a private engine of our own.

    Args:
        directory: The folder of the private engine.
        addresses: The sandbox's own public addresses. A `DOCKER_HOST` among them is a machine
            of the sandbox, not the engine beneath it, and is passed over.
        variables: Usually `os.environ`.
        report: Takes one line of progress.
        start: Whether a private engine may be started.

    Returns:
        The engine; None only where `start` is false and none is running.

    Raises:
        SandboxError: No engine can be used.
    """
    explicit = variables.get("DOCKER_HOST", "")
    if explicit and not _is_machine(explicit, addresses):
        return _named_engine(explicit)
    private = PrivateEngine(directory)
    if private.is_running():
        return Engine(client=connect(private.url), url=private.url, private=private)
    urls = [url for url in (_context_url(variables), DEFAULT_URL) if url is not None]
    if (found := _users_engine(urls) or _foreign_engine()) is not None:
        return found
    if not start:
        return None
    if os.geteuid() != 0:
        raise SandboxError(_NO_ENGINE)
    private.start(report)
    return Engine(client=connect(private.url), url=private.url, private=private)


def _users_engine(urls: list[str]) -> Engine | None:
    """Return the first engine that answers; None where none is there.

    Raises:
        SandboxError: One is there, and this user may not use it.
    """
    denied = ""
    for url in urls:
        if not url.startswith("unix://"):
            continue
        try:
            client = connect(url)
        except ENGINE_ERRORS as error:
            if "Permission denied" in str(error):
                denied = denied or url
            continue
        _check(client, url)
        return Engine(client=client, url=url, private=None)
    if denied:
        msg = (
            f"docker engine: {denied.removeprefix('unix://')}: must be open to this user, got "
            "permission denied; join the group docker (sudo usermod -aG docker $USER) and log in "
            "again"
        )
        raise SandboxError(msg)
    return None


def _is_machine(url: str, addresses: IPv4Network) -> bool:
    try:
        return ip_address(urlsplit(url).hostname or "") in addresses
    except ValueError:
        return False


def _named_engine(url: str) -> Engine:
    host = urlsplit(url).hostname or ""
    if not url.startswith("unix://"):
        local = host == "localhost"
        with contextlib.suppress(ValueError):
            local = local or ip_address(host).is_loopback
        if not local or not url.startswith("tcp://"):
            msg = (
                f"DOCKER_HOST: must be an engine on this machine, got {url}; unset it, or name a "
                "local socket such as unix:///var/run/docker.sock"
            )
            raise SandboxError(msg)
    try:
        client = connect(url)
    except ENGINE_ERRORS as error:
        if "Permission denied" in str(error):
            msg = (
                f"DOCKER_HOST: must be open to this user, got permission denied on {url}; join "
                "the group docker (sudo usermod -aG docker $USER) and log in again"
            )
        else:
            msg = (
                f"DOCKER_HOST: must be an engine that answers, got {url}; start it or unset the "
                "variable"
            )
        raise SandboxError(msg) from error
    _check(client, url)
    directory = _private_directory_behind(url)
    return Engine(client=client, url=url, private=PrivateEngine(directory) if directory else None)


def _context_url(variables: Mapping[str, str]) -> str | None:
    """Return where the current Docker context points; None where there is none."""
    config = Path(variables.get("DOCKER_CONFIG") or Path.home() / ".docker")
    try:
        current = json.loads((config / "config.json").read_text())
        name = variables.get("DOCKER_CONTEXT") or current.get("currentContext") or "default"
        if name == "default":
            return None
        folder = hashlib.sha256(name.encode()).hexdigest()
        meta = json.loads((config / "contexts" / "meta" / folder / "meta.json").read_text())
        return str(meta["Endpoints"]["docker"]["Host"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _check(client: docker.DockerClient, url: str) -> None:
    """Refuse an engine on which the machines could not run."""
    info: dict[str, Any] = client.info()
    if any("rootless" in option for option in info.get("SecurityOptions") or ()):
        msg = (
            f"docker engine: must not be rootless, got a rootless one at {url}: it can neither "
            "give machines addresses of their own nor open low ports; set DOCKER_HOST to an "
            "engine that runs as root"
        )
        raise SandboxError(msg)
    if info.get("OSType") != "linux":
        msg = f"docker engine: must run Linux containers, got {info.get('OSType')!r} at {url}"
        raise SandboxError(msg)


def _engines_in_this_network() -> Iterator[tuple[int, list[str]]]:
    """Yield the id and arguments of each dockerd in this network namespace."""
    ours = Path("/proc/self/ns/net").readlink()
    for pid in all_processes():
        arguments = command_line(pid)
        if not arguments or Path(arguments[0]).name != "dockerd":
            continue
        with contextlib.suppress(OSError):
            if Path(f"/proc/{pid}/ns/net").readlink() == ours:
                yield pid, arguments


def _option(arguments: list[str], name: str) -> list[str]:
    """Return the values of `--name=value` and `--name value`."""
    values = [a.partition("=")[2] for a in arguments if a.startswith(f"{name}=")]
    values += [b for a, b in itertools.pairwise(arguments) if a == name]
    return values


def _foreign_engine() -> Engine | None:
    """Use the engine that runs here already, as two in one namespace fight over iptables.

    Raises:
        SandboxError: There is one, and it cannot be reached.
    """
    for pid, arguments in _engines_in_this_network():
        urls = _option(arguments, "--host") + _option(arguments, "-H")
        for url in urls:
            with contextlib.suppress(*ENGINE_ERRORS):
                client = connect(url)
                _check(client, url)
                directory = _private_directory_behind(url)
                private = PrivateEngine(directory) if directory else None
                return Engine(client=client, url=url, private=private)
        msg = (
            f"docker engine: must be one that we can reach, got dockerd with process id {pid} on "
            f"{', '.join(urls) or 'no known socket'}; stop it, or set DOCKER_HOST to its socket "
            "(two engines in one network would undo each other's firewall rules)"
        )
        raise SandboxError(msg)
    return None


def _private_directory_behind(url: str) -> Path | None:
    """Return the folder of the private engine that answers at a URL; None for a user's own."""
    for _, arguments in _engines_in_this_network():
        if url not in _option(arguments, "--host"):
            continue
        for data_root in _option(arguments, "--data-root"):
            directory = Path(data_root).parent
            if (directory / PrivateEngine.RECORD).exists():
                return directory
    return None


@contextlib.contextmanager
def engine_lock(report: Callable[[str], None]) -> Iterator[None]:
    """Let one process at a time start a sandbox or stop one.

    Else one might stop a private engine, as nobody uses it, that another just found. The lock
    is this user's, for all checkouts: they may share an engine.

    Args:
        report: Takes a line where we must wait.
    """
    file = Path(tempfile.gettempdir()) / f"moor-engine-{os.geteuid()}.lock"
    with exclusive_lock(
        file,
        busy=lambda holder: report(
            f"waiting for another sandbox that starts or stops (process {holder})"
        ),
    ):
        yield


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
    def directory(self) -> Path:
        """The folder of the engine."""
        return self._directory

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
            raise SandboxError(_NO_ENGINE)
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
            before = _network_state()
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
            _restore_network(before)
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


_IP_FORWARD: Final = Path("/proc/sys/net/ipv4/ip_forward")
_CGROUPS: Final = Path("/sys/fs/cgroup")


def _network_state() -> dict[str, Any]:
    """Describe what dockerd is going to change, so that it can be undone."""
    return {
        "boot": boot_id(),
        "ip_forward": _IP_FORWARD.read_text().strip(),
        "iptables": {tool: _rules(tool) for tool in ("iptables", "ip6tables")},
        "cgroups": [str(folder) for folder in _cgroup_folders()],
    }


def _cgroup_folders() -> list[Path]:
    return [f for f in (*_CGROUPS.glob("docker"), *_CGROUPS.glob("*/docker")) if f.is_dir()]


def _rules(tool: str) -> dict[str, list[str]]:
    """Return the rules of each table in `iptables -S` form; empty where the tool fails."""
    return {
        table: _run(tool, "-w", "-t", table, "-S").splitlines()
        for table in ("filter", "nat", "raw", "mangle")
    }


def _run(*command: str) -> str:
    result = subprocess.run(command, check=False, capture_output=True, text=True)
    return result.stdout if result.returncode == 0 else ""


def _restore_network(before: dict[str, Any]) -> None:
    """Remove dockerd's chains, jumps and policies where they were not there before."""
    for tool, tables in before["iptables"].items():
        for table, rules in tables.items():
            _restore_table(tool, table, set(rules))
    if before["ip_forward"] == "0" and _IP_FORWARD.read_text().strip() == "1":
        _IP_FORWARD.write_text("0")
    for folder in _cgroup_folders():
        if str(folder) not in before["cgroups"]:
            with contextlib.suppress(OSError):
                folder.rmdir()


def _restore_table(tool: str, table: str, before: set[str]) -> None:
    now = _run(tool, "-w", "-t", table, "-S").splitlines()
    added = [rule for rule in now if rule not in before]
    chains = [r.split()[1] for r in added if r.startswith("-N DOCKER")]
    # Only rules that lead to Docker's chains: what the user added meanwhile stays.
    for rule in added:
        words = rule.split()
        if words[0] == "-A" and words[1] not in chains and words[-1] in chains:
            _run(tool, "-w", "-t", table, "-D", *words[1:])
    for chain in chains:
        _run(tool, "-w", "-t", table, "-F", chain)
    for chain in chains:
        _run(tool, "-w", "-t", table, "-X", chain)
    if "-P FORWARD DROP" in added and "-P FORWARD ACCEPT" in before:
        _run(tool, "-w", "-t", table, "-P", "FORWARD", "ACCEPT")
