"""Which column of a drawing each service stands in."""

from __future__ import annotations

from moor.graph.columns import columns_of
from moor.graph.values import Arrow, Card, Published

FOUR = 4


def cards(*names: str, published: str = "") -> list[Card]:
    port = (Published(key="80", text="80"),)
    return [Card(name=name, image="x", ports=port if name == published else ()) for name in names]


def arrows(*pairs: tuple[str, str]) -> list[Arrow]:
    return [Arrow(service=service, needs=needs, wait="started") for service, needs in pairs]


def placed(services: list[Card], waits: list[Arrow], lines: int = 3) -> list[list[str]]:
    return columns_of(services, {card.name: lines for card in services}, waits)


def test_nothing_takes_no_column() -> None:
    assert placed([], []) == []


def test_a_service_stands_left_of_all_that_it_waits_for() -> None:
    services = cards("db", "api", "web")
    assert placed(services, arrows(("web", "api"), ("api", "db"), ("web", "db"))) == [
        ["web"],
        ["api"],
        ["db"],
    ]


def test_what_others_reach_from_outside_is_first() -> None:
    services = cards("a", "b", "c", "d", published="d")
    assert placed(services, [])[0][0] == "d"


def test_many_services_are_about_as_high_as_a_page_allows() -> None:
    services = cards(*(f"s{n:02}" for n in range(24)))
    found = placed(services, [], lines=FOUR)
    assert [len(column) for column in found] == [8, 8, 8]
    assert sorted(name for column in found for name in column) == [c.name for c in services]


def test_a_column_that_is_full_moves_what_follows_to_the_right() -> None:
    names = [f"s{n:02}" for n in range(24)]
    waits = arrows(*((name, "db") for name in names))
    found = placed(cards(*names, "db"), waits, lines=FOUR)
    where = {name: number for number, column in enumerate(found) for name in column}
    assert all(where[name] < where["db"] for name in names)


def test_a_circle_is_no_reason_to_draw_nothing() -> None:
    found = placed(cards("a", "b"), arrows(("a", "b"), ("b", "a")))
    assert sorted(name for column in found for name in column) == ["a", "b"]
