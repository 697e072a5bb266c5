"""What a plan would change, read from what Terraform says of it."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moor.plan import (
    NOTHING,
    SECRET,
    UNKNOWN,
    AttributeChange,
    Change,
    StackPlan,
    assumed_plan,
    destruction,
    differences,
    looks_secret,
    read_plan,
    shown,
)
from moor.toolchain.toolchain import Toolchain

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from moor.plan import Action


def raw(
    kind: str,
    actions: list[str],
    *,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
    name: str = "Thing_0123ABCD",
    **more: Any,  # noqa: ANN401  (whatever JSON holds)
) -> dict[str, Any]:
    """Return a resource's change as Terraform tells it."""
    change = {"actions": actions, "before": before, "after": after, **more}
    return {
        "address": f"{kind}.{name}",
        "mode": "managed",
        "type": kind,
        "name": name,
        "change": change,
    }


def only(*changes: Mapping[str, Any], **outputs: list[str]) -> StackPlan:
    """Read a plan of a stack `docker`."""
    return read_plan(
        "docker",
        {
            "resource_changes": list(changes),
            "output_changes": {name: {"actions": actions} for name, actions in outputs.items()},
        },
    )


def attributes(
    before: Mapping[str, Any],
    after: Mapping[str, Any],
    **more: Any,  # noqa: ANN401  (whatever JSON holds)
) -> tuple[AttributeChange, ...]:
    """Return what changes of a container."""
    plan = only(raw("docker_container", ["update"], before=before, after=after, **more))
    return plan.changes[0].attributes


@pytest.mark.parametrize(
    ("actions", "action"),
    [
        (["create"], "create"),
        (["update"], "update"),
        (["delete", "create"], "replace"),
        (["create", "delete"], "replace"),
        (["delete"], "destroy"),
        (["forget"], "destroy"),
    ],
)
def test_every_action_of_terraform_is_told_in_one_word(actions: list[str], action: Action) -> None:
    plan = only(raw("docker_network", actions, before={"name": "n"}, after={"name": "n"}))
    assert plan.changes == (
        replace(
            Change(
                address="docker_network.Thing_0123ABCD", action="create", noun="network", name="n"
            ),
            action=action,
        ),
    )


@pytest.mark.parametrize("actions", [["no-op"], ["read"]])
def test_what_is_left_alone_or_read_is_no_change(actions: list[str]) -> None:
    assert only(raw("docker_network", actions, after={"name": "n"})).changes == ()


def test_data_sources_are_no_changes() -> None:
    source = raw("aws_ami", ["create"], after={"name": "n"})
    assert only({**source, "mode": "data"}).changes == ()


def test_an_import_is_told_as_such_and_one_that_changes_something_as_a_change() -> None:
    values: dict[str, Any] = {
        "before": {"name": "n"},
        "after": {"name": "n"},
        "importing": {"id": "x"},
    }
    taken = only(raw("docker_network", ["no-op"], **values))
    assert [c.action for c in taken.changes] == ["import"]
    assert taken.summary == "1 to import, 0 to add, 0 to change, 0 to destroy"
    changed = only(raw("docker_network", ["update"], **values))
    assert [c.action for c in changed.changes] == ["update"]


def test_an_empty_plan() -> None:
    plan = read_plan("aws", {})
    assert plan == StackPlan(stack="aws")
    assert plan.summary == "0 to add, 0 to change, 0 to destroy"
    assert plan.key == frozenset()


def test_counts_summary_and_key() -> None:
    plan = only(
        raw("docker_container", ["delete", "create"], name="A"),
        raw("docker_container", ["create"], name="B"),
        raw("docker_container", ["update"], name="C"),
        raw("docker_container", ["delete"], name="D"),
    )
    assert plan.summary == "2 to add, 1 to change, 2 to destroy"
    assert plan.count("create") == 1
    assert plan.count("create", "destroy") == 2
    assert plan.count() == 0
    assert plan.key == {
        ("docker_container.A", "replace"),
        ("docker_container.B", "create"),
        ("docker_container.C", "update"),
        ("docker_container.D", "destroy"),
    }


def test_changes_are_in_the_order_of_kind_and_name() -> None:
    changes = [
        raw("docker_volume", ["create"], after={"name": "a"}, name="A"),
        raw("docker_container", ["create"], after={"name": "b"}, name="B"),
        raw("docker_container", ["create"], after={"name": "a"}, name="C"),
    ]
    forwards, backwards = only(*changes), only(*reversed(changes))
    assert [f"{c.noun} {c.name}" for c in forwards.changes] == [
        "container a",
        "container b",
        "volume a",
    ]
    assert forwards == backwards


def test_outputs_that_stay_are_left_out() -> None:
    plan = only(web=["create"], old=["delete"], new=["update"], same=["no-op"], look=["read"])
    assert plan.outputs == ("new", "old", "web")


# What resources are called


@pytest.mark.parametrize(
    ("kind", "values", "noun", "name"),
    [
        ("aws_instance", {"tags": {"Name": "moor-sandbox"}}, "machine", "moor-sandbox"),
        ("aws_instance", {"tags": None}, "machine", "Machine"),
        ("aws_key_pair", {"key_name": "x"}, "key pair", "Machine"),
        ("docker_container", {"name": "web-1", "tags": {"Name": "x"}}, "container", "web-1"),
        ("docker_image", {"name": "nginx@${x.y}"}, "image", "nginx"),
        ("docker_image", {"name": "nginx@sha256:" + 64 * "a"}, "image", f"nginx@sha256:{12 * 'a'}"),
        ("docker_image", {"name": "${x.y}"}, "image", "Machine"),
        ("docker_registry_image", {"name": "nginx:1"}, "registry image", "nginx:1"),
        ("terraform_data", {}, "steps", "Machine"),
        ("tls_private_key", {}, "private key", "Machine"),
        ("plain", {}, "plain", "Machine"),
    ],
)
def test_resources_are_called_what_a_person_calls_them(
    kind: str, values: dict[str, Any], noun: str, name: str
) -> None:
    plan = only(raw(kind, ["create"], after=values, name="Machine_0123ABCD"))
    assert [(c.noun, c.name) for c in plan.changes] == [(noun, name)]


def test_a_name_without_the_words_that_say_nothing() -> None:
    plan = only(raw("terraform_data", ["create"], after={}, name="Compose_Services_web_0123ABCD"))
    assert plan.changes[0].name == "Services web"


def test_what_is_destroyed_is_called_what_it_was() -> None:
    plan = only(raw("docker_volume", ["delete"], before={"name": "data"}))
    assert plan.changes[0].name == "data"


INGRESS = "aws_vpc_security_group_ingress_rule"
EGRESS = "aws_vpc_security_group_egress_rule"
TCP = {"from_port": 443, "to_port": 443, "ip_protocol": "tcp"}


@pytest.mark.parametrize(
    ("kind", "values", "name"),
    [
        (INGRESS, {**TCP, "cidr_ipv4": "0.0.0.0/0"}, "443/tcp from 0.0.0.0/0"),
        (INGRESS, {**TCP, "cidr_ipv6": "::/0"}, "443/tcp from ::/0"),
        (INGRESS, {**TCP, "to_port": 450, "cidr_ipv6": "::/0"}, "443-450/tcp from ::/0"),
        (INGRESS, TCP, "443/tcp from itself"),
        (INGRESS, {**TCP, "ip_protocol": "udp", "cidr_ipv6": "::/0"}, "443/udp from ::/0"),
        (INGRESS, {"ip_protocol": "132", "cidr_ipv6": "::/0"}, "all of SCTP from ::/0"),
        (INGRESS, {"ip_protocol": "50", "from_port": -1}, "all of protocol 50 from itself"),
        (EGRESS, {**TCP, "cidr_ipv4": "10.0.0.0/8"}, "443/tcp to 10.0.0.0/8"),
        (EGRESS, {"ip_protocol": "-1", "cidr_ipv4": "0.0.0.0/0"}, "all to 0.0.0.0/0"),
        (INGRESS, {"ip_protocol": "-1", "cidr_ipv4": "10.0.0.0/8"}, "all from 10.0.0.0/8"),
    ],
)
def test_rules_are_called_what_they_let_through(
    kind: str, values: dict[str, Any], name: str
) -> None:
    assert only(raw(kind, ["create"], after=values)).changes[0].name == name


def test_a_rule_names_its_group() -> None:
    rule = raw(INGRESS, ["create"], after=TCP, name="AllowSsh_Ingress_tcp-22_::--0_0A1B2C3D")
    assert only(rule).changes[0].name == "443/tcp from itself (AllowSsh)"


# What is lost


DISK = (
    "data is lost, for there is no data volume: containers, images, volumes, all that is on its "
    "disk"
)


@pytest.mark.parametrize(
    ("kind", "actions", "lost"),
    [
        ("docker_volume", ["delete"], "all data in it is lost"),
        ("docker_volume", ["delete", "create"], "all data in it is lost"),
        ("docker_volume", ["create"], ""),
        ("docker_volume", ["update"], ""),
        ("aws_instance", ["delete"], DISK),
        ("aws_instance", ["create", "delete"], DISK),
        ("aws_instance", ["update"], ""),
        ("docker_container", ["delete"], ""),
    ],
)
def test_data_that_is_lost(kind: str, actions: list[str], lost: str) -> None:
    assert only(raw(kind, actions)).changes[0].lost == lost


def attachment(machine: str) -> dict[str, Any]:
    before = {"instance_id": machine, "volume_id": "vol-1"}
    return raw("aws_volume_attachment", ["delete", "create"], before=before)


@pytest.mark.parametrize("actions", [["delete", "create"], ["delete"]])
def test_data_on_a_volume_of_its_own_is_kept(actions: list[str]) -> None:
    machine = raw("aws_instance", actions, before={"id": "i-1"})
    plan = read_plan("aws", {"resource_changes": [machine, attachment("i-1")]})
    found = {change.noun: (change.kept, change.lost) for change in plan.changes}
    assert found == {
        "machine": ("data is kept, on the data volume vol-1", ""),
        "data volume of the machine": ("", ""),
    }


@pytest.mark.parametrize(
    "other",
    [
        attachment("i-2"),
        # One that comes with the machine's successor: what is there by now is on the disk.
        raw("aws_volume_attachment", ["create"], after={"volume_id": "vol-1"}),
    ],
)
def test_a_volume_that_is_not_attached_to_it_keeps_nothing(other: dict[str, Any]) -> None:
    machine = raw("aws_instance", ["delete", "create"], before={"id": "i-1"})
    plan = read_plan("aws", {"resource_changes": [machine, other]})
    (change,) = [change for change in plan.changes if change.noun == "machine"]
    assert (change.kept, change.lost) == ("", DISK)


# What changes of a resource


def test_attributes_are_told_of_changes_and_replacements_alone() -> None:
    counts = {}
    for actions in (["create"], ["delete"], ["update"], ["delete", "create"]):
        plan = only(raw("x_y", actions, before={"a": 1}, after={"a": 2}))
        counts[plan.changes[0].action] = len(plan.changes[0].attributes)
    assert counts == {"create": 0, "destroy": 0, "update": 1, "replace": 1}


def test_a_change_and_its_replacement() -> None:
    assert attributes(
        {"image": "a", "hostname": "x"},
        {"image": "b", "hostname": "y"},
        replace_paths=[["image"], []],
    ) == (
        AttributeChange(name="hostname", before="x", after="y"),
        AttributeChange(name="image", before="a", after="b", replaces=True),
    )


def test_what_is_not_known_is_told_only_where_it_replaces() -> None:
    unknown = {"image": True, "id": True, "ports": [{"external": True}], "networks": [False]}
    assert attributes(
        {"image": "a", "ports": [{"external": 1}], "networks": ["a"]},
        {"networks": ["b"]},
        after_unknown=unknown,
        replace_paths=[["image"]],
    ) == (
        AttributeChange(name="image", before="a", after=UNKNOWN, replaces=True),
        AttributeChange(name="networks", before="a", after="b"),
    )


def test_of_a_mapping_what_is_known_is_told() -> None:
    assert attributes(
        {"triggers": {"volume": "v", "./a": "1", "./b": "1"}},
        {"triggers": {"./a": "2", "./b": "1"}},
        after_unknown={"triggers": {"volume": True}},
        replace_paths=[["triggers"]],
    ) == (AttributeChange(name="triggers../a", before="1", after="2", replaces=True),)
    (change,) = attributes(
        {"triggers": {"volume": "v", "./b": "1"}},
        {"triggers": {"./b": "1"}},
        after_unknown={"triggers": {"volume": True}},
        replace_paths=[["triggers"]],
    )
    assert (change.name, change.after) == ("triggers", UNKNOWN)


def test_with_a_copy_of_what_is_here_nothing_is_lost() -> None:
    labels = [{"label": "moor.copy-of", "value": "./conf"}]
    plan = only(raw("docker_volume", ["delete"], before={"name": "v", "labels": labels}))
    assert plan.changes[0].lost == ""


@pytest.mark.parametrize(("option", "lost"), [("bind", ""), ("ro,bind", ""), ("addr=x", "all")])
def test_with_a_name_for_a_folder_nothing_is_lost(option: str, lost: str) -> None:
    options = {"type": "none", "o": option, "device": "/srv"}
    plan = only(raw("docker_volume", ["delete"], before={"name": "v", "driver_opts": options}))
    assert plan.changes[0].lost[:3] == lost


@pytest.mark.parametrize("empty", [None, 0, False, "", [], {}])
def test_what_a_provider_fills_in_is_no_change(empty: object) -> None:
    assert attributes({"a": None, "b": empty}, {"a": empty}) == ()


def test_attributes_that_tell_nothing_are_left_out() -> None:
    assert (
        attributes({"id": "1", "tags_all": {"a": "1"}}, {"id": "2", "tags_all": {"a": "2"}}) == ()
    )
    label = "com.docker.compose.config-hash"
    assert (
        attributes(
            {"labels": [{"label": label, "value": "1"}]},
            {"labels": [{"label": label, "value": "2"}]},
        )
        == ()
    )


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("a", "b", [("x", "a", "b")]),
        (1, 2.5, [("x", "1", "2.5")]),
        (True, False, [("x", "true", "false")]),
        (None, "b", [("x", NOTHING, "b")]),
        ("a", None, [("x", "a", NOTHING)]),
        # Maps.
        ({"a": "1", "b": "1"}, {"a": "2", "b": "1"}, [("x.a", "1", "2")]),
        ({"a": "1"}, {"b": "1"}, [("x.a", "1", NOTHING), ("x.b", NOTHING, "1")]),
        (None, {"a": "1"}, [("x.a", NOTHING, "1")]),
        ({"a": {"b": {"c": 1, "d": 1}}}, {"a": {"b": {"c": 2, "d": 1}}}, [("x.a.b.c", "1", "2")]),
        ({"a": 0, "id": 1}, {"a": None, "id": 2}, []),
        # Environment variables.
        (["A=1", "B=2"], ["A=1", "B=3=4"], [("x.B", "2", "3=4")]),
        ([], ["A=1"], [("x.A", NOTHING, "1")]),
        (["A=1"], None, [("x.A", "1", NOTHING)]),
        # Labels.
        (
            [{"label": "a.b", "value": "1"}, {"label": "c", "value": "1"}],
            [{"label": "a.b", "value": "2"}, {"label": "c", "value": "1"}],
            [("x.a.b", "1", "2")],
        ),
        ([], [{"label": "a", "value": "1"}], [("x.a", NOTHING, "1")]),
        # Other lists.
        (["a", "b"], ["b", "c"], [("x", "a", NOTHING), ("x", NOTHING, "c")]),
        (["a", "b"], ["b", "a"], [("x", "a, b", "b, a")]),
        (["a", "a"], ["a"], [("x", "a, a", "a")]),
        (["a"], ["b"], [("x", "a", "b")]),
        (["-e=1", "-f=2"], ["-f=2", "-e=1"], [("x", "-e=1, -f=2", "-f=2, -e=1")]),
        (["-e=1", "-e=2"], ["-e=2"], [("x", "-e=1", NOTHING)]),
        # A block that is there once.
        ([{"a": 1, "b": 2}], [{"a": 1, "b": 3}], [("x.b", "2", "3")]),
        (
            [{"a": 1, "b": ""}, {"a": 2}],
            [{"a": 1, "b": ""}, {"a": 3, "c": False}],
            [("x", "a: 2", NOTHING), ("x", NOTHING, "a: 3")],
        ),
    ],
)
def test_differences(old: object, new: object, expected: list[tuple[str, str, str]]) -> None:
    assert list(differences("x", old, new)) == expected


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, NOTHING),
        ("", NOTHING),
        ([], NOTHING),
        ({}, NOTHING),
        (0, "0"),
        (False, "false"),
        ("a  b\n\tc", "a b c"),
        (["a", 1], "a, 1"),
        ({"b": [1], "a": "x", "c": None, "d": False}, "a: x, b: 1"),
        ({"label": "l", "value": "v"}, "l=v"),
        ("x" * 72, "x" * 72),
        ("x" * 73, f"{'x' * 71}…"),
        ("\x1b[2Ja\u202eb", r"\x1b[2Ja\u202eb"),
        ("größer 大", "größer 大"),
    ],
)
def test_values_are_one_line_of_text(value: object, text: str) -> None:
    assert shown(value) == text


# Secrets


@pytest.mark.parametrize(
    "name",
    [
        *("password", "DB_PASSWORD", "passwords", "password2", "MYSQL_PWD", "PGPASS", "pass_file"),
        *("passphrase", "smtp_passwd", "admin_pw", "client_secret", "TOKEN", "credentials"),
        *("private_key", "apikey", "API_KEY", "accessKey", "SENTRY_DSN"),
    ],
)
def test_names_of_secrets(name: str) -> None:
    assert shown("hunter2", name) == SECRET
    assert list(differences(name, "hunter2", "hunter3")) == [(name, SECRET, SECRET)]
    assert shown(f"{name}=hunter2 and more") == f"{name}={SECRET}"
    assert shown([f"A=b {name}=hunter2"]) == f"A=b {name}={SECRET}"


@pytest.mark.parametrize(
    "name",
    [
        *("image", "user", "public_key", "key_name", "private_ip"),
        *("http_tokens", "author", "passive"),
    ],
)
def test_names_of_what_is_no_secret(name: str) -> None:
    assert shown("plain", name) == "plain"


def test_a_secret_that_appears_or_goes_is_told_without_its_value() -> None:
    assert list(differences("env", ["A_TOKEN=x"], [])) == [("env.A_TOKEN", SECRET, NOTHING)]
    assert list(differences("env", None, ["A_TOKEN=x"])) == [("env.A_TOKEN", NOTHING, SECRET)]


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("postgres://u:hunter2@db/x", f"postgres://{SECRET}@db/x"),
        ("postgres://u:hun@ter/2@db/x", f"postgres://{SECRET}@db/x"),
        ("a b+c://hunter2@db, d", f"a b+c://{SECRET}@db, d"),
        ("https://h/?a=b&token=hunter2&c=d", f"https://h/?a=b&token={SECRET}&c=d"),
        ("run --password=hunter2 -x", f"run --password={SECRET} -x"),
        ('{"password": "hunter2", "a": 1}', f'{{"password": "{SECRET}", "a": 1}}'),
        ("Server=h;Password=hunter2;A=b", f"Server=h;Password={SECRET};A=b"),
        ("nginx@sha256:0123", "nginx@sha256:0123"),
        ("https://h:80/path", "https://h:80/path"),
    ],
)
def test_secrets_inside_a_text(text: str, masked: str) -> None:
    assert shown(text) == masked


def test_what_terraform_calls_sensitive_is_masked_whatever_its_name() -> None:
    before = {"content": "hunter2", "env": ["A=hunter2"], "same": "x"}
    after = {"content": "hunter3", "env": ["A=hunter3"], "same": "x"}
    expected = (
        AttributeChange(name="content", before=SECRET, after=SECRET, replaces=True),
        AttributeChange(name="env", before=SECRET, after=SECRET),
    )
    marks = {"content": True, "env": [True], "same": True}
    forcing = [["content"]]
    for more in ({"before_sensitive": marks}, {"after_sensitive": marks}):
        assert attributes(before, after, replace_paths=forcing, **more) == expected
    everything: Any = True
    assert attributes({"a": "1"}, {"a": "2"}, after_sensitive=everything) == (
        AttributeChange(name="a", before=SECRET, after=SECRET),
    )
    assert attributes({"a": "1"}, {"a": "2"}, after_sensitive={"a": [False, {}], "b": False}) == (
        AttributeChange(name="a", before="1", after="2"),
    )


@pytest.mark.parametrize(
    ("actions", "side"), [(["create"], "after"), (["update"], "after"), (["delete"], "before")]
)
def test_a_name_that_is_sensitive_is_not_told(actions: list[str], side: str) -> None:
    change = raw("docker_volume", actions, **{side: {"name": "hunter2"}})  # type: ignore[arg-type]
    change["change"][f"{side}_sensitive"] = {"name": True}
    assert only(change).changes[0].name == "Thing"


SECRET_TEXTS = st.text(
    st.characters(min_codepoint=33, max_codepoint=126, exclude_characters="&;,\"'"), min_size=1
).map(lambda text: f"hunter2{text}")
"""Without what ends a value in a URL, a connection string and JSON."""


def places(secret: str) -> list[Any]:
    """Return values with a secret in them that its name or its place gives away."""
    return [
        {"password": secret},
        {"a": {"api_key": {"b": [secret]}}},
        {"token": [secret, {"a": secret}]},
        {"env": [f"DB_PASSWORD={secret}", "A=1"]},
        {"env": [f"DB_PASSWORD={secret} {secret}", "no pair"]},
        {"labels": [{"label": "x.secret", "value": secret}]},
        {"blocks": [{"labels": [{"label": "x.secret", "value": secret}], "n": 1}, {"n": 2}]},
        {"command": [f"--token={secret}", f"--token={secret}", "-v"]},
        {"url": f"amqp://user:{secret}@host/path"},
        {"text": f"see https://host/?access_key={secret}&a=b"},
        {"json": json.dumps({"private_key": secret}).replace("\\\\", "\\")},
    ]


@settings(max_examples=50)
@given(old=SECRET_TEXTS, new=SECRET_TEXTS)
def test_a_secret_occurs_in_no_text_of_a_plan(old: str, new: str) -> None:
    empty: Any = [{} for _ in places(old)]
    for before, after in (
        *zip(places(old), places(new), strict=True),
        *zip(empty, places(new), strict=True),
        *zip(places(old), empty, strict=True),
    ):
        plan = only(raw("docker_container", ["delete", "create"], before=before, after=after))
        assert "hunter2" not in repr(plan)
    marked: dict[str, Any] = {
        "before_sensitive": {"a": True},
        "after_sensitive": {"a": {"b": [True]}},
    }
    for actions in (["create"], ["update"], ["delete"]):
        plan = only(
            raw("x_y", actions, before={"a": old, "name": "n"}, after={"a": {"b": [new]}}, **marked)
        )
        assert "hunter2" not in repr(plan)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)


@given(old=JSON, new=JSON)
def test_any_two_values_can_be_compared_and_equal_ones_do_not_differ(
    old: object, new: object
) -> None:
    for name, before, after in differences("x", old, new):
        assert name.startswith("x")
        for text in (before, after):
            assert len(text) <= 72
            assert text.isprintable()
    assert attributes({"x": old}, {"x": old}) == ()


# What Terraform cannot plan yet


def test_a_configuration_is_read_as_a_plan_that_creates_all_of_it() -> None:
    document = {
        "resource": {
            "docker_volume": {"Compose_Data_0123ABCD": {"name": "data"}},
            "docker_container": {
                "Web_0123ABCD": {"name": "web-1"},
                "Api_0123ABCD": {"name": "${docker_image.x.name}"},
            },
        },
        "data": {"aws_ami": {"Image": {}}},
    }
    assert assumed_plan("docker", document, why="there is no machine") == StackPlan(
        stack="docker",
        assumed="there is no machine",
        changes=(
            Change(
                address="docker_container.Api_0123ABCD",
                action="create",
                noun="container",
                name="Api",
            ),
            Change(
                address="docker_container.Web_0123ABCD",
                action="create",
                noun="container",
                name="web-1",
            ),
            Change(
                address="docker_volume.Compose_Data_0123ABCD",
                action="create",
                noun="volume",
                name="data",
            ),
        ),
    )


def test_a_configuration_without_resources() -> None:
    plan = assumed_plan("docker", {}, why="why")
    assert plan == StackPlan(stack="docker", assumed="why")
    assert plan.summary == "0 to add, 0 to change, 0 to destroy"


# Terraform itself


def test_plans_of_terraform_itself(tmp_path: Path) -> None:
    program = str(Toolchain.load().terraform)
    variables = {"PATH": os.environ["PATH"], "CHECKPOINT_DISABLE": "1", "HOME": str(tmp_path)}
    configuration = tmp_path / "cdk.tf.json"

    def terraform(*words: str) -> str:
        return subprocess.run(
            [program, *words],
            cwd=tmp_path,
            env=variables,
            check=True,
            capture_output=True,
            text=True,
        ).stdout

    def plan(resources: object, *, output: str | None = None) -> StackPlan:
        outputs = {"key": {"value": output, "sensitive": True}} if output else {}
        document = {"resource": {"terraform_data": resources}, "output": outputs}
        configuration.write_text(json.dumps(document), encoding="utf-8")
        terraform("plan", "-out=plan", "-input=false", "-refresh=false")
        return read_plan("aws", json.loads(terraform("show", "-json", "plan")))

    steps = {
        "One_0123ABCD": {"input": "a", "triggers_replace": {"v": "1", "token": "hunter2"}},
        "Two_0123ABCD": {"input": "a"},
    }
    first = plan(steps, output="hunter2")
    assert [(c.action, c.noun, c.name) for c in first.changes] == [
        ("create", "steps", "One"),
        ("create", "steps", "Two"),
    ]
    assert first.outputs == ("key",)
    assert first.summary == "2 to add, 0 to change, 0 to destroy"
    terraform("apply", "-input=false", "plan")
    assert plan(steps, output="hunter2") == StackPlan(stack="aws")
    second = plan(
        {
            "One_0123ABCD": {"input": "a", "triggers_replace": {"v": "2", "token": "hunter3"}},
            "Three_0123ABCD": {"input": "${terraform_data.One_0123ABCD.id}"},
        },
        output="hunter3",
    )
    assert second.changes == (
        Change(
            address="terraform_data.One_0123ABCD",
            action="replace",
            noun="steps",
            name="One",
            attributes=(
                AttributeChange(
                    name="triggers_replace.token", before=SECRET, after=SECRET, replaces=True
                ),
                AttributeChange(name="triggers_replace.v", before="1", after="2", replaces=True),
            ),
        ),
        Change(
            address="terraform_data.Three_0123ABCD", action="create", noun="steps", name="Three"
        ),
        Change(address="terraform_data.Two_0123ABCD", action="destroy", noun="steps", name="Two"),
    )
    assert second.outputs == ("key",)
    assert "hunter" not in repr((first, second))


def test_drift_is_what_the_plan_undoes_and_no_more() -> None:
    gone = raw("docker_container", ["create"], after={"name": "web"}, name="Web")
    new = raw("docker_container", ["create"], after={"name": "new"}, name="New")
    # The address that AWS has given is another than in the state, and nobody minds.
    told = raw("aws_instance", ["update"], before={}, after={"public_ip": "1"}, name="Machine")
    plan = read_plan("docker", {"resource_changes": [gone, new], "resource_drift": [gone, told]})
    assert [change.name for change in plan.changes] == ["new", "web"]
    assert [change.name for change in plan.drifted] == ["web"]


@pytest.mark.parametrize(
    ("name", "text", "secret"),
    [
        ("DB_PASSWORD", "x", True),
        ("URL", "db://user:x@host", True),
        ("OPTIONS", "a=1 token=x", True),
        ("COLOUR", "red", False),
        ("URL", "http://host/", False),
    ],
)
def test_a_secret_is_known_by_its_name_or_its_form(name: str, text: str, secret: bool) -> None:  # noqa: FBT001  (a case's expectation)
    assert looks_secret(name, text) is secret


def test_what_is_destroyed_is_told_as_terraform_tells_it(tmp_path: Path) -> None:
    program = str(Toolchain.load().terraform)
    variables = {"PATH": os.environ["PATH"], "CHECKPOINT_DISABLE": "1", "HOME": str(tmp_path)}

    def terraform(*words: str) -> str:
        done = subprocess.run(
            [program, *words],
            cwd=tmp_path,
            env=variables,
            check=True,
            capture_output=True,
            text=True,
        )
        return done.stdout

    steps = {"One_0123ABCD": {"input": "a"}, "Two_0123ABCD": {"input": "b"}}
    document = {
        "resource": {"terraform_data": steps},
        "output": {"key": {"value": "hunter2", "sensitive": True}},
    }
    (tmp_path / "cdk.tf.json").write_text(json.dumps(document), encoding="utf-8")
    terraform("apply", "-auto-approve", "-input=false")
    terraform("plan", "-destroy", "-out=plan", "-input=false")
    told = read_plan("aws", json.loads(terraform("show", "-json", "plan")))
    addresses = {f"terraform_data.{name}" for name in steps}
    found = destruction("aws", addresses, json.loads(terraform("state", "pull")))
    assert found == told
    assert [c.identity for c in found.changes] == [c.identity for c in told.changes]
    assert found.summary == "0 to add, 0 to change, 2 to destroy"
    (one,) = destruction("aws", list(addresses)[:1], json.loads(terraform("state", "pull"))).changes
    assert one.action == "destroy"


def test_nothing_that_is_a_secret_names_what_is_destroyed() -> None:
    state = {
        "resources": [
            {
                "mode": "managed",
                "type": "docker_thing",
                "name": "Thing_0123ABCD",
                "instances": [
                    {
                        "attributes": {"id": "7", "name": "hunter2"},
                        "sensitive_attributes": [[{"type": "get_attr", "value": "name"}]],
                    }
                ],
            }
        ]
    }
    (change,) = destruction("docker", ["docker_thing.Thing_0123ABCD"], state).changes
    assert (change.noun, change.name, change.identity) == ("thing", "Thing", "7")
