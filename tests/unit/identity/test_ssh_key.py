"""The environment's SSH key, and the check of a user's own."""

from __future__ import annotations

import shutil
import stat
import subprocess
import threading
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa

from constructs_lib.files.private_file import write_private
from constructs_lib.identity.ssh_key import check_private_key_file, ensure_key_pair

if TYPE_CHECKING:
    from pathlib import Path

    Key = (
        rsa.RSAPrivateKey
        | ec.EllipticCurvePrivateKey
        | ed25519.Ed25519PrivateKey
        | dsa.DSAPrivateKey
    )

ACCEPTED = (
    "an Ed25519, ECDSA (P-256, P-384, P-521) or RSA (2048 bits or more) private key "
    "in OpenSSH or PEM format"
)
OPENSSH = serialization.PrivateFormat.OpenSSH
PKCS8 = serialization.PrivateFormat.PKCS8
TRADITIONAL = serialization.PrivateFormat.TraditionalOpenSSL


def write_key(
    path: Path, key: Key, form: serialization.PrivateFormat = OPENSSH, passphrase: str = ""
) -> Path:
    encryption: serialization.KeySerializationEncryption = serialization.NoEncryption()
    if passphrase:
        encryption = serialization.BestAvailableEncryption(passphrase.encode())
    write_private(path, key.private_bytes(serialization.Encoding.PEM, form, encryption))
    return path


def message(path: Path) -> str:
    with pytest.raises(ValueError, match="must") as error:
        check_private_key_file(path)
    return str(error.value)


def test_a_pair_is_made_once(tmp_path: Path) -> None:
    path = tmp_path / "ssh" / "id_ed25519"
    line = ensure_key_pair(path, comment="moor-sandbox")
    private = path.read_bytes()
    public = path.with_name("id_ed25519.pub")
    assert line.startswith("ssh-ed25519 AAAA")
    assert line.endswith(" moor-sandbox")
    assert public.read_text() == f"{line}\n"
    assert private.startswith(b"-----BEGIN OPENSSH ")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(public.stat().st_mode) == 0o644
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    check_private_key_file(path)

    before = public.stat().st_mtime_ns
    assert ensure_key_pair(path, comment="moor-sandbox") == line
    assert path.read_bytes() == private
    assert public.stat().st_mtime_ns == before


@pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="needs OpenSSH's ssh-keygen")
def test_openssh_reads_the_pair(tmp_path: Path) -> None:
    line = ensure_key_pair(tmp_path / "id_ed25519", comment="moor-sandbox")
    done = subprocess.run(
        ["ssh-keygen", "-y", "-f", str(tmp_path / "id_ed25519")],
        check=True,
        capture_output=True,
        text=True,
    )
    assert done.stdout.split()[:2] == line.split()[:2]


def test_a_lost_public_key_is_written_anew(tmp_path: Path) -> None:
    path = tmp_path / "id_ed25519"
    line = ensure_key_pair(path, comment="moor-sandbox")
    path.with_name("id_ed25519.pub").unlink()
    assert ensure_key_pair(path, comment="moor-sandbox") == line
    assert path.with_name("id_ed25519.pub").read_text() == f"{line}\n"


def test_concurrent_calls_agree(tmp_path: Path) -> None:
    lines: list[str] = []

    def work() -> None:
        lines.append(ensure_key_pair(tmp_path / "id_ed25519", comment="moor"))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(lines) == 4
    assert len(set(lines)) == 1


def test_ensure_fails_when_the_private_key_is_lost(tmp_path: Path) -> None:
    path = tmp_path / "id_ed25519"
    ensure_key_pair(path, comment="moor")
    path.unlink()
    with pytest.raises(ValueError, match="beside") as error:
        ensure_key_pair(path, comment="moor")
    assert str(error.value) == (
        f"{path}: private key: must exist beside id_ed25519.pub, got no such file; restore it, or "
        f"remove {path}.pub for a new pair, which replaces the machine"
    )
    assert not path.exists()


def test_ensure_fails_when_the_public_key_is_another_ones(tmp_path: Path) -> None:
    path = tmp_path / "id_ed25519"
    ensure_key_pair(path, comment="moor")
    other = ensure_key_pair(tmp_path / "other", comment="moor")
    path.with_name("id_ed25519.pub").write_text(other)
    with pytest.raises(ValueError, match="belong") as error:
        ensure_key_pair(path, comment="moor")
    assert str(error.value) == (
        f"{path}.pub: public key: must belong to id_ed25519, got another key; "
        f"remove {path}.pub, it is then written anew"
    )


@pytest.mark.parametrize("comment", ["two\nlines", " edge", "edge ", "\x1b[0m"])
def test_ensure_fails_when_the_comment_is_not_one_line(tmp_path: Path, comment: str) -> None:
    with pytest.raises(ValueError, match="comment") as error:
        ensure_key_pair(tmp_path / "id_ed25519", comment=comment)
    assert str(error.value) == (
        f"ssh key comment: must be one line without edge spaces, got {comment!r}"
    )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("key", "form"),
    [
        (ed25519.Ed25519PrivateKey.generate(), OPENSSH),
        (ed25519.Ed25519PrivateKey.generate(), PKCS8),
        (ec.generate_private_key(ec.SECP256R1()), OPENSSH),
        (ec.generate_private_key(ec.SECP384R1()), TRADITIONAL),
        (ec.generate_private_key(ec.SECP521R1()), PKCS8),
        (rsa.generate_private_key(65537, 2048), OPENSSH),
        (rsa.generate_private_key(65537, 2048), TRADITIONAL),
        (rsa.generate_private_key(65537, 2048), PKCS8),
    ],
    ids=lambda value: str(getattr(value, "value", type(value).__name__)),
)
def test_keys_that_terraform_reads_are_accepted(
    tmp_path: Path, key: Key, form: serialization.PrivateFormat
) -> None:
    check_private_key_file(write_key(tmp_path / "key", key, form))


@pytest.mark.parametrize("form", [PKCS8, TRADITIONAL], ids=["pkcs8", "traditional"])
def test_check_fails_when_there_is_a_passphrase(
    tmp_path: Path, form: serialization.PrivateFormat
) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    path = write_key(tmp_path / "key", key, form, passphrase="hunter2")
    assert message(path) == (
        f"{path}: private key: must have no passphrase, got an encrypted key; "
        f"ssh-keygen -p -f {path} removes it, or give a key made for this purpose"
    )


@pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="needs OpenSSH's ssh-keygen")
def test_check_fails_when_an_openssh_key_has_a_passphrase(tmp_path: Path) -> None:
    path = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "hunter2", "-f", path], check=True)
    assert message(path) == (
        f"{path}: private key: must have no passphrase, got an encrypted key; "
        f"ssh-keygen -p -f {path} removes it, or give a key made for this purpose"
    )
    # The remedy works.
    subprocess.run(["ssh-keygen", "-q", "-p", "-P", "hunter2", "-N", "", "-f", path], check=True)
    check_private_key_file(path)


def test_check_fails_when_others_may_read_it(tmp_path: Path) -> None:
    path = write_key(tmp_path / "key", ed25519.Ed25519PrivateKey.generate())
    path.chmod(0o640)
    assert message(path) == (
        f"{path}: mode: must give no rights to group and others, got 0640; chmod 600 {path}"
    )


def test_check_fails_when_it_does_not_exist(tmp_path: Path) -> None:
    path = tmp_path / "key"
    assert message(path) == (
        f"{path}: private key: must be a readable file, got no such file or directory; "
        "give the path of the private key"
    )


def test_check_fails_when_it_is_a_directory(tmp_path: Path) -> None:
    assert message(tmp_path) == (
        f"{tmp_path}: must be a regular file, got a directory; give the path of the file itself"
    )


@pytest.mark.parametrize(
    ("key", "got"),
    [
        (ec.generate_private_key(ec.SECP256K1()), "ECDSA on secp256k1"),
        (rsa.generate_private_key(65537, 1024), "RSA of 1024 bits"),  # noqa: S505 - weak on purpose
        (dsa.generate_private_key(1024), "DSA"),  # noqa: S505 - weak on purpose
    ],
    ids=["curve", "short", "dsa"],
)
def test_check_fails_when_the_kind_is_not_accepted(tmp_path: Path, key: Key, got: str) -> None:
    path = write_key(tmp_path / "key", key, PKCS8)
    assert message(path) == (
        f"{path}: private key: must be {ACCEPTED}, got {got}; ssh-keygen -t ed25519 makes one"
    )


def test_check_fails_when_it_is_the_public_key(tmp_path: Path) -> None:
    path = tmp_path / "key.pub"
    write_private(path, ensure_key_pair(tmp_path / "key", comment="x").encode())
    assert message(path) == (
        f"{path}: private key: must be a private key, got a public one; give the file without .pub"
    )


def test_check_fails_when_it_is_puttys(tmp_path: Path) -> None:
    path = tmp_path / "key.ppk"
    write_private(path, b"PuTTY-User-Key-File-3: ssh-ed25519\n")
    assert message(path) == (
        f"{path}: private key: must be in OpenSSH or PEM format, got PuTTY's; "
        f"puttygen {path} -O private-openssh -o {path}.pem"
    )


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"SECRET nonsense",
        b"-----BEGIN OPENSSH " + b"PRIVATE KEY-----\nSECRET\n",
        b"\xff\x00" * 40,
    ],
    ids=["empty", "text", "truncated", "binary"],
)
def test_check_fails_without_quoting_what_it_cannot_read(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "key"
    write_private(path, content)
    assert message(path) == (
        f"{path}: private key: must be {ACCEPTED}, got something else; "
        "ssh-keygen -t ed25519 makes one"
    )


def test_check_fails_when_it_is_huge(tmp_path: Path) -> None:
    path = tmp_path / "key"
    write_private(path, b"\0" * 70_000)
    assert message(path) == (
        f"{path}: private key: must be {ACCEPTED}, got a file of 70000 bytes; "
        "ssh-keygen -t ed25519 makes one"
    )
