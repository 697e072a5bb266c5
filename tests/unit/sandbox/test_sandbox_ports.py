"""A port of a protocol."""

from __future__ import annotations

import pytest

from sandbox.ports import OpenPort


@pytest.mark.parametrize(("protocol", "shown"), [("tcp", "53"), ("udp", "53/udp")])
def test_it_is_written_as_people_write_it(protocol: str, shown: str) -> None:
    assert str(OpenPort(protocol, 53)) == shown
