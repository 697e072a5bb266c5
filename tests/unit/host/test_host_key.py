"""Host keys: learned from the console, kept per machine, and given to every connection.

The servers are real, and so are the clients that must not talk to the wrong one: OpenSSH's and
Terraform's.
"""

from __future__ import annotations

import base64
import json
import shlex
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.exceptions import NoCredentialsError
from botocore.stub import Stubber
from ssh_server import HOST, KINDS, SSHD, SshServer, sshd
from synthesis import ROOT

from constructs_lib.host import host_key
from constructs_lib.host.host_key import (
    HostKey,
    HostKeyError,
    Machine,
    learn,
    main,
    on_console,
    parse_keys,
    read_console,
)
from constructs_lib.host.ssh_access import SshAccess

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

ID = "i-0123456789abcdef0"

needs_sshd = pytest.mark.skipif(SSHD is None, reason="needs sshd")


def key(algorithm: str, data: bytes) -> HostKey:
    return HostKey(algorithm=algorithm, data=base64.b64encode(data).decode())


ECDSA = key("ecdsa-sha2-nistp256", b"ecdsa")
RSA = key("ssh-rsa", b"rsa")
ED25519 = key("ssh-ed25519", b"ed25519")
OTHER_ECDSA = key("ecdsa-sha2-nistp256", b"another")


def console_of(*keys: HostKey) -> str:
    return "booting\r\n" + "".join(f"SSH host key: {k}\r\n" for k in keys) + "login: \r\n"


def nothing() -> str:
    raise AssertionError


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(id=ID, address=HOST, port=22, hosts=tmp_path / "hosts")


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> list[HostKey]:
    """What the address shows."""
    keys = [ECDSA, RSA, ED25519]
    monkeypatch.setattr(host_key, "scan", lambda _address, _port: list(keys))
    return keys


def message(call: Callable[[], object]) -> str:
    with pytest.raises(HostKeyError) as error:
        call()
    return str(error.value)


# What is read


def test_a_fingerprint_is_what_openssh_prints(tmp_path: Path) -> None:
    file = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", file], check=True)
    algorithm, data, *_ = file.with_suffix(".pub").read_text().split()
    printed = subprocess.run(
        ["ssh-keygen", "-l", "-f", file], check=True, capture_output=True, text=True
    ).stdout.split()
    made = HostKey(algorithm=algorithm, data=data)
    assert str(made) == f"{printed[1]} {printed[-1]}"


def test_keys_are_in_the_order_in_which_terraform_asks_for_them() -> None:
    lines = [f"host {k.algorithm} {k.data}" for k in (ED25519, RSA, ECDSA)]
    text = "\n".join(["# host SSH-2.0", "", "short line", "host ssh-dss AAAA", *lines])
    assert parse_keys(text) == [ECDSA, RSA, ED25519]


def test_of_a_console_the_last_boot_counts() -> None:
    text = console_of(OTHER_ECDSA, ED25519) + console_of(ECDSA)
    assert on_console(text) == {ECDSA.fingerprint: "ECDSA", ED25519.fingerprint: "ED25519"}
    assert on_console("SSH host key: SHA256:short (ECDSA)\n") == {}


# What is kept


def test_the_keys_are_learned_from_the_console_and_kept(
    machine: Machine, shown: list[HostKey]
) -> None:
    keys, source = learn(machine, console=lambda: console_of(ED25519, RSA, ECDSA))
    assert keys == shown
    assert source == f"the console of {ID} says"
    folder = machine.hosts / ID
    assert (folder / "known_hosts").read_text() == "".join(
        f"{ID} {k.algorithm} {k.data}\n" for k in shown
    )
    first, *more = (folder / "host_key").read_text().splitlines()
    assert first == f"{ECDSA.algorithm} {ECDSA.data}"
    assert more == [f"[{HOST}]:22 {k.algorithm} {k.data}" for k in (RSA, ED25519)]
    assert machine.hosts.stat().st_mode & 0o777 == 0o700


@pytest.mark.usefixtures("shown")
def test_what_is_kept_is_not_asked_for_again(machine: Machine) -> None:
    learn(machine, console=lambda: console_of(ECDSA, RSA, ED25519))
    keys, source = learn(machine, console=nothing)
    assert keys == [ECDSA, RSA, ED25519]
    assert source == f"{machine.hosts}/{ID}/known_hosts has it since the first deployment"


def test_a_replaced_machine_is_no_alarm(machine: Machine, shown: list[HostKey]) -> None:
    learn(machine, console=lambda: console_of(*shown))
    shown[:] = [OTHER_ECDSA]
    another = Machine(id="i-1", address=HOST, port=22, hosts=machine.hosts)
    assert learn(another, console=lambda: console_of(OTHER_ECDSA))[0] == [OTHER_ECDSA]
    assert machine.kept() == [ECDSA, RSA, ED25519]


def test_a_key_that_nobody_vouches_for_is_not_kept(machine: Machine, shown: list[HostKey]) -> None:
    keys, _ = learn(machine, console=lambda: console_of(ECDSA), grace_seconds=0)
    assert keys == [ECDSA]
    assert machine.kept() == [ECDSA]
    assert len(shown) == 3


def test_it_waits_for_the_console(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host_key, "_PAUSE_SECONDS", 0)
    # The address answers late, and the console even later.
    scans = iter([[], [ECDSA, RSA]])
    monkeypatch.setattr(host_key, "scan", lambda *_: next(scans, []))
    # It shows one line after the other.
    answers = iter(["", "booting", console_of(RSA), console_of(RSA, ECDSA)])
    assert learn(machine, console=lambda: next(answers))[0] == [ECDSA, RSA]


@pytest.mark.usefixtures("shown")
def test_what_a_scan_misses_stays_known(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    learn(machine, console=lambda: console_of(ECDSA, RSA, ED25519))
    monkeypatch.setattr(host_key, "scan", lambda *_: [RSA])
    assert learn(machine, console=nothing, grace_seconds=0)[0] == [ECDSA, RSA, ED25519]
    assert machine.kept() == [ECDSA, RSA, ED25519]


@pytest.mark.usefixtures("shown")
def test_the_settings_stand_for_the_console(machine: Machine) -> None:
    given = [ECDSA.fingerprint, RSA.fingerprint, ED25519.fingerprint]
    keys, source = learn(machine, console=nothing, given=given)
    assert (len(keys), source) == (3, "aws.ssh.host_key says")


# What is refused


def test_another_key_than_the_consoles_is_refused_with_both(
    machine: Machine, shown: list[HostKey]
) -> None:
    shown[:] = [OTHER_ECDSA]
    text = message(lambda: learn(machine, console=lambda: console_of(ECDSA), grace_seconds=0))
    assert text == (
        f"machine {ID} at {HOST}, port 22: host key: must be {ECDSA} as the console of {ID} says, "
        f"got {OTHER_ECDSA} from whoever answers there; nothing was sent to it; somebody may "
        "stand between this computer and the machine"
    )
    assert not machine.hosts.exists()


def test_another_key_than_before_is_refused_with_both(
    machine: Machine, shown: list[HostKey]
) -> None:
    learn(machine, console=lambda: console_of(*shown))
    before = machine.kept()
    shown[:] = [OTHER_ECDSA, RSA, ED25519]
    text = message(lambda: learn(machine, console=nothing, grace_seconds=0))
    assert ECDSA.fingerprint in text
    assert OTHER_ECDSA.fingerprint in text
    assert text.endswith(
        f"If you have changed the machine's keys yourself, remove {machine.hosts}/{ID}: they are "
        "then compared with its console again"
    )
    assert machine.kept() == before


def test_a_key_of_the_right_print_and_the_wrong_kind_is_refused(
    machine: Machine, shown: list[HostKey]
) -> None:
    shown[:] = [ECDSA]
    line = f"SSH host key: {ECDSA.fingerprint} (RSA)\n"
    assert "must be " in message(lambda: learn(machine, console=lambda: line, grace_seconds=0))


def test_settings_without_the_key_that_terraform_is_shown_are_refused(
    machine: Machine, shown: list[HostKey]
) -> None:
    text = message(
        lambda: learn(machine, console=nothing, given=[ED25519.fingerprint], grace_seconds=0)
    )
    assert text.startswith(
        f"machine {ID} at {HOST}, port 22: host key: must be {ED25519.fingerprint} as "
        f"aws.ssh.host_key says, got {', '.join(map(str, shown))} from whoever answers there"
    )


@pytest.mark.usefixtures("shown")
def test_a_silent_console_is_told_with_what_the_address_shows(machine: Machine) -> None:
    text = message(lambda: learn(machine, console=lambda: "booting", timeout_seconds=0))
    prints = ", ".join(k.fingerprint for k in (ECDSA, RSA, ED25519))
    assert text == (
        f"machine {ID} at {HOST}, port 22: host key: must be on the machine's console within 0 s, "
        "got no line 'SSH host key: …' there; whoever answers at the address shows "
        f"{ECDSA}, {RSA}, {ED25519}: if you know on another way that these are the machine's, "
        f"write them into the settings, aws.ssh.host_key: [{prints}]"
    )
    assert not machine.hosts.exists()


def test_a_silent_address_is_told(machine: Machine, shown: list[HostKey]) -> None:
    shown.clear()
    assert message(lambda: learn(machine, console=nothing, timeout_seconds=0)) == (
        f"machine {ID} at {HOST}, port 22: host key: must be shown within 0 s, got no answer; see "
        "that aws.ssh.cidrs has your network, and look at the machine's console"
    )


# AWS's answer


def asked(*answers: tuple[str, dict[str, Any]]) -> Callable[[], Any]:
    """Return a client of EC2 that gives these answers: an output, or an error's code."""
    client = boto3.client(
        "ec2",
        region_name="eu-central-1",
        aws_access_key_id="a",
        aws_secret_access_key="b",
    )
    stubber = Stubber(client)
    for answer, parameters in answers:
        expected = {"InstanceId": ID, **parameters}
        if answer.startswith("Error:"):
            code = answer.removeprefix("Error:")
            stubber.add_client_error(
                "get_console_output", service_error_code=code, expected_params=expected
            )
        else:
            output = base64.b64encode(answer.encode()).decode()
            stubber.add_response(
                "get_console_output", {"InstanceId": ID, "Output": output}, expected
            )
    stubber.activate()
    return lambda: client


LATEST = {"Latest": True}


def test_the_newest_console_is_asked_for() -> None:
    assert read_console(asked(("text", LATEST)), ID) == "text"


def test_a_type_without_a_newest_console_is_asked_for_the_one_there_is() -> None:
    client = asked(("Error:UnsupportedOperation", LATEST), ("text", {}))
    assert read_console(client, ID) == "text"


@pytest.mark.usefixtures("shown")
def test_a_missing_permission_is_told_with_the_remedies(machine: Machine) -> None:
    client = asked(("Error:UnauthorizedOperation", LATEST))
    text = message(lambda: learn(machine, console=lambda: read_console(client, ID)))
    assert text.startswith(
        f"console of {ID}: must be readable, since the machine's host keys are learned from it, "
        "got UnauthorizedOperation; allow ec2:GetConsoleOutput; whoever answers at the address "
        f"shows {ECDSA}"
    )
    assert "aws.ssh.host_key: [SHA256:" in text


def test_other_failures_are_told() -> None:
    client = asked(("Error:RequestLimitExceeded", LATEST), ("Error:InternalError", {}))
    assert message(lambda: read_console(client, ID)).startswith(f"console of {ID}: must be ")

    def none() -> Any:  # noqa: ANN401  (boto3 has no types)
        raise NoCredentialsError

    assert "Unable to locate credentials" in message(lambda: read_console(none, ID))


def test_the_command_says_who_has_vouched(
    machine: Machine, shown: list[HostKey], capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [
        *("--machine", ID, "--address", HOST, "--port", "22", "--hosts", str(machine.hosts)),
        *("--region", "eu-central-1", "--timeout", "0"),
    ]
    expected = [word for k in shown for word in ("--expect", k.fingerprint)]
    assert main([*arguments, *expected]) == 0
    assert capsys.readouterr().out == f"host key {ECDSA}: aws.ssh.host_key says\n"
    shown[:] = [OTHER_ECDSA]
    assert main(arguments) == 1
    assert capsys.readouterr().err.startswith(f"machine {ID} at {HOST}, port 22: host key: must ")


@pytest.mark.usefixtures("shown")
@pytest.mark.parametrize("emulated", [True, False])
def test_a_sandbox_of_the_version_before_is_told(
    machine: Machine,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    *,
    emulated: bool,
) -> None:
    monkeypatch.setattr(host_key, "read_console", lambda *_: "booting")
    words = ["--endpoint-url", "http://127.0.0.1:1"] if emulated else []
    status = main(
        [
            *("--machine", ID, "--address", HOST, "--port", "22", "--hosts", str(machine.hosts)),
            *("--region", "eu-central-1", "--timeout", "0", *words),
        ]
    )
    assert status == 1
    hint = "; a sandbox of the version before prints none: make down, then make up\n"
    assert capsys.readouterr().err.endswith(hint) is emulated


# Real servers, real clients


def machine_at(server: SshServer, folder: Path) -> Machine:
    return Machine(id=ID, address=HOST, port=server.port, hosts=folder / "hosts")


@needs_sshd
def test_openssh_talks_to_the_machine_and_to_nobody_else(tmp_path: Path) -> None:
    folder = tmp_path / "with a space"
    with sshd(folder / "machine") as real:
        learn(machine_at(real, folder), console=lambda: real.console)
        ssh = SshAccess(
            user=real.user, port=real.port, private_key_file=real.client_key, hosts=folder / "hosts"
        )
        words = [
            *shlex.split(ssh.command(ID, HOST)),
            "-F",
            "none",
            "-o",
            "BatchMode=yes",
            "echo in",
        ]
        done = subprocess.run(words, check=False, capture_output=True, text=True)
        assert (done.stdout, done.returncode) == ("in\n", 0), done.stderr
        port = real.port
    with sshd(folder / "other", port=port) as other:
        shutil.copy(other.client_key, real.client_key)
        done = subprocess.run(words, check=False, capture_output=True, text=True)
    assert (done.stdout, done.returncode) == ("", 255)
    assert "Host key verification failed" in done.stderr


def terraform(folder: Path, server: SshServer, *, host_key_file: Path | None) -> tuple[int, str]:
    """Let the real Terraform send a file to a server, as the steps do."""
    connection = {
        "type": "ssh",
        "host": HOST,
        "port": server.port,
        "user": server.user,
        "private_key": f'${{file("{server.client_key}")}}',
        "agent": False,
        "timeout": "5s",
    }
    if host_key_file is not None:
        connection["host_key"] = f'${{file("{host_key_file}")}}'
    steps = [
        {
            "file": {
                "source": str(ROOT / "pyproject.toml"),
                "destination": str(folder / "arrived"),
                "connection": connection,
            }
        }
    ]
    folder.mkdir()
    (folder / "main.tf.json").write_text(
        json.dumps({"resource": {"terraform_data": {"steps": {"provisioner": steps}}}})
    )
    text = ""
    for words in (("init", "-backend=false"), ("apply", "-auto-approve", "-no-color")):
        program = shutil.which("terraform") or shutil.which("tofu") or ""
        done = subprocess.run(
            [program, *words],
            cwd=folder,
            env={"PATH": "/usr/bin:/bin", "HOME": str(folder), "CHECKPOINT_DISABLE": "1"},
            check=False,
            capture_output=True,
            text=True,
        )
        text += done.stdout + done.stderr
        if done.returncode != 0:
            break
    return done.returncode, text


needs_terraform = pytest.mark.skipif(
    not (shutil.which("terraform") or shutil.which("tofu")), reason="needs Terraform"
)


@needs_sshd
@needs_terraform
@pytest.mark.parametrize(
    "kinds", [KINDS, ("ed25519",), ("ecdsa",), ("rsa",), ("rsa", "ed25519"), ("ed25519", "ecdsa")]
)
def test_terraform_takes_the_machine_whatever_keys_it_has(
    tmp_path: Path, kinds: tuple[str, ...]
) -> None:
    with sshd(tmp_path / "machine", kinds) as real:
        machine = machine_at(real, tmp_path)
        assert len(learn(machine, console=lambda: real.console)[0]) == len(kinds)
        kept = tmp_path / "hosts" / ID / "host_key"
        status, text = terraform(tmp_path / "deployment", real, host_key_file=kept)
    assert status == 0, text
    assert (tmp_path / "deployment" / "arrived").exists()


@needs_sshd
@needs_terraform
@pytest.mark.parametrize("protected", [True, False])
def test_somebody_in_between_gets_no_file(tmp_path: Path, *, protected: bool) -> None:
    with sshd(tmp_path / "machine") as real:
        learn(machine_at(real, tmp_path), console=lambda: real.console)
    with sshd(tmp_path / "other") as other:
        moved = machine_at(other, tmp_path)
        text = message(lambda: learn(moved, console=nothing, grace_seconds=0))
        for one in (*real.keys.values(), *other.keys.values()):
            assert str(one) in text
        # Even if that had been missed: Terraform itself asks for the machine's key.
        kept = tmp_path / "hosts" / ID / "host_key"
        kept.write_text(kept.read_text().replace(str(real.port), str(other.port)))
        status, text = terraform(
            tmp_path / "deployment", other, host_key_file=kept if protected else None
        )
        log = other.log.read_text()
    arrived = (tmp_path / "deployment" / "arrived").exists()
    # Without the key, as it once was, it arrives: the control of this test.
    assert arrived is not protected
    assert (status == 0) is not protected
    assert ("Accepted publickey" in log) is not protected
    if protected:
        assert "knownhosts: key mismatch" in text


@needs_sshd
def test_the_command_as_terraform_calls_it(tmp_path: Path) -> None:
    with sshd(tmp_path / "machine") as real:
        prints = [w for k in real.keys.values() for w in ("--expect", k.fingerprint)]
        done = subprocess.run(
            [
                *(sys.executable, "-m", "constructs_lib.host.host_key", "--machine", ID),
                *("--address", HOST, "--port", str(real.port), "--hosts", str(tmp_path / "hosts")),
                *("--region", "eu-central-1", "--timeout", "5", *prints),
            ],
            check=False,
            capture_output=True,
            text=True,
            cwd=ROOT,
        )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"host key {real.keys['ecdsa']}: aws.ssh.host_key says\n"
