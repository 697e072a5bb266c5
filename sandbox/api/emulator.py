# ruff: noqa: ANN401  # moto's backends, instances and addresses have no usable types
"""The emulated EC2: moto, with machines behind its instances.

moto keeps the books; the methods wrapped here let its instances be containers and its security
groups and Elastic IPs be gates. State is in memory: a new emulator knows nothing of an old
one's resources, and its `generation` says so.
"""

from __future__ import annotations

import uuid
from ipaddress import IPv4Address, IPv4Network
from typing import TYPE_CHECKING, Any, Final

from sandbox.addresses import AddressBook, AddressPool, gateway
from sandbox.api.books import (
    backends,
    eips_of,
    groups_of,
    instance_id_of,
    instance_of,
    rules_of,
    text_of,
    user_data_of,
)
from sandbox.api.firewall import admissions, open_ports
from sandbox.api.interfaces import Interfaces
from sandbox.api.methods import api_error, description_of, with_ports, wrapped
from sandbox.api.snapshots import FOLDER as SNAPSHOTS
from sandbox.api.snapshots import Snapshots
from sandbox.api.turn import Turn
from sandbox.api.volumes import FOLDER, Volumes
from sandbox.at_once import at_once
from sandbox.engine.connect import connect
from sandbox.errors import ENGINE_ERRORS, SandboxError
from sandbox.machines.gate import Gates, Target
from sandbox.machines.machine import Machines, MachineSpec
from sandbox.machines.metadata import InstanceMetadata, MetadataService
from sandbox.machines.packet_filter import script

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from sandbox.parameters import Parameters
    from sandbox.ports import OpenPort

_UNREACHABLE: Final = IPv4Network("198.51.100.0/24")
"""Where automatic public addresses come from: nothing answers there, as only Elastic IPs are
led to machines (Source: RFC 5737, addresses for documentation)."""

_RUNNING: Final = "running"
_STOPPED: Final = "stopped"

_CHANGES_GATES: Final = (
    "associate_address",
    "authorize_security_group_ingress",
    "delete_security_group",
    "disassociate_address",
    "modify_instance_attribute",
    "modify_instance_security_groups",
    "modify_network_interface_attribute",
    "modify_security_group_rules",
    "release_address",
    "revoke_security_group_ingress",
)
"""Methods of moto's EC2 backend after which other ports may be open."""


class Emulator:
    """Machines and gates behind moto's EC2.

    Args:
        parameters: What the sandbox was started with.
        log: Takes one line.
        folder: The sandbox's own folder, where volumes are kept.

    Attributes:
        generation: Tells this emulator's resources from those of any other.
        turn: To be had by whoever calls moto, or `reconcile`. Instances boot side by side.
    """

    def __init__(self, parameters: Parameters, log: Callable[[str], None], folder: Path) -> None:
        self.generation = uuid.uuid4().hex
        self._log = log
        self._client = connect(parameters.engine)
        self._parameters = parameters
        # The gateway has its address already, and the registry had the second one.
        self._book = AddressBook(
            AddressPool(parameters.subnet, setting="sandbox.subnet", kept=2),
        )
        self._public = AddressPool(parameters.addresses, setting="sandbox.addresses", kept=1)
        self._machines = Machines(
            self._client,
            owner=parameters.owner,
            image=parameters.machine_image,
            network=parameters.network,
            subnet=parameters.subnet,
            registry_port=parameters.registry_port,
        )
        self._metadata = MetadataService(
            self._client,
            owner=parameters.owner,
            image=parameters.machine_image,
            network=parameters.network,
            book=self._book,
        )
        self._gates = Gates(
            self._client,
            owner=parameters.owner,
            image=parameters.machine_image,
            network=parameters.network,
            caller=gateway(parameters.subnet),
            book=self._book,
            log=log,
        )
        self._interfaces = Interfaces(self._book, parameters.subnet)
        # Of those that have a machine, by the instance's id.
        self._addresses: dict[str, IPv4Address] = {}
        self._volumes = Volumes(folder / FOLDER, self._machines, self._addresses)
        self._snapshots = Snapshots(folder / SNAPSHOTS, self._volumes)
        # What each machine that has booted lets in.
        self._filters: dict[str, str] = {}
        self._notes: set[str] = set()
        self.turn = Turn()
        self._originals: dict[str, Callable[..., Any]] = {}

    def install(self) -> None:
        """Put the machines behind moto. moto must have been told its images before."""
        from moto.ec2.models import EC2Backend  # noqa: PLC0415  # reads the environment
        from moto.ec2.models import elastic_ip_addresses as eips  # noqa: PLC0415
        from moto.ec2.models import elastic_network_interfaces as enis  # noqa: PLC0415
        from moto.ec2.models.security_groups import SecurityGroupRule  # noqa: PLC0415
        from moto.ec2.responses.general import General  # noqa: PLC0415

        setattr(eips, "random_ip", self._next_public_address)  # noqa: B010  # not exported
        setattr(enis, "random_public_ip", self._next_unreachable_address)  # noqa: B010
        replacements: dict[str, Callable[..., Any]] = {
            "run_instances": self._run_instances,
            "start_instances": self._start_instances,
            "stop_instances": self._stop_instances,
            "reboot_instances": self._reboot_instances,
            "terminate_instances": self._terminate_instances,
            "allocate_address": self._allocate_address,
            "create_network_interface": self._interfaces.create,
            "delete_network_interface": self._interfaces.delete,
            "create_snapshot": self._snapshots.create,
            "delete_snapshot": self._snapshots.delete,
            "create_volume": self._snapshots.create_volume,
            "delete_volume": self._volumes.delete,
            "modify_volume": self._volumes.modify,
            "attach_volume": self._volumes.attach,
            "detach_volume": self._volumes.detach,
            "create_tags": self._tag,
            "delete_tags": self._tag,
            "modify_instance_metadata_options": self._modify_metadata_options,
        }
        replacements |= dict.fromkeys(_CHANGES_GATES, self._change_gates)
        for name, replacement in replacements.items():
            original = getattr(EC2Backend, name)
            self._originals[name] = original
            setattr(EC2Backend, name, wrapped(name, original, replacement))
        # As AWS does, an Elastic IP of an interface names the instance behind it, too.
        setattr(eips.ElasticAddress, "instance_id", property(instance_id_of))  # noqa: B010
        setattr(General, "get_console_output", self._get_console_output)  # noqa: B010
        # A rule of a protocol without ports is one that moto fails on.
        setattr(SecurityGroupRule, "__init__", with_ports(SecurityGroupRule.__init__))  # noqa: B010
        # Of a rule whose source is a group moto keeps the description, and does not tell it.
        setattr(SecurityGroupRule, "description", property(description_of))  # noqa: B010
        self._volumes.restore()
        self._snapshots.restore()

    def describe(self) -> dict[str, Any]:
        """Return what is running, for `/moor-sandbox`."""
        return {
            "generation": self.generation,
            "environment": self._parameters.environment,
            "project": self._parameters.project,
            "instances": [self._describe(instance) for instance in self._instances()],
        }

    def reconcile(self) -> dict[str, Any]:
        """Make the books agree with the engine.

        An instance whose container vanished becomes terminated, so that Terraform makes it
        again; one whose machine is down is started.

        Returns:
            What `describe` returns, with `changes`, one line each, and `registry`: whether the
            registry runs.
        """
        changes: list[str] = []
        # Before a machine that has one is started.
        self._volumes.restore_devices()
        states = self._machines.states()
        # First: a machine that is started below asks it.
        running = frozenset(name for name, state in states.items() if state == _RUNNING)
        if self._metadata.restore(running):
            changes.append("the metadata service was down; started")
        for instance in self._instances():
            if instance.state not in {_RUNNING, _STOPPED}:
                continue
            state = states.get(self._machines.name(instance.id))
            if state is None:
                self._terminate(instance.ec2_backend, [instance.id])
                self._forget(instance)
                changes.append(f"{instance.id}: its machine is gone; it counts as terminated")
            elif instance.state == _RUNNING and state != _RUNNING:
                self._machines.start(instance.id)
                changes.append(f"{instance.id}: its machine was down; started")
        self._gates.forget_missing(running)
        self._arrange()
        registry = self._parameters.owner.name("registry")
        return self.describe() | {"changes": changes, "registry": registry in running}

    # The methods below stand in for methods of moto's backend. Each gets the original, the
    # backend, and the call's own arguments.

    @property
    def _get_console_output(self) -> Callable[[Any], Any]:
        machines = self._machines

        def get_console_output(response: Any) -> Any:
            from moto.core.responses import ActionResult  # noqa: PLC0415
            from moto.core.types import Base64EncodedString  # noqa: PLC0415
            from moto.core.utils import utcnow  # noqa: PLC0415

            instance = response.ec2_backend.get_instance(response._get_param("InstanceId"))  # noqa: SLF001
            text = machines.console(instance.id, lines=500)
            return ActionResult(
                {
                    "InstanceId": instance.id,
                    "Timestamp": utcnow(),
                    "Output": Base64EncodedString.from_raw_string(text),
                }
            )

        return get_console_output

    def _run_instances(
        self, original: Callable[..., Any], backend: Any, *args: Any, **kwargs: Any
    ) -> Any:
        key_name = kwargs.get("key_name")
        if key_name and key_name not in backend.key_pairs:
            raise api_error("InvalidKeyPair.NotFound", f"The key pair '{key_name}' does not exist")
        self._interfaces.choose(backend, kwargs)
        reservation = original(backend, *args, **kwargs)
        for instance in reservation.instances:
            self._interfaces.adopt(instance, kwargs)
        try:
            for instance in reservation.instances:
                self._boot(backend, instance)
        except (SandboxError, *ENGINE_ERRORS):
            self._terminate(backend, [instance.id for instance in reservation.instances])
            backend.reservations.pop(reservation.id, None)
            with self.turn.aside():
                for instance in reservation.instances:
                    self._machines.remove(instance.id)
            for instance in reservation.instances:
                self._forget(instance)
            raise
        # Other machines may let these in, and rules may have changed while they booted.
        self._arrange()
        return reservation

    def _boot(self, backend: Any, instance: Any) -> None:
        address = self._interfaces.address(instance)
        self._addresses[instance.id] = address
        keys: tuple[tuple[str, str], ...] = ()
        if instance.key_name:
            pair = backend.key_pairs[instance.key_name]
            keys = ((instance.key_name, text_of(pair.material_public)),)
        self._log(f"{instance.id}: booting at {address}")
        options = instance.metadata_options
        self._metadata.publish(
            InstanceMetadata(
                instance=instance.id,
                address=address,
                image=instance.image_id,
                instance_type=instance.instance_type,
                zone=str(instance.placement.zone),
                keys=keys,
                user_data=user_data_of(instance),
                # An interface that was there before may have one.
                public=next((IPv4Address(e.public_ip) for e in eips_of(instance)), None),
                groups=tuple(group.name for group in instance.security_groups),
                tokens_required=options.http_tokens == "required",
                hop_limit=int(options.http_put_response_hop_limit),
            )
        )
        spec = MachineSpec(
            instance=instance.id,
            address=address,
            packet_filter=self._filter(instance, address),
        )
        with self.turn.aside():
            self._machines.boot(spec)
        self._filters[instance.id] = spec.packet_filter
        self._log(f"{instance.id}: up")

    def _start_instances(
        self, original: Callable[..., Any], backend: Any, instance_ids: list[str]
    ) -> Any:
        for instance_id in instance_ids:
            if backend.get_instance(instance_id).state == _STOPPED:
                with self.turn.aside():
                    self._machines.start(instance_id)
        result = original(backend, instance_ids)
        for eip in backend.addresses:
            # moto gives a started instance an address of its own; AWS lets it keep this one.
            if eip.eni is not None and instance_of(eip) is not None:
                eip.eni.public_ip = eip.public_ip
        self._arrange()
        return result

    def _stop_instances(
        self, original: Callable[..., Any], backend: Any, instance_ids: list[str]
    ) -> Any:
        result = original(backend, instance_ids)
        self._arrange()
        with self.turn.aside():
            for instance_id in instance_ids:
                self._machines.stop(instance_id)
        return result

    def _reboot_instances(
        self, original: Callable[..., Any], backend: Any, instance_ids: list[str]
    ) -> Any:
        result = original(backend, instance_ids)
        with self.turn.aside():
            for instance_id in instance_ids:
                self._machines.reboot(instance_id)
        return result

    def _terminate_instances(
        self, original: Callable[..., Any], backend: Any, instance_ids: list[str]
    ) -> Any:
        with (
            self._interfaces.kept(map(backend.get_instance, instance_ids)),
            self._volumes.ending(instance_ids),
        ):
            result = original(backend, instance_ids)
        for instance, _ in result:
            self._release(instance)
        self._arrange()
        for instance, _ in result:
            with self.turn.aside():
                self._machines.remove(instance.id)
            self._forget(instance)
        return result

    def _tag(
        self, original: Callable[..., Any], backend: Any, ids: list[str], *args: Any, **kwargs: Any
    ) -> Any:
        result = self._volumes.tag(original, backend, ids, *args, **kwargs)
        self._snapshots.tag(backend, ids)
        return result

    def _allocate_address(
        self, original: Callable[..., Any], backend: Any, *args: Any, **kwargs: Any
    ) -> Any:
        wanted = kwargs.get("address")
        if wanted and IPv4Address(wanted) not in self._parameters.addresses:
            raise api_error(
                "InvalidAddress.NotFound",
                f"Address '{wanted}' is not one of {self._parameters.addresses}",
            )
        return original(backend, *args, **kwargs)

    def _modify_metadata_options(
        self, original: Callable[..., Any], backend: Any, *args: Any, **kwargs: Any
    ) -> Any:
        result = original(backend, *args, **kwargs)
        instance = backend.get_instance(args[0] if args else kwargs["instance_id"])
        options = instance.metadata_options
        self._metadata.set_options(
            instance.id,
            tokens_required=options.http_tokens == "required",
            hop_limit=int(options.http_put_response_hop_limit),
        )
        return result

    def _change_gates(
        self, original: Callable[..., Any], backend: Any, *args: Any, **kwargs: Any
    ) -> Any:
        result = original(backend, *args, **kwargs)
        self._align_groups(original.__name__, backend, args, kwargs)
        try:
            self._arrange()
        except (SandboxError, *ENGINE_ERRORS):
            # The call fails, so it must not have happened: what it opened is closed again.
            self._take_back(original.__name__, backend, result)
            raise
        return result

    def _take_back(self, name: str, backend: Any, result: Any) -> None:
        if name == "associate_address":
            self._originals["disassociate_address"](backend, address=result.public_ip)
        elif name == "authorize_security_group_ingress":
            added, group = result
            ids = {rule.id for rule in added}
            group.ingress_rules = [r for r in group.ingress_rules if r.id not in ids]
        else:
            return
        self._arrange()

    @staticmethod
    def _align_groups(
        name: str, backend: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> None:
        """Keep an instance's groups and its first interface's the same, as AWS does."""
        if name == "modify_instance_security_groups":
            instance_id = args[0] if args else kwargs["instance_id"]
            instance = backend.get_instance(instance_id)
            instance.nics[0]._group_set = list(instance.security_groups)  # noqa: SLF001
        elif name == "modify_network_interface_attribute":
            eni_id = args[0] if args else kwargs["eni_id"]
            interface = backend.get_network_interface(eni_id)
            if interface.instance is not None and interface.device_index == 0:
                interface.instance.security_groups = list(interface._group_set)  # noqa: SLF001

    def _terminate(self, backend: Any, instance_ids: list[str]) -> None:
        """Let moto terminate instances, and no more: their machines are somebody else's affair."""
        with (
            self._interfaces.kept(map(backend.get_instance, instance_ids)),
            self._volumes.ending(instance_ids),
        ):
            self._originals["terminate_instances"](backend, instance_ids)

    def _release(self, instance: Any) -> None:
        """Take a terminated instance's Elastic IP away; that of an interface that stays, stays."""
        for eip in eips_of(instance):
            if eip.eni is None or eip.eni.delete_on_termination:
                self._originals["disassociate_address"](instance.ec2_backend, address=eip.public_ip)
            else:
                eip.instance = None

    def _forget(self, instance: Any) -> None:
        """Give back what an instance had, whose machine is gone."""
        self._release(instance)
        self._filters.pop(instance.id, None)
        self._metadata.withdraw(instance.id)
        self._volumes.leave(instance.id)
        self._addresses.pop(instance.id, None)
        self._interfaces.leave(self._originals["delete_network_interface"], instance)

    def _arrange(self) -> None:
        """Let in what the groups let in, and no more: through the gates, and to the machines."""
        self._arrange_gates()
        changed: dict[str, str] = {}
        for instance in self._instances():
            former = self._filters.get(instance.id)
            if former is None or instance.state not in {_RUNNING, _STOPPED}:
                continue
            wanted = self._filter(instance, self._addresses[instance.id])
            if wanted != former:
                changed[instance.id] = wanted

        def change(instance: str) -> None:
            self._machines.let_in(instance, changed[instance])
            self._filters[instance] = changed[instance]

        at_once(change, changed)

    def _filter(self, instance: Any, address: IPv4Address) -> str:
        """Return what a machine has to let in."""
        members: dict[str, list[IPv4Address]] = {}
        for other in self._instances():
            # A terminated one is a member still, and its address is somebody else's soon.
            if other.id in self._addresses and other.state in {_RUNNING, _STOPPED}:
                for group in groups_of(other):
                    members.setdefault(group, []).append(self._addresses[other.id])
        return script(
            admissions(rules_of(instance), members),
            subnet=self._parameters.subnet,
            gates=self._gates.to(address),
        )

    def _arrange_gates(self) -> None:
        """Open what the groups of running instances with an Elastic IP open, and no more."""
        wanted: dict[IPv4Address, Target] = {}
        public: dict[str, IPv4Address] = {}
        for backend in backends():
            for eip in backend.addresses:
                instance = instance_of(eip)
                if instance is not None:
                    public[instance.id] = IPv4Address(eip.public_ip)
                if instance is None or instance.state != _RUNNING:
                    continue
                address = self._addresses.get(instance.id)
                if address is None:
                    continue
                opened = open_ports(rules_of(instance))
                for note in opened.notes:
                    if (line := f"{instance.id}: {note}") not in self._notes:
                        self._notes.add(line)
                        self._log(line)
                if opened.ports:
                    wanted[IPv4Address(eip.public_ip)] = Target(
                        machine=address, ports=opened.ports, instance=instance.id
                    )
        self._metadata.set_public(public)
        self._gates.arrange(wanted)

    def _next_public_address(self) -> str:
        used = {IPv4Address(eip.public_ip) for backend in backends() for eip in backend.addresses}
        return str(self._public.lowest_free(used))

    def _next_unreachable_address(self) -> str:
        used = {
            IPv4Address(nic.public_ip)
            for instance in self._instances()
            for nic in instance.nics.values()
            if nic.public_ip
        }
        return str(next(a for a in _UNREACHABLE.hosts() if a not in used))

    def _instances(self) -> list[Any]:
        return [
            instance
            for backend in backends()
            for reservation in list(backend.reservations.values())
            for instance in reservation.instances
        ]

    def _describe(self, instance: Any) -> dict[str, Any]:
        eips = [eip.public_ip for eip in eips_of(instance)]
        ports: set[OpenPort] = set()
        for public in eips:
            ports |= self._gates.open_ports(IPv4Address(public))
        private = self._addresses.get(instance.id)
        return {
            "id": instance.id,
            "state": instance.state,
            "address": eips[0] if eips else None,
            "private_address": str(private) if private else None,
            "container": self._machines.name(instance.id),
            "ports": sorted(port.number for port in ports if port.protocol == "tcp"),
            "udp_ports": sorted(port.number for port in ports if port.protocol == "udp"),
        }
