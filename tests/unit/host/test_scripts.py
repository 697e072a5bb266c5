"""The scripts that run on the machine, with real TLS and a recorded systemctl.

`systemctl` and what needs root are stand-ins on PATH; curl and openssl are real and talk to real
servers on the loopback interface, good ones and bad ones.
"""

from __future__ import annotations

import shutil
import socket
import ssl
import stat
import subprocess
import sys
import time
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tls_server import Server, over_plain, over_tls, serving

from constructs_lib.host import user_data
from constructs_lib.identity.certificate_authority import utc_now
from constructs_lib.identity.pki import Pki

if TYPE_CHECKING:
    from collections.abc import Callable

SCRIPTS = Path(user_data.__file__).parent / "scripts"
SOCKET = user_data.SOCKET_UNIT

pytestmark = pytest.mark.skipif(
    any(shutil.which(tool) is None for tool in ("bash", "curl", "openssl")),
    reason="needs bash, curl and openssl",
)

# Records each call; fails at the calls that match a line of `failing`; `is-active` follows the
# socket's last start or stop unless `refusing` says that systemd refuses to start it.
SYSTEMCTL = """\
#!/bin/bash
here=${0%/*}
echo "$*" >>"$here/calls"
while read -r pattern; do
  [[ $* == $pattern ]] && { echo "refused: $*" >&2; exit 1; }
done <"$here/failing"
case "$*" in
  "start docker-tls-tcp.socket") [[ -e $here/refusing ]] || touch "$here/active" ;;
  "stop docker-tls-tcp.socket") rm -f "$here/active" ;;
  "is-active --quiet docker-tls-tcp.socket") [[ -e $here/active ]] || exit 3 ;;
  "show --property LoadState"*) cat "$here/load-state" ;;
  "show --property DropInPaths"*) cat "$here/drop-in-paths" ;;
  "cat locksmithd.service") [[ -e $here/locksmithd ]] || exit 1 ;;
esac
exit 0
"""

# Ownership needs root; the mode is what matters here.
INSTALL = """\
#!/bin/bash
arguments=()
while (($#)); do
  case $1 in
    -o | -g) shift 2 ;;
    *) arguments+=("$1"); shift ;;
  esac
done
exec {install} "${{arguments[@]}}"
"""


class Machine:
    """A folder that stands for the machine, and stand-ins on its PATH."""

    def __init__(self, folder: Path) -> None:
        self.tools = folder / "tools"
        self.root = folder / "root"
        self.docker = self.root / "etc" / "docker"
        self.uploads = self.root / "run" / "moor"
        for path in (self.tools, self.docker, self.uploads):
            path.mkdir(parents=True)
        self.tool("systemctl", SYSTEMCTL)
        self.tool("install", INSTALL.format(install=shutil.which("install")))
        self.tool("id", "#!/bin/bash\n[[ $1 == -u ]] && echo 0 || echo root\n")
        self.tool("ss", "#!/bin/bash\nexit 0\n")
        self.state("calls", "")
        self.state("failing", "")
        self.state("load-state", "loaded\n")
        self.state("drop-in-paths", f"/usr/lib/x.conf {user_data.DROP_IN_FILE}\n")

    def tool(self, name: str, text: str) -> None:
        """Put a program on PATH."""
        (self.tools / name).write_text(text)
        (self.tools / name).chmod(0o755)

    def state(self, name: str, text: str) -> None:
        """Set what the stand-in for systemctl does."""
        (self.tools / name).write_text(text)

    @property
    def calls(self) -> list[str]:
        """What systemctl was asked."""
        return (self.tools / "calls").read_text().splitlines()

    def run(self, script: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        """Run a script."""
        return subprocess.run(
            ["bash", SCRIPTS / script, *arguments],
            check=False,
            capture_output=True,
            text=True,
            env={"PATH": f"{self.tools}:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"},
        )


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_shellcheck_finds_nothing() -> None:
    checker = shutil.which("shellcheck", path=f"{Path(sys.executable).parent}:/usr/bin")
    if checker is None:
        pytest.skip("needs shellcheck")
    done = subprocess.run(
        [checker, "--severity=style", *sorted(SCRIPTS.glob("*.sh"))],
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.stdout == ""


# open-docker-api.sh


@dataclass
class Api:
    """What the script is run with."""

    machine: Machine
    pki: Pki

    def run(self, server: Server) -> subprocess.CompletedProcess[str]:
        """Run the script against a server."""
        return self.machine.run(
            "open-docker-api.sh", str(server.port), self.machine.uploads, self.machine.docker
        )

    def upload(self, pki: Pki) -> None:
        """Put a server certificate and its key where Terraform uploads them."""
        shutil.copy(pki.server_certificate_file, self.machine.uploads / "server.pem")
        shutil.copy(pki.server_key_file, self.machine.uploads / "server-key.pem")
        # What Terraform's file provisioner makes of it.
        (self.machine.uploads / "server-key.pem").chmod(0o644)

    def context(self, *, asks: bool = True) -> ssl.SSLContext:
        """Return the context of an engine with our certificate."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.pki.server_certificate_file, self.pki.server_key_file)
        if asks:
            context.load_verify_locations(self.pki.ca_file)
            context.verify_mode = ssl.CERT_REQUIRED
        return context


def new_pki(folder: Path, *, age: timedelta = timedelta(0)) -> Pki:
    then = utc_now() - age
    pki = Pki(pki_dir=folder / "pki", certificates_dir=folder / "certs", clock=lambda: then)
    pki.ensure()
    pki.issue_server_certificate("203.0.113.7")
    return pki


@pytest.fixture
def api(machine: Machine, tmp_path: Path) -> Api:
    pki = new_pki(tmp_path / "ours")
    shutil.copy(pki.ca_file, machine.docker / "ca.pem")
    made = Api(machine=machine, pki=pki)
    made.upload(pki)
    return made


CLOSING = [
    f"disable {SOCKET}",
    f"stop {SOCKET}",
    "stop docker.service",
    f"reset-failed {SOCKET} docker.service",
    "start docker.service",
]


def assert_closed(api: Api, done: subprocess.CompletedProcess[str], reason: str) -> None:
    """The API is closed for now and for later, and the uploaded key is gone."""
    assert done.returncode == 1
    assert reason in done.stderr
    assert "open-docker-api.sh: the Docker API is closed\n" in done.stderr
    assert "is open" not in done.stdout
    assert api.machine.calls[-5:] == CLOSING
    assert not (api.machine.tools / "active").exists()
    assert not (api.machine.docker / "tls.env").exists()
    assert list(api.machine.uploads.iterdir()) == []
    assert "PRIVATE KEY" not in done.stdout + done.stderr


def test_it_opens_in_the_order_that_systemd_needs(api: Api) -> None:
    with serving(over_tls(api.context())) as server:
        done = api.run(server)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == (
        "open-docker-api.sh: no client certificate: refused\n"
        "open-docker-api.sh: plain HTTP: refused\n"
        f"open-docker-api.sh: the Docker API is open on port {server.port}\n"
    )
    assert api.machine.calls == [
        "daemon-reload",
        f"enable {SOCKET}",
        f"stop {SOCKET}",
        "stop docker.service",
        "reset-failed docker.service",
        f"start {SOCKET}",
        f"is-active --quiet {SOCKET}",
        "start docker.service",
    ]
    assert server.requests == []


def test_it_installs_the_files_and_removes_the_upload(api: Api) -> None:
    with serving(over_tls(api.context())) as server:
        assert api.run(server).returncode == 0
    docker = api.machine.docker
    assert {
        f.name: stat.S_IMODE(f.stat().st_mode) for f in docker.iterdir() if f.name != "ca.pem"
    } == {
        "server.pem": 0o644,
        "server-key.pem": 0o600,
        "tls.env": 0o600,
    }
    assert (docker / "server.pem").read_bytes() == api.pki.server_certificate_file.read_bytes()
    assert (docker / "server-key.pem").read_bytes() == api.pki.server_key_file.read_bytes()
    assert (docker / "tls.env").read_text() == (
        f"DOCKER_OPTS=--tlsverify --tlscacert={docker}/ca.pem "
        f"--tlscert={docker}/server.pem --tlskey={docker}/server-key.pem\n"
    )
    assert list(api.machine.uploads.iterdir()) == []


def test_its_paths_are_those_of_the_units() -> None:
    text = (SCRIPTS / "open-docker-api.sh").read_text()
    assert "docker=${3:-/etc/docker}" in text
    for variable, path in (
        ("ca", user_data.CA_FILE),
        ("certificate", user_data.SERVER_CERTIFICATE_FILE),
        ("key", user_data.SERVER_KEY_FILE),
        ("options", user_data.TLS_OPTIONS_FILE),
    ):
        assert f"\n{variable}={path.replace('/etc/docker', '$docker')}\n" in text
    assert f"\nsocket='{SOCKET}'\n" in text
    assert f"drop_in={user_data.DROP_IN_FILE}\n" in (SCRIPTS / "init.sh").read_text()


def test_twice_is_as_good_as_once(api: Api) -> None:
    with serving(over_tls(api.context())) as server:
        assert api.run(server).returncode == 0
        api.upload(api.pki)
        assert api.run(server).returncode == 0


def test_it_tries_again_when_a_request_started_docker_in_between(api: Api) -> None:
    once = f"""\
if [[ $* == "start {SOCKET}" && ! -e $here/once ]]; then
  touch "$here/once"
  exit 1
fi
case"""
    api.machine.tool("systemctl", SYSTEMCTL.replace("case", once, 1))
    with serving(over_tls(api.context())) as server:
        done = api.run(server)
    assert done.returncode == 0
    assert api.machine.calls.count("stop docker.service") == 2


def test_it_waits_for_the_engine(api: Api) -> None:
    begin = time.monotonic()
    tls = over_tls(api.context())

    def late(connection: socket.socket, server: Server) -> None:
        if time.monotonic() > begin + 1:
            tls(connection, server)

    with serving(late) as server:
        assert api.run(server).returncode == 0


# Each guarantee, broken


def test_it_closes_when_no_client_certificate_is_asked_for(api: Api) -> None:
    with serving(over_tls(api.context(asks=False))) as server:
        done = api.run(server)
    assert_closed(api, done, "no client certificate: must be refused, got 0/200 ")


def test_it_closes_when_plain_http_is_answered(api: Api) -> None:
    tls = over_tls(api.context())

    def both(connection: socket.socket, server: Server) -> None:
        encrypted = connection.recv(1, socket.MSG_PEEK) == b"\x16"
        (tls if encrypted else over_plain())(connection, server)

    with serving(both) as server:
        done = api.run(server)
    assert_closed(api, done, "plain HTTP: must be refused, got 0/200 ")


def served_briefly(api: Api, handle: Callable[[socket.socket, Server], None]) -> tuple[Api, Server]:
    """Shorten the wait for the engine, for a server that never becomes right."""
    text = (SCRIPTS / "open-docker-api.sh").read_text()
    assert text.count("SECONDS + 20") == 1
    api.machine.tool("short.sh", text.replace("SECONDS + 20", "SECONDS + 0"))
    with serving(handle) as server:
        done = api.machine.run(
            str(api.machine.tools / "short.sh"),
            str(server.port),
            api.machine.uploads,
            api.machine.docker,
        )
    assert_closed(
        api, done, f"port {server.port}: must serve the installed certificate, got none or another"
    )
    return api, server


def test_it_closes_when_another_certificate_is_served(api: Api, tmp_path: Path) -> None:
    other = new_pki(tmp_path / "other")
    served_briefly(api, over_tls(Api(machine=api.machine, pki=other).context()))


def test_it_closes_when_the_port_speaks_no_tls(api: Api) -> None:
    served_briefly(api, over_plain())


def test_it_closes_when_nothing_answers(api: Api) -> None:
    served_briefly(api, lambda _connection, _server: None)


@pytest.mark.parametrize(
    ("failing", "reason"),
    [
        ("daemon-reload", "refused: daemon-reload"),
        (f"enable {SOCKET}", f"refused: enable {SOCKET}"),
        (f"start {SOCKET}", f"{SOCKET}: must start, got a refusal"),
    ],
)
def test_it_closes_when_systemd_fails(api: Api, failing: str, reason: str) -> None:
    api.machine.state("failing", f"{failing}\n")
    with serving(over_tls(api.context())) as server:
        assert_closed(api, api.run(server), reason)


def test_it_closes_when_a_condition_of_the_socket_does_not_hold(api: Api) -> None:
    # systemctl start succeeds all the same; the unit just does not become active.
    api.machine.state("refusing", "")
    with serving(over_tls(api.context())) as server:
        assert_closed(api, api.run(server), f"{SOCKET}: must start, got a refusal")


def test_it_closes_when_docker_does_not_start(api: Api) -> None:
    api.machine.state("failing", "start docker.service\n")
    with serving(over_tls(api.context())) as server:
        done = api.run(server)
    assert_closed(api, done, "docker.service: must start with TLS, got a failure")


def test_it_says_so_when_the_port_cannot_be_closed(api: Api) -> None:
    api.machine.tool("ss", "#!/bin/bash\necho LISTEN\n")
    with serving(over_tls(api.context(asks=False))) as server:
        done = api.run(server)
    assert done.returncode == 1
    assert f"port {server.port}: must be closed, got something that still listens" in done.stderr
    assert "is closed" not in done.stderr


def refused_before_anything(api: Api, reason: str) -> None:
    with serving(over_tls(api.context())) as server:
        done = api.run(server)
    assert_closed(api, done, reason)
    assert api.machine.calls == CLOSING
    assert not (api.machine.docker / "server.pem").exists()


def test_it_closes_when_the_key_is_not_the_certificates(api: Api, tmp_path: Path) -> None:
    shutil.copy(new_pki(tmp_path / "b").server_key_file, api.machine.uploads / "server-key.pem")
    refused_before_anything(api, "server-key.pem: must belong to server.pem, got another key")


def test_it_closes_when_the_certificate_is_another_authoritys(api: Api, tmp_path: Path) -> None:
    api.upload(new_pki(tmp_path / "b"))
    refused_before_anything(api, "server.pem: must be a valid server certificate of ")


def test_it_closes_when_the_certificate_has_expired(machine: Machine, tmp_path: Path) -> None:
    old = new_pki(tmp_path / "old", age=timedelta(days=400))
    shutil.copy(old.ca_file, machine.docker / "ca.pem")
    api = Api(machine=machine, pki=old)
    api.upload(old)
    refused_before_anything(api, "certificate has expired")


def test_it_closes_when_the_certificate_is_a_clients(api: Api) -> None:
    shutil.copy(api.pki.client_certificate_file, api.machine.uploads / "server.pem")
    shutil.copy(api.pki.client_key_file, api.machine.uploads / "server-key.pem")
    refused_before_anything(api, "server.pem: must be a valid server certificate of ")


@pytest.mark.parametrize("name", ["server.pem", "server-key.pem"])
@pytest.mark.parametrize("content", [None, b"", b"nonsense"], ids=["none", "empty", "nonsense"])
def test_it_closes_when_an_upload_is_damaged(api: Api, name: str, content: bytes | None) -> None:
    file = api.machine.uploads / name
    file.unlink()
    if content is not None:
        file.write_bytes(content)
    refused_before_anything(api, f"{file}: must ")


def test_it_closes_when_the_authority_is_missing(api: Api) -> None:
    (api.machine.docker / "ca.pem").unlink()
    refused_before_anything(api, "ca.pem: must exist, got no such file or an empty one")


def test_a_failed_renewal_closes_what_was_open(api: Api, tmp_path: Path) -> None:
    with serving(over_tls(api.context())) as server:
        assert api.run(server).returncode == 0
        assert (api.machine.docker / "tls.env").exists()
        api.upload(new_pki(tmp_path / "b"))
        assert_closed(api, api.run(server), "must be a valid server certificate")


@pytest.mark.parametrize("port", ["", "0", "70000", "65536", "-1", "2376x", "$(reboot)", "1e3"])
def test_it_fails_when_the_port_is_none(api: Api, port: str) -> None:
    done = api.machine.run("open-docker-api.sh", port, api.machine.uploads, api.machine.docker)
    assert done.returncode == 1
    assert done.stderr == f"open-docker-api.sh: PORT: must be in 1..65535, got '{port}'\n"
    assert api.machine.calls == []


@pytest.mark.parametrize("script", ["init.sh", "open-docker-api.sh"])
def test_it_fails_when_it_does_not_run_as_root(machine: Machine, script: str) -> None:
    machine.tool("id", "#!/bin/bash\n[[ $1 == -u ]] && echo 500 || echo core\n")
    done = machine.run(script, "2376")
    assert done.returncode == 1
    assert done.stderr == f"{script}: must run as root, got core; sudo bash {script}\n"
    assert machine.calls == []


# init.sh


def apply_user_data(machine: Machine) -> None:
    for path in (user_data.CA_FILE, f"/etc/systemd/system/{SOCKET}", user_data.DROP_IN_FILE):
        file = machine.root / path.removeprefix("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("content\n")


def test_init_prepares_the_machine(machine: Machine) -> None:
    apply_user_data(machine)
    machine.uploads.rmdir()
    done = machine.run("init.sh", "0", machine.root)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "init.sh: user data is applied, Docker runs\n"
    assert stat.S_IMODE(machine.uploads.stat().st_mode) == 0o700
    changes = [call for call in machine.calls if not call.startswith("show")]
    assert changes == ["enable docker.service", "start docker.service"]
    again = machine.run("init.sh", "0", machine.root)
    assert again.returncode == 0


def test_init_restarts_the_reboot_manager_where_there_is_one(machine: Machine) -> None:
    apply_user_data(machine)
    (machine.root / "etc/flatcar").mkdir()
    (machine.root / "etc/flatcar/update.conf").write_text("REBOOT_STRATEGY=off\n")
    assert machine.run("init.sh", "0", machine.root).returncode == 0
    assert "restart locksmithd.service" not in machine.calls
    machine.state("locksmithd", "")
    assert machine.run("init.sh", "0", machine.root).returncode == 0
    assert machine.calls[-1] == "restart locksmithd.service"
    machine.state("failing", "restart locksmithd.service\n")
    done = machine.run("init.sh", "0", machine.root)
    assert done.returncode == 0
    assert "locksmithd.service does not restart" in done.stderr


def test_init_waits_for_user_data(machine: Machine) -> None:
    script = subprocess.Popen(
        ["bash", SCRIPTS / "init.sh", "30", machine.root],
        env={"PATH": f"{machine.tools}:/usr/sbin:/usr/bin:/sbin:/bin"},
        stdout=subprocess.PIPE,
        text=True,
    )
    end = time.monotonic() + 20
    while not machine.calls and time.monotonic() < end:
        time.sleep(0.05)
    assert machine.calls
    assert "enable docker.service" not in machine.calls
    apply_user_data(machine)
    out, _ = script.communicate(timeout=30)
    assert (script.returncode, out) == (0, "init.sh: user data is applied, Docker runs\n")


def test_init_fails_when_user_data_is_not_applied(machine: Machine) -> None:
    machine.state("load-state", "not-found\n")
    machine.state("drop-in-paths", "\n")
    done = machine.run("init.sh", "0", machine.root)
    assert done.returncode == 1
    assert done.stderr == (
        "/etc/docker/ca.pem does not exist\n"
        f"/etc/systemd/system/{SOCKET} does not exist\n"
        f"{user_data.DROP_IN_FILE} does not exist\n"
        f"systemd does not know {SOCKET}\n"
        "systemd does not know the drop-in 10-tls-verify.conf\n"
        "init.sh: user data: must be applied within 0 s, got the above; "
        "journalctl -u oem-cloudinit\n"
    )
    assert all(call.startswith("show") for call in machine.calls)


def test_init_fails_when_the_drop_in_was_ignored(machine: Machine) -> None:
    """What an old `drop-ins` key leads to: all is there but the drop-in."""
    apply_user_data(machine)
    (machine.root / user_data.DROP_IN_FILE.removeprefix("/")).unlink()
    done = machine.run("init.sh", "0", machine.root)
    assert done.returncode == 1
    assert done.stderr.splitlines()[0] == f"{user_data.DROP_IN_FILE} does not exist"


def test_init_fails_when_docker_does_not_start(machine: Machine) -> None:
    apply_user_data(machine)
    machine.state("failing", "start docker.service\n")
    assert machine.run("init.sh", "0", machine.root).returncode == 1


@pytest.mark.parametrize("seconds", ["x", "-1", "1.5"])
def test_init_fails_when_the_time_is_none(machine: Machine, seconds: str) -> None:
    done = machine.run("init.sh", seconds, machine.root)
    assert done.returncode == 1
    assert done.stderr == f"init.sh: SECONDS: must be a number, got '{seconds}'\n"
