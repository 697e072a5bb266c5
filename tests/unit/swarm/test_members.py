"""The steps of membership: their order, their words, and what makes them run again."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from synthesis import Json, new_stack, synth_of, words_of

from constructs_lib.host.docker_api import CertificateStore
from constructs_lib.swarm.join import main as join
from constructs_lib.swarm.members import MemberNode, Members
from constructs_lib.swarm.node import SwarmNode
from constructs_lib.terraform.literal import Expression
from constructs_lib.terraform.steps import terraform_data

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cdktf import TerraformStack

STORE = CertificateStore(
    pki=Path("/env/pki"), certificates=Path("/env/certificates"), request="r", clients="c"
)


def member(
    name: str, *, is_manager: bool = True, labels: Mapping[str, str] | None = None
) -> MemberNode:
    return MemberNode(
        node=SwarmNode(name=name, is_manager=is_manager, labels=labels or {}),
        public_ip=Expression(f"${{public.{name}}}"),
        private_ip=Expression(f"${{private.{name}}}"),
        machine=Expression(f"${{machine.{name}}}"),
    )


NODES = [
    member("manager-1"),
    member("manager-2"),
    member("web-1", is_manager=False, labels={"tier": "web", "disk": "${ssd}"}),
]


def define(stack: TerraformStack, nodes: Sequence[MemberNode]) -> Members:
    before = terraform_data(stack, "Certificates", triggers={}, provisioners=[])
    return Members(stack, "Swarm", nodes=nodes, port=2376, store=STORE, depends_on=[before])


def steps(nodes: Sequence[MemberNode] = NODES) -> dict[str, Json]:
    found: dict[str, Json] = synth_of(lambda stack: define(stack, nodes))["resource"][
        "terraform_data"
    ]
    return found


def command(step: Json) -> list[str]:
    (provisioner,) = step["provisioner"]
    return words_of(provisioner["local-exec"])


SHARED = [
    *("--port", "2376", "--certificates", "/env/certificates", "--pki", "/env/pki"),
    *("--manager", "manager-1", "${public.manager-1}", "${private.manager-1}"),
    *("--manager", "manager-2", "${public.manager-2}", "${private.manager-2}"),
]


def test_there_is_a_step_a_node_and_one_that_tidies_up() -> None:
    assert set(steps()) == {
        "Certificates",
        "Swarm_Nodes_manager-1",
        "Swarm_Nodes_manager-2",
        "Swarm_Nodes_web-1",
        "Swarm_Tidy",
    }


def test_the_first_manager_goes_before_all_others_and_the_last_step_after_all() -> None:
    first = "terraform_data.Swarm_Nodes_manager-1"
    after = {name: step.get("depends_on") for name, step in steps().items()}
    assert after == {
        "Certificates": None,
        "Swarm_Nodes_manager-1": ["terraform_data.Certificates"],
        "Swarm_Nodes_manager-2": ["terraform_data.Certificates", first],
        "Swarm_Nodes_web-1": ["terraform_data.Certificates", first],
        "Swarm_Tidy": [
            first,
            "terraform_data.Swarm_Nodes_manager-2",
            "terraform_data.Swarm_Nodes_web-1",
        ],
    }


def test_the_first_manager_goes_first_wherever_it_stands() -> None:
    found = steps([NODES[2], NODES[0]])
    assert found["Swarm_Nodes_web-1"]["depends_on"] == [
        "terraform_data.Certificates",
        "terraform_data.Swarm_Nodes_manager-1",
    ]


def test_a_step_is_told_where_everything_is() -> None:
    assert command(steps()["Swarm_Nodes_web-1"]) == [
        *(sys.executable, "-m", "constructs_lib.swarm.join"),
        *("--node", "web-1", "${public.web-1}", "${private.web-1}", "--role", "worker"),
        *('--label=disk=${"$"}{ssd}', "--label=tier=web"),
        *SHARED,
    ]
    assert command(steps()["Swarm_Tidy"]) == [
        *(sys.executable, "-m", "constructs_lib.swarm.tidy"),
        *("--keep", "manager-1", "--keep", "manager-2", "--keep", "web-1"),
        *SHARED,
    ]


def test_a_step_runs_again_for_another_machine_address_role_or_label_only() -> None:
    found = steps()
    assert found["Swarm_Nodes_web-1"]["triggers_replace"] == {
        "machine": "${machine.web-1}",
        "private_address": "${private.web-1}",
        "role": "worker",
        "labels": '["disk=${"$"}{ssd}", "tier=web"]',
    }
    assert found["Swarm_Tidy"]["triggers_replace"] == {"nodes": "manager-1 manager-2 web-1"}


def test_the_last_step_is_what_others_wait_for() -> None:
    stack = new_stack()
    assert define(stack, NODES).resource.friendly_unique_id.startswith("Swarm_Tidy")


@pytest.mark.parametrize(
    ("nodes", "message"),
    [
        (
            [NODES[0], NODES[0]],
            "swarm: nodes: must have each name once, got manager-1 again",
        ),
        ([NODES[2]], "swarm: nodes: must have a manager, got workers only; add one"),
    ],
)
def test_it_fails_when_the_nodes_are_no_swarm(nodes: list[MemberNode], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        define(new_stack(), nodes)


@pytest.mark.parametrize("label", ["moor.node", "a,b"])
def test_a_label_of_ours_is_refused(label: str) -> None:
    message = (
        f"node web-1: labels: must not begin with moor. nor have a comma, got '{label}'; rename it"
    )
    with pytest.raises(ValueError, match=message):
        SwarmNode(name="web-1", is_manager=False, labels={label: "x"})


def test_the_program_takes_the_words_of_the_step(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    words = [
        *("--node", "web-1", "198.51.100.1", "10.0.0.1", "--role", "worker", "--label", "a=b=c"),
        *("--port", "2376", "--certificates", str(tmp_path / "none"), "--pki", str(tmp_path / "p")),
        *("--manager", "manager-1", "198.51.100.2", "10.0.0.2"),
    ]
    assert join(words) == 1
    assert capsys.readouterr().err == (
        "web-1 (198.51.100.1:2376): must answer, got: there is no certificate to show\n"
    )
    assert (tmp_path / "swarm" / "join.lock").exists()
