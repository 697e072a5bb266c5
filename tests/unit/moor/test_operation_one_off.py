"""The configuration of one more container like a service's own."""

from __future__ import annotations

from typing import Any

import pytest

from moor.failure import WrongUseError
from moor.operation.enter import Call
from moor.operation.one_off import configured, of_a_task
from moor.operation.power import Action, changed

MODEL: dict[str, Any] = {
    "Id": "0123456789abcdef",
    "Image": "sha256:1",
    "Config": {
        "Hostname": "0123456789ab",
        "User": "",
        "Env": ["A=1", "B=2"],
        "Cmd": ["serve"],
        "Entrypoint": ["/entry"],
        "WorkingDir": "/app",
        "Image": "app:1",
        "ExposedPorts": {"80/tcp": {}},
        "Labels": {"com.docker.compose.service": "web"},
        "Healthcheck": {"Test": ["CMD", "true"]},
    },
    "HostConfig": {
        "Binds": ["data:/data"],
        "PortBindings": {"80/tcp": [{"HostPort": "80"}]},
        "PublishAllPorts": True,
        "RestartPolicy": {"Name": "unless-stopped"},
        "NetworkMode": "moor_default",
        "AutoRemove": False,
    },
    "NetworkSettings": {
        "Networks": {"moor_default": {"Aliases": ["web"], "IPAddress": "172.18.0.2", "Links": None}}
    },
}


def test_it_is_the_services_own_without_ports_and_restarts() -> None:
    made = configured(MODEL, Call(words=["ls"], has_input=False))
    assert made["HostConfig"] == {
        "Binds": ["data:/data"],
        "PortBindings": {},
        "PublishAllPorts": False,
        "RestartPolicy": {"Name": "no"},
        "NetworkMode": "moor_default",
        "AutoRemove": True,
        "ContainerIDFile": "",
    }
    assert (made["Cmd"], made["Entrypoint"], made["Env"]) == (["ls"], ["/entry"], ["A=1", "B=2"])
    assert (made["ExposedPorts"], made["Healthcheck"]) == (None, {"Test": ["NONE"]})
    assert (made["Hostname"], made["Image"]) == ("", "sha256:1")
    assert made["Labels"] == {
        "com.docker.compose.service": "web",
        "com.docker.compose.oneoff": "True",
    }
    # Who asks for the service must not get this one.
    assert made["NetworkingConfig"] == {
        "EndpointsConfig": {"moor_default": {"Links": None, "IPAMConfig": None}}
    }
    assert MODEL["HostConfig"]["RestartPolicy"] == {"Name": "unless-stopped"}


def test_a_call_may_say_otherwise() -> None:
    call = Call(
        words=["-c", "ls"],
        entry_point="sh",
        user="1:1",
        folder="/tmp",  # noqa: S108  (in a container)
        variables=["B=3", "C=4"],
        has_terminal=True,
    )
    made = configured(MODEL, call)
    assert (made["Entrypoint"], made["Cmd"]) == (["sh"], ["-c", "ls"])
    assert (made["User"], made["WorkingDir"]) == ("1:1", "/tmp")  # noqa: S108
    assert made["Env"] == ["A=1", "B=3", "C=4"]
    assert (made["Tty"], made["OpenStdin"], made["StdinOnce"]) == (True, True, True)
    assert configured(MODEL, Call())["Cmd"] == ["serve"]


@pytest.mark.parametrize("mode", ["host", "none", "container:1"])
def test_one_on_anothers_network_has_no_name_there(mode: str) -> None:
    config = {**MODEL["Config"], "Hostname": "web"}
    model = {**MODEL, "Config": config, "HostConfig": {"NetworkMode": mode}}
    made = configured(model, Call())
    assert made["NetworkingConfig"] == {"EndpointsConfig": {}}
    assert made["Hostname"] == ""


SPEC: dict[str, Any] = {
    "Name": "moor_web",
    "Mode": {"Replicated": {"Replicas": 3}},
    "TaskTemplate": {
        "ContainerSpec": {"Image": "app@sha256:1", "Args": ["serve"], "Secrets": [{"x": 1}]},
        "Networks": [{"Target": "net"}],
        "RestartPolicy": {"Condition": "any"},
        "Placement": {"Constraints": ["node.labels.tier==web"], "Platforms": [{"OS": "linux"}]},
        "ForceUpdate": 1,
    },
    "EndpointSpec": {"Ports": [{"PublishedPort": 80}]},
}


def test_in_a_swarm_it_is_the_only_task_of_a_service_without_ports() -> None:
    made = of_a_task(SPEC, "moor-web-run-1", Call(words=["ls"]), node="n1")
    assert made == {
        "name": "moor-web-run-1",
        "labels": {"com.docker.compose.oneoff": "True"},
        "mode": {"Replicated": {"Replicas": 1}},
        "task_template": {
            "ContainerSpec": {
                "Image": "app@sha256:1",
                "Args": ["ls"],
                "Secrets": [{"x": 1}],
                "TTY": False,
                "OpenStdin": True,
                "Healthcheck": {"Test": ["NONE"]},
            },
            "Networks": [{"Target": "net"}],
            "RestartPolicy": {"Condition": "none"},
            "Placement": {"Constraints": ["node.id==n1"], "Platforms": [{"OS": "linux"}]},
            "ForceUpdate": 1,
        },
    }


def test_a_service_of_a_swarm_is_stopped_by_its_replicas_and_started_with_all() -> None:
    assert changed(SPEC, "web", Action.STOP, 3) == {"mode": {"Replicated": {"Replicas": 0}}}
    assert changed(SPEC, "web", Action.START, 3) == {"mode": {"Replicated": {"Replicas": 3}}}
    template = changed(SPEC, "web", Action.RESTART, 3)["task_template"]
    assert template == {**SPEC["TaskTemplate"], "ForceUpdate": 2}
    everywhere = {**SPEC, "Mode": {"Global": {}}}
    assert changed(everywhere, "web", Action.RESTART, 1)["task_template"]["ForceUpdate"] == 2
    with pytest.raises(WrongUseError) as caught:
        changed(everywhere, "web", Action.STOP, 1)
    assert str(caught.value) == (
        "service web: must have replicas to be stopped or started, got one that runs on each "
        "node; `moor node drain NODE` takes a node's tasks away"
    )
