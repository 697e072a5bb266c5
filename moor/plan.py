"""What a plan would change, as values; of Terraform's own description of it.

Source: Terraform's documentation, "JSON Output Format", the part on plans.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal

from constructs_lib.compose.folders import COPY_LABEL

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

Action = Literal["create", "update", "replace", "destroy", "import"]

_ACTIONS: Final[Mapping[tuple[str, ...], Action]] = {
    ("create",): "create",
    ("update",): "update",
    ("delete", "create"): "replace",
    ("create", "delete"): "replace",
    ("delete",): "destroy",
    ("forget",): "destroy",
}
"""What Terraform spells as a list; reading and leaving alone are no changes."""

UNKNOWN: Final = "(known after apply)"
SECRET: Final = "(secret)"  # noqa: S105  (it stands for one)
NOTHING: Final = "nothing"

_SECRET_NAME: Final = re.compile(
    r"pass(word|wd|phrase)|pass\d*($|[^a-z])|pwd|_pw$|secret|(?<!http_)token|credential|dsn"
    r"|private(?!_(ip|dns))|(api|access|auth|(?<!public)_)key",
    re.IGNORECASE,
)
_USER_INFO: Final = re.compile(r"(\w+://)\S+@")
_ASSIGNED: Final = re.compile(r"([\w.-]+)(=|[\"']\s?:\s?[\"']?)[^\s&;,\"']+")
_LABEL: Final = frozenset({"label", "value"})
"""How the Docker provider spells one label."""

_LONGEST: Final = 72

_PROTOCOLS: Final = {"132": "SCTP"}
"""What people call protocols that EC2 knows by number."""

_NOUNS: Final[Mapping[str, str]] = {
    "aws_ami": "machine image",
    "aws_ebs_volume": "data volume",
    "aws_eip": "address",
    "aws_eip_association": "address of the machine",
    "aws_instance": "machine",
    "aws_key_pair": "key pair",
    "aws_security_group": "security group",
    "aws_vpc_security_group_egress_rule": "egress rule",
    "aws_vpc_security_group_ingress_rule": "ingress rule",
    "aws_volume_attachment": "data volume of the machine",
    "docker_container": "container",
    "docker_image": "image",
    "docker_network": "network",
    "docker_volume": "volume",
    "terraform_data": "steps",
}

_NOISE: Final = frozenset({"com.docker.compose.config-hash", "tags_all", "id"})
"""Attributes that change together with others, and tell a person nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AttributeChange:
    """An attribute that changes.

    Attributes:
        name: Its name; of one inside others with dots and brackets.
        before: What it is, as text.
        after: What it will be, as text.
        replaces: Whether it cannot be changed in place.
    """

    name: str
    before: str
    after: str
    replaces: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What happens to one resource.

    Attributes:
        address: Its address in Terraform's words.
        action: What happens to it.
        noun: What kind of thing it is, for a person.
        name: Which one it is.
        attributes: What changes of it, where it is there already.
        lost: What data is lost with it, in words; empty where none is.
        kept: What data is kept though it goes, in words; empty where there is none.
        identity: What its provider knows it by now; empty where it is not there yet.
    """

    address: str
    action: Action
    noun: str
    name: str
    attributes: tuple[AttributeChange, ...] = ()
    lost: str = ""
    kept: str = ""
    identity: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class StackPlan:
    """What a plan would change of a stack.

    Attributes:
        stack: The stack's name.
        changes: The changes, in an order that does not change by itself.
        assumed: Why it is no plan of Terraform's but read from the configuration; or empty.
        outputs: The names of the outputs that change.
        warnings: What a person should know before approving it; one line each.
        cost: What it changes of what is paid a month, in words; empty where it changes nothing.
        drifted: Those of the changes that undo what somebody, or something, has changed behind
            Terraform's back.
    """

    stack: str
    changes: tuple[Change, ...] = ()
    assumed: str = ""
    outputs: tuple[str, ...] = field(default=())
    warnings: tuple[str, ...] = ()
    cost: str = ""
    drifted: tuple[Change, ...] = ()

    def count(self, *actions: Action) -> int:
        """Return how many changes are of these kinds."""
        return sum(change.action in actions for change in self.changes)

    @property
    def summary(self) -> str:
        """Terraform's own three numbers."""
        added = self.count("create", "replace")
        destroyed = self.count("destroy", "replace")
        text = f"{added} to add, {self.count('update')} to change, {destroyed} to destroy"
        imported = self.count("import")
        return f"{imported} to import, {text}" if imported else text

    @property
    def key(self) -> frozenset[tuple[str, Action]]:
        """What tells whether two plans do the same: each address, and what happens to it."""
        return frozenset((change.address, change.action) for change in self.changes)


def read_plan(stack: str, document: Mapping[str, Any]) -> StackPlan:
    """Read what `terraform show -json` says of a plan.

    Args:
        stack: The stack's name.
        document: The output.
    """
    volumes = _data_volumes(document)
    changes = [
        change
        for raw in document.get("resource_changes", [])
        if (change := _change(raw, volumes)) is not None
    ]
    outputs = [
        name
        for name, raw in document.get("output_changes", {}).items()
        if raw.get("actions") not in (["no-op"], ["read"])
    ]
    # Terraform tells of everything that is another than in its state; what the next deployment
    # leaves alone, such as an address that AWS has given, is none of that.
    elsewhere = {str(raw.get("address")) for raw in document.get("resource_drift", [])}
    ordered = tuple(sorted(changes, key=lambda c: (c.noun, c.name, c.address)))
    return StackPlan(
        stack=stack,
        changes=ordered,
        outputs=tuple(sorted(outputs)),
        drifted=tuple(change for change in ordered if change.address in elsewhere),
    )


def destruction(stack: str, planned: Collection[str], state: Mapping[str, Any]) -> StackPlan:
    """Read from a state what a plan of the destruction destroys.

    Terraform tells more of a plan, and starts the provider once more for that; but of what is
    destroyed all that a person is told is in the state.

    Args:
        stack: The stack's name.
        planned: The addresses of what is destroyed.
        state: The stack's state.
    """
    changes = [
        {
            "address": address,
            "mode": resource["mode"],
            "type": resource["type"],
            "name": resource["name"],
            "change": {
                "actions": ["delete"],
                "before": instance.get("attributes") or {},
                "before_sensitive": _marks(instance.get("sensitive_attributes") or ()),
            },
        }
        for resource in state.get("resources", [])
        for instance in resource["instances"]
        if (address := f"{resource['type']}.{resource['name']}") in planned
    ]
    outputs = {name: {"actions": ["delete"]} for name in state.get("outputs", {})}
    return read_plan(stack, {"resource_changes": changes, "output_changes": outputs})


def _marks(paths: Iterable[Sequence[Mapping[str, Any]]]) -> dict[str, bool]:
    """Return the attributes that have something sensitive in them, as a plan marks them."""
    return {str(path[0]["value"]): True for path in paths if path}


def assumed_plan(stack: str, document: Mapping[str, Any], *, why: str) -> StackPlan:
    """Read a configuration as a plan that creates all of it.

    Args:
        stack: The stack's name.
        document: The configuration as cdktf writes it.
        why: Why Terraform cannot plan it yet.
    """
    changes = [
        Change(
            address=f"{kind}.{name}",
            action="create",
            noun=_noun(kind),
            name=_name(kind, name, body),
        )
        for kind, resources in document.get("resource", {}).items()
        for name, body in resources.items()
    ]
    return StackPlan(
        stack=stack,
        changes=tuple(sorted(changes, key=lambda c: (c.noun, c.name, c.address))),
        assumed=why,
    )


def _data_volumes(document: Mapping[str, Any]) -> dict[str, str]:
    """Return the data volumes that are attached before a plan is applied, by the machines' ids."""
    befores = (
        raw["change"].get("before") or {}
        for raw in document.get("resource_changes", [])
        if raw.get("type") == "aws_volume_attachment"
    )
    return {str(b.get("instance_id")): str(b.get("volume_id")) for b in befores if b}


def _change(raw: Mapping[str, Any], volumes: Mapping[str, str]) -> Change | None:
    change = raw["change"]
    action = _ACTIONS.get(tuple(change["actions"]))
    if action is None and change.get("importing"):
        action = "import"
    if action is None or raw.get("mode") == "data":
        return None
    kind = str(raw["type"])
    side = "after" if change.get("after") else "before"
    secret = change.get(f"{side}_sensitive") or {}
    told = {k: v for k, v in (change.get(side) or {}).items() if not _has(secret, k)}
    before = change.get("before") or {}
    volume = volumes.get(str(before.get("id"))) if kind == "aws_instance" else None
    goes = volume is not None and action in ("destroy", "replace")
    return Change(
        address=str(raw["address"]),
        action=action,
        noun=_noun(kind),
        name=_name(kind, str(raw["name"]), told),
        attributes=tuple(_attributes(change)) if action in ("update", "replace") else (),
        lost="" if goes else _lost(kind, action, before),
        kept=f"data is kept, on the data volume {volume}" if goes else "",
        identity=str(before.get("id") or ""),
    )


def _noun(kind: str) -> str:
    return _NOUNS.get(kind, kind.partition("_")[2].replace("_", " ") or kind)


def _name(kind: str, address: str, values: Mapping[str, Any]) -> str:
    """Return what a person calls a resource."""
    if kind.startswith("aws_vpc_security_group"):
        where = values.get("cidr_ipv4") or values.get("cidr_ipv6") or "itself"
        way = "from" if "ingress" in kind else "to"
        what = _ports(values)
        # Its group is known by an id only; cdktf's name begins with that of the group.
        group = re.match(r"(\w+?)_(?:In|E)gress_", address)
        return f"{what} {way} {where}" + (f" ({group[1]})" if group else "")
    tags = values.get("tags")
    named = values.get("name") or (tags.get("Name") if isinstance(tags, dict) else None)
    # A digest tells a person little, and where it is not known yet it is a token.
    short = re.sub(r"@(\$\{.*\}|(sha256:[0-9a-f]{12})[0-9a-f]*)$", r"@\2", str(named or ""))
    if short and "${" not in short:
        return short.removesuffix("@")
    return re.sub(r"_[0-9A-F]{8}$", "", address).removeprefix("Compose_").replace("_", " ")


def _ports(values: Mapping[str, Any]) -> str:
    """Return what a person calls the ports of a rule."""
    protocol = str(values.get("ip_protocol"))
    if protocol == "-1":
        return "all"
    first, last = values.get("from_port"), values.get("to_port")
    if first in (None, -1):
        return f"all of {_PROTOCOLS.get(protocol, f'protocol {protocol}')}"
    return f"{first if first == last else f'{first}-{last}'}/{protocol}"


def _lost(kind: str, action: Action, before: Mapping[str, Any]) -> str:
    if action not in ("destroy", "replace"):
        return ""
    is_copy = any(label.get("label") == COPY_LABEL for label in before.get("labels") or ())
    # Only the name for a folder of the machine, which stays.
    is_bound = "bind" in str((before.get("driver_opts") or {}).get("o")).split(",")
    if is_copy or is_bound:
        return ""
    if kind == "docker_volume":
        return "all data in it is lost"
    if kind == "aws_instance":
        return (
            "data is lost, for there is no data volume: containers, images, volumes, all that is "
            "on its disk"
        )
    return ""


def _attributes(change: Mapping[str, Any]) -> Iterator[AttributeChange]:
    before, after = change.get("before") or {}, change.get("after") or {}
    unknown = change.get("after_unknown") or {}
    secret_before = change.get("before_sensitive") or {}
    secret_after = change.get("after_sensitive") or {}
    forcing = {str(path[0]) for path in change.get("replace_paths", []) if path}
    for name in sorted({*before, *after, *unknown}):
        if name in _NOISE:
            continue
        replaces = name in forcing
        if _has(unknown, name):
            # A token of something that is replaced is the reason; the rest is just not known.
            known = list(_known_differences(name, before, after, unknown[name]))
            if replaces and known:
                yield from (
                    AttributeChange(name=n, before=b, after=a, replaces=True) for n, b, a in known
                )
            elif replaces:
                yield AttributeChange(
                    name=name, before=shown(before.get(name)), after=UNKNOWN, replaces=True
                )
            continue
        old, new = before.get(name), after.get(name)
        # The provider fills in what the configuration leaves out: 0, false, an empty list.
        if old == new or (not old and not new):
            continue
        if _has(secret_before, name) or _has(secret_after, name):
            yield AttributeChange(name=name, before=SECRET, after=SECRET, replaces=replaces)
            continue
        for inner, was, becomes in differences(name, old, new):
            yield AttributeChange(name=inner, before=was, after=becomes, replaces=replaces)


def _known_differences(
    name: str, before: Mapping[str, Any], after: Mapping[str, Any], marks: object
) -> Iterator[tuple[str, str, str]]:
    """Find what differs in a mapping of which a part is not known yet."""
    old, new = before.get(name), after.get(name)
    if isinstance(old, dict) and isinstance(new, dict) and isinstance(marks, dict):
        old, new = ({k: v for k, v in side.items() if not _has(marks, k)} for side in (old, new))
        if old != new:
            yield from differences(name, old, new)


def _has(marks: object, name: str) -> bool:
    """Return whether a name, or anything inside it, is marked."""
    found = marks.get(name) if isinstance(marks, dict) else marks
    return _any(found)


def _any(marks: object) -> bool:
    if isinstance(marks, dict):
        return any(_any(mark) for mark in marks.values())
    if isinstance(marks, list):
        return any(_any(mark) for mark in marks)
    return bool(marks)


def differences(name: str, old: object, new: object) -> Iterator[tuple[str, str, str]]:
    """Find what differs between two values.

    Args:
        name: What both are called.
        old: One value, as JSON has it.
        new: The other one.

    Yields:
        A name, with dots and brackets where it is inside, and both values as text. Values
        whose name says that they are secret are masked.
    """
    if _SECRET_NAME.search(name):
        yield name, shown(old, name), shown(new, name)
        return
    pairs_old = {} if old is None else _pairs(old)
    pairs_new = {} if new is None else _pairs(new)
    # Pairs in another order are the same pairs: that is told as a difference of lists.
    if pairs_old is not None and pairs_new is not None and pairs_old != pairs_new:
        for key in sorted({*pairs_old, *pairs_new}):
            was, becomes = pairs_old.get(key), pairs_new.get(key)
            if key in _NOISE or was == becomes or (not was and not becomes):
                continue
            yield from differences(f"{name}.{_printable(key)}", was, becomes)
        return
    if isinstance(old, list) and isinstance(new, list):
        yield from _list_differences(name, old, new)
        return
    yield name, shown(old, name), shown(new, name)


def _list_differences(
    name: str, old: Sequence[object], new: Sequence[object]
) -> Iterator[tuple[str, str, str]]:
    if len(old) == len(new) == 1:
        yield from differences(name, old[0], new[0])
        return
    gone = [item for item in old if item not in new]
    come = [item for item in new if item not in old]
    if not gone and not come:
        yield name, shown(list(old), name), shown(list(new), name)
        return
    for item in gone:
        yield name, shown(item, name), NOTHING
    for item in come:
        yield name, NOTHING, shown(item, name)


def _pairs(value: object) -> dict[str, Any] | None:
    """Return a value as names with values, where it is a way of saying that."""
    if isinstance(value, dict):
        return value
    if not isinstance(value, list):
        return None
    if all(isinstance(item, str) and "=" in item for item in value):
        pairs = dict(item.split("=", 1) for item in value)
    elif all(isinstance(item, dict) and set(item) == _LABEL for item in value):
        pairs = {item["label"]: item["value"] for item in value}
    else:
        return None
    # A name that is there twice is no name: options of a command, for instance.
    return pairs if len(pairs) == len(value) else None


def shown(value: object, name: str = "") -> str:
    """Return a value as one line of text, masked where a name says that it is secret."""
    if value is None or value in ("", [], {}):
        return NOTHING
    if _SECRET_NAME.search(name):
        return SECRET
    if isinstance(value, dict) and set(value) == _LABEL:
        text = f"{value['label']}={shown(value['value'], str(value['label']))}"
    elif isinstance(value, dict):
        inside = {key: item for key, item in value.items() if item not in (None, "", [], {}, False)}
        text = ", ".join(f"{key}: {shown(item, key)}" for key, item in sorted(inside.items()))
    elif isinstance(value, list):
        text = ", ".join(shown(item, name) for item in value)
    elif isinstance(value, str):
        text = _masked(" ".join(value.split()))
    else:
        text = json.dumps(value)
    text = _printable(text)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def looks_secret(name: str, text: str) -> bool:
    """Return whether a value is secret by its name, or has a part that is by what is before it.

    Args:
        name: What the value is called.
        text: The value.
    """
    return bool(_SECRET_NAME.search(name)) or _masked(text) != text


def _masked(text: str) -> str:
    """Mask what in a text is secret by the name before it or by its place in a URL."""
    if (pair := re.match(r"([\w.-]+)=", text)) and _SECRET_NAME.search(pair[1]):
        return f"{pair[1]}={SECRET}"
    text = _USER_INFO.sub(rf"\1{SECRET}@", text)
    return _ASSIGNED.sub(
        lambda found: (
            f"{found[1]}{found[2]}{SECRET}" if _SECRET_NAME.search(found[1]) else found[0]
        ),
        text,
    )


def _printable(text: str) -> str:
    """Spell out what could move a terminal's cursor."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)
