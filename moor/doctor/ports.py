"""The opened ports: whether each is reached from here, and which rule is missing where not."""

from __future__ import annotations

import socket
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import ip_network
from typing import TYPE_CHECKING, Any, Final

from constructs_lib.aws.firewall import openings
from constructs_lib.aws.port_range import PortRange
from moor import exposure
from moor.doctor.finding import Finding, Result
from moor.failure import CommandError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from constructs_lib.aws.firewall import Opening
    from moor.doctor.patient import Patient

_SECONDS: Final = 5.0
_AT_ONCE: Final = 32
_EVERYTHING: Final = "-1"


class Reached(StrEnum):
    """What came of a connection."""

    OPEN = "open"
    REFUSED = "refused"
    """The way is open, and nobody listens there: or a gate in front of it says so."""
    SILENT = "silent"
    """Nothing came back, as where no rule lets a packet in."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule of a security group, as AWS knows it.

    Attributes:
        protocol: `tcp`, `udp`, a number, or `-1` for all.
        first: The first port; -1 for all.
        last: The last one.
        network: Who may connect, as AWS spells it; a group's id for the machines in it.
    """

    protocol: str
    first: int
    last: int
    network: str


def ports(patient: Patient) -> Result:
    """Connect to each TCP port that the settings open to networks, and compare the rules."""
    if not patient.hosts:
        return Result(name="ports", told="nothing is deployed")
    session = patient.session
    wanted = openings(session.settings.aws, swarm=session.settings.is_swarm)
    rules, problem = _rules(patient)
    findings = list(missing(patient, wanted, rules)) if rules is not None else []
    there = {
        (row.port, row.setting): row.answers
        for row in exposure.examine(session.environment, session.settings, session.services).ports
    }
    asked = [
        (host, opening, ports_.first)
        for opening in wanted
        for ports_ in opening.ports
        if not opening.from_group and ports_.protocol == "tcp" and ports_.first == ports_.last
        if there.get((ports_.first, opening.setting))
        for host in patient.hosts
    ]
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        reached = list(pool.map(lambda one: reach(one[0].address, one[2]), asked))
    pairs = list(zip(asked, reached, strict=True))
    there_is = {one[0].name for one, found in pairs if found is Reached.OPEN}
    for (host, opening, port), found in pairs:
        # One that answers nowhere is gone: the check of the machines tells that.
        if found is Reached.REFUSED and host.name not in there_is:
            continue
        # Where the rule itself is missing, that is told already.
        has_rule = rules is None or any(
            lets_in(rule, PortRange.single(port), network)
            for rule in rules
            for network in opening.cidrs
        )
        if found is not Reached.OPEN and has_rule:
            findings.append(_unreached(patient, f"{host}: port {port}", opening, found))
    count = reached.count(Reached.OPEN)
    told = f"{count} of {len(reached)} answer from here"
    return Result(name="ports", told=f"{told}{problem}", findings=tuple(findings))


def reach(address: str, port: int, *, seconds: float = _SECONDS) -> Reached:
    """Connect to a port.

    Args:
        address: The machine's address.
        port: The port.
        seconds: How long to wait.
    """
    try:
        with socket.create_connection((address, port), seconds):
            return Reached.OPEN
    except TimeoutError:
        return Reached.SILENT
    except OSError:
        return Reached.REFUSED


def missing(
    patient: Patient, wanted: Iterable[Opening], rules: Sequence[Rule]
) -> Iterator[Finding]:
    """Yield each rule that the settings ask for and AWS does not have.

    Args:
        patient: The environment.
        wanted: What the settings open.
        rules: What AWS has.
    """
    for opening in wanted:
        for ports_ in opening.ports:
            for network in (None,) if opening.from_group else opening.cidrs:
                if not any(lets_in(rule, ports_, network) for rule in rules):
                    who = "the machines of the group" if network is None else str(network)
                    yield Finding(
                        subject=f"aws.{opening.setting}: {ports_}",
                        text=f"must be open to {who}, got no such rule in AWS",
                        remedy=f"`{patient.up}` makes it anew; whoever took it away may have had "
                        "a reason",
                    )


def lets_in(rule: Rule, ports_: PortRange, network: Any) -> bool:  # noqa: ANN401  (of both versions of IP)
    """Return whether a rule lets connections to ports in.

    Args:
        rule: The rule.
        ports_: The ports.
        network: From where; None for the machines of the same group.
    """
    if rule.protocol not in (ports_.protocol, _EVERYTHING):
        # EC2 knows SCTP by its number only.
        if (rule.protocol, ports_.protocol) != ("132", "sctp"):
            return False
    elif rule.first != -1 and not rule.first <= ports_.first <= ports_.last <= rule.last:
        return False
    if network is None:
        return rule.network.startswith("sg-")
    if rule.network.startswith("sg-"):
        return False
    there = ip_network(rule.network)
    return bool(there.version == network.version and network.subnet_of(there))


def _unreached(patient: Patient, subject: str, opening: Opening, found: Reached) -> Finding:
    if found is Reached.REFUSED:
        who = "a service" if opening.for_services else "the machine itself"
        return Finding(
            subject=subject,
            text=f"must be answered by {who}, got a refusal, though a rule lets it in",
            remedy=f"`{patient.moor('status')}` tells what does not run",
        )
    cidrs = ", ".join(map(str, opening.cidrs))
    field = f"aws.{opening.setting.rpartition('.')[0]}.cidrs"
    return Finding(
        subject=subject,
        text=f"must be reached from here, got silence; the rules let in {cidrs}",
        remedy=f"see that this computer's public address is in {field}, and that no firewall of "
        "your own network stops it",
    )


def _rules(patient: Patient) -> tuple[list[Rule] | None, str]:
    """Return the rules of all groups that the machines are in; None where AWS does not tell."""
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415  # heavy

    try:
        client = patient.ec2()
        ids = {host.instance_id for host in patient.hosts}
        filters = [{"Name": "instance-id", "Values": sorted(ids)}]
        pages = client.describe_instances(Filters=filters)["Reservations"]
        groups = sorted(
            {
                group["GroupId"]
                for page in pages
                for instance in page["Instances"]
                for group in instance.get("SecurityGroups", ())
            }
        )
        if not groups:
            return None, "; AWS knows no groups of them"
        found = client.describe_security_groups(GroupIds=groups)["SecurityGroups"]
    except (BotoCoreError, ClientError, CommandError) as error:
        return None, f"; AWS does not tell its rules: {error}"
    return [rule for group in found for rule in _read(group["IpPermissions"])], ""


def _read(permissions: Iterable[Mapping[str, Any]]) -> Iterator[Rule]:
    for one in permissions:
        protocol = str(one.get("IpProtocol", ""))
        first, last = int(one.get("FromPort", -1)), int(one.get("ToPort", -1))
        networks = [
            *(r["CidrIp"] for r in one.get("IpRanges", ())),
            *(r["CidrIpv6"] for r in one.get("Ipv6Ranges", ())),
            *(p["GroupId"] for p in one.get("UserIdGroupPairs", ())),
        ]
        for network in networks:
            yield Rule(protocol, first, last, str(network))
