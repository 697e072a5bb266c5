"""Deployments of a swarm, with the real Terraform on small stacks, and a swarm that is none."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import pytest
from fake_cluster import FakeCluster, manager, three_and_two, worker
from terraform_stacks import Trial, step

from constructs_lib.compose.model import ComposeProject, NetworkDefinition
from constructs_lib.terraform.stacks import DOCKER
from moor.failure import CommandError, WrongUseError
from moor.swarm import failed_node, upkeep
from moor.swarm.cluster import LostQuorumError
from moor.swarm.impact import Impact
from moor.swarm.roll import RESTING
from moor.swarm.upkeep import Upkeep

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from moor.deployment import Deployment
    from moor.outputs import Node
    from moor.swarm.cluster import Cluster

NAMES = ("manager-1", "manager-2", "manager-3", "web-1", "web-2")
UNCHANGED = "0 to add, 0 to change, 0 to destroy"
NODES = {
    name: {"public_ip": name, "private_ip": name, "instance_id": f"i-{name}", "ssh": name}
    for name in NAMES
}


@dataclass
class Swarm:
    """A trial whose first stack has the nodes' steps.

    Attributes:
        trial: The trial.
        cluster: The swarm.
        answers: The manager that answers; or what is raised.
        asked: What the last stack's resource is that the manager is asked for.
        states: What EC2 says of machines.
        broken: The nodes whose steps fail.
        services: What the Compose file says.
        closed: The nodes whose API is closed.
        pins: The volumes that get a node, with commas between.
    """

    trial: Trial
    cluster: FakeCluster = field(default_factory=FakeCluster)
    answers: str | Exception = "manager-1"
    asked: dict[str, str] = field(default_factory=lambda: {"input": "${var.manager}"})
    states: dict[str, str] = field(default_factory=dict)
    broken: tuple[str, ...] = ()
    services: ComposeProject = field(
        default_factory=lambda: ComposeProject(
            name="moor", file="compose.yaml", services={}, networks={}, volumes={}
        )
    )
    closed: tuple[str, ...] = ()
    pins: str = ""

    @property
    def order(self) -> Path:
        """The file that tells in which order steps ran."""
        return self.trial.environment.root / "order"

    def write(self, *, version: str = "1", names: tuple[str, ...] = NAMES) -> None:
        """Write the stacks; with another version the API's steps of all nodes run again."""
        resources: dict[str, Any] = {}
        for name in names:
            ends = "; exit 3" if name in self.broken else ""
            api = step(f"echo api {name} >> {self.order}{ends}")
            api["triggers_replace"] = version
            join = step(f"echo join {name} >> {self.order}")
            join["depends_on"] = [f"terraform_data.Nodes_{n}_DockerApi" for n in names]
            for key, path, body in (
                (f"Nodes_{name}_DockerApi", f"Nodes/{name}/DockerApi/Resource", api),
                (f"Swarm_Nodes_{name}", f"Swarm/Nodes/{name}", join),
            ):
                resources[key] = {**body, "//": {"metadata": {"path": f"aws/{path}"}}}
        outputs = {
            "docker_host": "tcp://one:2376",
            "ssh": "ssh",
            "nodes": {name: NODES[name] for name in names},
        }
        asked: dict[str, Any] = {"Asked": self.asked}
        if self.pins:
            asked["Pins"] = {
                **step(f"echo pin {self.pins} >> {self.order}"),
                "triggers_replace": {"volumes": self.pins},
                "//": {"metadata": {"path": f"{DOCKER}/Compose/Pins/data"}},
            }
        self.trial.write(aws=resources, outputs=outputs, docker=asked)
        self._declare("manager", "manager-1")

    def deployment(self) -> Deployment:
        """Return a deployment with its upkeep."""
        made = self.trial.deployment()
        made.session.__dict__["services"] = self.services
        made.upkeep = Upkeep(
            session=made.session,
            screen=made.screen,
            wanted={name: name.startswith("manager-") for name in NAMES},
            open_cluster=self._open,
            state_of=self.states.__getitem__,
            closed=lambda: self.closed,
        )
        return made

    def up(self) -> list[str]:
        """Deploy, and return the summary of each stack; the order of before is forgotten."""
        self.order.unlink(missing_ok=True)
        self.cluster.done.clear()
        return [plan.summary for plan in self.deployment().up(approve=False)]

    def ran(self) -> list[str]:
        """Return which steps ran, in their order."""
        return self.order.read_text(encoding="utf-8").splitlines() if self.order.exists() else []

    @property
    def text(self) -> str:
        """All that was printed."""
        return self.trial.text.getvalue()

    def _open(self, nodes: Mapping[str, Node]) -> tuple[Cluster, str]:
        assert list(nodes) == [name for name in NAMES if name in nodes]
        if isinstance(self.answers, Exception):
            raise self.answers
        return self.cluster, self.answers

    def _declare(self, name: str, default: str) -> None:
        file = self.trial.environment.output / "stacks" / DOCKER / "cdk.tf.json"
        document = json.loads(file.read_text(encoding="utf-8"))
        document["variable"] = {name: {"default": default}}
        file.write_text(json.dumps(document), encoding="utf-8")


@pytest.fixture
def swarm(tmp_path: Path) -> Swarm:
    made = Swarm(Trial.in_folder(tmp_path))
    made.write()
    return made


def test_a_new_swarm_is_made_by_terraform_alone(swarm: Swarm) -> None:
    swarm.answers = AssertionError("nobody is there to be asked")
    swarm.cluster.there = []
    deployment = swarm.deployment()
    deployment.plan()
    assert swarm.cluster.done == []
    swarm.answers = "manager-1"
    assert swarm.up() == [
        "11 to add, 0 to change, 0 to destroy",
        "2 to add, 0 to change, 0 to destroy",
    ]
    assert sorted(swarm.ran()) == sorted([f"{what} {n}" for n in NAMES for what in ("api", "join")])
    assert swarm.trial.resources("docker")["Asked"] == "manager-1"


def test_a_swarm_that_is_as_it_should_be_is_left_alone(swarm: Swarm) -> None:
    swarm.up()
    assert swarm.up() == [UNCHANGED] * 2
    assert (swarm.ran(), swarm.cluster.done) == ([], [])


def test_another_manager_that_answers_is_asked_and_told(swarm: Swarm) -> None:
    swarm.up()
    swarm.answers = "manager-2"
    assert swarm.up() == [UNCHANGED, "0 to add, 1 to change, 0 to destroy"]
    assert swarm.trial.resources("docker")["Asked"] == "manager-2"
    assert "docker: the manager manager-2 answers, and is the one asked" in swarm.text


def test_it_fails_when_the_quorum_is_lost(swarm: Swarm) -> None:
    swarm.up()
    swarm.answers = LostQuorumError("no quorum; run: moor swarm recover")
    with pytest.raises(LostQuorumError, match="moor swarm recover"):
        swarm.up()


def test_where_no_manager_answers_and_the_plan_changes_nothing_that_is_the_reason(
    swarm: Swarm,
) -> None:
    swarm.up()
    swarm.answers = CommandError("no manager answers")
    needs = {"condition": False, "error_message": "refused"}
    asked = {"Asked": {"lifecycle": {"precondition": [{**needs, "condition": '${"a" == "b"}'}]}}}
    deployment = swarm.deployment()
    swarm.trial._write_stack("docker", asked)
    with pytest.raises(CommandError) as caught:
        deployment.plan()
    assert str(caught.value) == "no manager answers"


def test_apis_that_change_are_changed_one_node_at_a_time(swarm: Swarm) -> None:
    swarm.up()
    swarm.write(version="2")
    assert swarm.up()[1] == UNCHANGED
    order = ["web-1", "web-2", "manager-2", "manager-3", "manager-1"]
    # The steps into the swarm wait for all nodes, and have no reason to run again.
    assert swarm.ran() == [f"api {name}" for name in order]
    assert swarm.cluster.done == [
        f"{what} {name}" for name in order for what in ("drain", "activate", "settle")
    ]
    assert (
        "warning: one node at a time, its tasks elsewhere meanwhile as far as the swarm can place "
        "them there: web-1, web-2, manager-2, manager-3, manager-1"
    ) in swarm.text
    assert swarm.up() == [UNCHANGED] * 2


def test_a_plan_alone_moves_nothing(swarm: Swarm) -> None:
    swarm.up()
    swarm.write(version="2")
    swarm.cluster.done.clear()
    aws, docker = swarm.deployment().plan()
    assert aws.summary == "5 to add, 0 to change, 5 to destroy"
    assert swarm.cluster.done == []
    assert len(docker.warnings) == 1


def test_a_node_that_fails_stops_the_others_and_the_next_deployment_goes_on(swarm: Swarm) -> None:
    swarm.up()
    swarm.broken = ("web-2",)
    swarm.write(version="2")
    with pytest.raises(CommandError, match="exit status 3"):
        swarm.up()
    assert swarm.ran() == ["api web-1", "api web-2"]
    assert swarm.cluster.done[-1] == "drain web-2"
    swarm.broken = ()
    swarm.write(version="2")
    swarm.up()
    assert swarm.ran() == ["api web-2", "api manager-2", "api manager-3", "api manager-1"]
    assert {m.availability for m in swarm.cluster.members()} == {"active"}


def test_what_a_killed_command_has_drained_takes_tasks_again(swarm: Swarm) -> None:
    swarm.up()
    rests = worker("web-2", availability="drain", labels={RESTING: "yes"})
    swarm.cluster.there = [*three_and_two()[:-1], rests]
    assert swarm.up() == [UNCHANGED] * 2
    assert swarm.cluster.done == ["activate web-2"]
    assert "node web-2: takes tasks again, which a command before had moved" in swarm.text


def test_a_node_that_the_swarm_has_lost_joins_again(swarm: Swarm) -> None:
    swarm.up()
    swarm.cluster.there = three_and_two()[:-1]
    swarm.states = {"i-web-2": "running"}
    assert swarm.up() == ["1 to add, 0 to change, 1 to destroy", UNCHANGED]
    assert swarm.ran() == ["join web-2"]
    assert (
        "node web-2: not in the swarm, and its machine i-web-2 runs: it joins again" in swarm.text
    )


def test_a_node_that_has_closed_its_api_opens_it_without_its_tasks(swarm: Swarm) -> None:
    swarm.up()
    swarm.closed = ("web-1",)
    assert swarm.up() == [UNCHANGED] * 2
    assert swarm.ran() == ["api web-1"]
    assert swarm.cluster.done == ["drain web-1", "activate web-1", "settle web-1"]
    assert "node web-1: has closed its Docker API by itself; why is in its journal" in swarm.text


def test_nodes_leave_the_swarm_before_their_machines_are_gone(
    swarm: Swarm, monkeypatch: pytest.MonkeyPatch
) -> None:
    swarm.up()
    swarm.write(names=NAMES[:-1])
    # No machine of EC2's is in these stacks, whose end the plan would tell.
    monkeypatch.setattr(
        "moor.swarm.impact.impact", lambda *_args, **_named: Impact(leaving=("web-2",))
    )
    first_change = len(swarm.text)
    assert swarm.up()[0] == "0 to add, 0 to change, 2 to destroy"
    assert swarm.cluster.done == ["drain web-2", "remove web-2"]
    text = swarm.text[first_change:]
    assert "warning: leave the swarm first, one after the other: web-2" in text
    assert text.index("node web-2: leaves the swarm ...") < text.index(
        "web-2 DockerApi: destroying"
    )


def test_a_node_with_a_volume_is_not_taken_away(
    swarm: Swarm, monkeypatch: pytest.MonkeyPatch
) -> None:
    swarm.up()
    monkeypatch.setattr(
        "moor.swarm.impact.impact", lambda *_args, **_named: Impact(leaving=("web-2",))
    )
    swarm.cluster.there[-1] = worker("web-2", labels={"moor.volume.moor.data": "yes"})
    with pytest.raises(
        CommandError, match=r"^node web-2: must stay, .* volume moor\.data is on it"
    ):
        swarm.up()
    assert swarm.cluster.done == []


def test_a_machine_that_is_replaced_loses_its_volumes_and_the_plan_names_them(
    swarm: Swarm, monkeypatch: pytest.MonkeyPatch
) -> None:
    swarm.up()
    monkeypatch.setattr(
        "moor.swarm.impact.impact", lambda *_args, **_named: Impact(renewed=("web-1", "web-2"))
    )
    swarm.cluster.there[-1] = worker("web-2", labels={"moor.volume.moor.data": "yes"})
    _, docker = swarm.deployment().plan()
    assert docker.warnings[1:] == (
        "node web-2: what is in its volumes moor.data is lost with its machine",
    )


def test_a_volume_without_a_node_gets_one_again(swarm: Swarm) -> None:
    swarm.pins = "data,logs"
    swarm.write()
    swarm.up()
    assert "no node of the swarm has them" not in swarm.text
    swarm.cluster.there[-1] = worker("web-2", labels={"moor.volume.moor.data": "yes"})
    assert swarm.up() == [UNCHANGED] * 2
    swarm.cluster.there[-1] = worker("web-2")
    assert swarm.up() == [UNCHANGED, "1 to add, 0 to change, 1 to destroy"]
    assert swarm.ran() == ["pin data,logs"]
    assert (
        "docker: volumes data, logs: no node of the swarm has them any more; another one gets "
        "them, empty"
    ) in swarm.text


def test_a_plan_that_the_swarm_would_not_survive_is_refused_before_anything_is_done(
    swarm: Swarm,
) -> None:
    swarm.up()
    swarm.write(version="2")
    swarm.cluster.there = [
        manager("manager-1", leads=True),
        manager("manager-2"),
        manager("manager-3", lost=True),
    ]
    swarm.states = dict.fromkeys(("i-manager-3", "i-web-1", "i-web-2"), "stopped")
    with pytest.raises(CommandError, match=r"^node manager-1: must be done without for a while"):
        swarm.up()
    assert (swarm.ran(), swarm.cluster.done) == ([], [])


def test_a_node_is_rebooted_by_its_name_only(swarm: Swarm) -> None:
    with pytest.raises(WrongUseError) as caught:
        swarm.deployment().reboot()
    assert str(caught.value) == (
        "up --reboot: must be for one machine alone, got a swarm; `ENVIRONMENT=trial "
        ".venv/bin/moor host reboot NODE` reboots a node"
    )


@pytest.fixture
def _asked_is_a_service(monkeypatch: pytest.MonkeyPatch) -> None:
    # There is no provider here that could make one.
    monkeypatch.setattr(upkeep, "_SERVICE", "terraform_data.Asked")


def _identity(swarm: Swarm) -> str:
    """Return what the service is known by."""
    document = json.loads(swarm.trial.state("docker").read_text(encoding="utf-8"))
    (found,) = (r for r in document["resources"] if r["name"] == "Asked")
    return str(found["instances"][0]["attributes"]["id"])


@pytest.mark.usefixtures("_asked_is_a_service")
def test_services_end_before_their_stack_is_destroyed(swarm: Swarm) -> None:
    swarm.up()
    assert swarm.cluster.done == []
    service = _identity(swarm)
    plans = swarm.deployment().down(approve=False)
    assert swarm.cluster.done == [f"withdraw {service}"]
    assert [plan.stack for plan in plans] == ["docker", "aws"]
    assert swarm.trial.resources("aws") == swarm.trial.resources("docker") == {}


@pytest.mark.usefixtures("_asked_is_a_service")
def test_a_service_ends_before_it_is_replaced_and_not_when_it_changes(swarm: Swarm) -> None:
    swarm.up()
    service = _identity(swarm)
    swarm.asked = {"input": "changed"}
    swarm.write()
    assert swarm.up()[1] == "0 to add, 1 to change, 0 to destroy"
    assert swarm.cluster.done == []
    swarm.asked = {"input": "changed", "triggers_replace": "another"}
    swarm.write()
    assert swarm.up()[1] == "1 to add, 0 to change, 1 to destroy"
    assert swarm.cluster.done == [f"withdraw {service}"]
    assert "the services end that the plan removes" in swarm.text
    assert swarm.up() == [UNCHANGED, UNCHANGED]


@pytest.mark.usefixtures("_asked_is_a_service")
def test_nothing_is_removed_when_its_tasks_do_not_end(swarm: Swarm) -> None:
    swarm.up()
    before = swarm.trial.resources("docker")
    swarm.cluster.fails_at = f"withdraw {_identity(swarm)}"
    with pytest.raises(CommandError, match="must work, got a fake's failure"):
        swarm.deployment().down(approve=False)
    assert swarm.trial.resources("docker") == before


def test_a_plan_refuses_what_the_kernel_of_a_node_cannot_do(swarm: Swarm) -> None:
    swarm.up()
    swarm.services = replace(
        swarm.services,
        networks={
            "back": NetworkDefinition(key="back", name="b", driver_opts={"encrypted": "true"})
        },
    )
    labels = {"moor.esp": "yes"}
    swarm.cluster.there = [
        *(replace(m, labels=labels) for m in three_and_two()[:-1]),
        worker("web-2", labels={"moor.esp": "no"}),
        # One that goes is no obstacle.
        worker("old-1", labels={"moor.esp": "no"}),
    ]
    with pytest.raises(CommandError) as caught:
        swarm.deployment().plan()
    assert str(caught.value) == (
        "compose.yaml: networks.back.driver_opts.encrypted: must not ask for encryption between "
        "nodes where a node's kernel has no ESP, without which it silently does not work, got "
        "web-2 (no); leave it out, or choose machines with a kernel that has it"
    )
    swarm.deployment().down(approve=False)


def test_what_no_manager_answers_for_is_destroyed_all_the_same(swarm: Swarm) -> None:
    swarm.up()
    swarm.cluster.done.clear()
    swarm.answers = CommandError("none answers")
    swarm.deployment().down(approve=False)
    assert swarm.cluster.done == []
    assert swarm.trial.resources("docker") == {}


def test_some_services_alone_do_not_touch_the_nodes(swarm: Swarm) -> None:
    swarm.up()
    swarm.cluster.there = three_and_two()[:-1]
    deployment = swarm.deployment()
    deployment._look(repair=False)
    assert deployment._again == []
    assert deployment.terraform.variables["TF_VAR_manager"] == "manager-1"


def test_the_docker_stack_is_read_many_services_at_a_time(swarm: Swarm) -> None:
    deployment = swarm.deployment()
    deployment.use(dict(deployment.terraform.variables))
    assert deployment.terraform.parallelism == {"docker": 50}
    assert swarm.trial.deployment().terraform.parallelism == {}


def test_a_failed_step_of_a_node_tells_its_console(
    swarm: Swarm, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def console(_session: object, machine: str) -> str:
        asked.append(machine)
        return "booting\n\n\x1b[31mno such luck\x1b[0m  \n"

    monkeypatch.setattr("moor.swarm.machines.console", console)
    monkeypatch.setattr(failed_node, "_machines", lambda *_: {n: f"i-{n}" for n in NAMES})
    swarm.broken = ("web-2",)
    swarm.write()
    with pytest.raises(CommandError) as caught:
        swarm.up()
    assert str(caught.value).splitlines()[-3:] == [
        "node web-2: the console of its machine i-web-2 ends with:",
        "  booting",
        "  [31mno such luck[0m",
    ]
    assert asked == ["i-web-2"]
