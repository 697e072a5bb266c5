"""Machines: what can be said without booting one."""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import TYPE_CHECKING

from sandbox.machines.machine import name_servers, plain

if TYPE_CHECKING:
    from pathlib import Path


def test_console_text_loses_its_colours() -> None:
    assert plain("[\x1b[0;32m  OK  \x1b[0m] Reached\r\n") == "[  OK  ] Reached\n"


def test_name_servers_on_loopback_are_of_no_use_to_a_container(tmp_path: Path) -> None:
    file = tmp_path / "resolv.conf"
    file.write_text("# x\nnameserver 127.0.0.53\nnameserver 192.0.2.53\nnameserver ::1\n")
    assert name_servers((str(file),)) == (IPv4Address("192.0.2.53"),)
    assert name_servers((str(tmp_path / "none"),)) == ()
