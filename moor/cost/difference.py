"""What a plan changes of the monthly bill; of Terraform's own description of the plan.

Source: Terraform's documentation, "JSON Output Format", the part on plans.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from moor.cost.prices import ELSEWHERE, Prices
from moor.cost.things import Address, Balancer, Instance, Line, Thing, Volume

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from constructs_lib.settings.settings import Settings


def of(settings: Settings, document: Mapping[str, Any]) -> str:
    """Return what a plan of an environment changes of the monthly bill; nothing in a sandbox.

    Args:
        settings: The environment's settings.
        document: What `terraform show -json` says of the plan.

    Raises:
        OSError: The table of prices cannot be read.
    """
    if settings.sandbox is not None:
        return ""
    return told(document, settings.aws.region, Prices.load())


def told(document: Mapping[str, Any], region: str, prices: Prices) -> str:
    """Return what a plan changes of the monthly bill, in a person's words.

    Args:
        document: What `terraform show -json` says of the plan.
        region: The AWS region.
        prices: The table of prices.

    Returns:
        A sentence; empty where nothing of the plan changes what is paid.
    """
    before, after = (_lines(document, side, region, prices) for side in ("before", "after"))
    known = _sum(after) - _sum(before)
    lacking = sorted({line.what for line in _changed(before, after) if line.usd is None})
    dates = sorted({line.price.source.date for line in (*before, *after) if line.price})
    words = [f"{'+' if known > 0 else '-'} {abs(known):.2f} USD a month"] if known else []
    if lacking:
        words.append(f"not in the table of prices: {', '.join(lacking)}, see {ELSEWHERE}")
    if not words:
        return ""
    of_days = f" (list prices of {', '.join(dates)}, without traffic)" if known else ""
    return f"{words[0]}{of_days}" + "".join(f"; {more}" for more in words[1:])


def _sum(lines: list[Line]) -> Decimal:
    return sum((line.usd for line in lines if line.usd is not None), Decimal())


def _changed(before: list[Line], after: list[Line]) -> list[Line]:
    """Return the lines that only one side has."""
    return [line for line in before if line not in after] + [
        line for line in after if line not in before
    ]


def _lines(document: Mapping[str, Any], side: str, region: str, prices: Prices) -> list[Line]:
    """Return the lines of what the plan changes, as it is or as it will be."""
    return [
        line
        for resource in document.get("resource_changes", [])
        if resource.get("mode") != "data"
        for thing in things_of(str(resource["type"]), resource["change"].get(side) or {})
        for line in thing.lines(region, prices)
    ]


def things_of(kind: str, values: Mapping[str, Any]) -> Iterator[Thing]:
    """Yield what costs money of a resource.

    Args:
        kind: The resource's type.
        values: Its attributes; none where it is not there.
    """
    if not values:
        return
    if kind == "aws_instance":
        if instance_type := values.get("instance_type"):
            yield Instance(kind=str(instance_type))
        for root in values.get("root_block_device") or ():
            yield from _volume("root volume", root, "volume_size", "volume_type")
    elif kind == "aws_ebs_volume":
        yield from _volume("data volume", values, "size", "type")
    elif kind == "aws_eip":
        yield Address()
    elif kind == "aws_lb" and values.get("load_balancer_type") == "network":
        yield Balancer()


def _volume(name: str, values: Mapping[str, Any], size: str, kind: str) -> Iterator[Volume]:
    # What AWS fills in is not known before it is there.
    if values.get(size):
        yield Volume(
            name=name,
            kind=str(values.get(kind) or "gp3"),
            gib=int(values[size]),
            iops=int(values.get("iops") or 0),
            mibps=int(values.get("throughput") or 0),
        )
