"""Makes the table of prices anew from AWS's own price list, which takes no account.

    python -m moor.cost.price_list eu-central-1 us-east-1 > prices.json

It downloads three files a region, of which that of EC2 has some hundred megabytes, and prints the
table; put it in the place of `moor/cost/prices.json`. Reading the files is tested with excerpts in
AWS's format; the download itself was never tried, since it takes the internet.

Source: AWS Billing User Guide, "Reading the service price list file for the AWS Price List Bulk
API" and "AWS Price List Bulk API".
"""

from __future__ import annotations

import csv
import io
import json
import re
import sys
import urllib.request
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from typing import TextIO

_OFFERS: Final = "https://pricing.us-east-1.amazonaws.com/offers/v1.0/aws"
_TIMEOUT_SECONDS: Final = 60
_MIB_A_GIB: Final = 1024

FAMILIES: Final = frozenset(
    {
        *("t2", "t3", "t3a", "t4g"),
        *("m5", "m5a", "m6a", "m6g", "m6i", "m7a", "m7g", "m7i", "m7i-flex", "m8g"),
        *("c5", "c5a", "c6a", "c6g", "c6i", "c7a", "c7g", "c7i", "c7i-flex", "c8g"),
        *("r5", "r5a", "r6a", "r6g", "r6i", "r7a", "r7g", "r7i", "r8g"),
    }
)
"""The families of instances that the table has; its file stays small."""

Row = dict[str, str]


def make(regions: Sequence[str], open_: Callable[[str], TextIO]) -> dict[str, Any]:
    """Return the table.

    Args:
        regions: The regions that it shall have.
        open_: Opens a URL as text.

    Raises:
        OSError: A file cannot be had.
        ValueError: A file is not a price list, or has no price of something that must be there.
    """
    table: dict[str, Any] = {
        part: {}
        for part in ("sources", "instances", "volumes", "balancers", "snapshots", "addresses")
    }
    for region in regions:
        for offer in ("AmazonEC2", "AWSELB", "AmazonVPC"):
            url = f"{_OFFERS}/{offer}/current/{region}/index.csv"
            with open_(url) as file:
                date, rows = read(file, url)
                source = f"{offer} {region}"
                entry = {"title": f"AWS's price list of {offer}", "url": url, "date": date}
                table["sources"][source] = {**entry, "licence": "published by AWS"}
                _fill(table, region, source, rows)
        if region not in table["instances"]:
            msg = f"{region}: must have prices of instances, got none; is it a region?"
            raise ValueError(msg)
    return table


def read(file: TextIO, url: str) -> tuple[str, Iterator[Row]]:
    """Read a price list.

    Args:
        file: The list as AWS publishes it, in CSV.
        url: Where it is from, for messages.

    Returns:
        The day of its publication, and its rows.

    Raises:
        ValueError: It is not of that format.
    """
    date = ""
    for words in csv.reader(file):
        if words[:1] == ["Publication Date"]:
            date = words[1][:10]
        if words[:1] == ["SKU"]:
            return date, (dict(zip(words, row, strict=False)) for row in csv.reader(file))
    msg = f"{url}: must be a price list of AWS in CSV, got no row that begins with SKU"
    raise ValueError(msg)


_USAGES: Final[Mapping[str, tuple[str, tuple[str, ...]]]] = {
    "EBS:VolumeUsage.gp2": ("volumes", ("gp2", "gib")),
    "EBS:VolumeUsage.gp3": ("volumes", ("gp3", "gib")),
    "EBS:VolumeUsage.piops": ("volumes", ("io1", "gib")),
    "EBS:VolumeUsage.sc1": ("volumes", ("sc1", "gib")),
    "EBS:VolumeUsage.st1": ("volumes", ("st1", "gib")),
    "EBS:VolumeP-IOPS.gp3": ("volumes", ("gp3", "iops")),
    "EBS:VolumeP-IOPS.piops": ("volumes", ("io1", "iops")),
    "EBS:VolumeP-Throughput.gp3": ("volumes", ("gp3", "mibps")),
    "EBS:SnapshotUsage": ("snapshots", ()),
    "PublicIPv4:InUseAddress": ("addresses", ()),
}
"""Where in the table a price stands, by its usage type without the region's prefix."""


def _fill(table: dict[str, Any], region: str, source: str, rows: Iterable[Row]) -> None:
    for row in rows:
        place = _place(row) if _is_of_the_first_unit(row) else None
        if place is None:
            continue
        part, keys = place
        inner = table[part].setdefault(region, {"source": source, "usd": {}})
        for key in ("usd", *keys)[:-1]:
            inner = inner.setdefault(key, {})
        inner[("usd", *keys)[-1]] = _amount(row)


def _is_of_the_first_unit(row: Row) -> bool:
    """Return whether it is a price in dollars on demand, and not one for large amounts only."""
    return (
        row.get("TermType") == "OnDemand"
        and row.get("Currency") == "USD"
        and row.get("StartingRange") in ("0", "")
        and Decimal(row["PricePerUnit"]) > 0
    )


def _place(row: Row) -> tuple[str, tuple[str, ...]] | None:
    """Return where in the table a row stands; None for what it has not."""
    if _is_instance(row):
        family, _, size = row["Instance Type"].partition(".")
        known = family in FAMILIES and "metal" not in size
        return ("instances", (family, size)) if known else None
    # The region's prefix, such as EUC1-, is missing in us-east-1.
    usage = re.sub(r"^[A-Z0-9]+-", "", row.get("usageType", ""))
    if usage == "LoadBalancerUsage" and row.get("operation") == "LoadBalancing:Network":
        return "balancers", ()
    return _USAGES.get(usage)


def _is_instance(row: Row) -> bool:
    return (
        row.get("Product Family") == "Compute Instance"
        and row.get("Operating System") == "Linux"
        and row.get("Tenancy") == "Shared"
        and row.get("CapacityStatus") == "Used"
        and row.get("Pre Installed S/W") == "NA"
        and row.get("operation") == "RunInstances"
    )


def _amount(row: Row) -> str:
    """Return a price; of throughput that of a MiB a second, since the list has that of a GiB."""
    usd = Decimal(row["PricePerUnit"])
    return _plain(usd / _MIB_A_GIB if row["Unit"].lower().startswith("gib") else usd)


def _plain(number: Decimal) -> str:
    return format(number.normalize(), "f")


def write(table: Mapping[str, Any]) -> str:
    """Return the table as JSON, in which a change of a price is a change of a line."""
    return json.dumps(table, indent=1, ensure_ascii=False) + "\n"


def _open(url: str) -> TextIO:
    answer = urllib.request.urlopen(url, timeout=_TIMEOUT_SECONDS)  # noqa: S310  (https alone)
    return io.TextIOWrapper(answer, encoding="utf-8", newline="")


if __name__ == "__main__":
    if len(sys.argv) < 2:  # noqa: PLR2004
        sys.exit("price_list: must be told the regions, such as eu-central-1")
    try:
        sys.stdout.write(write(make(sys.argv[1:], _open)))
    except (OSError, ValueError) as error:
        sys.exit(f"error: {error}")
