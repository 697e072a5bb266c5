"""Which arrows are drawn, and which are told in words."""

from __future__ import annotations

from moor.graph.values import Arrow, Wait
from moor.graph.wires import drawn, in_words


def arrow(service: str, needs: str, wait: Wait = "started") -> Arrow:
    return Arrow(service=service, needs=needs, wait=wait)


FEW = [arrow(f"user-{n}", "db") for n in range(12)]
MANY = [*FEW, arrow("user-0", "cache", "healthy"), arrow("user-1", "cache", "healthy")]


def test_few_arrows_are_all_drawn() -> None:
    assert drawn(FEW) == tuple(FEW)
    assert in_words("user-0", FEW, 40) == ()


def test_of_many_arrows_those_to_what_many_need_are_told_in_words() -> None:
    assert drawn(MANY) == (
        arrow("user-0", "cache", "healthy"),
        arrow("user-1", "cache", "healthy"),
    )
    assert in_words("user-0", MANY, 40) == ("after db",)
    assert in_words("cache", MANY, 40) == ()


def test_each_kind_of_waiting_has_lines_of_its_own_and_long_ones_are_wrapped() -> None:
    kinds: list[tuple[str, Wait]] = [
        *(("postgres", "healthy"), ("setup", "done"), ("messages", "healthy")),
        *(("mail", "started"), ("search", "healthy")),
    ]
    arrows = [arrow(f"user-{n}", needs, wait) for n in range(4) for needs, wait in kinds]
    assert in_words("user-2", arrows, 32) == (
        "after mail",
        "after healthy postgres, messages,",
        "    search",
        "after the work of setup",
    )
    assert in_words("user-2", arrows, 60)[1] == "after healthy postgres, messages, search"
