"""What tells a machine where the swarm's registry is, in a folder that stands for its root."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from constructs_lib.host import user_data

SCRIPT = Path(user_data.__file__).parent / "scripts" / "know-registry.sh"
FOLDER = Path("etc/docker/certs.d/moor-registry:5000")

pytestmark = pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "hosts").write_text("127.0.0.1 localhost\n10.1.2.3 not-moor-registry\n")
    return tmp_path


def run(root: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", str(SCRIPT), *words, str(root)], check=False, capture_output=True, text=True
    )


def everything(root: Path) -> dict[str, str]:
    return {
        str(file.relative_to(root)): str(file.readlink()) if file.is_symlink() else file.read_text()
        for file in root.rglob("*")
        if file.is_symlink() or file.is_file()
    }


def test_docker_finds_the_registry_and_proves_itself_with_the_apis_certificate(root: Path) -> None:
    assert run(root, "172.31.0.7", "moor-registry", "5000").returncode == 0
    assert everything(root) == {
        "etc/hosts": (
            "127.0.0.1 localhost\n10.1.2.3 not-moor-registry\n172.31.0.7 moor-registry\n"
        ),
        f"{FOLDER}/ca.crt": "/etc/docker/ca.pem",
        f"{FOLDER}/client.cert": "/etc/docker/server.pem",
        f"{FOLDER}/client.key": "/etc/docker/server-key.pem",
        "etc/systemd/system/docker.service.d/20-registry.conf": (
            "[Service]\n"
            'ExecStartPre=/bin/sh -c \'grep -q " moor-registry$$" /etc/hosts || '
            'echo "172.31.0.7 moor-registry" >>/etc/hosts\'\n'
        ),
    }


def test_it_may_run_again_and_takes_another_address(root: Path) -> None:
    assert run(root, "172.31.0.7", "moor-registry", "5000").returncode == 0
    once = everything(root)
    assert run(root, "172.31.0.7", "moor-registry", "5000").returncode == 0
    assert everything(root) == once
    assert run(root, "172.31.0.8", "moor-registry", "5000").returncode == 0
    assert everything(root)["etc/hosts"] == (
        "127.0.0.1 localhost\n10.1.2.3 not-moor-registry\n172.31.0.8 moor-registry\n"
    )


def test_what_docker_starts_with_adds_the_line_once(root: Path) -> None:
    """As after a boot that wrote the file anew."""
    assert run(root, "172.31.0.7", "moor-registry", "5000").returncode == 0
    drop_in = root / "etc/systemd/system/docker.service.d/20-registry.conf"
    command = drop_in.read_text().split("-c '", 1)[1].rsplit("'", 1)[0].replace("$$", "$")
    hosts = root / "etc" / "hosts"
    hosts.write_text("127.0.0.1 localhost\n")
    for _ in range(2):
        shell = command.replace("/etc/hosts", str(hosts))
        subprocess.run(["sh", "-c", shell], check=True)
    assert hosts.read_text() == "127.0.0.1 localhost\n172.31.0.7 moor-registry\n"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("", "moor-registry", "5000"), "ADDRESS: must be an IPv4 address, got ''"),
        (("172.31.0.7; id", "a", "1"), "ADDRESS: must be an IPv4 address, got '172.31.0.7; id'"),
        (("172.31.0.7", "a b", "5000"), "NAME: must be a host name, got 'a b'"),
        (("172.31.0.7", "a", "0"), "PORT: must be in 1..65535, got '0'"),
    ],
)
def test_it_fails_and_writes_nothing_when_a_word_is_wrong(
    root: Path, words: tuple[str, ...], message: str
) -> None:
    before = everything(root)
    done = run(root, *words)
    assert (done.returncode, done.stderr) == (1, f"know-registry.sh: {message}\n")
    assert everything(root) == before
