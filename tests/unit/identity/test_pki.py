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
from tls_server import HOST, over_tls, serving

from constructs_lib.files.private_file import write_private
from constructs_lib.host.docker_api_probe import DockerApiProbe
from constructs_lib.identity import pki as pki_module
from constructs_lib.identity.certificate_authority import CertificateAuthority, is_signed_by
from constructs_lib.identity.pem import load_certificate
from constructs_lib.identity.pki import Pki
from constructs_lib.identity.pki_files import PkiError

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
        f"{folder.name}/{file.name}": (file.read_bytes(), file.stat().st_mtime_ns)
        for folder in (pki.pki_dir, pki.certificates_dir)
        for file in folder.iterdir()
        if file.name != ".lock"
    }


def message(call: Callable[[], object]) -> str:
    with pytest.raises(PkiError) as error:
        call()
    return str(error.value)


def start_over(pki: Pki) -> str:
    return (
        f"restore it from a backup, or remove {pki.pki_dir} and {pki.certificates_dir} "
        "for a new authority, which replaces the machine"
    )


def new_server(pki: Pki) -> str:
    return f"remove {pki.server_key_file}, server-request.json and server.pem for new ones"


# Made once


def test_the_files_and_their_modes(pki: Pki) -> None:
    pki.ensure()
    pki.issue_server_certificate(ADDRESS)
    modes = {
        f"{folder.name}/{file.name}": stat.S_IMODE(file.stat().st_mode)
        for folder in (pki.pki_dir, pki.certificates_dir)
        for file in folder.iterdir()
    }
    assert modes == {
        "pki/.lock": 0o600,
        "pki/ca.pem": 0o644,
        "pki/ca-key.pem": 0o600,
        "pki/server-key.pem": 0o600,
        "pki/server-request.json": 0o644,
        "pki/server.pem": 0o644,
        "certificates/ca.pem": 0o644,
        "certificates/cert.pem": 0o644,
        "certificates/key.pem": 0o600,
    }
    assert stat.S_IMODE(pki.pki_dir.stat().st_mode) == 0o700
    assert stat.S_IMODE(pki.certificates_dir.stat().st_mode) == 0o700


def test_again_changes_nothing(pki: Pki, clock: Clock) -> None:
    pki.ensure()
    pki.issue_server_certificate(ADDRESS)
    before, fingerprint = snapshot(pki), pki.request_fingerprint
    clock.advance(days=300)
    pki.ensure()
    pki.issue_server_certificate(ADDRESS)
    assert snapshot(pki) == before
    assert pki.request_fingerprint == fingerprint


def test_the_fingerprint_is_known_before_the_address(pki: Pki) -> None:
    pki.ensure()
    fingerprint = pki.request_fingerprint
    assert len(fingerprint) == 64
    assert int(fingerprint, 16) >= 0
    pki.issue_server_certificate(ADDRESS)
    assert pki.request_fingerprint == fingerprint


def test_the_server_certificate_is_what_the_request_says(pki: Pki, clock: Clock) -> None:
    pki.ensure()
    clock.advance(days=3)
    file = pki.issue_server_certificate(ADDRESS)
    assert file == pki.server_certificate_file
    certificate = load_certificate(file.read_bytes())
    request = json.loads(pki.server_request_file.read_text())
    assert certificate.not_valid_before_utc.isoformat() == request["not_before"]
    assert certificate.not_valid_after_utc.isoformat() == request["not_after"]
    # As of the request, three days before the issue.
    assert certificate.not_valid_before_utc == START - timedelta(hours=1)
    assert certificate.not_valid_after_utc == START - timedelta(hours=1) + timedelta(days=397)
    assert is_signed_by(certificate, load_certificate(pki.ca_file.read_bytes()))
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert [str(name.value) for name in names] == [ADDRESS, "localhost", "127.0.0.1"]


def test_another_address_gets_another_certificate(pki: Pki) -> None:
    pki.ensure()
    first = pki.issue_server_certificate(ADDRESS).read_bytes()
    fingerprint = pki.request_fingerprint
    second = pki.issue_server_certificate("203.0.113.8").read_bytes()
    assert first != second
    assert pki.request_fingerprint == fingerprint


def test_an_address_among_the_fixed_names_comes_once(pki: Pki) -> None:
    pki.ensure()
    certificate = load_certificate(pki.issue_server_certificate("127.0.0.1").read_bytes())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert [str(name.value) for name in names] == ["127.0.0.1", "localhost"]


def test_two_environments_share_nothing(pki: Pki, tmp_path: Path) -> None:
    other = Pki(pki_dir=tmp_path / "b", certificates_dir=tmp_path / "c", clock=pki.clock)
    pki.ensure()
    other.ensure()
    assert pki.ca_certificate != other.ca_certificate
    assert pki.request_fingerprint != other.request_fingerprint


def test_a_real_handshake_with_the_files(tmp_path: Path) -> None:
    pki = Pki(pki_dir=tmp_path / "pki", certificates_dir=tmp_path / "certificates")
    pki.ensure()
    pki.issue_server_certificate(HOST)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pki.server_certificate_file, pki.server_key_file)
    context.load_verify_locations(pki.ca_file)
    context.verify_mode = ssl.CERT_REQUIRED
    lines: list[str] = []
    with serving(over_tls(context)) as server:
        DockerApiProbe(
            host=HOST, port=server.port, certificates=pki.certificates_dir, timeout_seconds=0
        ).run(lines.append)
    assert len(lines) == 4


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl")
def test_openssl_accepts_the_certificates(tmp_path: Path) -> None:
    pki = Pki(pki_dir=tmp_path / "pki", certificates_dir=tmp_path / "certificates")
    pki.ensure()
    pki.issue_server_certificate(ADDRESS)
    for purpose, file in (
        ("sslserver", pki.server_certificate_file),
        ("sslclient", pki.client_certificate_file),
    ):
        for wrong in (False, True):
            asked = (
                {"sslserver": "sslclient", "sslclient": "sslserver"}[purpose] if wrong else purpose
            )
            done = subprocess.run(
                [
                    "openssl",
                    "verify",
                    "-x509_strict",
                    "-purpose",
                    asked,
                    "-CAfile",
                    pki.ca_file,
                    file,
                ],
                check=False,
                capture_output=True,
            )
            assert (done.returncode == 0) is not wrong


# Renewed in time


def test_both_are_renewed_when_under_30_days_are_left(pki: Pki, clock: Clock) -> None:
    pki.ensure()
    pki.issue_server_certificate(ADDRESS)
    before, fingerprint = snapshot(pki), pki.request_fingerprint
    # 397 days from an hour before the start; 30 days and a minute are left.
    clock.advance(days=367, hours=-1, minutes=-1)
    pki.ensure()
    assert snapshot(pki) == before

    clock.advance(minutes=2)
    pki.ensure()
    changed = {name for name, value in snapshot(pki).items() if before[name] != value}
    assert changed == {"certificates/cert.pem", "pki/server-request.json"}
    assert pki.request_fingerprint != fingerprint
    renewed = pki.request_fingerprint
    certificate = load_certificate(pki.client_certificate_file.read_bytes())
    assert certificate.not_valid_after_utc == clock.now - timedelta(hours=1) + timedelta(days=397)

    pki.ensure()
    assert pki.request_fingerprint == renewed
    pki.issue_server_certificate(ADDRESS)
    assert snapshot(pki)["pki/server.pem"] != before["pki/server.pem"]


def test_nothing_is_renewed_beyond_the_authoritys_end(pki: Pki, clock: Clock) -> None:
    pki.ensure()
    clock.advance(days=3640)
    pki.ensure()
    before = snapshot(pki)
    clock.advance(days=5)
    pki.ensure()
    assert snapshot(pki) == before
    end = load_certificate(pki.ca_file.read_bytes()).not_valid_after_utc
    assert load_certificate(pki.client_certificate_file.read_bytes()).not_valid_after_utc == end


# Interrupted, or at once


def test_concurrent_calls_make_one_of_each(pki: Pki) -> None:
    fingerprints: list[str] = []

    def work() -> None:
        pki.ensure()
        pki.issue_server_certificate(ADDRESS)
        fingerprints.append(pki.request_fingerprint)

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
print(pki.request_fingerprint)
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
import os, signal, sys
from pathlib import Path
from constructs_lib.identity import pki as module
from constructs_lib.identity.pki import Pki
left = int(sys.argv[2])
def dying(write):
    def wrapped(path, data):
        global left
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        left -= 1
        write(path, data)
    return wrapped
module.write_private = dying(module.write_private)
module.write_public = dying(module.write_public)
pki = Pki(pki_dir=Path(sys.argv[1]) / "pki", certificates_dir=Path(sys.argv[1]) / "certificates")
pki.ensure()
pki.issue_server_certificate("203.0.113.7")
"""


@pytest.mark.parametrize("writes", range(8))
def test_a_killed_run_is_completed_by_the_next(tmp_path: Path, writes: int) -> None:
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED, tmp_path, str(writes)], check=False, cwd=PROJECT
    )
    assert done.returncode == -signal.SIGKILL
    pki = Pki(pki_dir=tmp_path / "pki", certificates_dir=tmp_path / "certificates")
    kept = {p: p.read_bytes() for p in tmp_path.glob("*/*.*") if p.suffix in (".pem", ".json")}
    assert len(kept) == writes
    pki.ensure()
    pki.issue_server_certificate(ADDRESS)
    assert {p: p.read_bytes() for p in kept} == kept


def test_eight_writes_are_all(tmp_path: Path) -> None:
    """The control of the test above: the ninth write never comes."""
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED, tmp_path, "8"], check=False, cwd=PROJECT
    )
    assert done.returncode == 0


def test_a_failure_in_between_leaves_files_that_fit(
    pki: Pki, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    pki.ensure()
    clock.advance(days=380)

    def disk_full(path: Path, _data: bytes) -> None:
        raise OSError(28, "No space left on device", str(path))

    before = snapshot(pki)
    with monkeypatch.context() as patch:
        patch.setattr(pki_module, "write_public", disk_full)
        assert message(pki.ensure) == (
            f"{pki.client_certificate_file}: must be readable and writable, "
            "got no space left on device; see to its owner and mode"
        )
    assert snapshot(pki) == before
    pki.ensure()


# Inconsistent, damaged, foreign


def foreign_to(pki: Pki) -> CertificateAuthority:
    """Another authority with the same name."""
    return CertificateAuthority.create("moor certificate authority", clock=pki.clock)


def test_fails_when_the_authoritys_key_is_lost(pki: Pki) -> None:
    pki.ensure()
    pki.ca_key_file.unlink()
    before = snapshot(pki)
    expected = f"{pki.ca_key_file}: must exist, got no such file; {start_over(pki)}"
    assert message(pki.ensure) == expected
    assert message(lambda: pki.issue_server_certificate(ADDRESS)) == expected
    assert snapshot(pki) == before


@pytest.mark.parametrize("with_key", [True, False])
def test_fails_when_the_authoritys_certificate_is_lost(pki: Pki, *, with_key: bool) -> None:
    pki.ensure()
    pki.ca_file.unlink()
    if not with_key:
        pki.ca_key_file.unlink()
    before = snapshot(pki)
    assert message(pki.ensure) == (
        f"{pki.ca_file}: certificate: must exist beside {pki.server_request_file}, "
        f"got no such file; {start_over(pki)}"
    )
    assert snapshot(pki) == before


def test_fails_when_the_folder_of_the_authority_is_lost(pki: Pki) -> None:
    pki.ensure()
    shutil.rmtree(pki.pki_dir)
    assert message(pki.ensure) == (
        f"{pki.ca_file}: certificate: must exist beside {pki.client_ca_file}, "
        f"got no such file; {start_over(pki)}"
    )
    assert not pki.ca_key_file.exists()


def test_fails_when_the_authoritys_key_is_another_ones(pki: Pki) -> None:
    pki.ensure()
    write_private(pki.ca_key_file, foreign_to(pki).private_key_pem)
    assert message(pki.ensure) == (
        f"{pki.ca_key_file}: private key: must belong to the certificate, got another key; "
        f"{start_over(pki)}"
    )


def test_fails_when_the_authoritys_certificate_is_an_end_certificate(pki: Pki) -> None:
    pki.ensure()
    pki.ca_file.write_bytes(pki.client_certificate_file.read_bytes())
    pki.ca_key_file.write_bytes(pki.client_key_file.read_bytes())
    assert message(pki.ensure) == (
        f"{pki.ca_file}: certificate: must be a certificate authority's, got an end certificate; "
        f"{start_over(pki)}"
    )


def test_fails_when_the_authority_has_expired(pki: Pki, clock: Clock) -> None:
    pki.ensure()
    clock.advance(days=3650)
    before = snapshot(pki)
    expected = (
        f"{pki.ca_file}: certificate: must be valid now, got expired on 2036-01-29; remove "
        f"{pki.pki_dir} and {pki.certificates_dir} for a new authority, which replaces the machine"
    )
    assert message(pki.ensure) == expected
    assert message(lambda: pki.issue_server_certificate(ADDRESS)) == expected
    assert snapshot(pki) == before


def test_fails_when_the_clock_is_far_behind(pki: Pki, clock: Clock) -> None:
    pki.ensure()
    clock.advance(days=-400)
    assert message(pki.ensure) == (
        f"{pki.ca_file}: certificate: must be valid now (2024-12-27), got valid from 2026-01-31; "
        "set this computer's clock"
    )


def test_fails_when_the_clients_copy_of_the_authority_is_another(pki: Pki) -> None:
    pki.ensure()
    pki.client_ca_file.write_bytes(foreign_to(pki).certificate_pem)
    assert message(pki.ensure) == (
        f"{pki.client_ca_file}: certificate: must be the one in {pki.ca_file}, got another; "
        f"remove {pki.client_ca_file}, it is then copied anew"
    )
    pki.client_ca_file.unlink()
    pki.ensure()
    assert pki.client_ca_file.read_bytes() == pki.ca_file.read_bytes()


def test_fails_when_the_clients_certificate_is_foreign(pki: Pki) -> None:
    pki.ensure()
    issued = foreign_to(pki).issue_client("moor client")
    pki.client_certificate_file.write_bytes(issued.certificate_pem)
    write_private(pki.client_key_file, issued.private_key_pem)
    remedy = f"remove {pki.client_certificate_file} and {pki.client_key_file} for new ones"
    assert message(pki.ensure) == (
        f"{pki.client_certificate_file}: certificate: must be signed by {pki.ca_file}, "
        f"got one of another authority; {remedy}"
    )
    # The remedy works, and the authority stays.
    authority = pki.ca_certificate
    pki.client_certificate_file.unlink()
    pki.client_key_file.unlink()
    pki.ensure()
    assert pki.ca_certificate == authority


def test_fails_when_the_clients_key_does_not_match(pki: Pki) -> None:
    pki.ensure()
    write_private(pki.client_key_file, foreign_to(pki).private_key_pem)
    remedy = f"remove {pki.client_certificate_file} and {pki.client_key_file} for new ones"
    assert message(pki.ensure) == (
        f"{pki.client_certificate_file}: certificate: must belong to the private key beside it, "
        f"got another key's; {remedy}"
    )


def test_fails_when_the_clients_key_is_lost(pki: Pki) -> None:
    pki.ensure()
    pki.client_key_file.unlink()
    remedy = f"remove {pki.client_certificate_file} and {pki.client_key_file} for new ones"
    assert message(pki.ensure) == (f"{pki.client_key_file}: must exist, got no such file; {remedy}")


def test_fails_when_the_servers_key_is_lost(pki: Pki) -> None:
    pki.ensure()
    pki.server_key_file.unlink()
    assert message(pki.ensure) == (
        f"{pki.server_key_file}: must exist, got no such file; {new_server(pki)}"
    )


def test_fails_when_the_servers_key_is_another(pki: Pki) -> None:
    pki.ensure()
    fingerprint = pki.request_fingerprint
    write_private(pki.server_key_file, foreign_to(pki).private_key_pem)
    expected = (
        f"{pki.server_key_file}: private key: must be the one of server-request.json, "
        f"got another; {new_server(pki)}"
    )
    assert message(pki.ensure) == expected
    assert message(lambda: pki.issue_server_certificate(ADDRESS)) == expected
    # The remedy works, and asks for the provisioning to run again.
    pki.server_key_file.unlink()
    pki.server_request_file.unlink()
    pki.ensure()
    assert pki.request_fingerprint != fingerprint


def test_fails_when_the_request_is_for_another_authority(pki: Pki, tmp_path: Path) -> None:
    pki.ensure()
    other = Pki(pki_dir=tmp_path / "b", certificates_dir=tmp_path / "c", clock=pki.clock)
    other.ensure()
    pki.server_request_file.write_bytes(other.server_request_file.read_bytes())
    assert message(pki.ensure) == (
        f"{pki.server_request_file}: authority_sha256: must be that of ca.pem, got another; "
        f"{new_server(pki)}"
    )


def test_fails_when_the_issued_certificate_is_foreign(pki: Pki) -> None:
    pki.ensure()
    pki.server_certificate_file.write_bytes(foreign_to(pki).issue_server([ADDRESS]).certificate_pem)
    expected = (
        f"{pki.server_certificate_file}: certificate: must be signed by {pki.ca_file}, "
        f"got one of another authority; remove {pki.server_certificate_file}, "
        "the next deployment issues it anew"
    )
    assert message(pki.ensure) == expected
    assert message(lambda: pki.issue_server_certificate(ADDRESS)) == expected


DAMAGE = {"empty": b"", "text": b"SECRET", "cut": b"-----BEGIN CERTIFICATE-----\nSECRET"}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
@pytest.mark.parametrize(
    "name",
    ["pki/ca.pem", "pki/ca-key.pem", "pki/server-key.pem", "pki/server-request.json",
     "pki/server.pem", "certificates/ca.pem", "certificates/cert.pem", "certificates/key.pem"],
)  # fmt: skip
def test_fails_when_a_file_is_damaged(pki: Pki, tmp_path: Path, name: str, damage: bytes) -> None:
    pki.ensure()
    pki.issue_server_certificate(ADDRESS)
    (tmp_path / name).write_bytes(damage)
    before = snapshot(pki)
    text = message(pki.ensure)
    assert text.startswith(f"{tmp_path / name}: ")
    assert "; re" in text
    assert "SECRET" not in text
    assert snapshot(pki) == before


def test_fails_when_the_request_was_edited(pki: Pki) -> None:
    pki.ensure()
    data = json.loads(pki.server_request_file.read_text())
    data["not_after"] = "2099-01-01T00:00:00+00:00"
    data["extra"] = True
    pki.server_request_file.write_text(json.dumps(data))
    assert message(pki.ensure) == (
        f"{pki.server_request_file}: content: must be a server request as it was written, "
        f"got an edited one; {new_server(pki)}"
    )


@pytest.mark.parametrize("name", ["pki/ca-key.pem", "pki/server-key.pem", "certificates/key.pem"])
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
    assert message(lambda: pki.issue_server_certificate(ADDRESS)) == (
        f"{pki.server_request_file}: must exist, got no such file; synthesise first, which makes it"
    )
    assert not pki.pki_dir.exists()


def test_issue_fails_when_the_request_has_expired(pki: Pki, clock: Clock) -> None:
    pki.ensure()
    clock.advance(days=397)
    assert message(lambda: pki.issue_server_certificate(ADDRESS)) == (
        f"{pki.server_request_file}: not_after: must lie ahead, got 2027-03-04; "
        "synthesise again, which renews it"
    )


# Read-only


def test_read_only_needs_public_files_only(pki: Pki, tmp_path: Path) -> None:
    pki.ensure()
    public = tmp_path / "public"
    public.mkdir()
    for file in (pki.ca_file, pki.server_request_file):
        shutil.copy(file, public)
    fixed = Pki(pki_dir=public, certificates_dir=tmp_path / "none", clock=pki.clock, read_only=True)
    fixed.ensure()
    assert fixed.ca_certificate == pki.ca_certificate
    assert fixed.request_fingerprint == pki.request_fingerprint
    assert sorted(p.name for p in public.iterdir()) == ["ca.pem", "server-request.json"]
    assert not fixed.certificates_dir.exists()


def test_read_only_makes_nothing(tmp_path: Path, clock: Clock) -> None:
    fixed = Pki(
        pki_dir=tmp_path / "a", certificates_dir=tmp_path / "b", clock=clock, read_only=True
    )
    assert message(fixed.ensure).startswith(f"{fixed.ca_file}: must exist, got no such file; ")
    assert list(tmp_path.iterdir()) == []


def test_read_only_renews_nothing(pki: Pki, clock: Clock) -> None:
    pki.ensure()
    fixed = Pki(
        pki_dir=pki.pki_dir, certificates_dir=pki.certificates_dir, clock=clock, read_only=True
    )
    clock.advance(days=380)
    before = snapshot(pki)
    assert message(fixed.ensure) == (
        f"{pki.server_request_file}: not_after: must be 30 days ahead, "
        "got 2027-03-04 in a read-only PKI; renew it where it may be written"
    )
    assert message(lambda: fixed.issue_server_certificate(ADDRESS)) == (
        f"{pki.server_certificate_file}: must be issued in a PKI that may be written, "
        "got a read-only one"
    )
    assert snapshot(pki) == before


def test_no_secret_shows(pki: Pki) -> None:
    pki.ensure()
    assert "PRIVATE" not in repr(pki)
    keys = (pki.ca_key_file, pki.server_key_file, pki.client_key_file)
    for public in (pki.ca_file, pki.server_request_file, pki.client_certificate_file):
        assert b"PRIVATE" not in public.read_bytes()
    assert len({key.read_bytes() for key in keys}) == 3
