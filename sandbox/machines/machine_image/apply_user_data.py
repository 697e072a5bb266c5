"""Applies a machine's user data at boot, in the place of Flatcar's coreos-cloudinit.

This file runs on the sandbox's machines, as the unit moor-user-data.service starts it: it needs
Python 3.11, PyYAML and the file beside it, and nothing else of this project. That one is imported
by a relative name, since the two are in a package of another name there.

Differences: user data that cannot be read or applied fails the boot, so that it is seen; network
units are named in the log and not acted on.

Source: Flatcar's documentation, "coreos-cloudinit"; for the order of things, the program's own
source.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from .cloud_config import (
    CloudConfig,
    Unit,
    User,
    UserDataError,
    WrittenFile,
    decode,
    read_cloud_config,
    substitute_addresses,
)

if TYPE_CHECKING:
    from collections.abc import Callable


class Machine:
    """Applies a cloud-config to a file system and its systemd.

    Args:
        root: The root folder; `/` on a machine.
        run: Runs a command and returns its exit status.
        log: Takes one line.
    """

    def __init__(
        self, *, root: Path, run: Callable[[list[str]], int], log: Callable[[str], None]
    ) -> None:
        self._root = root
        self._run = run
        self._log = log

    def apply(self, config: CloudConfig, *, keys: tuple[str, ...] = ()) -> None:
        """Apply everything, in coreos-cloudinit's order.

        Args:
            config: What to apply.
            keys: Further SSH keys of core: those of the instance's key pair.

        Raises:
            UserDataError: A step failed. The steps after it are not done.
        """
        for key in config.ignored:
            self._log(f"ignoring unknown key {key}")
        if config.hostname:
            self._must("set the host name", ["hostnamectl", "set-hostname", config.hostname])
        for user in config.users:
            self._add_user(user)
        self._authorize("core", (*keys, *config.authorized_keys))
        for file in config.files:
            self._write(file)
        if config.update:
            self._write_update(config)
        self._apply_units((*config.units, *_units_of_update(config.update)))

    def _must(self, what: str, command: list[str]) -> None:
        if status := self._run(command):
            msg = f"user data: cannot {what}: {command[0]} returned {status}"
            raise UserDataError(msg)

    def _path(self, path: str) -> Path:
        return self._root / str(PurePosixPath("/", path)).lstrip("/")

    def _write(self, file: WrittenFile) -> None:
        target = self._path(file.path)
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = target.parent / f".{target.name}.cloudinit"
        try:
            temporary.write_bytes(b"")
            temporary.chmod(file.permissions)
            temporary.write_bytes(file.content)
            if file.owner:
                self._must(f"give {file.path} away", ["chown", file.owner, str(temporary)])
            temporary.replace(target)
        finally:
            temporary.unlink(missing_ok=True)
        self._log(f"wrote file {file.path}")

    def _write_update(self, config: CloudConfig) -> None:
        """Write update.conf: the lines there are, with ours in their place."""
        changed = dict(config.update)
        lines: list[str] = []
        for source in ("/etc/flatcar/update.conf", "/usr/share/flatcar/update.conf"):
            if self._path(source).exists():
                lines = self._path(source).read_text().splitlines()
                break
        kept = [line for line in lines if line.partition("=")[0] not in changed]
        text = "".join(f"{line}\n" for line in (*kept, *(f"{k}={v}" for k, v in config.update)))
        self._write(WrittenFile(path="/etc/flatcar/update.conf", content=text.encode()))

    def _add_user(self, user: User) -> None:
        if not user.name:
            self._log("user without a name, skipping")
            return
        if self._run(["id", "--user", user.name]):
            command = ["useradd", "--create-home", "--password", "*"]
            command += ["--shell", user.shell or "/bin/bash"]
            if user.groups:
                command += ["--groups", ",".join(user.groups)]
            self._must(f"create user {user.name}", [*command, user.name])
        if user.authorized_keys:
            self._authorize(user.name, user.authorized_keys)

    def _authorize(self, user: str, keys: tuple[str, ...]) -> None:
        if not keys:
            return
        folder = self._path(f"/home/{user}/.ssh")
        self._must(
            f"make {folder}",
            ["install", "-d", "-m", "0700", "-o", user, "-g", user, str(folder)],
        )
        text = "".join(f"{key.strip()}\n" for key in dict.fromkeys(keys))
        self._write(
            WrittenFile(
                path=f"/home/{user}/.ssh/authorized_keys",
                content=text.encode(),
                permissions=0o600,
                owner=f"{user}:{user}",
            )
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
                reload = True
            if unit.command:
                commands.append(unit)
        if reload:
            self._must("reload systemd", ["systemctl", "daemon-reload"])
        for unit in commands:
            # A command's failure is logged, no more: so does coreos-cloudinit.
            status = self._run(["systemctl", unit.command, unit.name])
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
            self._write(WrittenFile(path=path, content=content.encode()))
        if unit.mask:
            self._mask(destination)
            return True
        unmasked = unit.runtime and self._unmask(destination)
        return unmasked or bool(files)

    def _mask(self, destination: str) -> None:
        path = self._path(destination)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        path.symlink_to("/dev/null")
        self._log(f"masked {path.name}")

    def _unmask(self, destination: str) -> bool:
        path = self._path(destination)
        if path.is_symlink() and path.readlink() == Path("/dev/null"):
            path.unlink()
            return True
        return False


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


def main(folder: Path = Path("/var/lib/moor"), root: Path = Path("/")) -> int:
    """Apply the user data that the sandbox left on the machine.

    Args:
        folder: Holds `user-data`, `authorized-keys` and `addresses`, each optional.
        root: Where to apply it.

    Returns:
        The exit status: 1 where the user data cannot be applied.
    """

    def log(line: str) -> None:
        print(f"user-data: {line}", file=sys.stderr, flush=True)  # noqa: T201  # the journal

    def run(command: list[str]) -> int:
        return subprocess.run(command, check=False, stdout=subprocess.DEVNULL).returncode

    def read(name: str) -> bytes:
        file = folder / name
        return file.read_bytes() if file.exists() else b""

    keys = tuple(line for line in read("authorized-keys").decode().splitlines() if line)
    machine = Machine(root=root, run=run, log=log)
    try:
        text = decode(read("user-data"))
        pairs = (line.partition("=") for line in read("addresses").decode().splitlines())
        text = substitute_addresses(text, {name: value for name, _, value in pairs})
        if text.startswith("#!"):
            machine.apply(CloudConfig(), keys=keys)
            script = folder / "script"
            script.write_text(text)
            return run(["/bin/bash", str(script)])
        config = read_cloud_config(text) if text.strip() else CloudConfig()
        machine.apply(config, keys=keys)
    except (UserDataError, OSError) as error:
        log(str(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*map(Path, sys.argv[1:])))
