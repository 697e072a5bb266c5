"""The outputs of the last deployment."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from constructs_lib.settings.environment import Environment
from moor.failure import CommandError, WrongUseError
from moor.outputs import Node, Outputs, outputs_file

if TYPE_CHECKING:
    from pathlib import Path

AWS = {
    "public_ip": "192.0.2.7",
    "docker_host": "tcp://192.0.2.7:2376",
    "ssh": "ssh -p 22 -i key core@192.0.2.7",
}

NODES = {
    name: {
        "public_ip": f"192.0.2.{number}",
        "private_ip": f"10.0.0.{number}",
        "instance_id": f"i-{number}",
        "ssh": f"ssh {name}",
    }
    for number, name in enumerate(("manager-1", "web-1"), start=7)
}


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    return Environment.from_variable(tmp_path, {"ENVIRONMENT": "production"})


def write(environment: Environment, text: str) -> None:
    file = outputs_file(environment)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")


def test_both_stacks(environment: Environment) -> None:
    docker = {
        "elastic_url": "http://192.0.2.7:9200/",
        "web_url": "http://192.0.2.7:80/",
        "other": "x",
    }
    write(environment, json.dumps({"aws": AWS, "docker": docker}))
    assert Outputs.load(environment) == Outputs(
        public_ip="192.0.2.7",
        docker_host="tcp://192.0.2.7:2376",
        ssh="ssh -p 22 -i key core@192.0.2.7",
        services={"elastic": "http://192.0.2.7:9200/", "web": "http://192.0.2.7:80/"},
    )


def test_the_machine_is_reachable_before_its_services_are(environment: Environment) -> None:
    write(environment, json.dumps({"aws": AWS}))
    assert Outputs.load(environment).services == {}


def test_one_machine_alone_has_no_nodes(environment: Environment) -> None:
    write(environment, json.dumps({"aws": AWS}))
    outputs = Outputs.load(environment)
    assert outputs.nodes == {}
    with pytest.raises(WrongUseError) as caught:
        outputs.node("web-1")
    assert str(caught.value) == "node: must be the name of one, got 'web-1'; there are none"


def test_a_swarm_has_nodes(environment: Environment) -> None:
    write(environment, json.dumps({"aws": {**AWS, "nodes": NODES}}))
    outputs = Outputs.load(environment)
    assert list(outputs.nodes) == ["manager-1", "web-1"]
    assert outputs.node("web-1") == Node(
        public_ip="192.0.2.8", private_ip="10.0.0.8", instance_id="i-8", ssh="ssh web-1"
    )


def test_it_fails_when_there_is_no_such_node(environment: Environment) -> None:
    write(environment, json.dumps({"aws": {**AWS, "nodes": NODES}}))
    with pytest.raises(WrongUseError) as caught:
        Outputs.load(environment).node("web-2")
    assert str(caught.value) == ("node: must be the name of one, got 'web-2'; did you mean web-1?")


def test_it_fails_when_nothing_is_deployed(environment: Environment) -> None:
    with pytest.raises(CommandError) as caught:
        Outputs.load(environment)
    assert str(caught.value) == (
        "environment production: nothing is deployed; run ENVIRONMENT=production make up first"
    )


@pytest.mark.parametrize(
    "text",
    [
        *("", "{", "[]", "null", "{}", '{"aws": []}', '{"aws": {}}', '{"aws": {"public_ip": 1}}'),
        json.dumps({"aws": AWS, "docker": []}),
        json.dumps({"aws": AWS, "docker": None}),
        json.dumps({"aws": {k: v for k, v in AWS.items() if k != "ssh"}}),
        json.dumps({"aws": {**AWS, "nodes": []}}),
        json.dumps({"aws": {**AWS, "nodes": {"web-1": {}}}}),
        json.dumps({"aws": {**AWS, "nodes": {"web-1": "192.0.2.7"}}}),
    ],
)
def test_it_fails_when_a_deployment_ended_half_way(environment: Environment, text: str) -> None:
    write(environment, text)
    with pytest.raises(CommandError) as caught:
        Outputs.load(environment)
    assert str(caught.value) == (
        f"environment production: {outputs_file(environment)} is not complete; "
        "run ENVIRONMENT=production make up first"
    )
