"""A real sshd on the loopback interface, with host keys of its own, for whoever has our key."""

from __future__ import annotations

import contextlib
import getpass
import os
import shutil
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from constructs_lib.host.host_key import HostKey

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

HOST = "127.0.0.1"
SSHD = shutil.which("sshd") or shutil.which("sshd", path="/usr/sbin:/usr/local/sbin")
KINDS = ("rsa", "ecdsa", "ed25519")


@dataclass(frozen=True, slots=True, kw_only=True)
class SshServer:
    """A running sshd.

    Attributes:
        port: Its TCP port on 127.0.0.1.
        user: Whom it lets in.
        client_key: The private key that it lets in.
        keys: Its host keys, by kind.
        log: Its log.
    """

    port: int
    user: str
    client_key: Path
    keys: dict[str, HostKey]
    log: Path

    @property
    def console(self) -> str:
        """What a machine with these keys prints at each boot."""
        return "".join(f"SSH host key: {key}\r\n" for key in self.keys.values())


@contextlib.contextmanager
def sshd(folder: Path, kinds: Sequence[str] = KINDS, *, port: int = 0) -> Iterator[SshServer]:
    """Run an sshd until the block ends.

    Args:
        folder: Where its files are kept.
        kinds: What host keys it has.
        port: Its TCP port; any free one where 0.
    """
    assert SSHD is not None
    folder.mkdir(parents=True)
    client_key = folder / "client"
    keys = {}
    for name in ("client", *kinds):
        kind = "ed25519" if name == "client" else name
        _run("ssh-keygen", "-q", "-t", kind, "-N", "", "-C", "", "-f", str(folder / name))
        algorithm, data = (folder / f"{name}.pub").read_text(encoding="utf-8").split()[:2]
        if name != "client":
            keys[name] = HostKey(algorithm=algorithm, data=data)
    if port == 0:
        with socket.create_server((HOST, 0)) as reserved:
            port = reserved.getsockname()[1]
    configuration = folder / "sshd_config"
    lines = [
        *(f'HostKey "{folder / kind}"' for kind in kinds),
        *(f"ListenAddress {HOST}", f"Port {port}", f'AuthorizedKeysFile "{folder}/client.pub"'),
        *("StrictModes no", "UsePAM no", "PidFile none", "PasswordAuthentication no"),
    ]
    configuration.write_text("\n".join(lines) + "\n", encoding="utf-8")
    if os.geteuid() == 0:
        # An sshd of root insists on it, and only its system service makes it.
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    log = folder / "log"
    with subprocess.Popen([SSHD, "-D", "-f", str(configuration), "-E", str(log)]) as process:
        try:
            _wait(port)
            yield SshServer(
                port=port, user=getpass.getuser(), client_key=client_key, keys=keys, log=log
            )
        finally:
            process.terminate()


def _wait(port: int) -> None:
    end = time.monotonic() + 10
    while True:
        try:
            socket.create_connection((HOST, port), timeout=1).close()
        except OSError:
            assert time.monotonic() < end, "sshd did not start"
            time.sleep(0.05)
        else:
            return


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)
