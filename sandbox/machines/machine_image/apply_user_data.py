"""Applies a machine's user data at boot, in the place of Flatcar's coreos-cloudinit.

This file runs on the sandbox's machines, as the unit oem-cloudinit.service starts it: it needs
Python 3.11, PyYAML and the files beside it, and nothing else of this project. Those are imported
by a relative name, since they are in a package of another name there.

Differences: network units are named in the log and not acted on.

Source: flatcar/coreos-cloudinit, coreos-cloudinit.go, initialize/config.go and system/.
"""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import tempfile
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Final

from .authorized_keys import authorize
from .cloud_config import (
    CloudConfig,
    DropIn,
    Part,
    Unit,
    User,
    UserDataError,
    WrittenFile,
    decompressed,
    merged_keys,
    read_parts,
)
from .datasource import Datasource, DatasourceError

if TYPE_CHECKING:
    from collections.abc import Callable

    from .datasource import Metadata

_SOURCE: Final = "coreos-cloudinit"
_WORKSPACE: Final = "/var/lib/coreos-cloudinit"
_STRATEGIES: Final = frozenset({"etcd-lock", "reboot", "off"})
_COMMANDS: Final = frozenset(
    {
        "start",
        "stop",
        "restart",
        "reload",
        "try-restart",
        "reload-or-restart",
        "reload-or-try-restart",
    }
)
_NO_SUCH_UNIT: Final = 5
_LONGEST_NAME: Final = 63
_ASSIGNMENT: Final = re.compile(r"([A-Za-z0-9_]+)=")


class Machine:
    """Applies user data to a file system and its systemd.

    Args:
        root: The root folder; `/` on a machine.
        run: Runs a command, with an input, and returns its exit status.
        log: Takes one line.
    """

    def __init__(
        self, *, root: Path, run: Callable[[list[str], str], int], log: Callable[[str], None]
    ) -> None:
        self._root = root
        self._run = run
        self._log = log

    def identify(self, hostname: str, keys: tuple[str, ...]) -> None:
        """Set the name, and let the keys log in as core.

        Args:
            hostname: What is before its first dot becomes the name; nothing where it is empty.
            keys: SSH public keys.

        Raises:
            UserDataError: A step failed.
        """
        name = hostname.split(".", maxsplit=1)[0][:_LONGEST_NAME]
        if name and name != socket.gethostname():
            self._must("set the host name", ["hostnamectl", "set-hostname", name])
        if keys:
            self._authorize("core", keys)

    def run_part(self, part: Part, addresses: dict[str, str]) -> None:
        """Do what a part of user data says.

        Args:
            part: The part; one that is neither a cloud-config nor a script is ignored.
            addresses: The machine's addresses, for /etc/environment.

        Raises:
            UserDataError: A step failed. The steps after it are not done.
        """
        self._log(f'Running part "{part.name}" ({part.kind})')
        if part.config is not None:
            self.apply(part.config, addresses)
        elif part.kind == "script":
            self._start_script(part.script)
        else:
            self._log(f"ignoring part of type {part.kind}")

    def apply(self, config: CloudConfig, addresses: dict[str, str] | None = None) -> None:
        """Apply everything of a cloud-config but name and keys, in coreos-cloudinit's order.

        Args:
            config: What to apply.
            addresses: The machine's addresses, for /etc/environment.

        Raises:
            UserDataError: A step failed. The steps after it are not done.
        """
        for key in config.ignored:
            self._log(f"ignoring unknown key {key}")
        for user in config.users:
            self._add_user(user)
        files = [*config.files, *self._update_file(config.update)]
        for file in files:
            self._write(file)
        if not any(_clean(file.path) == "/etc/environment" for file in files):
            self._write_environment(addresses or {})
        self._apply_units(
            (*config.units, _unit_of_locksmith(config), *_units_of_update(config.update))
        )

    def _must(self, what: str, command: list[str], given: str = "") -> None:
        if status := self._run(command, given):
            msg = f"user data: cannot {what}: {command[0]} returned {status}"
            raise UserDataError(msg)

    def _path(self, path: str) -> Path:
        return self._root / _clean(path).lstrip("/")

    def _write(self, file: WrittenFile) -> None:
        target = self._path(file.path)
        mode = file.mode
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = target.parent / f".{target.name}.cloudinit"
        try:
            temporary.write_bytes(b"")
            temporary.chmod(mode)
            temporary.write_bytes(file.content)
            if file.owner:
                self._must(f"give {file.path} away", ["chown", file.owner, str(temporary)])
            temporary.replace(target)
        finally:
            temporary.unlink(missing_ok=True)
        self._log(f"wrote file {file.path}")

    def _update_file(self, update: tuple[tuple[str, str], ...]) -> list[WrittenFile]:
        """Return update.conf: the lines there are, ours in their place, the rest of ours behind."""
        left = dict(update)
        if not left:
            return []
        strategy = left.get("REBOOT_STRATEGY", "off")
        if strategy not in _STRATEGIES:
            msg = (
                "user data: coreos.update.reboot_strategy: must be one of "
                f"{', '.join(sorted(_STRATEGIES))}, got {strategy!r}"
            )
            raise UserDataError(msg)
        for source in ("/etc/coreos/update.conf", "/usr/share/coreos/update.conf"):
            if self._path(source).exists():
                present = self._path(source).read_text().splitlines()
                break
        else:
            msg = "user data: coreos.update: must have an update.conf to begin with, got none"
            raise UserDataError(msg)
        lines: list[str] = []
        for line in present:
            name = next((name for name in left if line.startswith(name)), None)
            lines.append(line if name is None else f"{name}={left.pop(name)}")
        lines += [f"{name}={left[name]}" for name in sorted(left)]
        text = "".join(f"{line}\n" for line in lines)
        return [WrittenFile(path="/etc/coreos/update.conf", content=text.encode())]

    def _write_environment(self, addresses: dict[str, str]) -> None:
        """Tell the machine's addresses, beside whatever else the file says."""
        left = {f"COREOS_{name.upper()}": value for name, value in addresses.items() if value}
        if not left:
            return
        file = self._path("/etc/environment")
        before = file.read_text() if file.exists() else ""
        lines: list[str] = []
        for line in before.splitlines():
            found = _ASSIGNMENT.match(line)
            name = found[1] if found else ""
            lines.append(f"{name}={left.pop(name)}" if name in left else line)
        lines += [f"{name}={left[name]}" for name in sorted(left)]
        text = "".join(f"{line}\n" for line in lines)
        if text != before:
            self._write(WrittenFile(path="/etc/environment", content=text.encode()))

    def _add_user(self, user: User) -> None:
        if not user.name:
            self._log("user without a name, skipping")
            return
        if self._run(["id", "--user", user.name], ""):
            self._must(f"create user {user.name}", _useradd(user))
        elif user.password_hash:
            given = f"{user.name}:{user.password_hash}"
            self._must(f"set the password of {user.name}", ["chpasswd", "-e"], given)
        # Those of core are among the keys that `identify` was given.
        if user.authorized_keys and user.name != "core":
            self._authorize(user.name, user.authorized_keys)

    def _authorize(self, user: str, keys: tuple[str, ...]) -> None:
        try:
            authorize(user, _SOURCE, keys, root=self._root)
        except (OSError, KeyError) as error:
            msg = f"user data: cannot write the keys of {user}: {error}"
            raise UserDataError(msg) from error

    def _start_script(self, text: str) -> None:
        """Start a script as a unit of its own, which nobody waits for."""
        folder = self._path(f"{_WORKSPACE}/scripts")
        folder.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=folder, prefix="")
        with os.fdopen(descriptor, "w", errors="surrogateescape") as stream:
            stream.write(text)
        script = Path(name)
        script.chmod(0o744)
        unit = f"coreos-cloudinit-{script.name}.service"
        self._log(f"Creating transient systemd unit '{unit}'")
        self._must(
            "start the script",
            ["systemd-run", "--quiet", "--no-block", f"--unit={unit}", "/bin/bash", str(script)],
        )

    def _apply_units(self, units: tuple[Unit, ...]) -> None:
        reload = False
        commands: list[Unit] = []
        for unit in units:
            if not unit.name:
                self._log("unit without a name, skipping")
                continue
            if unit.name.endswith((".network", ".netdev", ".link")):
                self._log(f"network unit {unit.name} is not acted on")
                continue
            reload = self._place(unit) or reload
            if unit.enable:
                options = ["--runtime"] if unit.runtime else []
                self._must(
                    f"enable {unit.name}",
                    ["systemctl", "--force", "--no-reload", *options, "enable", unit.name],
                )
            if unit.command:
                commands.append(unit)
        if reload:
            self._must("reload systemd", ["systemctl", "daemon-reload"])
        for unit in commands:
            self._command(unit)

    def _command(self, unit: Unit) -> None:
        """Run a unit's command. That it fails is logged; that it cannot be run ends all."""
        if unit.command not in _COMMANDS:
            msg = (
                f"user data: {unit.name}: command: must be one of {', '.join(sorted(_COMMANDS))}, "
                f"got {unit.command!r}"
            )
            raise UserDataError(msg)
        status = self._run(["systemctl", unit.command, unit.name], "")
        if status == _NO_SUCH_UNIT:
            msg = f"user data: {unit.name}: must be there to {unit.command} it, got no such unit"
            raise UserDataError(msg)
        outcome = "done" if status == 0 else f"failed ({status})"
        self._log(f"{unit.command} {unit.name}: {outcome}")

    def _place(self, unit: Unit) -> bool:
        """Write a unit's files. Returns whether systemd must read them."""
        folder = "/run/systemd/system" if unit.runtime else "/etc/systemd/system"
        destination = f"{folder}/{unit.name}"
        files = [(destination, unit.content)] if unit.content else []
        files += [
            (f"{destination}.d/{drop_in.name}", drop_in.content)
            for drop_in in unit.drop_ins
            if drop_in.name and drop_in.content
        ]
        for path, content in files:
            data = content.encode(errors="surrogateescape")
            self._write(WrittenFile(path=path, content=data))
        if unit.mask:
            self._mask(destination)
        elif unit.runtime:
            self._unmask(destination)
        return bool(files)

    def _mask(self, destination: str) -> None:
        path = self._path(destination)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        path.symlink_to("/dev/null")
        self._log(f"masked {path.name}")

    def _unmask(self, destination: str) -> None:
        """Remove a unit's file that masks it: a link to /dev/null, or an empty file."""
        path = self._path(destination)
        masked = path.is_symlink() and path.readlink() == Path("/dev/null")
        if masked or (path.is_file() and path.stat().st_size == 0):
            path.unlink()


def _clean(path: str) -> str:
    return os.path.normpath(str(PurePosixPath("/", path)))


def _useradd(user: User) -> list[str]:
    options = [
        ("--password", user.password_hash or "*"),
        ("--comment", f'"{user.gecos}"' if user.gecos else ""),
        ("--home-dir", user.home),
        ("--gid", user.primary_group),
        ("--groups", ",".join(user.groups)),
        ("--shell", user.shell),
    ]
    switches = [
        ("--no-create-home" if user.no_create_home else "--create-home", True),
        ("--no-user-group", user.no_user_group),
        ("--system", user.system),
        ("--no-log-init", user.no_log_init),
    ]
    return [
        "useradd",
        *(word for name, value in options if value for word in (name, value)),
        *(name for name, wanted in switches if wanted),
        user.name,
    ]


def _unit_of_locksmith(config: CloudConfig) -> Unit:
    lines = "".join(f'Environment="{name}={value}"\n' for name, value in config.locksmith)
    content = f"[Service]\n{lines}" if lines else ""
    # Without a drop-in too: at run time it is unmasked, whoever masked it.
    return Unit(
        name="locksmithd.service",
        runtime=True,
        drop_ins=(DropIn(name="20-cloudinit.conf", content=content),),
    )


def _units_of_update(update: tuple[tuple[str, str], ...]) -> tuple[Unit, ...]:
    """Return the units that a changed update.conf concerns."""
    values = dict(update)
    units: list[Unit] = []
    if strategy := values.get("REBOOT_STRATEGY"):
        off = strategy == "off"
        units.append(
            Unit(
                name="locksmithd.service",
                command="stop" if off else "restart",
                mask=off,
                runtime=True,
            )
        )
    if "GROUP" in values or "SERVER" in values:
        units.append(Unit(name="update-engine.service", command="restart"))
    return tuple(units)


def boot(machine: Machine, metadata: Metadata, data: bytes, log: Callable[[str], None]) -> int:
    """Apply what the metadata service told.

    Args:
        machine: What it is applied to.
        metadata: The instance's keys, name and addresses.
        data: The user data.
        log: Takes one line.

    Returns:
        The exit status: 1 where something could not be read or applied. Name and keys are set
        all the same.
    """
    failed = False
    parts: tuple[Part, ...] = ()
    try:
        parts = read_parts(decompressed(data), metadata.addresses)
    except UserDataError as error:
        log(f"Failed to parse user-data: {error}")
        failed = True
    names = (p.config.hostname for p in parts if p.config is not None and p.config.hostname)
    try:
        machine.identify(next(names, metadata.hostname), merged_keys(parts, metadata.keys))
    except (UserDataError, OSError) as error:
        log(str(error))
        return 1
    for part in parts:
        try:
            machine.run_part(part, metadata.addresses)
        except (UserDataError, OSError) as error:
            log(f'Failed to run part "{part.name}": {error}')
            failed = True
    return int(failed)


def main() -> int:
    """Fetch the user data, and apply it.

    Returns:
        The exit status: 1 where it cannot be fetched or applied.
    """

    def log(line: str) -> None:
        print(f"user-data: {line}", file=sys.stderr, flush=True)  # noqa: T201  # the journal

    def run(command: list[str], given: str) -> int:
        return subprocess.run(
            command, check=False, input=given, text=True, stdout=subprocess.DEVNULL
        ).returncode

    source = Datasource(log)
    try:
        source.wait()
        metadata, data = source.metadata(), source.user_data()
    except DatasourceError as error:
        log(str(error))
        return 1
    return boot(Machine(root=Path("/"), run=run, log=log), metadata, data, log)


if __name__ == "__main__":
    sys.exit(main())
