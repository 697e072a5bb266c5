"""What a deployment has left that ended in the middle: things that exist and no state knows.

Terraform writes a resource into its state when it is there. Killed before that, or with its
provider killed, it leaves a thing behind whose name the next deployment needs: a container, a
security group, a key pair; or that costs money: an instance, an address. They bear this
environment's tags or labels, so that they can be told from everything else.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from constructs_lib.host import engine
from moor.failure import CommandError
from moor.outputs import Outputs
from moor.toolchain.events import parse
from sandbox.errors import ENGINE_ERRORS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from constructs_lib.settings.environment import Environment
    from moor.session import Session
    from moor.toolchain.stack import Stack
    from moor.toolchain.terraform_cli import Terraform

PROJECT: Final = "com.docker.compose.project"
STEPS: Final = "terraform_data."
"""What the addresses begin with of what runs provisioners, and nothing else does here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Leftover:
    """A thing that exists and no state knows.

    Attributes:
        name: What a person calls it.
        remove: Removes it.
    """

    name: str
    remove: Callable[[], object]


def begin(environment: Environment, stack: str) -> None:
    """Remember that a stack is being applied."""
    environment.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    _mark(environment, stack).touch(mode=0o600)


def end(environment: Environment, stack: str) -> None:
    """Forget it: Terraform came to a good end, and its state knows all."""
    _mark(environment, stack).unlink(missing_ok=True)


def is_marked(environment: Environment, stack: str) -> bool:
    """Return whether the last deployment of a stack did not come to a good end."""
    return _mark(environment, stack).exists()


def cut_short(log: Path) -> list[str]:
    """Return the steps that had begun and not ended when Terraform was killed.

    Terraform may have written them into its state by then, as if they were done: it does so
    before it runs a resource's provisioners, whenever it writes the state for another one.

    Args:
        log: What Terraform said, by its machine-readable interface.

    Returns:
        Addresses of resources, in the order in which they began.
    """
    begun: dict[str, None] = {}
    try:
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return []
    for event in map(parse, lines):
        if not event.address.startswith(STEPS):
            continue
        if event.kind == "apply_start" and event.action != "delete":
            begun[event.address] = None
        elif event.kind in ("apply_complete", "apply_errored"):
            begun.pop(event.address, None)
    return list(begun)


def leftovers(session: Session, stack: Stack, terraform: Terraform) -> list[Leftover]:
    """Find what an interrupted deployment of a stack has left.

    Nothing is asked after a deployment that came to a good end.

    Args:
        session: The command.
        stack: The stack.
        terraform: Reads the stack's state.

    Raises:
        CommandError: The state, or AWS, cannot be read.
    """
    if not is_marked(session.environment, stack.name):
        return []
    known = _known(terraform.state(stack))
    if stack.depends_on:
        return list(_of_docker(session, known))
    return list(_of_aws(session, known))


def _mark(environment: Environment, stack: str) -> Path:
    return environment.directory / f"unfinished-{stack}"


def _known(state: dict[str, Any]) -> set[str]:
    """Return the ids of all resources of a state."""
    return {
        str(instance.get("attributes", {}).get("id"))
        for resource in state.get("resources", [])
        if resource.get("mode") == "managed"
        for instance in resource.get("instances", [])
    }


def _of_docker(session: Session, known: set[str]) -> Iterator[Leftover]:
    """Find containers, services and networks of ours.

    Volumes and images are taken as they are, and so are secrets and configs of a swarm: their
    names say what is in them.
    """
    services = session.services
    names = {n for s in services.services.values() for n in s.container_names(services.name)}
    networks = {network.name for network in services.networks.values() if not network.external}
    try:
        outputs = Outputs.load(session.environment)
        client = engine.connect(outputs.docker_host, session.environment.certificates)
        with contextlib.closing(client):
            labels: dict[str, Any] = {"label": f"{PROJECT}={services.name}"}
            containers = client.containers.list(all=True, filters=labels)
            in_swarm = (client.info().get("Swarm") or {}).get("ControlAvailable")
            swarm_services = client.services.list(filters=labels) if in_swarm else []
            found = client.networks.list(filters=labels)
    except (CommandError, *ENGINE_ERRORS):
        # No machine yet, or none that answers: the first stack comes first.
        return
    for container in containers:
        if container.id not in known and container.name in names:
            remove = partial(_remove, session, "containers", str(container.id))
            thing = Leftover(name=f"container {container.name}", remove=remove)
            yield replace(thing, remove=partial(_try, thing, ENGINE_ERRORS))
    # All of ours, whatever its name: one that is in no file any more has a port all the same.
    for service in swarm_services:
        if service.id not in known:
            remove = partial(_remove, session, "services", str(service.id))
            thing = Leftover(name=f"service {service.name}", remove=remove)
            yield replace(thing, remove=partial(_try, thing, ENGINE_ERRORS))
    for network in found:
        if network.id not in known and network.name in networks:
            remove = partial(_remove, session, "networks", str(network.id))
            thing = Leftover(name=f"network {network.name}", remove=remove)
            yield replace(thing, remove=partial(_try, thing, ENGINE_ERRORS))


def _remove(session: Session, kind: str, identity: str) -> None:
    outputs = Outputs.load(session.environment)
    client = engine.connect(outputs.docker_host, session.environment.certificates)
    with contextlib.closing(client):
        if kind == "containers":
            client.containers.get(identity).remove(force=True, v=True)
        elif kind == "services":
            api: Any = client.api
            api.remove_service(identity)
        else:
            client.networks.get(identity).remove()


def _of_aws(session: Session, known: set[str]) -> Iterator[Leftover]:
    """Find what bears the environment's tags, in the order in which it can be removed."""
    # Imported here: it is heavy, and rarely needed.
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415

    from moor.aws_client import ec2  # noqa: PLC0415

    try:
        client = ec2(session.settings, session.environment.sandbox_credentials)
        for found in (_instances(client, session, known), _rest(client, session, known)):
            for thing in found:
                remove = partial(_try, thing, (BotoCoreError, ClientError))
                yield replace(thing, remove=remove)
    except (BotoCoreError, ClientError) as error:
        raise CommandError(
            f"aws: what an interrupted deployment has left must be found, got: {error}"
        ) from None


def _try(thing: Leftover, failures: tuple[type[Exception], ...]) -> None:
    """Remove a thing, or say in our words why it stays."""
    try:
        thing.remove()
    except failures as error:
        raise CommandError(
            f"{thing.name}: must be removed, since its name is needed or it costs money, "
            f"got: {error}; remove it by hand"
        ) from None


def _tags(session: Session) -> list[dict[str, Any]]:
    return [
        {"Name": "tag:project", "Values": [session.settings.project]},
        {"Name": "tag:environment", "Values": [session.environment.name]},
        {"Name": "tag:managed-by", "Values": ["moor"]},
    ]


def _instances(client: Any, session: Session, known: set[str]) -> Iterator[Leftover]:  # noqa: ANN401  (boto3 has no types)
    states = {
        "Name": "instance-state-name",
        "Values": ["pending", "running", "stopping", "stopped"],
    }
    pages = client.describe_instances(Filters=[*_tags(session), states])["Reservations"]
    for identity in (i["InstanceId"] for page in pages for i in page["Instances"]):
        if identity not in known:
            yield Leftover(name=f"machine {identity}", remove=partial(_terminate, client, identity))


def _rest(client: Any, session: Session, known: set[str]) -> Iterator[Leftover]:  # noqa: ANN401  (boto3 has no types)
    tags = _tags(session)
    for address in client.describe_addresses(Filters=tags)["Addresses"]:
        identity = address["AllocationId"]
        if identity not in known:
            yield Leftover(
                name=f"address {address['PublicIp']}", remove=partial(_release, client, address)
            )
    yield from _interfaces(client, session, known)
    for group in client.describe_security_groups(Filters=tags)["SecurityGroups"]:
        identity, name = group["GroupId"], group["GroupName"]
        if identity not in known:
            yield Leftover(
                name=f"security group {name}",
                remove=partial(client.delete_security_group, GroupId=identity),
            )
            continue
        rules = client.describe_security_group_rules(
            Filters=[{"Name": "group-id", "Values": [identity]}]
        )["SecurityGroupRules"]
        for rule in rules:
            if rule["SecurityGroupRuleId"] not in known:
                yield Leftover(
                    name=f"rule {rule['SecurityGroupRuleId']} of {name}",
                    remove=partial(_revoke, client, rule),
                )
    for pair in client.describe_key_pairs(Filters=tags)["KeyPairs"]:
        if pair["KeyName"] not in known:
            yield Leftover(
                name=f"key pair {pair['KeyName']}",
                remove=partial(client.delete_key_pair, KeyName=pair["KeyName"]),
            )


def _interfaces(client: Any, session: Session, known: set[str]) -> Iterator[Leftover]:  # noqa: ANN401  (boto3 has no types)
    tags = _tags(session)
    for interface in client.describe_network_interfaces(Filters=tags)["NetworkInterfaces"]:
        # One that is attached goes with what it is attached to, or a state knows of it.
        if interface["NetworkInterfaceId"] not in known and "Attachment" not in interface:
            yield Leftover(
                name=f"network interface {interface['NetworkInterfaceId']}",
                remove=partial(
                    client.delete_network_interface,
                    NetworkInterfaceId=interface["NetworkInterfaceId"],
                ),
            )


def _terminate(client: Any, identity: str) -> None:  # noqa: ANN401  (boto3 has no types)
    client.terminate_instances(InstanceIds=[identity])
    client.get_waiter("instance_terminated").wait(
        InstanceIds=[identity], WaiterConfig={"Delay": 2, "MaxAttempts": 150}
    )


def _release(client: Any, address: dict[str, str]) -> None:  # noqa: ANN401  (boto3 has no types)
    if "AssociationId" in address:
        client.disassociate_address(AssociationId=address["AssociationId"])
    client.release_address(AllocationId=address["AllocationId"])


def _revoke(client: Any, rule: dict[str, Any]) -> None:  # noqa: ANN401  (boto3 has no types)
    revoke = (
        client.revoke_security_group_egress
        if rule["IsEgress"]
        else client.revoke_security_group_ingress
    )
    revoke(GroupId=rule["GroupId"], SecurityGroupRuleIds=[rule["SecurityGroupRuleId"]])
