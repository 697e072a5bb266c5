"""AWS's price list, read from excerpts in its format.

The excerpts are ours: AWS's own files have hundreds of megabytes, and take the internet.
"""

from __future__ import annotations

import csv
import io
import json
from decimal import Decimal

import pytest

from moor.cost import price_list
from moor.cost.prices import Prices

COLUMNS = [
    *("SKU", "TermType", "StartingRange", "Unit", "PricePerUnit", "Currency", "Product Family"),
    *("Instance Type", "Tenancy", "Operating System", "usageType", "operation", "CapacityStatus"),
    "Pre Installed S/W",
]
INSTANCE = {
    "Product Family": "Compute Instance",
    "Tenancy": "Shared",
    "Operating System": "Linux",
    "operation": "RunInstances",
    "CapacityStatus": "Used",
    "Pre Installed S/W": "NA",
    "Unit": "Hrs",
}
SMALL = {**INSTANCE, "Instance Type": "t3.small", "PricePerUnit": "0.0240000000"}


def listed(*rows: dict[str, str]) -> str:
    file = io.StringIO()
    writer = csv.writer(file, quoting=csv.QUOTE_ALL)
    writer.writerow(["FormatVersion", "v1.0"])
    writer.writerow(["Publication Date", "2026-11-27T10:00:00Z"])
    writer.writerow(["OfferCode", "AmazonEC2"])
    writer.writerow(COLUMNS)
    plain = {"TermType": "OnDemand", "StartingRange": "0", "Currency": "USD", "Unit": "GB-Mo"}
    for row in rows:
        writer.writerow([{**plain, **row}.get(column, "") for column in COLUMNS])
    return file.getvalue()


def usage(kind: str, usd: str, **more: str) -> dict[str, str]:
    return {"usageType": kind, "PricePerUnit": usd, **more}


def opened(files: dict[str, str]) -> Prices:
    """Make a table of files, and read it as `moor cost` does."""

    def open_(url: str) -> io.StringIO:
        assert url.startswith("https://pricing.us-east-1.amazonaws.com/offers/v1.0/aws/")
        assert url.endswith("/current/eu-central-1/index.csv")
        return io.StringIO(files.get(url.split("/")[-4], listed()))

    made = price_list.write(price_list.make(["eu-central-1"], open_))
    return Prices(json.loads(made))


def test_a_table_is_made_that_the_command_can_read() -> None:
    prices = opened(
        {
            "AmazonEC2": listed(
                SMALL,
                usage("EUC1-EBS:VolumeUsage.gp3", "0.0952000000"),
                usage("EUC1-EBS:VolumeP-IOPS.gp3", "0.0060000000", Unit="IOPS-Mo"),
                usage("EUC1-EBS:VolumeP-Throughput.gp3", "48.7424", Unit="GiBps-mo"),
                usage("EUC1-EBS:SnapshotUsage", "0.0540000000"),
            ),
            "AWSELB": listed(
                usage("EUC1-LoadBalancerUsage", "0.03", operation="LoadBalancing"),
                usage("EUC1-LoadBalancerUsage", "0.027", operation="LoadBalancing:Network"),
            ),
            "AmazonVPC": listed(usage("EUC1-PublicIPv4:InUseAddress", "0.005", Unit="Hrs")),
        }
    )
    region = "eu-central-1"
    instance = prices.instance(region, "t3.small")
    assert instance is not None
    assert (instance.usd, instance.source.date) == (Decimal("0.024"), "2026-11-27")
    assert instance.source.title == "AWS's price list of AmazonEC2"
    others = [
        *(prices.volume(region, "gp3", what) for what in ("gib", "iops", "mibps")),
        *(prices.snapshot(region), prices.balancer(region), prices.address(region)),
    ]
    assert [str(price.usd) if price else None for price in others] == [
        *("0.0952", "0.006", "0.0476", "0.054", "0.027", "0.005")
    ]


@pytest.mark.parametrize(
    "change",
    [
        {"TermType": "Reserved"},
        {"Currency": "CNY"},
        {"StartingRange": "100"},
        {"PricePerUnit": "0.0000000000"},
        {"Tenancy": "Dedicated"},
        {"Operating System": "Windows"},
        {"CapacityStatus": "UnusedCapacityReservation"},
        {"Pre Installed S/W": "SQL Std"},
        {"operation": "RunInstances:00g0"},
        {"Instance Type": "p5.48xlarge"},
        {"Instance Type": "m7i.metal-24xl"},
    ],
)
def test_what_is_another_price_is_left_out(change: dict[str, str]) -> None:
    other = {**SMALL, "PricePerUnit": "9.99", **change}
    prices = opened({"AmazonEC2": listed(SMALL, other)})
    assert prices.document["instances"]["eu-central-1"]["usd"] == {"t3": {"small": "0.024"}}


def test_in_us_east_1_usage_types_have_no_prefix_and_those_of_outposts_are_left_out() -> None:
    prices = opened(
        {
            "AmazonEC2": listed(SMALL, usage("EBS:VolumeUsage.gp3", "0.08")),
            "AWSELB": listed(
                usage("LoadBalancerUsage", "0.0225", operation="LoadBalancing:Network"),
                usage("Outposts-LoadBalancerUsage", "1", operation="LoadBalancing:Network"),
            ),
        }
    )
    gib, hour = prices.volume("eu-central-1", "gp3", "gib"), prices.balancer("eu-central-1")
    assert (gib and gib.usd, hour and hour.usd) == (Decimal("0.08"), Decimal("0.0225"))


def test_it_fails_when_a_file_is_no_price_list_or_has_no_instances() -> None:
    with pytest.raises(ValueError, match="must be a price list of AWS in CSV, got no row that"):
        opened({"AmazonEC2": "<html>"})
    with pytest.raises(ValueError, match="eu-central-1: must have prices of instances, got none"):
        opened({})
