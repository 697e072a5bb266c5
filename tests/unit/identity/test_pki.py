"""The certificates of an environment on disk: made once, renewed in time, never guessed."""

from __future__ import annotations

import json
import os
import shutil
import signal
import ssl
import stat
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID
from tls_server import HOST, over_tls, serving

from constructs_lib.files.private_file import write_private
from constructs_lib.host.docker_api_probe import DockerApiProbe
from constructs_lib.identity import pki as pki_module
from constructs_lib.identity.certificate_authority import CertificateAuthority, is_signed_by
from constructs_lib.identity.pem import load_certificate, private_key_pem
from constructs_lib.identity.pki import Pki
from constructs_lib.identity.pki_files import INSTALLED, PkiError

if TYPE_CHECKING:
    from collections.abc import Callable

START = datetime(2026, 1, 31, 12, 0, 0, tzinfo=UTC)
ADDRESS = "203.0.113.7"
PROJECT = Path(__file__).parents[3]


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        """Return the time."""
        return self.now

    def advance(self, **duration: float) -> None:
        """Set it forward."""
        self.now += timedelta(**duration)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def pki(tmp_path: Path, clock: Clock) -> Pki:
    return Pki(pki_dir=tmp_path / "pki", certificates_dir=tmp_path / "certificates", clock=clock)


def snapshot(pki: Pki) -> dict[str, tuple[bytes, int]]:
    """Everything on disk, with the times of writing, but the lock: that names its last holder."""
    return {
        str(file.relative_to(folder.parent)): (file.read_bytes(), file.stat().st_mtime_ns)
        for folder in (pki.pki_dir, pki.certificates_dir)
        for file in folder.rglob("*")
        if file.is_file() and file.name != ".lock"
    }


def message(call: Callable[[], object]) -> str:
    with pytest.raises(PkiError) as error:
        call()
    return str(error.value)


NEW_AUTHORITY = "restore it from a backup, or run: moor certs rotate authority"
NEW_CLIENT = "restore it from a backup, or run: moor certs rotate client"
NEW_SERVER = "run: moor certs rotate server"


def machines_request(key: ec.EllipticCurvePrivateKey | None = None) -> bytes:
    """Return what a machine sends that asks for a certificate."""
    request = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    made = request.sign(key or ec.generate_private_key(ec.SECP256R1()), hashes.SHA256())
    return made.public_bytes(serialization.Encoding.PEM)


def issued(pki: Pki, address: str = ADDRESS) -> x509.Certificate:
    pki.issue_server_certificate(address, machines_request())
    return load_certificate((pki.install_dir / "server.pem").read_bytes())


def contents(pki: Pki) -> dict[str, bytes]:
    """Everything on disk, but the lock."""
    return {name: content for name, (content, _) in snapshot(pki).items()}


def fits(pki: Pki) -> bool:
    """Tell whether the client in use has a certificate, its key and an authority."""
    folder = pki.certificates_dir
    context = ssl.create_default_context(cafile=folder / "ca.pem")
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    return True


# Made once


def test_the_files_and_their_modes(pki: Pki) -> None:
    pki.ensure()
    pki.issue_server_certificate(ADDRESS, machines_request())
    modes = {
        str(file.relative_to(folder.parent)): stat.S_IMODE(file.stat().st_mode)
        for folder in (pki.pki_dir, pki.certificates_dir)
        for file in folder.rglob("*")
        if file.is_file()
    }
    assert modes == {
        "pki/.lock": 0o600,
        "pki/ca.pem": 0o644,
        "pki/ca-key.pem": 0o600,
        "pki/clients.pem": 0o644,
        "pki/server-request.json": 0o644,
        "pki/install/ca.pem": 0o644,
        "pki/install/clients.pem": 0o644,
        "pki/install/server.pem": 0o644,
        "certificates/ca.pem": 0o644,
        "certificates/cert.pem": 0o644,
        "certificates/key.pem": 0o600,
    }
    for folder in (pki.pki_dir, pki.install_dir, pki.certificates_dir):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_one_of_several_machines_is_known_to_the_others_by_its_certificate(pki: Pki) -> None:
    pki.ensure()
    usages = []
    for node in (None, "web-1"):
        pki.issue_server_certificate(ADDRESS, machines_request(), node=node)
        certificate = load_certificate((pki.install_dir_of(node) / "server.pem").read_bytes())
        usages.append(
            set(certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)
        )
    assert usages == [
        {ExtendedKeyUsageOID.SERVER_AUTH},
        {ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH},
    ]


def test_again_changes_nothing(pki: Pki, clock: Clock) -> None:
    pki.ensure()
    before, request, clients = snapshot(pki), pki.request_fingerprint, pki.clients_fingerprint
    clock.advance(days=200)
    pki.ensure()
    pki.take_over()
    assert snapshot(pki) == before
    assert (pki.request_fingerprint, pki.clients_fingerprint) == (request, clients)


def test_the_fingerprints_are_known_before_the_address(pki: Pki) -> None:
    pki.ensure()
    fingerprints = pki.request_fingerprint, pki.clients_fingerprint
    assert [len(f) for f in fingerprints] == [64, 64]
    assert int(fingerprints[0], 16) != int(fingerprints[1], 16)
    issued(pki)
    assert (pki.request_fingerprint, pki.clients_fingerprint) == fingerprints


def test_the_server_certificate_is_what_the_request_says(pki: Pki, clock: Clock) -> None:
    pki.ensure()
    clock.advance(days=3)
    key = ec.generate_private_key(ec.SECP256R1())
    end = pki.issue_server_certificate(ADDRESS, machines_request(key))
    certificate = load_certificate((pki.install_dir / "server.pem").read_bytes())
    request = json.loads(pki.server_request_file.read_text())
    assert certificate.not_valid_before_utc.isoformat() == request["not_before"]
    assert certificate.not_valid_after_utc.isoformat() == request["not_after"]
    # As of the request, three days before the issue.
    assert certificate.not_valid_before_utc == START - timedelta(hours=1)
    assert (
        certificate.not_valid_after_utc == end == START - timedelta(hours=1) + timedelta(days=397)
    )
    assert certificate.public_key() == key.public_key()
    assert is_signed_by(certificate, load_certificate(pki.ca_file.read_bytes()))
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert [str(name.value) for name in names] == [ADDRESS, "localhost", "127.0.0.1"]


def test_what_is_installed_is_what_is_there(pki: Pki) -> None:
    pki.ensure()
    issued(pki)
    assert sorted(f.name for f in pki.install_dir.iterdir()) == sorted(INSTALLED)
    assert (pki.install_dir / "ca.pem").read_bytes() == pki.ca_file.read_bytes()
    assert (pki.install_dir / "clients.pem").read_bytes() == pki.clients_file.read_bytes()


def test_an_address_among_the_fixed_names_comes_once(pki: Pki) -> None:
    pki.ensure()
    names = issued(pki, "127.0.0.1").extensions.get_extension_for_class(x509.SubjectAlternativeName)
    assert [str(name.value) for name in names.value] == ["127.0.0.1", "localhost"]


def test_two_environments_share_nothing(pki: Pki, tmp_path: Path) -> None:
    other = Pki(pki_dir=tmp_path / "b", certificates_dir=tmp_path / "c", clock=pki.clock)
    pki.ensure()
    other.ensure()
    assert pki.ca_file.read_bytes() != other.ca_file.read_bytes()
    assert pki.request_fingerprint != other.request_fingerprint
    assert pki.clients_fingerprint != other.clients_fingerprint


def engine(pki: Pki) -> ssl.SSLContext:
    """Return the context of an engine with what is to be installed, and a key of its own."""
    key = ec.generate_private_key(ec.SECP256R1())
    pki.issue_server_certificate(HOST, machines_request(key))
    file = pki.pki_dir.parent / "engines-key.pem"
    write_private(file, private_key_pem(key))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pki.install_dir / "server.pem", file)
    context.load_verify_locations(pki.install_dir / "clients.pem")
    context.verify_mode = ssl.CERT_REQUIRED
    return context


def test_a_real_handshake_with_the_files(tmp_path: Path) -> None:
    pki = Pki(pki_dir=tmp_path / "pki", certificates_dir=tmp_path / "certificates")
    pki.ensure()
    lines: list[str] = []
    with serving(over_tls(engine(pki))) as server:
        DockerApiProbe(
            host=HOST, port=server.port, certificates=pki.certificates_dir, timeout_seconds=0
        ).run(lines.append)
    assert len(lines) == 4


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl")
def test_openssl_accepts_the_certificates(tmp_path: Path) -> None:
    pki = Pki(pki_dir=tmp_path / "pki", certificates_dir=tmp_path / "certificates")
    pki.ensure()
    issued(pki)
    for purpose, trust, file in (
        ("sslserver", pki.ca_file, pki.install_dir / "server.pem"),
        ("sslclient", pki.clients_file, pki.client_certificate_file),
    ):
        for asked in ("sslserver", "sslclient"):
            done = subprocess.run(
                ["openssl", "verify", "-purpose", asked, "-CAfile", trust, file],
                check=False,
                capture_output=True,
            )
            assert (done.returncode == 0) is (asked == purpose)


# Renewed in time


def test_both_are_renewed_when_a_third_of_their_life_is_left(pki: Pki, clock: Clock) -> None:
    pki.ensure()
    before, fingerprints = contents(pki), (pki.request_fingerprint, pki.clients_fingerprint)
    # Two thirds of 397 days from an hour before the start, but for a minute.
    clock.advance(days=397 * 2 / 3, hours=-1, minutes=-1)
    pki.ensure()
    assert contents(pki) == before

    clock.advance(hours=2)
    pki.ensure()
    after = contents(pki)
    assert {name for name in before if before[name] != after[name]} == {
        "pki/clients.pem",
        "pki/server-request.json",
    }
    # The client in use stays until the machine knows the next one.
    assert {name for name in after if name not in before} == {
        f"pki/next/{name}" for name in ("ca.pem", "ca-key.pem", "cert.pem", "key.pem")
    }
    assert pki.request_fingerprint != fingerprints[0]
    assert pki.clients_fingerprint != fingerprints[1]
    certificate = load_certificate(pki.client_certificate_file.read_bytes())
    assert certificate.not_valid_after_utc == clock.now + timedelta(days=397)
    # The authority is far from its end.
    assert after["pki/next/ca.pem"] == before["pki/ca.pem"]

    pki.ensure()
    assert contents(pki) == after
    pki.take_over()
    assert load_certificate((pki.certificates_dir / "cert.pem").read_bytes()) == certificate
    pki.ensure()
    assert not pki.is_prepared


@pytest.mark.parametrize("days", [2434, 4000])
def test_an_authority_with_a_third_left_or_none_is_renewed(
    pki: Pki, clock: Clock, days: int
) -> None:
    pki.ensure()
    before = pki.ca_file.read_bytes()
    clock.advance(days=days)
    pki.ensure()
    assert pki.is_prepared
    assert pki.ca_file.read_bytes() != before
    assert (pki.certificates_dir / "ca.pem").read_bytes() == before
    assert is_signed_by(issued(pki), load_certificate(pki.ca_file.read_bytes()))
    pki.take_over()
    assert (pki.certificates_dir / "ca.pem").read_bytes() != before


# Rotated


@pytest.mark.parametrize(
    ("parts", "changed"),
    [
        ({"client"}, {"pki/clients.pem", "certificates/cert.pem", "certificates/key.pem"}),
        ({"server"}, {"pki/server-request.json"}),
        (
            {"authority"},
            {"pki/ca.pem", "pki/ca-key.pem", "pki/server-request.json", "certificates/ca.pem"},
        ),
        (
            {"client", "server", "authority"},
            {
                *("pki/ca.pem", "pki/ca-key.pem", "pki/server-request.json", "pki/clients.pem"),
                *("certificates/ca.pem", "certificates/cert.pem", "certificates/key.pem"),
            },
        ),
    ],
    ids=["client", "server", "authority", "all"],
)
def test_rotation_replaces_what_it_says_and_nothing_else(
    pki: Pki, parts: set[str], changed: set[str]
) -> None:
    pki.ensure()
    before, fingerprints = contents(pki), (pki.request_fingerprint, pki.clients_fingerprint)
    pki.rotate(**dict.fromkeys(parts, True))
    # What is in use is as it was, and the change shows in the plan.
    used = contents(pki)
    assert {n for n in before if n.startswith("certificates/") and before[n] != used[n]} == set()
    now = pki.request_fingerprint, pki.clients_fingerprint
    assert (now[0] != fingerprints[0]) is ("pki/server-request.json" in changed)
    assert (now[1] != fingerprints[1]) is ("pki/clients.pem" in changed)
    # Any number of syntheses later.
    pki.ensure()
    assert (pki.request_fingerprint, pki.clients_fingerprint) == now
    issued(pki)
    pki.take_over()
    after = contents(pki)
    assert {n for n in before if before[n] != after[n]} == changed
    assert {n for n in after if n not in before} == {f"pki/install/{n}" for n in INSTALLED}
    assert fits(pki)


def test_rotation_twice_before_a_deployment_is_one(pki: Pki) -> None:
    pki.ensure()
    old = (pki.certificates_dir / "cert.pem").read_bytes()
    pki.rotate(authority=True)
    authority = pki.ca_file.read_bytes()
    pki.rotate(client=True)
    assert pki.ca_file.read_bytes() == authority
    assert pki.withdrawn_client == pki.certificates_dir
    assert (pki.certificates_dir / "cert.pem").read_bytes() == old
    assert [f.name for f in pki.pki_dir.iterdir() if "unfinished" in f.name] == []


def test_rotation_makes_what_was_never_made(pki: Pki) -> None:
    pki.rotate(client=True, server=True, authority=True)
    pki.ensure()
    pki.take_over()
    assert fits(pki)


@pytest.mark.parametrize(
    ("lost", "part"),
    [
        ("pki/ca.pem", "authority"),
        ("pki/ca-key.pem", "authority"),
        ("certificates/key.pem", "client"),
        ("certificates/cert.pem", "client"),
    ],
)
def test_rotation_is_the_remedy_for_what_is_lost(
    pki: Pki, tmp_path: Path, lost: str, part: str
) -> None:
    pki.ensure()
    (tmp_path / lost).write_bytes(b"damaged")
    assert f"moor certs rotate {part}" in message(pki.ensure)
    pki.rotate(**{part: True})
    pki.ensure()
    issued(pki)
    pki.take_over()
    pki.ensure()
    assert fits(pki)


def test_only_another_client_is_withdrawn(pki: Pki) -> None:
    pki.ensure()
    assert pki.withdrawn_client is None
    pki.rotate(authority=True)
    assert pki.withdrawn_client is None
    pki.rotate(client=True)
    assert pki.withdrawn_client == pki.certificates_dir


def test_the_engine_refuses_the_one_before_and_takes_the_next(tmp_path: Path) -> None:
    pki = Pki(pki_dir=tmp_path / "pki", certificates_dir=tmp_path / "certificates")
    pki.ensure()
    pki.rotate(client=True, authority=True)
    lines: list[str] = []
    with serving(over_tls(engine(pki))) as server:
        DockerApiProbe(
            host=HOST,
            port=server.port,
            certificates=pki.client_dir,
            withdrawn=pki.withdrawn_client,
            timeout_seconds=0,
        ).run(lines.append)
    assert lines[-1].endswith("the certificate before: refused")


# Of the version before


def version_before(pki: Pki) -> None:
    """Lay out what the version before has left: one authority for both, and the server's key."""
    authority = CertificateAuthority.create("moor certificate authority", clock=pki.clock)
    server = authority.issue_server([ADDRESS])
    client = authority.issue_server(["client"])
    for file, content in (
        (pki.ca_file, authority.certificate_pem),
        (pki.ca_key_file, authority.private_key_pem),
        (pki.former_server_key_file, server.private_key_pem),
        (pki.pki_dir / "server.pem", server.certificate_pem),
        (pki.certificates_dir / "ca.pem", authority.certificate_pem),
        (pki.certificates_dir / "cert.pem", client.certificate_pem),
        (pki.certificates_dir / "key.pem", client.private_key_pem),
        (pki.server_request_file, b'{"version": 1, "public_key_sha256": "00"}'),
    ):
        write_private(file, content)


def test_an_environment_of_the_version_before_is_taken_along(pki: Pki) -> None:
    version_before(pki)
    before = contents(pki)
    pki.ensure()
    used = contents(pki)
    # What its machine knows works until that is replaced.
    assert {n for n in before if before[n] != used[n]} == {"pki/server-request.json"}
    issued(pki)
    pki.take_over()
    assert not pki.former_server_key_file.exists()
    assert not (pki.pki_dir / "server.pem").exists()
    client = load_certificate((pki.certificates_dir / "cert.pem").read_bytes())
    assert is_signed_by(client, client)
    after = snapshot(pki)
    pki.ensure()
    assert snapshot(pki) == after


# Interrupted, or at once


def test_concurrent_calls_make_one_of_each(pki: Pki) -> None:
    fingerprints: list[tuple[str, str]] = []

    def work() -> None:
        pki.ensure()
        issued(pki)
        fingerprints.append((pki.request_fingerprint, pki.clients_fingerprint))

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(fingerprints) == 6
    assert len(set(fingerprints)) == 1
    pki.ensure()


def test_concurrent_processes_make_one_of_each(tmp_path: Path) -> None:
    program = """
import sys
from pathlib import Path
from constructs_lib.identity.pki import Pki
pki = Pki(pki_dir=Path(sys.argv[1]) / "pki", certificates_dir=Path(sys.argv[1]) / "certificates")
pki.ensure()
print(pki.request_fingerprint, pki.clients_fingerprint)
"""
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", program, tmp_path],
            stdout=subprocess.PIPE,
            text=True,
            cwd=PROJECT,
        )
        for _ in range(3)
    ]
    answers = {process.communicate()[0] for process in processes}
    assert [process.returncode for process in processes] == [0, 0, 0]
    assert len(answers) == 1


INTERRUPTED = """
import os, pathlib, signal, sys
from pathlib import Path
from constructs_lib.identity import pki as module
from constructs_lib.identity.pki import Pki
left = int(sys.argv[2])
def dying(act):
    def wrapped(*arguments):
        global left
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        left -= 1
        return act(*arguments)
    return wrapped
module.write_private = dying(module.write_private)
module.write_public = dying(module.write_public)
module.shutil.rmtree = dying(module.shutil.rmtree)
pathlib.Path.rename = dying(pathlib.Path.rename)
pki = Pki(pki_dir=Path(sys.argv[1]) / "pki", certificates_dir=Path(sys.argv[1]) / "certificates")
if sys.argv[3] == "make":
    pki.ensure()
else:
    pki.rotate(client=True, server=True, authority=True)
    pki.take_over()
"""


def interrupted(folder: Path, acts: int, task: str) -> int:
    command = [sys.executable, "-c", INTERRUPTED, str(folder), str(acts), task]
    return subprocess.run(command, check=False, cwd=PROJECT).returncode


@pytest.mark.parametrize("acts", range(7))
def test_a_killed_run_is_completed_by_the_next(tmp_path: Path, acts: int) -> None:
    assert interrupted(tmp_path, acts, "make") == -signal.SIGKILL
    pki = Pki(pki_dir=tmp_path / "pki", certificates_dir=tmp_path / "certificates")
    pki.ensure()
    issued(pki)
    assert fits(pki)
    assert not pki.is_prepared


def test_seven_acts_are_all(tmp_path: Path) -> None:
    """The control of the test above: the eighth never comes."""
    assert interrupted(tmp_path, 7, "make") == 0


@pytest.mark.parametrize("acts", range(14))
def test_a_killed_rotation_leaves_a_client_or_is_completed(tmp_path: Path, acts: int) -> None:
    pki = Pki(pki_dir=tmp_path / "pki", certificates_dir=tmp_path / "certificates")
    pki.ensure()
    old = (pki.certificates_dir / "cert.pem").read_bytes()
    assert interrupted(tmp_path, acts, "rotate") == -signal.SIGKILL
    if not pki.is_prepared:
        assert fits(pki)
    elif (pki.certificates_dir / "cert.pem").read_bytes() == old:
        # Not installed yet, or half taken over: what comes next is whole.
        context = ssl.create_default_context(cafile=pki.client_dir / "ca.pem")
        context.load_cert_chain(pki.client_dir / "cert.pem", pki.client_dir / "key.pem")
    pki.ensure()
    issued(pki)
    pki.take_over()
    assert fits(pki)
    assert sorted(f.name for f in pki.pki_dir.iterdir() if f.is_dir()) in (
        ["install"],
        sorted(["install", *(f.name for f in pki.pki_dir.glob(".unfinished-*"))]),
    )
    pki.rotate(client=True)
    assert list(pki.pki_dir.glob(".unfinished-*")) == []


def test_fourteen_acts_are_all(tmp_path: Path) -> None:
    """The control of the test above."""
    pki = Pki(pki_dir=tmp_path / "pki", certificates_dir=tmp_path / "certificates")
    pki.ensure()
    assert interrupted(tmp_path, 14, "rotate") == 0


def test_a_failure_in_between_leaves_files_that_fit(
    pki: Pki, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    pki.ensure()
    clock.advance(days=380)

    def disk_full(path: Path, _data: bytes) -> None:
        raise OSError(28, "No space left on device", str(path))

    before = contents(pki)
    with monkeypatch.context() as patch:
        patch.setattr(pki_module, "write_private", disk_full)
        text = message(pki.ensure)
        assert text.endswith(
            "ca.pem: must be readable and writable, "
            "got no space left on device; see to its owner and mode"
        )
    assert contents(pki) == before
    pki.ensure()


# Inconsistent, damaged, foreign


def foreign_to(pki: Pki) -> CertificateAuthority:
    """Another authority with the same name."""
    return CertificateAuthority.create("moor certificate authority", clock=pki.clock)


def test_fails_when_the_authoritys_key_is_lost(pki: Pki) -> None:
    pki.ensure()
    pki.ca_key_file.unlink()
    before = snapshot(pki)
    expected = f"{pki.ca_key_file}: must exist, got no such file; {NEW_AUTHORITY}"
    assert message(pki.ensure) == expected
    assert message(lambda: issued(pki)) == expected
    assert snapshot(pki) == before


@pytest.mark.parametrize("with_key", [True, False])
def test_fails_when_the_authoritys_certificate_is_lost(pki: Pki, *, with_key: bool) -> None:
    pki.ensure()
    pki.ca_file.unlink()
    if not with_key:
        pki.ca_key_file.unlink()
    before = snapshot(pki)
    assert message(pki.ensure) == (f"{pki.ca_file}: must exist, got no such file; {NEW_AUTHORITY}")
    assert snapshot(pki) == before


def test_fails_when_the_folder_of_the_authority_is_lost(pki: Pki) -> None:
    pki.ensure()
    shutil.rmtree(pki.pki_dir)
    assert message(pki.ensure) == (f"{pki.ca_file}: must exist, got no such file; {NEW_AUTHORITY}")
    assert not pki.ca_key_file.exists()


def test_fails_when_the_authoritys_key_is_another_ones(pki: Pki) -> None:
    pki.ensure()
    write_private(pki.ca_key_file, foreign_to(pki).private_key_pem)
    assert message(pki.ensure) == (
        f"{pki.ca_key_file}: private key: must belong to the certificate, got another key; "
        f"{NEW_AUTHORITY}"
    )


def test_fails_when_the_authoritys_certificate_is_an_end_certificate(pki: Pki) -> None:
    pki.ensure()
    pki.ca_file.write_bytes(pki.client_certificate_file.read_bytes())
    pki.ca_key_file.write_bytes(pki.client_key_file.read_bytes())
    assert message(pki.ensure) == (
        f"{pki.ca_file}: certificate: must be a certificate authority's, got an end certificate; "
        f"{NEW_AUTHORITY}"
    )


def test_fails_when_the_clock_is_far_behind(pki: Pki, clock: Clock) -> None:
    pki.ensure()
    clock.advance(days=-400)
    assert message(pki.ensure) == (
        f"{pki.ca_file}: certificate: must be valid now (2024-12-27), got valid from 2026-01-31; "
        "set this computer's clock"
    )


def test_the_clients_copy_of_the_authority_is_made_anew(pki: Pki) -> None:
    pki.ensure()
    copy = pki.certificates_dir / "ca.pem"
    copy.write_bytes(foreign_to(pki).certificate_pem)
    pki.ensure()
    assert copy.read_bytes() == pki.ca_file.read_bytes()


def test_fails_when_the_clients_key_does_not_match(pki: Pki) -> None:
    pki.ensure()
    write_private(pki.client_key_file, foreign_to(pki).private_key_pem)
    assert message(pki.ensure) == (
        f"{pki.client_certificate_file}: certificate: must belong to the private key beside it, "
        f"got another key's; {NEW_CLIENT}"
    )


def test_fails_when_the_clients_key_is_lost(pki: Pki) -> None:
    pki.ensure()
    pki.client_key_file.unlink()
    assert message(pki.ensure) == (
        f"{pki.client_key_file}: must exist, got no such file; {NEW_CLIENT}"
    )


def test_a_request_of_another_authority_is_made_anew(pki: Pki, tmp_path: Path) -> None:
    pki.ensure()
    other = Pki(pki_dir=tmp_path / "b", certificates_dir=tmp_path / "c", clock=pki.clock)
    other.ensure()
    pki.server_request_file.write_bytes(other.server_request_file.read_bytes())
    assert message(lambda: issued(pki)).startswith(
        f"{pki.server_request_file}: must be of {pki.ca_file} and end later than now, got one of "
        "another authority"
    )
    pki.ensure()
    assert issued(pki)


DAMAGE = {"empty": b"", "text": b"SECRET", "cut": b"-----BEGIN CERTIFICATE-----\nSECRET"}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
@pytest.mark.parametrize(
    "name",
    ["pki/ca.pem", "pki/ca-key.pem", "pki/server-request.json", "pki/people/alice.pem",
     "certificates/cert.pem", "certificates/key.pem"],
)  # fmt: skip
def test_fails_when_a_file_is_damaged(pki: Pki, tmp_path: Path, name: str, damage: bytes) -> None:
    pki.ensure()
    write_private(tmp_path / name, damage)
    before = contents(pki)
    text = message(pki.ensure)
    assert text.startswith(f"{tmp_path / name}: ")
    assert "run: moor " in text
    assert "SECRET" not in text
    assert contents(pki) == before


def test_fails_when_the_request_was_edited(pki: Pki) -> None:
    pki.ensure()
    data = json.loads(pki.server_request_file.read_text())
    data["not_after"] = "2099-01-01T00:00:00+00:00"
    data["extra"] = True
    pki.server_request_file.write_text(json.dumps(data))
    assert message(pki.ensure) == (
        f"{pki.server_request_file}: content: must be a server request as it was written, "
        f"got an edited one; {NEW_SERVER}"
    )


@pytest.mark.parametrize("name", ["pki/ca-key.pem", "certificates/key.pem"])
def test_fails_when_a_key_may_be_read_by_others(pki: Pki, tmp_path: Path, name: str) -> None:
    pki.ensure()
    (tmp_path / name).chmod(0o644)
    assert message(pki.ensure) == (
        f"{tmp_path / name}: mode: must give no rights to group and others, got 0644; "
        f"chmod 600 {tmp_path / name}"
    )


def test_fails_when_a_folder_stands_in_a_files_place(pki: Pki) -> None:
    pki.ensure()
    pki.client_certificate_file.unlink()
    pki.client_certificate_file.mkdir()
    assert message(pki.ensure) == (
        f"{pki.client_certificate_file}: must be a readable file, got is a directory; "
        "see to its owner and mode"
    )


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_fails_when_the_folder_may_not_be_written(pki: Pki, tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    try:
        assert "got permission denied" in message(pki.ensure)
    finally:
        tmp_path.chmod(0o700)


# Issuing


def test_issue_fails_when_nothing_was_made(pki: Pki) -> None:
    assert message(lambda: issued(pki)) == (
        f"{pki.server_request_file}: must exist, got no such file; synthesise first, which makes it"
    )
    assert not pki.pki_dir.exists()


def test_issue_fails_when_the_request_has_expired(pki: Pki, clock: Clock) -> None:
    pki.ensure()
    clock.advance(days=397)
    assert message(lambda: issued(pki)) == (
        f"{pki.server_request_file}: must be of {pki.ca_file} and end later than now, got one of "
        "another authority or until 2027-03-04; synthesise again, which renews it"
    )


def test_issue_fails_when_the_address_is_none(pki: Pki) -> None:
    pki.ensure()
    with pytest.raises(ValueError, match="certificate name: must be an IP address or a DNS name"):
        issued(pki, "${aws_eip.ip}")


# Read-only


def test_read_only_needs_public_files_only(pki: Pki, clock: Clock, tmp_path: Path) -> None:
    pki.ensure()
    public = tmp_path / "public"
    public.mkdir()
    for file in (pki.ca_file, pki.server_request_file, pki.clients_file):
        shutil.copy(file, public)
    fixed = Pki(pki_dir=public, certificates_dir=tmp_path / "none", clock=pki.clock, read_only=True)
    fixed.ensure()
    assert fixed.request_fingerprint == pki.request_fingerprint
    assert fixed.clients_fingerprint == pki.clients_fingerprint
    assert len(list(public.iterdir())) == 3
    clock.advance(days=300)
    assert message(fixed.ensure) == (
        f"{public}/server-request.json: must be of ca.pem and have a third of its life left, got "
        "another or one until 2027-03-04 in a read-only PKI; renew it where it may be written"
    )


# A service of our own


def test_a_service_gets_a_certificate_of_the_authority_for_its_name(pki: Pki) -> None:
    pki.ensure()
    folder = pki.ensure_service_certificate("moor-registry")
    assert folder == pki.pki_dir / "services" / "moor-registry"
    certificate = load_certificate((folder / "cert.pem").read_bytes())
    authority = load_certificate(pki.ca_file.read_bytes())
    assert is_signed_by(certificate, authority)
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["moor-registry"]
    assert stat.S_IMODE((folder / "key.pem").stat().st_mode) == 0o600


def test_a_services_certificate_stays_until_a_third_of_its_life_is_left(
    pki: Pki, clock: Clock
) -> None:
    pki.ensure()
    folder = pki.ensure_service_certificate("moor-registry")
    before = (folder / "cert.pem").read_bytes()
    clock.advance(days=260)
    pki.ensure_service_certificate("moor-registry")
    assert (folder / "cert.pem").read_bytes() == before
    clock.advance(days=10)
    pki.ensure_service_certificate("moor-registry")
    assert (folder / "cert.pem").read_bytes() != before


def test_a_services_certificate_is_made_anew_for_another_authority_and_another_key(
    pki: Pki,
) -> None:
    pki.ensure()
    folder = pki.ensure_service_certificate("moor-registry")
    first = (folder / "cert.pem").read_bytes()
    pki.rotate(authority=True)
    pki.ensure_service_certificate("moor-registry")
    second = (folder / "cert.pem").read_bytes()
    assert second != first
    # As if a run had ended between the two files.
    write_private(folder / "key.pem", private_key_pem(ec.generate_private_key(ec.SECP256R1())))
    pki.ensure_service_certificate("moor-registry")
    assert (folder / "cert.pem").read_bytes() not in (first, second)
