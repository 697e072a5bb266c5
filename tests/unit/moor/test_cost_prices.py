"""The table of list prices, as it is in the project."""

from __future__ import annotations

from decimal import Decimal

import pytest

from moor.cost.prices import Prices

PRICES = Prices.load()
REGIONS = sorted(PRICES.document["instances"])


def test_a_price_has_its_unit_its_source_and_its_day() -> None:
    price = PRICES.instance("eu-central-1", "t3.small")
    assert price is not None
    assert (price.usd, price.unit, price.source.date) == (Decimal("0.024"), "hour", "2022-09-03")
    assert price.source.url.startswith("https://github.com/cortexlabs/cortex/blob/78de0c6e2d7b")


def test_each_kind_of_price_is_there() -> None:
    told = [
        PRICES.instance("us-east-1", "m7i.large"),
        *(PRICES.volume("us-east-1", "gp3", what) for what in ("gib", "iops", "mibps")),
        PRICES.address("us-east-1"),
        PRICES.balancer("us-east-1"),
        PRICES.snapshot("us-east-1"),
    ]
    assert [(p.usd, p.unit) if p else None for p in told] == [
        (Decimal("0.1008"), "hour"),
        (Decimal("0.08"), "GiB"),
        (Decimal("0.005"), "IOPS"),
        (Decimal("0.04"), "MiB/s"),
        (Decimal("0.005"), "hour"),
        (Decimal("0.0225"), "hour"),
        (Decimal("0.05"), "GiB"),
    ]


@pytest.mark.parametrize(
    "price",
    [
        PRICES.instance("eu-central-1", "m7i.large"),
        PRICES.instance("eu-central-1", "t3"),
        PRICES.instance("eu-central-1", "t3.metal"),
        PRICES.instance("mars-north-1", "t3.small"),
        PRICES.volume("eu-central-1", "io2", "gib"),
        PRICES.snapshot("eu-central-1"),
    ],
)
def test_what_the_table_lacks_has_no_price(price: object) -> None:
    assert price is None


@pytest.mark.parametrize("region", REGIONS)
def test_each_region_has_the_default_machine_with_all_that_belongs_to_it(region: str) -> None:
    assert PRICES.instance(region, "t3.small") is not None
    assert PRICES.volume(region, "gp3", "gib") is not None
    assert PRICES.address(region) is not None
    assert PRICES.balancer(region) is not None


def test_a_larger_machine_of_a_family_costs_more_and_none_is_free() -> None:
    """What a slip of the pen in the table would break."""
    order = ["nano", "micro", "small", "medium", "large", "xlarge", "2xlarge", "4xlarge"]
    for region in REGIONS:
        for family, sizes in PRICES.document["instances"][region]["usd"].items():
            amounts = [Decimal(sizes[size]) for size in order if size in sizes]
            assert amounts == sorted(set(amounts)), (region, family)
            assert all(amount > 0 for amount in amounts)


def test_each_source_is_named_with_its_day_and_licence() -> None:
    for name, source in PRICES.document["sources"].items():
        assert set(source) >= {"title", "url", "date", "licence"}, name
        assert source["url"].startswith("https://"), name
        assert len(source["date"]) == len("2026-07-20"), name
    used = {
        entry["source"]
        for part, regions in PRICES.document.items()
        if part != "sources"
        for entry in regions.values()
    }
    assert used == set(PRICES.document["sources"])
