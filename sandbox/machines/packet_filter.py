"""What a machine lets in on its own address, where no gate stands between.

Every user of this computer can send to the machines' network, and so can every other machine.
The filter is in the machine's network namespace, before whatever listens there or in its
containers, so that nothing of the computer's own firewall is touched and whoever may use Docker
may set it. On AWS a machine cannot open what its groups close; here its root could, for itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sandbox.addresses import gateway

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from ipaddress import IPv4Address, IPv4Network

    from sandbox.ports import OpenPort

CHAIN: Final = "MOOR-SANDBOX"
"""Named in the script `filter` of the machine image, too."""

ALL: Final = "all"
_WITH_PORTS: Final = frozenset({"tcp", "udp"})
_ICMP: Final = "icmp"


@dataclass(frozen=True, slots=True, kw_only=True)
class Admission:
    """Something that a group's rule lets in.

    Attributes:
        protocol: `tcp`, `udp`, `icmp`, the number of any other, or `ALL`.
        first: First port, or type of ICMP; None for all.
        last: Last port, or code of ICMP; None for all.
        source: Who may send.
    """

    protocol: str
    first: int | None
    last: int | None
    source: IPv4Network


def script(
    admissions: Iterable[Admission],
    *,
    subnet: IPv4Network,
    gates: Mapping[IPv4Address, frozenset[OpenPort]],
) -> str:
    """Write a machine's filter, as `iptables-restore` reads it.

    Args:
        admissions: What the rules of the machine's groups let in.
        subnet: The machines' network. Its gateway is this computer, for whom the gates are.
        gates: The machine's gates: where they send from, and to which ports.
    """
    lines = ["-m conntrack --ctstate ESTABLISHED,RELATED -j RETURN"]
    lines += [
        f"-s {address}/32 -p {port.protocol} -m {port.protocol} --dport {port.number} -j RETURN"
        for address, ports in sorted(gates.items())
        for port in sorted(ports)
    ]
    # Whatever a rule says of networks: nobody but another machine has a way here, and what this
    # computer's users send would bear the gateway's address or any other one of the computer.
    lines += [f"-s {gateway(subnet)}/32 -j DROP", f"! -s {subnet} -j DROP"]
    # Each once, in their order.
    lines += dict.fromkeys(
        f"{rule}-j RETURN" for admission in admissions for rule in _matches(admission, subnet)
    )
    lines.append("-j DROP")
    return "".join(
        f"{line}\n"
        for line in (
            "*mangle",
            f":{CHAIN} - [0:0]",
            *(f"-A {CHAIN} {line}" for line in lines),
            "COMMIT",
        )
    )


def _matches(admission: Admission, subnet: IPv4Network) -> Iterator[str]:
    """Yield what matches an admission; nothing where no machine can be its source."""
    if not admission.source.overlaps(subnet):
        return
    source = "" if subnet.subnet_of(admission.source) else f"-s {admission.source} "
    first, last = admission.first, admission.last
    if admission.protocol == ALL:
        yield source
    elif admission.protocol in _WITH_PORTS:
        ports = "" if first is None else f"--dport {first}:{first if last is None else last} "
        yield f"{source}-p {admission.protocol} -m {admission.protocol} {ports}"
    elif admission.protocol == _ICMP:
        code = "" if last is None else f"/{last}"
        kind = "" if first is None else f"-m icmp --icmp-type {first}{code} "
        yield f"{source}-p icmp {kind}"
    else:
        yield f"{source}-p {admission.protocol} "
