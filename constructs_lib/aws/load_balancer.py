"""A network load balancer over machines: one address for what answers on several."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cdktf_cdktf_provider_aws.data_aws_vpc import DataAwsVpc
from cdktf_cdktf_provider_aws.lb import Lb
from cdktf_cdktf_provider_aws.lb_listener import LbListener, LbListenerDefaultAction
from cdktf_cdktf_provider_aws.lb_target_group import LbTargetGroup, LbTargetGroupHealthCheck
from cdktf_cdktf_provider_aws.lb_target_group_attachment import LbTargetGroupAttachment
from constructs import Construct

from constructs_lib.terraform.literal import Expression, define, override

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from constructs_lib.aws.machine import Machine
    from constructs_lib.aws.security_group import SecurityGroup
    from constructs_lib.aws.subnets import DefaultSubnets, NamedSubnets

_SECONDS_BETWEEN_CHECKS = 10
_CHECKS = 2


class LoadBalancer(Construct):
    """A network load balancer with a listener a port.

    It leads a connection to a machine on which the port answers: what runs nowhere but on one
    machine is reached by it as well, and a machine that is being replaced gets no new connections.
    Machines see the clients' own addresses.

    Attributes:
        dns_name: Its name, by which clients reach it (a token, known after apply).
    """

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        name: str,
        ports: Sequence[int],
        machines: Mapping[str, Machine],
        subnets: DefaultSubnets | NamedSubnets,
        security_group: SecurityGroup,
        vpc_id: str | None,
    ) -> None:
        """Define the balancer, and for each port a listener and its targets.

        Args:
            scope: The construct that this one belongs to.
            id_: The construct's id; changing it gives another DNS name.
            name: The tag `Name`. AWS makes up the balancer's own name, since it may not be as long.
            ports: TCP ports, each once; the machines answer on the same ones.
            machines: The machines by their names.
            subnets: Where it stands: all of them, each in another zone.
            security_group: What it lets in. The group has to let in its own members at the ports,
                too, and the machines must be in it: so its checks get through.
            vpc_id: The VPC; the default one where unset.

        Raises:
            ValueError: There is no port, or no machine.
        """
        if not ports or not machines:
            msg = f"load balancer {name}: must have a port and a machine, got none of one of them"
            raise ValueError(msg)
        super().__init__(scope, id_)
        if vpc_id is None:
            vpc_id = Expression(define(DataAwsVpc, self, "Vpc", default=True).id)
        balancer = define(
            Lb,
            self,
            "Resource",
            load_balancer_type="network",
            security_groups=[security_group.id],
            # Else a zone in which no machine answers would lead nowhere.
            enable_cross_zone_load_balancing=True,
            tags={"Name": name},
        )
        # Past the bindings: they take no expression for a whole list.
        override(balancer, "subnets", subnets.every)
        self.dns_name = Expression(balancer.dns_name)
        listeners = Construct(self, "Ports")
        for port in ports:
            of_port = Construct(listeners, str(port))
            targets = define(
                LbTargetGroup,
                of_port,
                "Targets",
                port=port,
                protocol="TCP",
                target_type="instance",
                vpc_id=vpc_id,
                health_check=define(
                    LbTargetGroupHealthCheck,
                    protocol="TCP",
                    interval=_SECONDS_BETWEEN_CHECKS,
                    healthy_threshold=_CHECKS,
                    unhealthy_threshold=_CHECKS,
                ),
                tags={"Name": f"{name}-{port}"},
            )
            define(
                LbListener,
                of_port,
                "Listener",
                load_balancer_arn=Expression(balancer.arn),
                port=port,
                protocol="TCP",
                default_action=[
                    define(
                        LbListenerDefaultAction,
                        type="forward",
                        target_group_arn=Expression(targets.arn),
                    )
                ],
            )
            of_machines = Construct(of_port, "Machines")
            for machine_name, machine in machines.items():
                define(
                    LbTargetGroupAttachment,
                    of_machines,
                    machine_name,
                    target_group_arn=Expression(targets.arn),
                    target_id=machine.id,
                )
