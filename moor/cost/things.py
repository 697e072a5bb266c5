"""What costs money at AWS, as values, and what each costs a month."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from moor.cost.prices import Price, Prices

HOURS: Final = 730
"""Hours of a month, as AWS's own calculator counts them.

Source: AWS Pricing Calculator, "Assumptions".
"""

_FREE_IOPS: Final = {"gp3": 3000}
_FREE_MIBPS: Final = {"gp3": 125}
"""What each volume of a type has, and what costs nothing beside its size.

Source: Amazon EBS User Guide, "General Purpose SSD volumes" and "Provisioned IOPS SSD volumes".
"""

_WITHOUT_IOPS: Final = ("gp2", "st1", "sc1")
"""Types whose operations go with their size, and cost nothing by themselves."""

_CENT: Final = Decimal("0.01")


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A line of a bill.

    Attributes:
        what: What costs.
        quantity: How much of it, in words.
        price: The list price of a unit; None where the table has none.
        usd: Dollars a month, to the cent; None where the table has no price.
    """

    what: str
    quantity: str
    price: Price | None
    usd: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Instance:
    """A running machine.

    Attributes:
        kind: The instance type.
    """

    kind: str

    def lines(self, region: str, prices: Prices) -> Iterator[Line]:
        """Yield what it costs."""
        yield _hourly(f"instance {self.kind}", prices.instance(region, self.kind))


@dataclass(frozen=True, slots=True, kw_only=True)
class Volume:
    """An EBS volume.

    Attributes:
        name: What it is for.
        kind: Its type.
        gib: Its size in GiB.
        iops: Its operations a second; 0 is what each volume has.
        mibps: Its throughput in MiB a second; likewise.
    """

    name: str
    kind: str
    gib: int
    iops: int = 0
    mibps: int = 0

    def lines(self, region: str, prices: Prices) -> Iterator[Line]:
        """Yield what it costs."""
        what = f"{self.name}, {self.kind}"
        yield _monthly(what, self.gib, "GiB", prices.volume(region, self.kind, "gib"))
        if self.kind in _WITHOUT_IOPS:
            return
        free = _FREE_IOPS.get(self.kind, 0)
        if (more := self.iops - free) > 0:
            price = prices.volume(region, self.kind, "iops")
            yield _monthly(f"{what}: operations", more, f"IOPS{_above(free)}", price)
        free = _FREE_MIBPS.get(self.kind, 0)
        if self.kind in _FREE_MIBPS and (more := self.mibps - free) > 0:
            price = prices.volume(region, self.kind, "mibps")
            yield _monthly(f"{what}: throughput", more, f"MiB/s{_above(free)}", price)


@dataclass(frozen=True, slots=True)
class Address:
    """A public IPv4 address, in use or not."""

    def lines(self, region: str, prices: Prices) -> Iterator[Line]:
        """Yield what it costs."""
        yield _hourly("public IPv4 address", prices.address(region))


@dataclass(frozen=True, slots=True)
class Balancer:
    """A network load balancer, without what goes through it."""

    def lines(self, region: str, prices: Prices) -> Iterator[Line]:
        """Yield what it costs."""
        yield _hourly("network load balancer", prices.balancer(region))


Thing = Instance | Volume | Address | Balancer


def _above(free: int) -> str:
    return f" above {free}" if free else ""


def _hourly(what: str, price: Price | None) -> Line:
    return _monthly(what, HOURS, "h", price)


def _monthly(what: str, count: int, unit: str, price: Price | None) -> Line:
    usd = None if price is None else to_cents(price.usd * count)
    return Line(what=what, quantity=f"{count} {unit}", price=price, usd=usd)


def to_cents(usd: Decimal) -> Decimal:
    """Return dollars, rounded to the cent."""
    return usd.quantize(_CENT, ROUND_HALF_UP)
