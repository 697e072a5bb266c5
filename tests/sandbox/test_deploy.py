"""The whole chain, for real: deploy, look from outside, deploy again, break things, destroy.

The tests share one deployment and run in the order of the file: a later one may rely on
what an earlier one left. Each starts from a deployed environment and leaves it deployed.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from limited_user import limited_user
from trial_sandbox import Shell, client, left_of, make_sandbox

from constructs_lib.aws.permissions import policy, without_conditions
from constructs_lib.host import engine as machine_engine
from constructs_lib.host.docker_api_probe import DockerApiProbe, ProbeError
from constructs_lib.host.host_key import parse_keys
from constructs_lib.settings.environment import Environment
from constructs_lib.settings.load import load_settings
from moor.outputs import Outputs

if TYPE_CHECKING:
    from collections.abc import Iterator

    from docker.models.containers import Container

    from sandbox.lifecycle import Sandbox
    from sandbox.status import InstanceStatus

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_SECONDS = 600

JOB = "services: {job: {image: '${BASE_IMAGE}', command: 'true'}}\n"
"""A service that has done its work at once, and that no other one waits for."""

UNCHANGED = "0 to add, 0 to change, 0 to destroy"

rarely = partial(pytest.param, marks=pytest.mark.kills)
"""A kill of its own lane (`make test-kills`): each takes a minute, and others are much like it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """An environment of the tests' own, and the commands on it."""

    environment: Environment
    variables: dict[str, str]
    interrupted: list[tuple[bool, int, str]] = field(default_factory=list)

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run `python -m moor WORDS`, and return what it printed."""
        return self._run([sys.executable, "-m", "moor", *words])

    def cdktf(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run `cdktf WORDS` as one types it inside the environment."""
        return self._run([str(ROOT / ".venv" / "bin" / "cdktf"), *words])

    def up(self) -> str:
        """Deploy, which must succeed."""
        done = self.run("up")
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    @property
    def outputs(self) -> Outputs:
        """What the last deployment told."""
        return Outputs.load(self.environment)

    def sandbox(self) -> Sandbox:
        """Return the sandbox beneath."""
        settings = load_settings(self.environment.settings_file).sandbox
        assert settings is not None
        return make_sandbox(self.environment.name, settings)

    def machine(self) -> InstanceStatus:
        """Return the one machine that runs."""
        (found,) = [i for i in self.sandbox().status().instances if i.state == "running"]
        return found

    def ec2(self) -> Any:  # noqa: ANN401  # boto3 has no types
        """Return a client of the emulated EC2."""
        return client(self.sandbox(), "ec2")

    def container(self, service: str) -> Container:
        """Return the container of a service, as the engine on the machine sees it."""
        certificates = self.environment.certificates
        engine = machine_engine.connect(self.outputs.docker_host, certificates)
        try:
            (found,) = [c for c in engine.containers.list(all=True) if service in str(c.name)]
        finally:
            engine.close()
        return found

    def probe(self) -> DockerApiProbe:
        """Return the proof from outside."""
        return DockerApiProbe(
            host=self.outputs.public_ip,
            port=2376,
            certificates=self.environment.certificates,
            timeout_seconds=20,
        )

    def shell(self, command: str) -> str:
        """Run a command on the machine, over SSH."""
        key = self.environment.ssh / "id_ed25519"
        return Shell(key=key, port=2222).output(self.outputs.public_ip, command)

    def killed(self, words: tuple[str, ...], phase: str, victim: str) -> tuple[bool, int, str]:
        """Run a command of `moor`, and kill a process of it when it says that it is that far.

        Returns:
            Whether that process was there, the exit status, and what was printed.
        """
        return self._killed([sys.executable, "-m", "moor", *words], phase, victim)

    def cdktf_killed(self, words: tuple[str, ...], command: str) -> tuple[bool, int, str]:
        """Run a command of cdktf, and kill the Terraform beneath that runs a command of its own.

        Returns:
            Whether it was there, the exit status, and what was printed.
        """
        cdktf = str(ROOT / ".venv" / "bin" / "cdktf")
        return self._killed([cdktf, *words], "", "terraform", command)

    def _killed(
        self, arguments: list[str], phase: str, victim: str, command: str = ""
    ) -> tuple[bool, int, str]:
        with subprocess.Popen(
            arguments,
            cwd=ROOT,
            env=self.variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as process:
            assert process.stdout is not None
            lines = []
            while phase and (line := process.stdout.readline()):
                lines.append(line)
                if phase in line:
                    break
            assert not phase or phase in lines[-1], "".join(lines)
            killed = kill_below(process.pid, victim, command)
            rest, _ = process.communicate(timeout=PATIENCE_SECONDS)
        return killed, process.returncode, "".join(lines) + rest

    def _run(self, command: list[str]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            cwd=ROOT,
            env=self.variables,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
            check=False,
        )


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """Deploy once for all tests, and leave nothing behind."""
    text = (ROOT / "environments" / "sandbox.yaml").read_text(encoding="utf-8")
    for ours, others in (
        ("api_port: 4599", "api_port: 4697"),
        ("127.18.0.0/24", "127.21.0.0/24"),
        ("172.30.18", "172.30.21"),
    ):
        assert ours in text
        text = text.replace(ours, others)
    file = tmp_path_factory.mktemp("environments") / "deploy-test.yaml"
    job = file.with_name("job.yaml")
    job.write_text(JOB, encoding="utf-8")
    text += f"services: [{ROOT / 'services' / 'compose.yaml'}, {job}]\n"
    file.write_text(text, encoding="utf-8")
    environment = Environment(name=file.stem, settings_file=file, root=ROOT)
    variables = {k: v for k, v in os.environ.items() if not k.startswith("AWS_")}
    made = Deployment(environment=environment, variables={**variables, "ENVIRONMENT": str(file)})
    made.run("down")
    shutil.rmtree(environment.directory, ignore_errors=True)
    assert left_of(made.sandbox()) == []
    # The very first one is cut off where a machine is under way, and no state knows it yet.
    made.interrupted.append(made.killed(("up",), "machine moor-deploy-test: creating", "terraform"))
    made.up()
    assert left_of(made.sandbox()) != []
    yield made
    done = made.run("down")
    assert done.returncode == 0, done.stdout + done.stderr
    assert left_of(made.sandbox()) == []
    shutil.rmtree(environment.directory)
    shutil.rmtree(environment.output)


def kill_below(root: int, victim: str, command: str = "") -> bool:
    """Kill a process that another one has started, or that one itself (`moor`), with SIGKILL.

    Args:
        root: The process above.
        victim: The name of the process, as the kernel has it, or `moor`.
        command: A word that its command line has, where it matters which one it is.

    Returns:
        Whether it was there before the deadline, and the process above had not ended.
    """
    if victim == "moor":
        os.kill(root, signal.SIGKILL)
        return True
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and Path(f"/proc/{root}").exists():
        for pid, name in below(root):
            if name == victim and (not command or command in arguments_of(pid)):
                os.kill(pid, signal.SIGKILL)
                return True
        time.sleep(0.005)
    return False


def arguments_of(pid: int) -> list[str]:
    """List the words of a program's command line; none where it is a script, or has ended."""
    with contextlib.suppress(OSError):
        words = Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")
        # A wrapper in front of the program has the same name, and an interpreter's words.
        if Path(words[0]).name == Path(f"/proc/{pid}/exe").readlink().name:
            return words
    return []


def below(root: int) -> list[tuple[int, str]]:
    """List the processes that a process has started, and those that they have: id and name."""
    parents: dict[int, tuple[int, str]] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with contextlib.suppress(OSError):
                head, _, rest = (folder / "stat").read_text(encoding="utf-8").rpartition(")")
                parents[int(folder.name)] = (int(rest.split()[1]), head.partition("(")[2])
    found: list[tuple[int, str]] = []
    known = {root}
    while new := {pid for pid, (parent, _) in parents.items() if parent in known} - known:
        known |= new
        found += [(pid, parents[pid][1]) for pid in new]
    return found


def get(url: str) -> tuple[int, bytes]:
    # No proxy: the address is on this computer.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(url, timeout=20) as answer:
        return answer.status, answer.read()


def test_a_first_deployment_that_was_killed_is_repaired_by_the_next(deployment: Deployment) -> None:
    ((killed, status, told),) = deployment.interrupted
    assert killed, told
    assert status == 1, told
    assert "must come to its end by itself, got killed by SIGKILL" in told
    reservations = deployment.ec2().describe_instances()["Reservations"]
    states = [i["State"]["Name"] for r in reservations for i in r["Instances"]]
    assert states.count("running") == 1
    assert set(states) <= {"running", "terminated"}


def test_the_services_answer(deployment: Deployment) -> None:
    services = deployment.outputs.services
    status, body = get(services["elastic"])
    assert status == 200
    assert json.loads(body)["name"] == "elastic"
    status, body = get(services["web"])
    assert status == 200
    assert body == (ROOT / "services" / "web" / "index.html").read_bytes()


def test_the_container_is_the_recipes(deployment: Deployment) -> None:
    elastic = deployment.container("elastic")
    config, host = elastic.attrs["Config"], elastic.attrs["HostConfig"]
    assert elastic.status == "running"
    assert config["Hostname"] == "elastic"
    assert {"SERVICE=elastic", "PROJECT=moor", "ENVIRONMENT=deploy-test"} <= set(config["Env"])
    assert host["RestartPolicy"]["Name"] == "no"
    assert host["PortBindings"]["9200/tcp"][0]["HostPort"] == "9200"
    (mount,) = elastic.attrs["Mounts"]
    assert mount["Type"] == "volume"
    assert mount["Destination"] == "/usr/share/elasticsearch/data"
    assert "bridge" not in elastic.attrs["NetworkSettings"]["Networks"]


def test_strangers_are_refused(deployment: Deployment) -> None:
    passed: list[str] = []
    deployment.probe().run(passed.append)
    assert len(passed) == 4


def test_a_second_deployment_changes_nothing(deployment: Deployment) -> None:
    before = deployment.container("elastic").id
    job = deployment.container("job").attrs["State"]
    assert (job["Status"], job["ExitCode"]) == ("exited", 0)
    out = deployment.up()
    assert out.count(UNCHANGED) == 2
    assert deployment.container("elastic").id == before
    assert deployment.container("job").attrs["State"]["StartedAt"] == job["StartedAt"]


def test_cdktf_by_hand_does_the_same(deployment: Deployment) -> None:
    done = deployment.cdktf("deploy", "*", "--auto-approve")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("0 added, 0 changed, 0 destroyed") == 2


def test_two_deployments_at_once_are_refused(deployment: Deployment) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "moor", "up"],
        cwd=ROOT,
        env=deployment.variables,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as first:
        assert first.stdout is not None
        # It has the lock before it says anything.
        assert first.stdout.readline()
        second = deployment.run("up")
        by_hand = deployment.cdktf("destroy", "*", "--auto-approve")
        first.communicate(timeout=PATIENCE_SECONDS)
    assert first.returncode == 0
    text = (
        "environment deploy-test: must have one command at a time, "
        f"got another at work (process {first.pid}); wait until it has ended; "
        "`moor lock status` tells what it does"
    )
    assert second.returncode == 1
    assert second.stderr.strip() == f"error: {text}"
    assert by_hand.returncode == 1
    assert by_hand.stderr.strip() == text


def test_no_private_key_leaves_its_file(deployment: Deployment) -> None:
    environment = deployment.environment
    folders = (environment.output, environment.state, environment.log)
    files = [f for folder in folders for f in folder.rglob("*") if f.is_file()]
    assert len(files) > 5
    assert [f for f in files if b"PRIVATE KEY" in f.read_bytes()] == []
    machine = deployment.machine().id
    answer = deployment.ec2().describe_instance_attribute(InstanceId=machine, Attribute="userData")
    assert "PRIVATE KEY" not in json.dumps(answer["UserData"])
    for file in (environment.pki, environment.certificates, environment.ssh):
        assert file.stat().st_mode & 0o777 == 0o700
    keys = [*environment.directory.rglob("*key.pem"), environment.ssh / "id_ed25519"]
    # The server's is not among them: the machine has made it, and keeps it.
    assert {f.name for f in keys} == {"ca-key.pem", "key.pem", "id_ed25519"}
    assert [f.stat().st_mode & 0o777 for f in keys] == [0o600] * 3
    shown = deployment.shell("sudo stat -c '%a %U' /etc/docker/server-key.pem; ls /run/moor")
    assert shown.split("\n") == ["600 root", "init.sh", "open-docker-api.sh", "services-end.sh"]


def test_only_the_ports_of_the_groups_are_open(deployment: Deployment) -> None:
    assert deployment.machine().ports == (80, 443, 2222, 2376, 9200)


def test_the_docker_api_survives_a_reboot_behind_tls(deployment: Deployment) -> None:
    machine = deployment.machine().id
    elastic = deployment.container("elastic").attrs["State"]["StartedAt"]
    deployment.ec2().reboot_instances(InstanceIds=[machine])
    assert deployment.container("elastic").attrs["State"]["StartedAt"] == elastic
    deployment.probe().run(lambda _: None)


def test_a_stopped_container_is_started_again(deployment: Deployment) -> None:
    # After the reboot `elastic`, which restarts by itself never, is down.
    assert deployment.container("elastic").status == "exited"
    deployment.up()
    assert deployment.container("elastic").status == "running"


def test_an_api_that_its_machine_has_closed_is_opened_by_the_next_deployment(
    deployment: Deployment,
) -> None:
    # As the machine does where a stranger is answered.
    deployment.shell(
        "sudo rm /etc/docker/tls.env; sudo systemctl disable --now docker-tls-tcp.socket; "
        "sudo systemctl restart docker.service"
    )
    with pytest.raises(ProbeError):
        deployment.probe().check_our_certificate()
    assert "has closed its Docker API by itself" in deployment.up()
    deployment.probe().run(lambda _: None)
    assert deployment.container("elastic").status == "running"


def test_a_due_certificate_runs_the_provisioning_again_and_nothing_else(
    deployment: Deployment,
) -> None:
    # Time makes it due, which the tests of the PKI show; here its request is gone, and the
    # next one has another lifetime.
    environment = deployment.environment
    before = deployment.shell("sudo sha256sum /etc/docker/server.pem /etc/docker/server-key.pem")
    (environment.pki / "server-request.json").unlink()
    out = deployment.up()
    assert "1 to add, 0 to change, 1 to destroy" in out
    after = deployment.shell("sudo sha256sum /etc/docker/server.pem /etc/docker/server-key.pem")
    assert not set(before.split()[::2]) & set(after.split()[::2])
    deployment.probe().run(lambda _: None)


def answers(deployment: Deployment, folder: Path) -> bool:
    """Tell whether the API answers the client of a folder."""
    probe = replace(deployment.probe(), certificates=folder, timeout_seconds=0)
    try:
        probe.check_our_certificate()
    except ProbeError:
        return False
    return True


def test_certificates_are_rotated_and_shared_while_containers_run(
    deployment: Deployment, tmp_path: Path
) -> None:
    machine = deployment.machine().id
    before = deployment.container("elastic").attrs
    old = shutil.copytree(deployment.environment.certificates, tmp_path / "old")
    shared = deployment.run("share", "alice", "--days", "2")
    assert shared.returncode == 0, shared.stdout + shared.stderr
    assert f"export DOCKER_HOST={deployment.outputs.docker_host} DOCKER_TLS_VERIFY=1" in (
        shared.stdout
    )
    assert deployment.run("certs", "rotate", "all").returncode == 0
    # Nothing is installed yet: the old client works, and the new ones do not.
    assert answers(deployment, old)
    alice = shutil.copytree(deployment.environment.shared / "alice", tmp_path / "alice")
    assert not answers(deployment, alice)
    assert {f.stat().st_mode & 0o777 for f in alice.iterdir()} == {0o600}

    out = deployment.up()
    assert "1 to add, 0 to change, 1 to destroy" in out
    assert deployment.machine().id == machine
    after = deployment.container("elastic").attrs
    assert (after["Id"], after["State"]["StartedAt"]) == (
        before["Id"],
        before["State"]["StartedAt"],
    )
    assert get(deployment.outputs.services["elastic"])[0] == 200
    # With the new authority, so that only the client counts.
    shutil.copy(deployment.environment.certificates / "ca.pem", old)
    shutil.copy(deployment.environment.certificates / "ca.pem", alice)
    assert not answers(deployment, old)
    assert answers(deployment, alice)
    assert answers(deployment, deployment.environment.certificates)
    assert "alice: until " in deployment.run("share").stdout

    # Interrupted when the machine has the new list and this computer does not know it yet.
    assert deployment.run("unshare", "alice").returncode == 0
    assert deployment.run("certs", "rotate", "client").returncode == 0
    killed, status, told = deployment.killed(("up", "-v"), "API is open on port", "terraform")
    assert killed, told
    assert status != 0
    out = deployment.up()
    assert not answers(deployment, alice)
    assert answers(deployment, deployment.environment.certificates)
    assert (
        deployment.container("elastic").attrs["State"]["StartedAt"]
        == (before["State"]["StartedAt"])
    )
    assert deployment.up().count(UNCHANGED) == 2


def test_another_host_key_is_an_error_and_nothing_is_sent(deployment: Deployment) -> None:
    # As if somebody else answered at the address, with whom Terraform would have talked.
    deployment.shell(
        "sudo mkdir /root/keys && sudo sh -c 'cp -p /etc/ssh/ssh_host_* /root/keys/' && "
        "sudo rm /etc/ssh/ssh_host_* && sudo ssh-keygen -A && sudo rm -rf /run/moor"
    )
    hosts = deployment.environment.hosts / deployment.machine().id
    known = (hosts / "known_hosts").read_text(encoding="utf-8")
    assert deployment.run("certs", "rotate", "server").returncode == 0
    # Not seen before by this computer: the console tells.
    shutil.rmtree(hosts)
    failed = deployment.run("up")
    assert failed.returncode == 1
    words = " ".join(failed.stdout.split())
    for key in parse_keys(known):
        assert key.fingerprint in words
    assert len(set(re.findall(r"SHA256:[A-Za-z0-9+/]{43}", words))) >= 4
    assert "nothing was sent to it" in words
    assert deployment.shell("ls /run/moor 2>&1 || true").startswith("ls: cannot access")
    deployment.shell("sudo sh -c 'rm /etc/ssh/ssh_host_* && cp -p /root/keys/* /etc/ssh/'")
    deployment.up()
    assert (hosts / "known_hosts").read_text(encoding="utf-8") == known


def test_a_failed_proof_is_repeated_and_never_taints_the_machine(deployment: Deployment) -> None:
    machine = deployment.machine().id
    state = deployment.environment.state / "aws.tfstate"
    # The options cannot be written, which is the last thing before the API opens.
    deployment.shell("sudo mkdir /etc/docker/tls.env.new")
    assert deployment.run("certs", "rotate", "server").returncode == 0
    failed = deployment.run("up")
    assert failed.returncode == 1
    assert "the Docker API is closed" in failed.stdout
    tainted = [
        r["type"]
        for r in json.loads(state.read_text())["resources"]
        for i in r["instances"]
        if i.get("status") == "tainted"
    ]
    assert tainted == ["terraform_data"]
    with pytest.raises(ProbeError):
        deployment.probe().check_our_certificate()
    deployment.shell("sudo rmdir /etc/docker/tls.env.new")
    deployment.up()
    deployment.probe().run(lambda _: None)
    assert deployment.machine().id == machine


@pytest.mark.parametrize(
    ("words", "phase", "victim"),
    [
        rarely(("up", "web"), "synthesis ...", "node"),
        rarely(("up", "web"), "plan of web ...", "terraform"),
        rarely(("up", "web"), "plan of web ...", "moor"),
        rarely(("up",), "plan of both stacks ...", "terraform-provi"),
        (("up", "web"), "container moor-web-1: creating ...", "terraform"),
        rarely(("up", "web"), "container moor-web-1: creating ...", "terraform-provi"),
        (("up", "web"), "container moor-web-1: creating ...", "moor"),
    ],
)
def test_whatever_is_killed_is_a_failure_and_the_next_deployment_repairs(
    deployment: Deployment, words: tuple[str, ...], phase: str, victim: str
) -> None:
    deployment.container("web").remove(force=True)
    killed, status, told = deployment.killed(words, phase, victim)
    assert killed, told
    assert status != 0, told
    if victim == "terraform":
        assert "must come to its end by itself, got killed by SIGKILL" in told
    repaired = deployment.run("up", "web")
    assert repaired.returncode == 0, repaired.stdout + repaired.stderr
    assert deployment.container("web").status == "running"
    assert get(deployment.outputs.services["web"])[0] == 200
    pending = deployment.run("plan", "web", "--detailed-exitcode")
    assert pending.returncode == 0, pending.stdout + pending.stderr


@pytest.mark.long
@pytest.mark.parametrize(
    ("words", "command"),
    [rarely(("diff", "docker"), "plan"), (("deploy", "*", "--auto-approve"), "apply")],
)
def test_a_terraform_killed_beneath_cdktf_is_a_failure(
    deployment: Deployment, words: tuple[str, ...], command: str
) -> None:
    deployment.container("web").remove(force=True)
    killed, status, told = deployment.cdktf_killed(words, command)
    assert killed, told
    assert status != 0, told
    # cdktf may end before it has shown what its Terraform said last; the status it always tells.
    assert re.search(r"got killed by signal 9|exit code 137", told), told
    deployment.up()
    assert get(deployment.outputs.services["web"])[0] == 200


def test_what_an_interrupted_deployment_has_left_is_removed(deployment: Deployment) -> None:
    # A container that exists and no state knows, as after a kill between the two.
    state = deployment.environment.state / "docker.tfstate"
    document = json.loads(state.read_text(encoding="utf-8"))
    document["resources"] = [
        r
        for r in document["resources"]
        if not (r["type"] == "docker_container" and "web" in r["name"])
    ]
    document["serial"] += 1
    state.write_text(json.dumps(document), encoding="utf-8")
    (deployment.environment.directory / "unfinished-docker").touch()
    before = deployment.container("web").id
    out = deployment.run("up", "web")
    assert out.returncode == 0, out.stdout + out.stderr
    assert "removed container moor-web-1" in out.stdout
    assert deployment.container("web").id != before


def test_a_lost_state_of_the_docker_stack_is_had_back(deployment: Deployment) -> None:
    folder = deployment.environment.state
    for name in ("docker.tfstate", "docker.tfstate.backup"):
        (folder / name).unlink()
    before = deployment.container("elastic").id
    out = deployment.run("state", "adopt")
    assert out.returncode == 0, out.stdout + out.stderr
    for what in ("container moor-elastic-1", "network moor_default", "volume moor_elastic-data"):
        assert what in out.stdout
    assert deployment.container("elastic").id == before
    assert "volume moor_elastic-data will be" not in out.stdout
    deployment.up()
    assert deployment.up().count(UNCHANGED) == 2


def test_an_empty_state_beside_a_good_backup_is_found_and_restored(deployment: Deployment) -> None:
    state = deployment.environment.state / "docker.tfstate"
    good = state.read_bytes()
    (state.parent / "docker.tfstate.backup").write_bytes(good)
    state.write_bytes(b"")
    before = deployment.container("elastic").id
    refused = deployment.run("up")
    assert refused.returncode == 1
    assert refused.stderr.strip().startswith(
        f"error: {state}: must be a Terraform state, got an empty file, beside a good backup of "
    )
    assert refused.stderr.strip().endswith("run: moor state restore docker")
    assert deployment.run("state", "restore", "docker").returncode == 0
    assert state.read_bytes() == good
    assert deployment.up().count(UNCHANGED) == 2
    assert deployment.container("elastic").id == before


def test_what_does_not_run_is_told_with_a_status(deployment: Deployment) -> None:
    deployment.container("web").stop(timeout=1)
    told = deployment.run("status")
    assert told.returncode == 1
    assert "error: moor-web-1: must run, got exited" in told.stderr
    found = json.loads(deployment.run("status", "--json").stdout)
    assert [(s["service"], s["good"]) for s in found["services"]] == [
        ("elastic", True),
        ("job", True),
        ("web", False),
    ]
    deployment.run("up", "web")
    assert deployment.run("status").returncode == 0


@pytest.mark.long
def test_the_policy_is_all_that_deploying_changing_and_destroying_need(
    deployment: Deployment,
) -> None:
    environment = deployment.environment
    settings = load_settings(environment.settings_file)
    document = without_conditions(policy(settings, environment=environment.name))
    usual = environment.settings_file.read_text(encoding="utf-8")
    larger = "aws:\n  instance_type: t3.large\n  root_volume: {size_gib: 40}\n"
    before = deployment.machine().id
    with limited_user(environment, deployment.sandbox(), document) as allow:
        changed = usual.replace("aws:\n", larger).replace("127.0.0.0/8", "127.0.0.0/9")
        environment.settings_file.write_text(changed, encoding="utf-8")
        deployment.up()
        assert deployment.machine().id == before
        done = deployment.cdktf("destroy", "*", "--auto-approve")
        assert done.returncode == 0, done.stdout + done.stderr
        environment.settings_file.write_text(usual, encoding="utf-8")
        deployment.up()
        assert deployment.machine().id != before
        asked = set(deployment.sandbox().status().permissions)
        for statement in document["Statement"]:
            # Each is needed: without it something that was asked for is refused.
            assert asked & set(statement["Action"]), statement["Sid"]
        rest = [one for one in document["Statement"] if one["Sid"] != "Look"]
        allow({**document, "Statement": rest})
        refused = deployment.run("plan")
        assert refused.returncode == 1
        assert "UnauthorizedOperation" in refused.stdout + refused.stderr
    assert get(deployment.outputs.services["web"])[0] == 200


def test_a_killed_emulator_starts_from_nothing_and_says_so(deployment: Deployment) -> None:
    file = deployment.environment.sandbox / "process.json"
    os.kill(json.loads(file.read_text())["pid"], signal.SIGKILL)
    out = deployment.up()
    assert "the emulated AWS that the Terraform state speaks of is gone" in out
    deployment.probe().run(lambda _: None)
    assert get(deployment.outputs.services["web"])[0] == 200
