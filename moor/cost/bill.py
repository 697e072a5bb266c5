"""What an environment costs a month, line by line, from its settings alone."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from constructs_lib.settings.nodes import nodes_of
from moor.cost.things import Address, Balancer, Instance, Line, Thing, Volume

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from constructs_lib.settings.settings import Settings
    from moor.cost.prices import Prices, Source

_BURSTS: Final = ("t2.", "t3.", "t3a.", "t4g.")
"""Instance types that work faster for a while on credit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bill:
    """What something costs a month.

    Attributes:
        region: The AWS region.
        lines: The lines.
        uncounted: What costs, too, and is in no line; a sentence each.
        maker: Who says so, where it is not the table.
    """

    region: str
    lines: tuple[Line, ...]
    uncounted: tuple[str, ...]
    maker: str = ""

    @property
    def total(self) -> Decimal:
        """The sum of what has a price, in dollars."""
        return sum((line.usd for line in self.lines if line.usd is not None), Decimal())

    @property
    def unpriced(self) -> tuple[Line, ...]:
        """The lines whose price is not in the table."""
        return tuple(line for line in self.lines if line.usd is None)

    @property
    def sources(self) -> tuple[Source, ...]:
        """Where the prices are from, each once, in the order of the lines."""
        return tuple(dict.fromkeys(line.price.source for line in self.lines if line.price))


def bill_of(settings: Settings, prices: Prices) -> Bill:
    """Return what an environment costs a month.

    Args:
        settings: Its settings; what they say of a sandbox is not looked at.
        prices: The table of prices.
    """
    region = settings.aws.region
    counted = Counter(things_of(settings))
    return Bill(
        region=region,
        lines=tuple(
            line if count == 1 else _times(line, count)
            for thing, count in counted.items()
            for line in thing.lines(region, prices)
        ),
        uncounted=tuple(_uncounted(settings, prices)),
    )


def things_of(settings: Settings) -> Iterator[Thing]:
    """Yield what costs money of an environment, each as often as there is one."""
    for node in nodes_of(settings):
        yield Instance(kind=node.instance_type)
        yield Volume(name="root volume", kind="gp3", gib=node.root_volume_gib)
        yield Address()
    if settings.aws.load_balancer is not None:
        yield Balancer()
        network = settings.aws.network
        # It has an address in each zone; those of a default VPC are known to AWS alone.
        yield from [Address()] * (len(network.every_subnet) if network is not None else 0)


def _times(line: Line, count: int) -> Line:
    usd = None if line.usd is None else line.usd * count
    return replace(line, quantity=f"{count} x {line.quantity}", usd=usd)


def _uncounted(settings: Settings, prices: Prices) -> Iterator[str]:
    aws = settings.aws
    yield "traffic, to the internet and between zones"
    if aws.load_balancer is not None:
        yield "what goes through the load balancer (LCU)"
        if aws.network is None:
            yield "the load balancer's public IPv4 address in each zone of the default VPC"
    if any(node.instance_type.startswith(_BURSTS) for node in nodes_of(settings)):
        yield "CPU credits of t instances that work above their baseline for long"
    each = prices.snapshot(aws.region)
    told = f": {each.usd} USD a GiB and month ({each.source.date})" if each else ""
    yield f"snapshots{told}"
    if settings.state.s3 is not None:
        yield "the state in S3, which is some hundred kilobytes"
    yield "taxes, discounts and the free tier"


def named(lines: Sequence[Line]) -> str:
    """Return what lines are about, in words."""
    return ", ".join(line.what for line in lines)
