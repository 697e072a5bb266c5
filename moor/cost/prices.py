"""The table of list prices: what it has, and from which source and day each price is.

The table is `prices.json`. `python -m moor.cost.price_list` makes it anew from AWS's own list.
What is not in it is not guessed.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

if TYPE_CHECKING:
    from collections.abc import Mapping

TABLE: Final = Path(__file__).with_name("prices.json")

_UNITS: Final = {"gib": "GiB", "iops": "IOPS", "mibps": "MiB/s"}

ELSEWHERE: Final = "https://calculator.aws"
"""Where a price is found that the table lacks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where prices are from.

    Attributes:
        title: What it is called.
        url: Where it is.
        date: The day of the prices, as `2026-07-20`.
        note: What else a person should know; empty for nothing.
    """

    title: str
    url: str
    date: str
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """A list price in US dollars, without tax.

    Attributes:
        usd: Dollars a unit.
        unit: What a unit is: an `hour`, or for a month a `GiB`, `IOPS` or `MiB/s`.
        source: Where the price is from.
    """

    usd: Decimal
    unit: str
    source: Source


@dataclass(frozen=True, slots=True)
class Prices:
    """The table.

    Attributes:
        document: The table as JSON has it.
    """

    document: Mapping[str, Any]

    @classmethod
    def load(cls, file: Path = TABLE) -> Self:
        """Read the table.

        Raises:
            OSError: It cannot be read.
        """
        return cls(json.loads(file.read_text(encoding="utf-8")))

    def instance(self, region: str, kind: str) -> Price | None:
        """Return what an instance costs an hour: Linux, on demand, on shared hardware.

        Args:
            region: The AWS region.
            kind: The instance type, such as `t3.small`.
        """
        family, _, size = kind.partition(".")
        return self._price("instances", region, "hour", family, size)

    def volume(self, region: str, kind: str, what: str) -> Price | None:
        """Return what a part of a volume costs a month.

        Args:
            region: The AWS region.
            kind: The volume's type, such as `gp3`.
            what: `gib`, or `iops` or `mibps` above what each volume has.
        """
        return self._price("volumes", region, _UNITS[what], kind, what)

    def address(self, region: str) -> Price | None:
        """Return what a public IPv4 address costs an hour."""
        return self._price("addresses", region, "hour")

    def balancer(self, region: str) -> Price | None:
        """Return what a network load balancer costs an hour, without what goes through it."""
        return self._price("balancers", region, "hour")

    def snapshot(self, region: str) -> Price | None:
        """Return what a GiB of a snapshot costs a month."""
        return self._price("snapshots", region, "GiB")

    def _price(self, part: str, region: str, unit: str, *keys: str) -> Price | None:
        entry = self.document[part].get(region)
        found = entry["usd"] if entry else None
        for key in keys:
            found = found.get(key) if found else None
        if entry is None or found is None:
            return None
        source = self.document["sources"][entry["source"]]
        return Price(
            usd=Decimal(found),
            unit=unit,
            source=Source(
                title=source["title"],
                url=source["url"],
                date=source["date"],
                note=source.get("note", ""),
            ),
        )
