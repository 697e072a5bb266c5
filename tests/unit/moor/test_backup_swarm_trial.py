"""Which services are tried on a throw-away machine, as what; and what their tries are worth."""

from __future__ import annotations

from typing import Any

import pytest

from moor.backup.swarm_trial import alone, has_its_volumes, names_of
from moor.backup.verification import last_tries
from moor.health import Expected, Row, Verdict

SPEC: dict[str, Any] = {
    "Name": "shop_db",
    "Labels": {"com.docker.compose.service": "db"},
    "Mode": {"Replicated": {"Replicas": 3}},
    "EndpointSpec": {"Ports": [{"PublishedPort": 5432, "TargetPort": 5432}]},
    "TaskTemplate": {
        "ContainerSpec": {
            "Image": "db@sha256:aa",
            "Mounts": [
                {"Type": "volume", "Source": "shop_rows", "Target": "/data"},
                {"Type": "volume", "Source": "", "Target": "/cache"},
                {"Type": "tmpfs", "Target": "/tmp"},  # noqa: S108  (in a container)
            ],
            "Secrets": [{"SecretID": "old", "SecretName": "shop_word_1", "File": {"Name": "w"}}],
        },
        "Placement": {"Constraints": ["node.role==worker"], "MaxReplicas": 1},
        "Resources": {"Limits": {"MemoryBytes": 5}, "Reservations": {"MemoryBytes": 4}},
        "Networks": [{"Target": "n1", "Aliases": ["db", "sql"]}, {"Target": "n2"}],
    },
}


def test_a_service_is_tried_where_its_volumes_are() -> None:
    assert has_its_volumes(SPEC, {"shop_rows", "shop_log"})
    assert not has_its_volumes(SPEC, {"shop_log"})
    without = {"TaskTemplate": {"ContainerSpec": {"Mounts": [{"Type": "volume", "Source": ""}]}}}
    assert not has_its_volumes(without, {"shop_rows"})


def test_on_another_node_it_is_alone_and_has_what_it_had() -> None:
    made = {"secret": {"shop_word_1": "new"}, "config": {}}
    found = alone(SPEC, image="db@sha256:bb", made=made)  # type: ignore[arg-type]
    template = found["TaskTemplate"]
    assert template["ContainerSpec"]["Image"] == "db@sha256:bb"
    assert template["ContainerSpec"]["Secrets"] == [
        {"SecretID": "new", "SecretName": "shop_word_1", "File": {"Name": "w"}}
    ]
    assert template["Networks"] == [{"Target": "moor-verify", "Aliases": ["db", "sql"]}]
    assert template["Placement"] == {}
    assert template["Resources"] == {"Limits": {"MemoryBytes": 5}}
    assert found["Mode"] == {"Replicated": {"Replicas": 1}}
    assert found["EndpointSpec"] == {"Mode": "dnsrr"}
    # The one that runs is another one still.
    assert SPEC["TaskTemplate"]["ContainerSpec"]["Secrets"][0]["SecretID"] == "old"


@pytest.mark.parametrize("image", ["", "sha256:cc"])
def test_an_image_that_a_swarm_could_not_find_is_todays(image: str) -> None:
    made = {"secret": {"shop_word_1": "new"}, "config": {}}
    found = alone(SPEC, image=image, made=made)  # type: ignore[arg-type]
    assert found["TaskTemplate"]["ContainerSpec"]["Image"] == "db@sha256:aa"


def test_secrets_and_configs_are_told_apart() -> None:
    assert names_of(SPEC, "secret") == ["shop_word_1"]
    assert names_of(SPEC, "config") == []


def row(service: str, verdict: Verdict) -> Row:
    wanted = Expected(name=f"{service}.1", service=service, config_hash="", ends=False)
    return Row(expected=wanted, state="running", verdict=verdict)


@pytest.mark.parametrize(
    ("tries", "verdict"),
    [
        (["bad", "good"], "good"),
        (["good", "pending"], "pending"),
        (["bad"], "pending"),
        (["bad", "bad"], "pending"),
        (["bad", "bad", "bad"], "bad"),
        (["bad", "bad", "good"], "good"),
        ([], "pending"),
    ],
)
def test_a_service_may_be_right_at_the_second_try(tries: list[Verdict], verdict: Verdict) -> None:
    (found,) = last_tries([row("db", one) for one in tries], ["db"])
    assert found.verdict == verdict
    assert found.expected.service == "db"
