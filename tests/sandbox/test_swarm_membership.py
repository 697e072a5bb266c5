"""Machines become a swarm and stay one: joined, lost, replaced, drained, recovered for real."""

from __future__ import annotations

import gzip
import os
import shutil
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from cdktf import App, LocalBackend, TerraformStack
from docker.errors import APIError, NotFound
from swarm_machines import IMAGE, PORT, SwarmMachines, swarm_machines
from trial_sandbox import wait_for

from constructs_lib.host.docker_api import CertificateStore
from constructs_lib.identity.pki import Pki
from constructs_lib.swarm.entries import Entry, entries, named
from constructs_lib.swarm.errors import SwarmError
from constructs_lib.swarm.managers import NoManagerError, Problem, answering, survey
from constructs_lib.swarm.members import MemberNode, Members
from constructs_lib.swarm.membership import Joining
from constructs_lib.swarm.node import SwarmNode
from constructs_lib.swarm.operations import activate, drain, label, promote, remove_node
from constructs_lib.swarm.recover import recover
from constructs_lib.swarm.words import join_lock
from constructs_lib.terraform.literal import Expression
from moor.toolchain.toolchain import Toolchain

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
MANAGERS = ("manager-1", "manager-2", "manager-3")
WORKER = "worker-1"
SPARE = "worker-2"
MEMBERS = (*MANAGERS, WORKER)
LABELS = {WORKER: {"tier": "web"}}
TOKEN = "SWMTKN"  # noqa: S105  (how each begins)


pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def machines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SwarmMachines]:
    """Boot the machines that the tests below share."""
    with swarm_machines(tmp_path_factory.mktemp("environment")) as made:
        made.boot(*MEMBERS, SPARE)
        yield made


@pytest.fixture(scope="module")
def said(machines: SwarmMachines, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Make the swarm with Terraform. Returns all that was said and written meanwhile."""
    folder = tmp_path_factory.mktemp("terraform")
    written: list[str] = []
    with _Watched(written):
        written.append(_terraform(machines, folder, "apply", "-auto-approve"))
    written.append((folder / "terraform.tfstate").read_text())
    plan = _terraform(machines, folder, "plan", "-detailed-exitcode")
    assert "No changes" in plan
    return "\n".join(written)


@pytest.fixture
def swarm(machines: SwarmMachines, said: str) -> SwarmMachines:
    """Return the machines once they are a swarm; each test leaves it whole."""
    assert said
    return machines


def _terraform(machines: SwarmMachines, folder: Path, *words: str) -> str:
    if not (folder / "cdk.tf.json").exists():
        app = App(outdir=str(folder / "out"))
        stack = TerraformStack(app, "swarm")
        LocalBackend(stack, path=str(folder / "terraform.tfstate"))
        Members(
            stack,
            "Swarm",
            nodes=[_member(machines, name) for name in MEMBERS],
            port=PORT,
            store=CertificateStore(
                pki=machines.pki.pki_dir,
                certificates=machines.pki.certificates_dir,
                request="",
                clients="",
            ),
            depends_on=[],
        )
        app.synth()
        shutil.copy(folder / "out" / "stacks" / "swarm" / "cdk.tf.json", folder)
    toolchain = Toolchain.load()
    variables = {**os.environ, **toolchain.variables(machines.sandbox._environment)}
    terraform = [str(toolchain.terraform)]
    if not (folder / ".terraform").exists():
        words = words or ("init",)
        subprocess.run([*terraform, "init"], cwd=folder, env=variables, check=True)
    done = subprocess.run(
        [*terraform, *words, "-no-color", "-input=false"],
        cwd=folder,
        env=variables,
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def _member(machines: SwarmMachines, name: str) -> MemberNode:
    endpoint = machines.endpoint(name)
    return MemberNode(
        node=_node(name),
        public_ip=Expression(endpoint.address),
        private_ip=Expression(endpoint.private_address),
        machine=Expression(name),
    )


def _node(name: str) -> SwarmNode:
    return SwarmNode(name=name, is_manager=name in MANAGERS, labels=LABELS.get(name, {}))


class _Watched:
    """Collects the arguments and variables of every program that runs meanwhile."""

    def __init__(self, found: list[str]) -> None:
        self._found = found
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._end.wait(0.1):
            for process in Path("/proc").glob("[0-9]*"):
                for name in ("cmdline", "environ"):
                    try:
                        text = (process / name).read_bytes().decode(errors="replace")
                    except OSError:
                        continue
                    if TOKEN in text or "swarm.join" in text:
                        self._found.append(text)


def step(
    machines: SwarmMachines, name: str, *, pki: Pki | None = None
) -> subprocess.CompletedProcess[str]:
    """Run the step that makes a machine a member."""
    pki = pki or machines.pki
    endpoint, node = machines.endpoint(name), _node(name)
    managers = machines.endpoints(MANAGERS)
    return subprocess.run(
        [
            *(sys.executable, "-m", "constructs_lib.swarm.join", "--role", node.role),
            *("--node", name, endpoint.address, endpoint.private_address),
            *(f"--label={key}={value}" for key, value in node.labels.items()),
            *("--port", str(PORT), "--pki", str(pki.pki_dir)),
            *("--certificates", str(pki.certificates_dir)),
            *(
                word
                for m in managers
                for word in ("--manager", m.name, m.address, m.private_address)
            ),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
    )


def joins(machines: SwarmMachines, *names: str) -> str:
    """Run the steps of several machines at once. Returns what they said."""
    with ThreadPoolExecutor(len(names)) as pool:
        done = list(pool.map(lambda name: step(machines, name), names))
    for one in done:
        assert one.returncode == 0, one.stderr
    return "".join(sorted(one.stdout for one in done))


def nodes(machines: SwarmMachines) -> dict[str, Entry]:
    """Return the swarm's nodes by their names, each of which is there once."""
    manager = answering(machines.endpoints(MANAGERS), machines.folders)
    with manager.engine() as engine:
        found = entries(engine)
    assert len({e.name for e in found}) == len(found), found
    return {e.name: e for e in found}


def is_whole(machines: SwarmMachines) -> bool:
    """Tell whether all are there, in their roles, and ready."""
    found = nodes(machines)
    return {name: (e.state, e.reachability) for name, e in found.items()} == {
        name: ("ready", "reachable" if name in MANAGERS else "") for name in MEMBERS
    }


def leader(machines: SwarmMachines) -> str:
    return next(e.name for e in nodes(machines).values() if e.is_leader)


def test_machines_become_a_swarm_with_their_roles_and_labels(swarm: SwarmMachines) -> None:
    found = nodes(swarm)
    assert is_whole(swarm)
    assert {name: (e.is_manager, e.address) for name, e in found.items()} == {
        name: (name in MANAGERS, swarm.endpoint(name).private_address) for name in MEMBERS
    }
    # Machines of the sandbox have this computer's kernel, and no modules of their own.
    assert found[WORKER].labels == {
        "moor.node": WORKER,
        "moor.ip_vs": "yes" if Path("/proc/net/ip_vs").exists() else "no",
        "moor.esp": "yes" if _has_esp() else "no",
        "moor.given": "tier",
        "tier": "web",
    }
    images = []
    for name in MEMBERS:
        with swarm.engine(name) as engine:
            images += [tag for image in engine.images.list() for tag in image.tags]
    assert set(images) == {f"{IMAGE}:1"}


def _has_esp() -> bool:
    built_in = Path("/proc/config.gz")
    return Path("/sys/module/esp4").exists() or (
        built_in.exists() and b"\nCONFIG_INET_ESP=y\n" in gzip.decompress(built_in.read_bytes())
    )


@pytest.mark.parametrize("options", [{}, {"encrypted": ""}], ids=["plain", "encrypted"])
def test_an_encrypted_network_carries_something_where_the_label_says_so(
    swarm: SwarmMachines, options: dict[str, str]
) -> None:
    ends = ("manager-2", WORKER)
    with swarm.engine(ends[0]) as engine:
        made = engine.api.create_network(
            "tried", driver="overlay", options=options, attachable=True
        )
    places = {}
    try:
        for name in ends:
            with swarm.engine(name) as engine:
                sleeping = ["/usr/bin/sleep", "1000"]
                end = engine.containers.run(
                    f"{IMAGE}:1", sleeping, name="tried", network="tried", detach=True
                )
                end.reload()
                address = end.attrs["NetworkSettings"]["Networks"]["tried"]["IPAddress"]
                places[name] = (f"nsenter -t {end.attrs['State']['Pid']} -n timeout 30 ", address)
        (enter, _), (enter_other, address) = (places[name] for name in ends)
        answer = "socat TCP-LISTEN:7000,fork SYSTEM:'echo it is here'"
        swarm.run(ends[1], f"{enter_other} {answer} >/dev/null 2>&1 &")
        ask = f"{enter} socat -T 3 STDOUT TCP:{address}:7000,connect-timeout=3,retry=3 2>&1 || true"
        said = swarm.run(ends[0], ask)
        has_it = nodes(swarm)[WORKER].labels["moor.esp"] == "yes"
        assert ("it is here" in said) == (not options or has_it), said
    finally:
        for name in places:
            with swarm.engine(name) as engine:
                engine.containers.get("tried").remove(force=True)
        with swarm.engine(ends[0]) as engine:
            # The swarm hears a moment later that nobody is on it any more.
            wait_for(lambda: _is_removed(engine, made["Id"]), "the network to go")


def _is_removed(engine: Any, network: str) -> bool:  # noqa: ANN401
    try:
        engine.api.remove_network(network)
    except NotFound:
        return True
    except APIError:
        return False
    return True


def test_no_token_was_said_written_or_told_to_a_program(swarm: SwarmMachines, said: str) -> None:
    # The steps were seen at work, or else nothing is shown.
    assert said.count("constructs_lib.swarm.join") > 4
    assert TOKEN not in said
    for name in MEMBERS:
        assert TOKEN not in swarm.run(name, "journalctl --no-pager")


def test_a_second_run_changes_nothing(swarm: SwarmMachines) -> None:
    before = _versions(swarm)
    assert joins(swarm, *MEMBERS) == ""
    assert _versions(swarm) == before


def _versions(machines: SwarmMachines) -> dict[str, int]:
    with machines.engine("manager-1") as engine:
        found = {n["ID"]: n["Version"]["Index"] for n in engine.api.nodes()}
        return {**found, "swarm": engine.api.inspect_swarm()["Version"]["Index"]}


def test_a_token_lets_nobody_in_once_it_was_used(swarm: SwarmMachines) -> None:
    with swarm.engine("manager-1") as engine:
        before = engine.api.inspect_swarm()["JoinTokens"]
    _leave(swarm, WORKER)
    assert f"{WORKER}: joined swarm " in joins(swarm, WORKER)
    assert is_whole(swarm)
    with swarm.engine("manager-1") as engine:
        after = engine.api.inspect_swarm()["JoinTokens"]
    assert not set(before.values()) & set(after.values())
    manager = swarm.endpoint("manager-1").private_address
    with swarm.engine(SPARE) as engine, pytest.raises(APIError, match="valid join token"):
        engine.api.join_swarm([f"{manager}:2377"], before["Worker"])


def _leave(machines: SwarmMachines, name: str) -> None:
    with machines.engine(name) as engine:
        engine.api.leave_swarm(force=True)


def test_a_forged_certificate_is_refused(swarm: SwarmMachines, tmp_path: Path) -> None:
    forged = Pki(pki_dir=tmp_path / "pki", certificates_dir=tmp_path / "certificates")
    forged.ensure()
    # The machines' own authority, so that they are believed, and a client that is not theirs.
    shutil.copy(swarm.pki.certificates_dir / "ca.pem", forged.certificates_dir)
    answers = survey(swarm.endpoints(MANAGERS), [forged.certificates_dir])
    assert [answer.problem for answer in answers] == [Problem.CERTIFICATE] * 3
    done = step(swarm, SPARE, pki=forged)
    assert done.returncode == 1
    assert f"{SPARE} ({swarm.endpoint(SPARE).address}:{PORT}): must answer" in done.stderr
    assert "certificate refused" in done.stderr
    assert swarm.info(SPARE)["LocalNodeState"] == "inactive"


def test_a_machine_of_another_swarm_is_left_alone(swarm: SwarmMachines) -> None:
    with swarm.engine(SPARE) as engine:
        address = swarm.endpoint(SPARE).private_address
        engine.api.init_swarm(advertise_addr=address)
        other = engine.api.inspect_swarm()["ID"]
        try:
            done = step(swarm, SPARE)
            ours = swarm.info("manager-1")["Cluster"]["ID"]
            assert done.returncode == 1
            assert done.stderr == (
                f"{SPARE} ({address}:{PORT}): must be in swarm {ours} of manager-1 or in none, got "
                f"swarm {other}; if that is not needed, let the machine leave it (docker swarm "
                "leave --force) or replace it, and deploy again\n"
            )
            assert engine.api.inspect_swarm()["ID"] == other
        finally:
            engine.api.leave_swarm(force=True)


def test_roles_and_labels_are_corrected_and_what_others_gave_stays(swarm: SwarmMachines) -> None:
    with swarm.engine("manager-1") as engine:
        promote(engine, WORKER)
        label(engine, WORKER, {"tier": "other", "by-hand": "stays"})
        assert named(engine, WORKER).is_reachable
    assert joins(swarm, WORKER) == ("worker-1: made it a worker\nworker-1: corrected its labels\n")
    assert is_whole(swarm)
    labels = nodes(swarm)[WORKER].labels
    assert (labels["tier"], labels["by-hand"]) == ("web", "stays")


@pytest.mark.parametrize("name", [WORKER, "manager-2"])
def test_a_machine_in_the_place_of_a_lost_one_takes_its_entry_away(
    swarm: SwarmMachines, name: str
) -> None:
    before = nodes(swarm)[name].id
    swarm.replace(name)
    out = joins(swarm, name)
    assert f"{name}: removed the entry of the machine before\n" in out
    assert is_whole(swarm)
    assert nodes(swarm)[name].id != before


def test_a_machine_that_the_swarm_does_not_know_any_more_joins_again(swarm: SwarmMachines) -> None:
    with swarm.engine("manager-1") as engine:
        remove_node(engine, WORKER, force=True)
    assert f"{WORKER}: joined swarm" in joins(swarm, WORKER)
    assert is_whole(swarm)


def test_a_drain_waits_until_the_tasks_are_gone(swarm: SwarmMachines) -> None:
    with swarm.engine("manager-1") as engine:
        service = _service(engine, "drained", replicas=4)
        try:
            _wait_for_tasks(engine, "drained", 4)
            lines: list[str] = []
            assert drain(engine, WORKER, seconds=30, report=lines.append)
            assert lines[0] == f"{WORKER}: still has 1 task: drained (1)"
            with swarm.engine(WORKER) as own:
                assert own.containers.list() == []
            _wait_for_tasks(engine, "drained", 4)
        finally:
            engine.api.remove_service(service)
            assert activate(engine, WORKER)


def _service(engine: Any, name: str, *, replicas: int, secret: str = "") -> str:  # noqa: ANN401
    container: dict[str, Any] = {
        "Image": f"{IMAGE}:1",
        "Command": ["/usr/bin/sleep", "1000"],
        "StopGracePeriod": 1_000_000_000,
    }
    if secret:
        container["Secrets"] = [
            {
                "SecretID": secret,
                "SecretName": "of-the-service",
                "File": {"Name": "it", "UID": "0", "GID": "0", "Mode": 0o400},
            }
        ]
    made: dict[str, str] = engine.api.create_service(
        {"ContainerSpec": container}, name=name, mode={"Replicated": {"Replicas": replicas}}
    )
    return made["ID"]


def _wait_for_tasks(engine: Any, name: str, number: int) -> None:  # noqa: ANN401
    def running() -> int:
        tasks = engine.api.tasks(filters={"service": name, "desired-state": "running"})
        return sum(task["Status"]["State"] == "running" for task in tasks)

    wait_for(lambda: running() == number, f"{number} tasks of {name} run")


def test_a_leader_dies_then_the_majority_and_the_swarm_is_recovered(swarm: SwarmMachines) -> None:
    with swarm.engine("manager-1") as engine:
        secret: Any = engine.api.create_secret("of-the-service", b"content")
        service = _service(engine, "kept", replicas=2, secret=secret["ID"])
        _wait_for_tasks(engine, "kept", 2)

    first = leader(swarm)
    second, survivor = (name for name in reversed(MANAGERS) if name != first)
    swarm.kill(first)
    begin = time.monotonic()
    manager = answering(swarm.endpoints([first, second, survivor]), swarm.folders)
    assert time.monotonic() - begin < 30
    assert (manager.endpoint.name, [a.endpoint.name for a in manager.passed_over]) == (
        second,
        [first],
    )
    with manager.engine() as engine:
        wait_for(lambda: not named(engine, first).is_reachable, f"{first} is missed")
        for name in (second, survivor):
            with pytest.raises(SwarmError, match="must leave a majority of managers"):
                drain(engine, name, seconds=0, report=print)
            with pytest.raises(SwarmError, match="must leave a majority of managers"):
                remove_node(engine, name, force=True)

    swarm.kill(second)
    joining = _joining(swarm)
    error = _lost_majority(joining)
    assert error.has_lost_quorum
    assert "run: moor swarm recover" in str(error)
    assert f"{swarm.endpoint(survivor)}: has no majority: " in str(error)

    descriptions = {name: _node(name) for name in MANAGERS}
    done = recover(joining, descriptions, lost=[first, second], seconds=0)
    assert (done.survivor, done.joined, set(done.lost)) == (survivor, (), {first, second})
    with swarm.engine(survivor) as engine:
        assert [s["ID"] for s in engine.api.services()] == [service]
        assert [s["ID"] for s in engine.api.secrets()] == [secret["ID"]]

    # One comes back with what it had, the other is a new machine.
    swarm.container(second).start()
    swarm.replace(first)
    swarm.start(second)
    assert f"{second}: left the swarm" in joins(swarm, first, second)
    wait_for(lambda: is_whole(swarm), "all are there")
    with swarm.engine(first) as engine:
        _wait_for_tasks(engine, "kept", 2)
        engine.api.remove_service(service)
        engine.api.remove_secret(secret["ID"])
    with pytest.raises(SwarmError, match="there is nothing to recover"):
        recover(joining, descriptions)


def _joining(machines: SwarmMachines) -> Joining:
    return Joining(
        managers=machines.endpoints(MANAGERS),
        certificates=machines.folders,
        lock=join_lock(machines.pki.pki_dir),
        report=print,
    )


def _lost_majority(joining: Joining) -> NoManagerError:
    """Return what is said once it is missed: a leader does not know at once that it is alone."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            answering(joining.managers, joining.certificates, seconds=0)
        except NoManagerError as error:
            # A manager alone answers slowly: it waits for a leader itself, for 20 s.
            return error
        time.sleep(0.5)
    pytest.fail("the majority is not missed within 60 s")


def test_closed_ports_are_told_as_that(
    swarm: SwarmMachines, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("constructs_lib.swarm.membership.PENDING_SECONDS", 0.0)
    spare = swarm.endpoint(SPARE).private_address
    closed = (
        "*mangle\n:MOOR-SANDBOX - [0:0]\n"
        f"-A MOOR-SANDBOX -s {spare} -p tcp -m tcp --dport 2377 -j DROP\nCOMMIT\n"
    )
    for name in MANAGERS:
        swarm.machines.let_in(f"i-{name}", closed)
    try:
        with pytest.raises(SwarmError, match="2377/tcp, 7946 tcp and udp, 4789/udp") as caught:
            _joining(swarm).ensure(_node(SPARE), swarm.endpoint(SPARE))
        assert TOKEN not in str(caught.value)
        assert swarm.info(SPARE)["LocalNodeState"] == "inactive"
    finally:
        for name in MANAGERS:
            swarm.machines.let_in(f"i-{name}", closed.replace("DROP", "RETURN"))
    assert is_whole(swarm)
