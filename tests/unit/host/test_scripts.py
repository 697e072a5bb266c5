"""The scripts that run on the machine, with real TLS and a recorded systemctl.

`systemctl` and what needs root are stand-ins on PATH; curl and openssl are real and talk to real
servers on the loopback interface, good ones and bad ones.
"""

from __future__ import annotations

import shutil
import signal
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
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from tls_server import Server, over_plain, over_tls, serving

from constructs_lib.host import user_data
from constructs_lib.identity.certificate_authority import utc_now
from constructs_lib.identity.pki import Pki
from constructs_lib.identity.pki_files import INSTALLED

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

    def request(self) -> bytes:
        """Let the machine make a key, and give its request for a certificate."""
        done = self.machine.run(
            "open-docker-api.sh", "request", self.machine.uploads, self.machine.docker
        )
        assert (done.returncode, done.stderr) == (0, "")
        return (self.machine.uploads / "server.csr").read_bytes()

    def upload(self, pki: Pki) -> None:
        """Have the machine's request answered, and put all where Terraform uploads it."""
        pki.issue_server_certificate("203.0.113.7", self.request())
        for name in INSTALLED:
            shutil.copy(pki.install_dir / name, self.machine.uploads / name)

    def context(self, *, asks: bool = True) -> ssl.SSLContext:
        """Return the context of an engine with what is to be installed."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        key = self.machine.docker / "server-key.pem.new"
        context.load_cert_chain(self.machine.uploads / "server.pem", key)
        if asks:
            context.load_verify_locations(self.pki.clients_file)
            context.verify_mode = ssl.CERT_REQUIRED
        return context


def new_pki(folder: Path, *, age: timedelta = timedelta(0)) -> Pki:
    then = utc_now() - age
    pki = Pki(pki_dir=folder / "pki", certificates_dir=folder / "certs", clock=lambda: then)
    pki.ensure()
    return pki


@pytest.fixture
def api(machine: Machine, tmp_path: Path) -> Api:
    made = Api(machine=machine, pki=new_pki(tmp_path / "ours"))
    made.upload(made.pki)
    return made


CLOSING = [
    f"disable {SOCKET}",
    f"stop {SOCKET}",
    "stop docker.service",
    f"reset-failed {SOCKET} docker.service",
    "start docker.service",
]


def assert_closed(api: Api, done: subprocess.CompletedProcess[str], reason: str) -> None:
    """The API is closed for now and for later, and nothing is left to be installed by chance."""
    assert done.returncode == 1
    assert reason in done.stderr
    assert "open-docker-api.sh: the Docker API is closed\n" in done.stderr
    assert "is open" not in done.stdout
    assert api.machine.calls[-5:] == CLOSING
    assert not (api.machine.tools / "active").exists()
    assert not (api.machine.docker / "tls.env").exists()
    assert list(api.machine.uploads.iterdir()) == []
    assert not (api.machine.docker / "server-key.pem.new").exists()
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


def test_the_machine_makes_its_key_and_keeps_it(api: Api) -> None:
    key = api.machine.docker / "server-key.pem.new"
    first = key.read_bytes()
    request = x509.load_pem_x509_csr(api.request())
    second = key.read_bytes()
    assert first != second
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    public = serialization.load_pem_private_key(second, None).public_key()
    assert request.public_key() == public
    assert request.is_signature_valid
    # What runs goes on with what it has.
    assert api.machine.calls == []
    assert not (api.machine.docker / "server-key.pem").exists()
    assert b"PRIVATE" not in b"".join(f.read_bytes() for f in api.machine.uploads.iterdir())


def test_a_key_is_private_from_its_first_byte_on(api: Api) -> None:
    real = shutil.which("openssl")
    api.machine.tool(
        "openssl",
        f'#!/bin/bash\numask >>"${{0%/*}}/umasks"\nexec {real} "$@"\n',
    )
    api.request()
    assert set((api.machine.tools / "umasks").read_text().split()) == {"0077"}


def test_it_installs_the_files_and_removes_the_upload(api: Api) -> None:
    context = api.context()
    new = (api.machine.docker / "server-key.pem.new").read_bytes()
    with serving(over_tls(context)) as server:
        assert api.run(server).returncode == 0
    docker = api.machine.docker
    assert {f.name: stat.S_IMODE(f.stat().st_mode) for f in docker.iterdir()} == {
        "ca.pem": 0o644,
        "clients.pem": 0o644,
        "server.pem": 0o644,
        "server-key.pem": 0o600,
        "tls.env": 0o600,
    }
    for name in INSTALLED:
        assert (docker / name).read_bytes() == (api.pki.install_dir / name).read_bytes()
    assert (docker / "server-key.pem").read_bytes() == new
    assert (docker / "tls.env").read_text() == (
        f"DOCKER_OPTS=--tlsverify --tlscacert={docker}/clients.pem "
        f"--tlscert={docker}/server.pem --tlskey={docker}/server-key.pem\n"
    )
    assert list(api.machine.uploads.iterdir()) == []


def test_a_power_cut_between_two_files_leaves_no_options(api: Api) -> None:
    """Without them the API stays closed, and Docker starts for who is on the machine."""
    with serving(over_tls(api.context())) as server:
        assert api.run(server).returncode == 0
    api.upload(api.pki)
    there = api.machine.docker / "tls.env"
    assert there.exists()
    # A cut at the first move: the script ends without its own last words.
    api.machine.tool("mv", "#!/bin/bash\nkill -KILL $PPID\n")
    done = api.machine.run("open-docker-api.sh", "2376", api.machine.uploads, api.machine.docker)
    assert done.returncode == -signal.SIGKILL
    assert not there.exists()


def test_its_paths_are_those_of_the_units() -> None:
    text = (SCRIPTS / "open-docker-api.sh").read_text()
    assert "docker=${3:-/etc/docker}" in text
    for variable, path in (
        ("ca", user_data.CA_FILE),
        ("clients", user_data.CLIENTS_FILE),
        ("certificate", user_data.SERVER_CERTIFICATE_FILE),
        ("key", user_data.SERVER_KEY_FILE),
        ("options", user_data.TLS_OPTIONS_FILE),
    ):
        assert f"\n{variable}={path.replace('/etc/docker', '$docker')}\n" in text
    assert f"\nsocket='{SOCKET}'\n" in text
    assert f"drop_in={user_data.DROP_IN_FILE}\n" in (SCRIPTS / "init.sh").read_text()


def test_twice_is_as_good_as_once(api: Api) -> None:
    for _ in range(2):
        api.upload(api.pki)
        with serving(over_tls(api.context())) as server:
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


def test_it_closes_when_another_certificate_is_served(api: Api) -> None:
    before = api.context()
    api.upload(api.pki)
    served_briefly(api, over_tls(before))


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
    with serving(over_plain()) as server:
        done = api.run(server)
    assert_closed(api, done, reason)
    assert api.machine.calls == CLOSING
    assert not (api.machine.docker / "server.pem").exists()


def test_it_closes_when_the_key_is_not_the_certificates(api: Api) -> None:
    before = (api.machine.uploads / "server.pem").read_bytes()
    api.upload(api.pki)
    (api.machine.uploads / "server.pem").write_bytes(before)
    refused_before_anything(api, "server.pem: must belong to ")


def test_it_closes_when_the_certificate_is_another_authoritys(api: Api, tmp_path: Path) -> None:
    ours = (api.machine.uploads / "ca.pem").read_bytes()
    api.upload(new_pki(tmp_path / "b"))
    (api.machine.uploads / "ca.pem").write_bytes(ours)
    refused_before_anything(api, "server.pem: must be a valid server certificate of ")


def test_it_closes_when_the_certificate_has_expired(machine: Machine, tmp_path: Path) -> None:
    api = Api(machine=machine, pki=new_pki(tmp_path / "old", age=timedelta(days=400)))
    api.upload(api.pki)
    refused_before_anything(api, "certificate has expired")


def test_it_closes_when_the_certificate_is_a_clients(api: Api) -> None:
    client = api.pki.certificates_dir
    shutil.copy(client / "cert.pem", api.machine.uploads / "server.pem")
    shutil.copy(client / "cert.pem", api.machine.uploads / "ca.pem")
    shutil.copy(client / "key.pem", api.machine.docker / "server-key.pem.new")
    refused_before_anything(api, "server.pem: must be a valid server certificate of ")


@pytest.mark.parametrize("name", [*INSTALLED, "server-key.pem.new"])
@pytest.mark.parametrize("content", [None, b"", b"nonsense"], ids=["none", "empty", "nonsense"])
def test_it_closes_when_a_file_is_damaged(api: Api, name: str, content: bytes | None) -> None:
    folder = api.machine.uploads if name in INSTALLED else api.machine.docker
    file = folder / name
    file.unlink()
    if content is not None:
        file.write_bytes(content)
    # An authority that cannot be read is told by what it does not vouch for.
    named = api.machine.uploads / "server.pem" if content and name == "ca.pem" else file
    refused_before_anything(api, f"{named}: must ")


def test_a_failed_renewal_closes_what_was_open(api: Api) -> None:
    with serving(over_tls(api.context())) as server:
        assert api.run(server).returncode == 0
        assert (api.machine.docker / "tls.env").exists()
        # Nothing was uploaded this time.
        assert_closed(api, api.run(server), "must exist, got no such file")


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
    for path in (f"/etc/systemd/system/{SOCKET}", user_data.DROP_IN_FILE):
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
