"""The allocator of addresses."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.addresses import (
    AddressBook,
    AddressPool,
    gateway,
    service_address,
)
from sandbox.errors import SandboxError

NETWORK = IPv4Network("127.18.0.0/29")


def pool(*, kept: int = 1) -> AddressPool:
    return AddressPool(NETWORK, setting="sandbox.addresses", kept=kept)


def test_the_lowest_free_address_is_taken() -> None:
    used = {IPv4Address("127.18.0.2"), IPv4Address("127.18.0.4")}
    assert pool().lowest_free(used) == IPv4Address("127.18.0.3")


def test_kept_addresses_are_not_handed_out() -> None:
    assert pool(kept=2).lowest_free(()) == IPv4Address("127.18.0.3")


def test_taking_fails_when_all_are_in_use() -> None:
    with pytest.raises(SandboxError) as caught:
        pool().lowest_free(list(NETWORK.hosts()))
    assert str(caught.value) == (
        "sandbox.addresses: must have a free address, got 127.18.0.0/29, all in use"
    )


def test_a_book_hands_out_again_what_was_given_back() -> None:
    book = AddressBook(pool())
    first, second = book.take(), book.take()
    assert (str(first), str(second)) == ("127.18.0.2", "127.18.0.3")
    book.give_back(first)
    assert book.take() == first


def test_a_certain_address_is_had_once() -> None:
    book = AddressBook(pool())
    wanted = IPv4Address("127.18.0.2")
    assert (book.claim(wanted), book.claim(wanted)) == (True, False)
    assert str(book.take()) == "127.18.0.3"
    book.give_back(wanted)
    assert book.claim(wanted)


def test_what_is_kept_or_elsewhere_is_not_offered() -> None:
    book = AddressBook(pool(kept=2))
    offered = [str(a) for a in IPv4Network("127.18.0.0/28") if book.offers(a)]
    assert offered == ["127.18.0.3", "127.18.0.4", "127.18.0.5", "127.18.0.6"]


@given(st.integers(min_value=1, max_value=5))
def test_a_book_never_hands_out_one_twice(count: int) -> None:
    book = AddressBook(pool())
    taken = [book.take() for _ in range(count)]
    assert len(set(taken)) == count
    assert all(address in NETWORK for address in taken)


def test_the_sandbox_keeps_the_first_addresses_for_itself() -> None:
    subnet = IPv4Network("172.30.19.0/24")
    assert str(gateway(subnet)) == "172.30.19.1"
    assert str(service_address(IPv4Network("127.19.0.0/24"))) == "127.19.0.1"
