"""What a machine says, or why it says nothing: each in one clear line."""

from __future__ import annotations

import itertools
import json
import socket
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from tls_server import HOST, over_plain, over_tls, server_context, serving

from constructs_lib.identity.certificate_authority import CertificateAuthority, utc_now
from constructs_lib.identity.pki import Pki
from moor.overview import api, certificates, host
from moor.overview.host import Disk

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path
    from ssl import SSLContext

    from constructs_lib.identity.certificate_authority import Clock

INFO = {
    "OperatingSystem": "Flatcar Container Linux by Kinvolk 4230.2.3 (Oklo)",
    "KernelVersion": "6.6.100-flatcar",
    "ServerVersion": "28.0.4",
    "DockerRootDir": "/var/lib/docker",
}

_numbers = itertools.count()


def two_years_ago() -> datetime:
    return utc_now() - timedelta(days=730)


def made(folder: Path, clock: Clock = utc_now) -> Pki:
    """Return certificates that were made at a certain time."""
    pki = Pki(pki_dir=folder / "pki", certificates_dir=folder / "certificates", clock=clock)
    pki.ensure()
    return pki


def context(pki: Pki, folder: Path, *, clients: bytes | None = None) -> SSLContext:
    """Return the context of a server of these certificates."""
    authority = CertificateAuthority.load(
        certificate=pki.ca_file.read_bytes(),
        private_key=pki.ca_key_file.read_bytes(),
        clock=pki.clock,
    )
    return server_context(
        folder / f"server-{next(_numbers)}",
        issued=authority.issue_server([HOST]),
        clients=clients or pki.clients_file.read_bytes(),
    )


def answer(document: object) -> bytes:
    body = json.dumps(document).encode()
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
    return f"{head}\r\nConnection: close\r\n\r\n".encode() + body


def test_an_engine_that_answers_tells_of_its_machine(tmp_path: Path) -> None:
    pki = made(tmp_path)
    with serving(over_tls(context(pki, tmp_path), answer(INFO))) as server:
        found = api.ask(HOST, server.port, pki.certificates_dir)
    assert (found.problem, found.is_reached) == ("", True)
    assert found.system == "Flatcar Container Linux by Kinvolk 4230.2.3 (Oklo)"
    assert (found.kernel, found.version) == ("6.6.100-flatcar", "28.0.4")
    assert found.certificate_ends is not None
    assert 390 < (found.certificate_ends - utc_now()).days < 400


def test_another_certificate_is_told_as_that(tmp_path: Path) -> None:
    ours, theirs = made(tmp_path / "ours"), made(tmp_path / "theirs")
    with serving(over_tls(context(theirs, tmp_path))) as server:
        found = api.ask(HOST, server.port, ours.certificates_dir)
    assert found.is_reached
    assert found.problem == (
        f"the Docker API at {HOST}:{server.port}: must answer with this environment's "
        "certificate, got another one (unable to get local issuer certificate)"
    )


def test_a_certificate_that_has_expired_is_told_as_that(tmp_path: Path) -> None:
    pki = made(tmp_path, two_years_ago)
    with serving(over_tls(context(pki, tmp_path))) as server:
        found = api.ask(HOST, server.port, pki.certificates_dir)
    assert found.problem == (
        f"the Docker API at {HOST}:{server.port}: its certificate must be valid, got one that "
        "has expired"
    )


def test_a_client_that_is_not_wanted_is_told_as_that(tmp_path: Path) -> None:
    pki, other = made(tmp_path / "ours"), made(tmp_path / "theirs")
    refusing = context(pki, tmp_path, clients=other.clients_file.read_bytes())
    with serving(over_tls(refusing)) as server:
        found = api.ask(HOST, server.port, pki.certificates_dir)
    assert found.is_reached
    assert found.problem.startswith(f"the Docker API at {HOST}:{server.port}: must answer, got: ")


def test_a_certificate_of_ours_that_has_expired_is_told_as_that(tmp_path: Path) -> None:
    pki = made(tmp_path, two_years_ago)
    with serving(over_tls(context(replace(pki, clock=utc_now), tmp_path))) as server:
        found = api.ask(HOST, server.port, pki.certificates_dir)
    assert found.problem == (
        f"the Docker API at {HOST}:{server.port}: must answer, got: it refuses this computer's "
        "certificate, which has expired"
    )


def test_a_server_without_tls_is_told_as_that(tmp_path: Path) -> None:
    pki = made(tmp_path)
    with serving(over_plain()) as server:
        found = api.ask(HOST, server.port, pki.certificates_dir)
    assert "must speak TLS with us, got: " in found.problem


def test_a_port_that_nobody_listens_on_is_told_as_that(tmp_path: Path) -> None:
    pki = made(tmp_path)
    with socket.create_server((HOST, 0)) as listener:
        port = listener.getsockname()[1]
    found = api.ask(HOST, port, pki.certificates_dir)
    assert not found.is_reached
    assert found.problem == (
        f"the Docker API at {HOST}:{port}: must be open, got a refused connection; Docker may not "
        "run there, or has closed its API by itself"
    )


def test_a_machine_that_is_silent_is_given_up_soon(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api, "CONNECTION_SECONDS", 0.2)
    pki = made(tmp_path)
    # A listener whose queue is full lets nobody in, and refuses nobody.
    with socket.create_server((HOST, 0), backlog=0) as listener:
        port = listener.getsockname()[1]
        held = []
        for _ in range(4):
            one = socket.socket()
            one.setblocking(False)
            one.connect_ex((HOST, port))
            held.append(one)
        found = api.ask(HOST, port, pki.certificates_dir)
        for one in held:
            one.close()
    assert not found.is_reached
    assert found.problem == (
        f"the Docker API at {HOST}:{port}: must be reached, got no connection in 0.2 s"
    )


def test_missing_certificates_are_told(tmp_path: Path) -> None:
    found = api.ask(HOST, 9, tmp_path)
    assert found.problem == (
        f"the Docker API at {HOST}:9: must be reached, got: No such file or directory"
    )


DF = """\
/dev/nvme0n1p9 20000000000 9000000000 10000000000 48% /
/dev/nvme1n1 50000000000 47000000000 1000000000 98% /var/lib/docker
--
"""


def test_disks_are_read_with_what_users_may_have_of_them() -> None:
    assert host.read(DF).disks == (
        Disk(path="/", used=9_000_000_000, size=19_000_000_000),
        Disk(path="/var/lib/docker", used=47_000_000_000, size=48_000_000_000, holds_docker=True),
    )
    assert [disk.percent for disk in host.read(DF).disks] == [47, 98]


def test_one_disk_under_two_names_is_one() -> None:
    same = "overlay 9 4 5 1% /\n/dev/vda 9 4 5 1% /var/lib/docker\n--\n"
    assert host.read(same).disks == (Disk(path="/", used=4, size=9, holds_docker=True),)


@pytest.mark.parametrize(
    ("told", "reboot"),
    [
        ("", ""),
        ("CURRENT_OP=UPDATE_STATUS_IDLE\nNEW_VERSION=0.0.0\n", ""),
        ("CURRENT_OP=UPDATE_STATUS_DOWNLOADING\nNEW_VERSION=4230.2.4\n", ""),
        (
            "CURRENT_OP=UPDATE_STATUS_UPDATED_NEED_REBOOT\nNEW_VERSION=4230.2.4\n",
            "an update to 4230.2.4",
        ),
        ("NEW_VERSION=0.0.0\nCURRENT_OP=UPDATE_STATUS_UPDATED_NEED_REBOOT\n", "an update"),
        ("REBOOT\n", "an update"),
    ],
)
def test_a_reboot_that_is_due_is_told(told: str, reboot: str) -> None:
    assert host.read(f"--\n{told}").reboot == reboot


def test_a_machine_that_ssh_does_not_reach_is_told() -> None:
    with socket.create_server((HOST, 0)) as listener:
        port = listener.getsockname()[1]
    found = host.ask(f"ssh -p {port} core@{HOST}")
    assert found.disks == ()
    assert found.problem.startswith("must be reached over SSH, got: ")
    assert "onnection refused" in found.problem


def test_certificates_have_their_days(tmp_path: Path) -> None:
    pki = made(tmp_path)
    now = utc_now()
    ends = {"the machine": now + timedelta(days=-1, hours=1)}
    found = certificates.of(pki.certificates_dir, ends, clock=lambda: now)
    assert [one.of for one in found] == ["this computer", "authority", "the machine"]
    ours, authority, machine = found
    assert 390 < ours.days < 400 < authority.days
    assert (machine.days, machine.is_over) == (-1, True)
    assert not ours.is_over
