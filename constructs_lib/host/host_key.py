"""The SSH host keys of a machine: learned over AWS's own API before anything is sent to it.

Whoever sits between us and an address can answer there. So the keys that the address shows are
compared with what the machine itself has printed on its console, which only AWS's API tells, over
TLS and to our credentials. Flatcar prints the fingerprint of each key at each boot:

    SSH host key: SHA256:… (ED25519)

What was learned is kept per machine, by its instance's id:

    hosts/INSTANCE/known_hosts    for OpenSSH, under the instance's id (`HostKeyAlias`)
    hosts/INSTANCE/host_key       for Terraform's connection (`host_key`)

A replaced machine has another id, and is learned anew. The same machine with another key is an
error, since no machine changes its keys by itself.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import re
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from constructs_lib.aws import client
from constructs_lib.files.private_file import write_public

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

DEFAULT_TIMEOUT_SECONDS: Final = 300.0

KNOWN_HOSTS: Final = "known_hosts"
HOST_KEY: Final = "host_key"

GRACE_SECONDS: Final = 15.0

_PAUSE_SECONDS: Final = 2.0
_SCAN_SECONDS: Final = 5
_CONSOLE_LINE: Final = re.compile(
    r"SSH host key: (?P<fingerprint>SHA256:[A-Za-z0-9+/]{43}) \((?P<kind>[A-Z0-9]+)\)"
)
_KINDS: Final[Mapping[str, str]] = {
    "ecdsa-sha2-nistp256": "ECDSA",
    "ecdsa-sha2-nistp384": "ECDSA",
    "ecdsa-sha2-nistp521": "ECDSA",
    "ssh-rsa": "RSA",
    "ssh-ed25519": "ED25519",
}
"""The kinds of keys, in the order in which Terraform's SSH client asks a server for one.

Source: golang.org/x/crypto/ssh, `supportedHostKeyAlgos`.
"""
_REFUSED: Final = frozenset(
    {"AccessDenied", "AuthFailure", "UnauthorizedOperation", "Client.UnauthorizedOperation"}
)


class HostKeyError(Exception):
    """The machine's host keys are not known, or not the ones that they should be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HostKey:
    """A public key that an SSH server proves itself with.

    Attributes:
        algorithm: Its type, such as `ssh-ed25519`.
        data: The key, in base64.
    """

    algorithm: str
    data: str

    @property
    def kind(self) -> str:
        """Its type as `ssh-keygen -l` and a console name it, such as `ED25519`."""
        return _KINDS[self.algorithm]

    @property
    def fingerprint(self) -> str:
        """Its fingerprint as `ssh-keygen -l` writes it: `SHA256:…`."""
        digest = hashlib.sha256(base64.b64decode(self.data)).digest()
        return f"SHA256:{base64.b64encode(digest).decode().rstrip('=')}"

    def __str__(self) -> str:
        """Return what a person compares."""
        return f"{self.fingerprint} ({self.kind})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What the keys of a machine should be.

    Attributes:
        fingerprints: The fingerprints, each with the kind of its key where that is known.
        source: Who says so, for a person.
        remedy: What to do where the address shows others.
    """

    fingerprints: Mapping[str, str]
    source: str
    remedy: str

    def accepts(self, key: HostKey) -> bool:
        """Return whether a key is one of these."""
        kind = self.fingerprints.get(key.fingerprint)
        return kind is not None and kind in ("", key.kind)

    def __str__(self) -> str:
        """Return what a person compares."""
        return ", ".join(f"{f} ({kind})" if kind else f for f, kind in self.fingerprints.items())


def parse_keys(text: str) -> list[HostKey]:
    """Read lines of a known_hosts file, or of `ssh-keyscan`.

    Returns:
        The keys of known types, in the order in which Terraform's client asks for them.
    """
    found = []
    for line in text.splitlines():
        words = line.split()
        if len(words) >= 3 and not line.startswith("#") and words[1] in _KINDS:  # noqa: PLR2004
            found.append(HostKey(algorithm=words[1], data=words[2]))
    order = list(_KINDS)
    return sorted(found, key=lambda key: order.index(key.algorithm))


def on_console(text: str) -> dict[str, str]:
    """Return the fingerprints that a machine has printed, each with the kind of its key.

    Of each kind the last one counts: the console may still have what an earlier boot printed.

    Args:
        text: The console's output.
    """
    last = {m["kind"]: m["fingerprint"] for m in _CONSOLE_LINE.finditer(text)}
    return {fingerprint: kind for kind, fingerprint in last.items()}


def scan(address: str, port: int) -> list[HostKey]:
    """Ask an address for its host keys. Whoever answers holds their private halves.

    Returns:
        The keys; none where nothing answers yet.

    Raises:
        HostKeyError: OpenSSH's client is not installed.
    """
    try:
        done = subprocess.run(
            [
                *("ssh-keyscan", "-T", str(_SCAN_SECONDS), "-p", str(port)),
                *("-t", "ecdsa,rsa,ed25519", address),
            ],
            check=False,
            capture_output=True,
            text=True,
        )
    except FileNotFoundError:
        raise HostKeyError(
            "ssh-keyscan: must be on the PATH, got nothing of that name; install OpenSSH's client"
        ) from None
    return parse_keys(done.stdout)


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """A machine whose keys are to be known.

    Attributes:
        id: The instance's id.
        address: Its address.
        port: TCP port of sshd.
        hosts: The folder in which the keys of machines are kept.
    """

    id: str
    address: str
    port: int
    hosts: Path

    @property
    def folder(self) -> Path:
        """Where this machine's keys are kept."""
        return self.hosts / self.id

    def kept(self) -> list[HostKey]:
        """Return the keys that were learned before; none where there were none."""
        try:
            return parse_keys((self.folder / KNOWN_HOSTS).read_text(encoding="utf-8"))
        except FileNotFoundError:
            return []

    def keep(self, keys: Sequence[HostKey]) -> None:
        """Keep keys, for OpenSSH and for Terraform.

        Terraform writes `host_key` behind the address into a known_hosts file of its own. The
        lines after the first one go there as they are: so the connection does not depend on the
        kind of key that its client asks for.
        """
        words = [f"{key.algorithm} {key.data}" for key in keys]
        lines = "".join(f"{self.id} {key}\n" for key in words)
        host = f"[{self.address}]:{self.port}"
        first, *more = words
        write_public(
            self.folder / HOST_KEY, "\n".join([first, *(f"{host} {k}" for k in more)]).encode()
        )
        # Last: what OpenSSH trusts is what was learned.
        write_public(self.folder / KNOWN_HOSTS, lines.encode())


def learn(
    machine: Machine,
    *,
    console: Callable[[], str],
    given: Sequence[str] = (),
    timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS,
    grace_seconds: float = GRACE_SECONDS,
) -> tuple[list[HostKey], str]:
    """Find out a machine's keys over a trusted way, compare them with what its address shows.

    Args:
        machine: The machine.
        console: Returns the console's output; raises `HostKeyError` where it cannot be read.
        given: Fingerprints that the settings name; the console is then not asked.
        timeout_seconds: How long to wait for sshd and for the console.
        grace_seconds: How long other keys than the expected ones are asked for again: an address
            that has just moved may still lead to the machine before.

    Returns:
        The keys, which are kept from now on, and who has vouched for them.

    Raises:
        HostKeyError: The keys cannot be known, or the address shows others.
    """
    end = time.monotonic() + timeout_seconds
    shown: list[HostKey] = []
    known = expected = _known_already(machine, given)
    while True:
        shown = scan(machine.address, machine.port) or shown
        if known is None and shown:
            # Asked again while something is missing: a console shows one line after the other.
            expected = _told_by(machine, console, shown) or expected
        if expected is not None and shown:
            if _is_complete(shown, expected):
                break
            end = min(end, time.monotonic() + grace_seconds)
        if time.monotonic() >= end:
            break
        time.sleep(min(_PAUSE_SECONDS, timeout_seconds))
    subject = f"machine {machine.id} at {machine.address}, port {machine.port}: host key"
    if not shown:
        raise HostKeyError(
            f"{subject}: must be shown within {timeout_seconds:g} s, got no answer; see that "
            "aws.ssh.cidrs has your network, and look at the machine's console"
        )
    if expected is None:
        raise HostKeyError(
            f"{subject}: must be on the machine's console within {timeout_seconds:g} s, got no "
            f"line 'SSH host key: …' there; {_by_settings(shown)}"
        )
    good = [key for key in shown if expected.accepts(key)]
    # What the first client to connect is shown must be known, whatever else is.
    if not good or good[0] != shown[0]:
        raise HostKeyError(
            f"{subject}: must be {expected} as {expected.source}, got {_listed(shown)} from "
            f"whoever answers there; nothing was sent to it; {expected.remedy}"
        )
    # A scan may miss a key; what is known already stays known.
    keys = good if known is None or given else machine.kept()
    machine.keep(keys)
    return keys, expected.source


def _known_already(machine: Machine, given: Sequence[str]) -> Expected | None:
    if given:
        return Expected(
            fingerprints=dict.fromkeys(given, ""),
            source="aws.ssh.host_key says",
            remedy="if the machine was replaced, or has a key of this kind that is missing there, "
            "find out its own fingerprints on a way that you trust, and name all of them",
        )
    kept = machine.kept()
    if not kept:
        return None
    return Expected(
        fingerprints={key.fingerprint: key.kind for key in kept},
        source=f"{machine.folder / KNOWN_HOSTS} has it since the first deployment",
        remedy="somebody may stand between this computer and the machine. If you have changed the "
        f"machine's keys yourself, remove {machine.folder}: they are then compared with its "
        "console again",
    )


def _told_by(
    machine: Machine, console: Callable[[], str], shown: Sequence[HostKey]
) -> Expected | None:
    try:
        fingerprints = on_console(console())
    except HostKeyError as error:
        raise HostKeyError(f"{error}; {_by_settings(shown)}") from None
    if not fingerprints:
        return None
    return Expected(
        fingerprints=fingerprints,
        source=f"the console of {machine.id} says",
        remedy="somebody may stand between this computer and the machine",
    )


def _is_complete(shown: Sequence[HostKey], expected: Expected) -> bool:
    """Return whether each key is one that is expected, and of each kind there is one."""
    kinds = {key.kind for key in shown}
    return all(map(expected.accepts, shown)) and (
        set(expected.fingerprints.values()) - {""} <= kinds
    )


def _by_settings(shown: Sequence[HostKey]) -> str:
    return (
        f"whoever answers at the address shows {_listed(shown)}: if you know on another way that "
        "these are the machine's, write them into the settings, "
        f"aws.ssh.host_key: [{', '.join(key.fingerprint for key in shown)}]"
    )


def _listed(keys: Iterable[HostKey]) -> str:
    return ", ".join(map(str, keys))


def read_console(ec2: Callable[[], Any], instance: str) -> str:
    """Ask AWS for a machine's console output.

    Args:
        ec2: Returns a client of EC2.
        instance: The instance's id.

    Returns:
        The output; empty where there is none yet.

    Raises:
        HostKeyError: AWS does not tell it.
    """
    # Imported here, as boto3 is.
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415

    subject = f"console of {instance}"
    try:
        connection = ec2()
        try:
            # The newest output: only machines on the Nitro system have it.
            answer = connection.get_console_output(InstanceId=instance, Latest=True)
        except ClientError as error:
            if _code(error) in _REFUSED:
                raise
            answer = connection.get_console_output(InstanceId=instance)
    except ClientError as error:
        if _code(error) in _REFUSED:
            raise HostKeyError(
                f"{subject}: must be readable, since the machine's host keys are learned from "
                f"it, got {_code(error)}; allow ec2:GetConsoleOutput"
            ) from None
        raise HostKeyError(f"{subject}: must be readable, got: {error}") from None
    except BotoCoreError as error:
        raise HostKeyError(f"{subject}: must be readable, got: {error}") from None
    return str(answer.get("Output") or "")


def _code(error: Any) -> str:  # noqa: ANN401  (boto3 has no types)
    return str(error.response.get("Error", {}).get("Code", "an error"))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `python -m constructs_lib.host.host_key`.

    Args:
        arguments: The command line; that of the process where unset.

    Returns:
        0 when the keys are known, else 1.
    """
    parser = argparse.ArgumentParser(
        prog="python -m constructs_lib.host.host_key",
        description="Learn a machine's SSH host keys from its console, and keep them.",
    )
    parser.add_argument("--machine", required=True, help="the instance's id")
    parser.add_argument("--address", required=True, help="the machine's address")
    parser.add_argument("--port", type=int, required=True, help="TCP port of sshd")
    parser.add_argument("--hosts", type=Path, required=True, help="where keys are kept")
    parser.add_argument("--region", required=True, help="the AWS region")
    parser.add_argument("--profile", help="a profile of ~/.aws/config")
    parser.add_argument("--role-arn", help="a role to assume")
    parser.add_argument("--endpoint-url", help="an emulated AWS API")
    parser.add_argument("--credentials", type=Path, help="the file with the profile's keys")
    parser.add_argument("--expect", action="append", default=[], help="a fingerprint, SHA256:…")
    parser.add_argument(
        "--timeout", type=float, default=DEFAULT_TIMEOUT_SECONDS, help="seconds to wait"
    )
    options = parser.parse_args(arguments)
    machine = Machine(
        id=options.machine, address=options.address, port=options.port, hosts=options.hosts
    )

    def ec2() -> Any:  # noqa: ANN401  (boto3 has no types)
        return client.ec2(
            region=options.region,
            profile=options.profile,
            role_arn=options.role_arn,
            endpoint_url=options.endpoint_url,
            credentials=options.credentials,
        )

    try:
        keys, source = learn(
            machine,
            console=lambda: read_console(ec2, machine.id),
            given=options.expect,
            timeout_seconds=options.timeout,
        )
    except HostKeyError as error:
        old = "; a sandbox of the version before prints none: make down, then make up"
        hint = old if options.endpoint_url and "got no line" in str(error) else ""
        sys.stderr.write(f"{error}{hint}\n")
        return 1
    sys.stdout.write(f"host key {keys[0]}: {source}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
