"""The membership of each machine in the swarm, as steps of a deployment."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from constructs import Construct

from constructs_lib.terraform.steps import run_module, terraform_data

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cdktf import TerraformResource

    from constructs_lib.host.docker_api import CertificateStore
    from constructs_lib.swarm.node import SwarmNode
    from constructs_lib.terraform.literal import Expression


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberNode:
    """A node, and the machine that is to be it.

    Attributes:
        node: Which node of the swarm.
        public_ip: Where the machine's Docker API is reached from here.
        private_ip: Where the nodes reach each other; it outlives the machine.
        machine: The machine's id, which changes when another takes its place.
    """

    node: SwarmNode
    public_ip: Expression
    private_ip: Expression
    machine: Expression

    @property
    def words(self) -> tuple[str, ...]:
        """What tells where it is to the programs of the steps: `NAME PUBLIC PRIVATE`."""
        return (self.node.name, self.public_ip, self.private_ip)


class Members(Construct):
    """The swarm, made of machines whose Docker APIs are open.

    A step a node makes it a member, in the role and with the labels that the settings give, and
    may be repeated: it changes only what is not so. The first manager goes first, since it begins
    the swarm where there is none; the others join it, one after the other whatever Terraform does
    at once. At last the entries of nodes that are gone for good are removed.

    Attributes:
        resource: The last step, for `depends_on`.
    """

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        nodes: Sequence[MemberNode],
        port: int,
        store: CertificateStore,
        depends_on: Sequence[TerraformResource],
    ) -> None:
        """Define the steps.

        Args:
            scope: The construct that this one belongs to.
            id_: The construct's id; changing it runs the steps again.
            nodes: All nodes, each name once; the first manager among them begins the swarm.
            port: TCP port of the machines' Docker APIs.
            store: The folders of the certificates.
            depends_on: What must be done before: the APIs are open, and take our certificate.

        Raises:
            ValueError: A name is there twice, or no node is a manager.
        """
        names = [member.node.name for member in nodes]
        if repeated := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(
                f"swarm: nodes: must have each name once, got {', '.join(repeated)} again"
            )
        managers = [member for member in nodes if member.node.is_manager]
        if not managers:
            raise ValueError("swarm: nodes: must have a manager, got workers only; add one")
        super().__init__(scope, id_)
        first = managers[0]
        folders = ("--certificates", str(store.certificates), "--pki", str(store.pki))
        shared = (
            *("--port", str(port), *folders),
            *(word for manager in managers for word in ("--manager", *manager.words)),
        )
        place = Construct(self, "Nodes")
        begun: list[TerraformResource] = []
        for member in sorted(nodes, key=lambda member: member is not first):
            node = member.node
            labels = [f"{name}={value}" for name, value in sorted(node.labels.items())]
            step = terraform_data(
                place,
                node.name,
                triggers={
                    "machine": member.machine,
                    "private_address": member.private_ip,
                    "role": node.role,
                    "labels": json.dumps(labels),
                },
                provisioners=[
                    run_module(
                        "constructs_lib.swarm.join",
                        *("--node", *member.words),
                        *("--role", node.role),
                        *(f"--label={label}" for label in labels),
                        *shared,
                    )
                ],
                depends_on=[*depends_on, *begun[:1]],
            )
            begun.append(step)
        self.resource = terraform_data(
            self,
            "Tidy",
            triggers={"nodes": " ".join(sorted(names))},
            provisioners=[
                run_module(
                    "constructs_lib.swarm.tidy",
                    *(word for name in sorted(names) for word in ("--keep", name)),
                    *shared,
                )
            ],
            depends_on=begun,
        )
