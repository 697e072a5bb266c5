"""The machine's request: fetched from that machine alone, and answered with a certificate."""

from __future__ import annotations

import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from ssh_server import HOST, SSHD, SshServer, sshd
from synthesis import ROOT

from constructs_lib.host.host_key import Machine, learn
from constructs_lib.host.server_certificate import main
from constructs_lib.identity.pem import load_certificate
from constructs_lib.identity.pki import Pki
from constructs_lib.identity.pki_files import INSTALLED

if TYPE_CHECKING:
    from pathlib import Path

ID = "i-0123456789abcdef0"
SSH = '#!/bin/bash\nprintf \'%s\\n\' "$@" >>"${0%/*}/words"\n'

needs_sshd = pytest.mark.skipif(SSHD is None, reason="needs sshd")


@pytest.fixture
def pki(tmp_path: Path) -> Pki:
    made = Pki(pki_dir=tmp_path / "pki", certificates_dir=tmp_path / "certificates")
    made.ensure()
    return made


@pytest.fixture
def key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def request_of(key: ec.EllipticCurvePrivateKey) -> bytes:
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def arguments(pki: Pki, folder: Path, *, port: int = 22, user: str = "core") -> list[str]:
    return [
        *("--pki", str(pki.pki_dir), "--certificates", str(pki.certificates_dir)),
        *("--machine", ID, "--address", HOST, "--user", user, "--port", str(port)),
        *("--key", str(folder / "client"), "--hosts", str(folder / "hosts")),
    ]


def ssh_that(folder: Path, monkeypatch: pytest.MonkeyPatch, rest: str) -> Path:
    """Put a stand-in for `ssh` on the PATH; returns the file with its words."""
    tools = folder / "tools"
    tools.mkdir()
    (tools / "ssh").write_text(SSH + rest)
    (tools / "ssh").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}:/usr/bin:/bin")
    return tools / "words"


def test_the_machines_own_key_gets_the_certificate(
    tmp_path: Path,
    pki: Pki,
    key: ec.EllipticCurvePrivateKey,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "request").write_bytes(request_of(key))
    words = ssh_that(tmp_path, monkeypatch, f"cat {tmp_path}/request\n")
    assert main(arguments(pki, tmp_path)) == 0
    certificate = load_certificate((pki.install_dir / "server.pem").read_bytes())
    assert certificate.public_key() == key.public_key()
    end = certificate.not_valid_after_utc
    assert capsys.readouterr().out == f"server certificate for {HOST}: valid until {end:%F}\n"
    said = words.read_text().splitlines()
    for option in ("StrictHostKeyChecking=yes", f"HostKeyAlias={ID}", "BatchMode=yes"):
        assert option in said
    assert said[-1] == "cat /run/moor/server.csr"


def test_each_of_several_machines_has_a_folder_of_its_own(
    tmp_path: Path, pki: Pki, monkeypatch: pytest.MonkeyPatch
) -> None:
    ssh_that(tmp_path, monkeypatch, f"cat {tmp_path}/request\n")
    keys = {name: ec.generate_private_key(ec.SECP256R1()) for name in ("manager-1", "web-1")}
    for name, own in keys.items():
        (tmp_path / "request").write_bytes(request_of(own))
        assert main([*arguments(pki, tmp_path), "--node", name]) == 0
    for name, own in keys.items():
        folder = pki.install_dir / name
        certificate = load_certificate((folder / "server.pem").read_bytes())
        assert certificate.public_key() == own.public_key()
        assert sorted(file.name for file in folder.iterdir()) == sorted(INSTALLED)
    assert sorted(file.name for file in pki.install_dir.iterdir()) == sorted(keys)


@pytest.mark.parametrize(
    ("rest", "problem"),
    [
        (
            "echo refused >&2; exit 255\n",
            f"machine {ID} at {HOST}: must be reached over SSH, got: refused\n",
        ),
        ("exit 1\n", "`cat /run/moor/server.csr` must succeed, got status 1\n"),
        ("head -c 20000 /dev/zero\n", "certificate request: must be short, got 20000 bytes\n"),
        ("echo nonsense\n", "certificate request: must be one request in PEM, got something"),
    ],
    ids=["refused", "silent", "endless", "nonsense"],
)
def test_what_is_no_request_is_an_error_and_nothing_is_issued(
    pki: Pki,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    rest: str,
    problem: str,
) -> None:
    folder = pki.pki_dir.parent
    ssh_that(folder, monkeypatch, rest)
    assert main(arguments(pki, folder)) == 1
    assert problem in capsys.readouterr().err
    assert not pki.install_dir.exists()


# Real servers


def fetched(server: SshServer, pki: Pki, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [
            *(sys.executable, "-m", "constructs_lib.host.server_certificate"),
            *arguments(pki, folder, port=server.port, user=server.user),
        ],
        check=False,
        capture_output=True,
        text=True,
        cwd=ROOT,
    )


@needs_sshd
def test_somebody_in_between_is_issued_nothing(tmp_path: Path, pki: Pki) -> None:
    with sshd(tmp_path / "machine") as real:
        machine = Machine(id=ID, address=HOST, port=real.port, hosts=tmp_path / "hosts")
        learn(machine, console=lambda: real.console)
        shutil.copy(real.client_key, tmp_path / "client")
        asked = fetched(real, pki, tmp_path)
        assert asked.returncode == 1
        # It is let in, and there is no request on this computer.
        assert "cat: /run/moor/server.csr: No such file or directory" in asked.stderr
        port = real.port
    with sshd(tmp_path / "other", port=port) as other:
        shutil.copy(other.client_key, tmp_path / "client")
        asked = fetched(other, pki, tmp_path)
        assert asked.returncode == 1
        assert "Host key verification failed" in asked.stderr
        assert "Accepted publickey" not in other.log.read_text()
    assert not pki.install_dir.exists()
