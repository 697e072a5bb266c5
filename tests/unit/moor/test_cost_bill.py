"""What an environment costs a month, from its settings and a table of prices."""

from __future__ import annotations

import io
from decimal import Decimal
from typing import Any

from price_table import PRICES
from rich.console import Console
from settings_files import document

from constructs_lib.settings.settings import Settings
from moor.cost import view
from moor.cost.bill import Bill, bill_of
from moor.cost.prices import Prices
from moor.cost.things import Volume


def bill(**aws: object) -> Bill:
    return bill_of(Settings.model_validate(document(**aws)), PRICES)


def rows(given: Bill) -> list[tuple[str, str, str | None]]:
    return [
        (line.what, line.quantity, None if line.usd is None else str(line.usd))
        for line in given.lines
    ]


def test_one_machine_costs_its_instance_its_disk_and_its_address() -> None:
    given = bill()
    assert rows(given) == [
        ("instance t3.small", "730 h", "14.60"),
        ("root volume, gp3", "20 GiB", "2.00"),
        ("public IPv4 address", "730 h", "3.65"),
    ]
    assert given.total == Decimal("20.25")
    assert given.unpriced == ()
    assert [source.date for source in given.sources] == ["2026-01-02"]
    assert given.uncounted == (
        "traffic, to the internet and between zones",
        "CPU credits of t instances that work above their baseline for long",
        "snapshots",
        "taxes, discounts and the free tier",
    )


def test_machines_that_are_alike_are_one_line_and_a_balancer_has_an_address_a_subnet() -> None:
    subnets = ["subnet-0123456789abcdef0", "subnet-0fedcba9876543210"]
    given = bill(
        machines={
            "managers": 3,
            "workers": {"db": {"count": 1, "root_volume": {"size_gib": 100}}},
        },
        network={"vpc_id": "vpc-0123456789abcdef0", "subnets": subnets},
        load_balancer={"ports": [80]},
    )
    assert rows(given) == [
        ("instance t3.small", "4 x 730 h", "58.40"),
        ("root volume, gp3", "3 x 20 GiB", "6.00"),
        ("public IPv4 address", "6 x 730 h", "21.90"),
        ("root volume, gp3", "100 GiB", "10.00"),
        ("network load balancer", "730 h", "21.90"),
    ]
    assert "what goes through the load balancer (LCU)" in given.uncounted


def test_the_addresses_of_a_balancer_in_the_default_network_are_named_as_not_counted() -> None:
    given = bill(machines={"managers": 3}, load_balancer={"ports": [80]})
    assert (
        "the load balancer's public IPv4 address in each zone of the default VPC" in given.uncounted
    )


def test_what_a_volume_has_above_what_each_one_has_costs_more() -> None:
    def lines(iops: int, mibps: int) -> list[tuple[str, str, str]]:
        volume = Volume(name="data volume", kind="gp3", gib=50, iops=iops, mibps=mibps)
        return [
            (line.what, line.quantity, str(line.usd))
            for line in volume.lines("eu-central-1", PRICES)
        ]

    size = ("data volume, gp3", "50 GiB", "5.00")
    assert lines(0, 0) == [size]
    assert lines(3000, 125) == [size]
    assert lines(4000, 250) == [
        size,
        ("data volume, gp3: operations", "1000 IOPS above 3000", "6.00"),
        ("data volume, gp3: throughput", "125 MiB/s above 125", "6.25"),
    ]


def test_a_volume_of_another_type_has_its_own_free_operations_or_pays_for_each() -> None:
    prices = Prices.load()

    def lines(kind: str) -> list[tuple[str, str, str | None]]:
        volume = Volume(name="data volume", kind=kind, gib=100, iops=1000, mibps=300)
        return [
            (line.what, line.quantity, None if line.usd is None else str(line.usd))
            for line in volume.lines("us-east-1", prices)
        ]

    assert lines("io1") == [
        ("data volume, io1", "100 GiB", "12.50"),
        ("data volume, io1: operations", "1000 IOPS", "65.00"),
    ]
    assert lines("gp2") == [("data volume, gp2", "100 GiB", "10.00")]
    assert lines("st1") == [("data volume, st1", "100 GiB", "4.50")]
    # Its operations cost less from some number on: the table has one price a line.
    assert [usd for _, _, usd in lines("io2")] == [None, None]


def test_what_the_table_lacks_is_told_and_never_guessed() -> None:
    given = bill(instance_type="m5.large")
    assert rows(given)[0] == ("instance m5.large", "730 h", None)
    assert given.total == Decimal("5.65")
    text = shown(given)
    assert (
        "not in the table for eu-central-1: instance m5.large; see https://calculator.aws" in text
    )
    assert "of what has a price" in text
    assert view.as_json(given)["complete"] is False


def test_a_region_that_the_table_lacks_has_no_amount_at_all() -> None:
    given = bill(region="us-west-1")
    assert [usd for _, _, usd in rows(given)] == [None, None, None]
    assert given.sources == ()


def shown(given: Bill) -> str:
    file = io.StringIO()
    view.show(given, Console(file=file, width=80, highlight=False, soft_wrap=True))
    return "\n".join(line.rstrip() for line in file.getvalue().splitlines())


def test_a_person_sees_each_line_the_sum_the_source_and_what_is_not_counted() -> None:
    assert shown(bill()) == (
        "A month of 730 hours in eu-central-1, in US dollars\n"
        "what                 how much     list price  a month\n"
        "instance t3.small    730 h      0.02 an hour    14.60\n"
        "root volume, gp3     20 GiB        0.1 a GiB     2.00\n"
        "public IPv4 address  730 h     0.005 an hour     3.65\n"
        "together                                        20.25\n"
        "\n"
        "prices of 2026-01-02: a list\n"
        "  https://list\n"
        "not counted:\n"
        "  traffic, to the internet and between zones\n"
        "  CPU credits of t instances that work above their baseline for long\n"
        "  snapshots\n"
        "  taxes, discounts and the free tier"
    )


def test_a_script_gets_exact_amounts_as_text() -> None:
    found: dict[str, Any] = view.as_json(bill())
    assert (found["monthly"], found["currency"], found["complete"]) == ("20.25", "USD", True)
    assert found["prices_by"] == "table"
    assert found["lines"][1] == {
        "what": "root volume, gp3",
        "quantity": "20 GiB",
        "price": "0.1",
        "unit": "GiB",
        "source": "https://list",
        "date": "2026-01-02",
        "monthly": "2.00",
    }
