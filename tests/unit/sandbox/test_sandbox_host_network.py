"""What an engine changes is undone, and what the user changed meanwhile stays."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sandbox.engine import host_network
from sandbox.engine.processes import boot_id

if TYPE_CHECKING:
    from pathlib import Path


class Tables:
    """Stands for `iptables`, for changing this computer's needs root."""

    def __init__(self, *rules: str) -> None:
        self.rules = list(rules)

    def run(self, tool: str, *words: str) -> str:
        """Do as `iptables -w -t filter …` would; the other tables are empty."""
        if tool != "iptables" or words[:3] != ("-w", "-t", "filter"):
            return ""
        match words[3:]:
            case ["-S"]:
                return "".join(f"{rule}\n" for rule in self.rules)
            case ["-D", *rule]:
                self.rules.remove(" ".join(("-A", *rule)))
            case ["-F", chain]:
                self.rules = [r for r in self.rules if not r.startswith(f"-A {chain} ")]
            case ["-X", chain]:
                assert not any(r.split()[-1] == chain and r[:2] == "-A" for r in self.rules)
                self.rules.remove(f"-N {chain}")
            case ["-P", chain, policy]:
                self.rules = [
                    f"-P {chain} {policy}" if r.startswith(f"-P {chain} ") else r
                    for r in self.rules
                ]
        return ""


@pytest.fixture
def computer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tables:
    tables = Tables("-P INPUT ACCEPT", "-P FORWARD ACCEPT")
    (tmp_path / "ip_forward").write_text("0\n")
    (tmp_path / "cgroup").mkdir()
    monkeypatch.setattr(host_network, "_IP_FORWARD", tmp_path / "ip_forward")
    monkeypatch.setattr(host_network, "_CGROUPS", tmp_path / "cgroup")
    monkeypatch.setattr(host_network, "_run", tables.run)
    return tables


def test_it_is_as_it_was(computer: Tables, tmp_path: Path) -> None:
    before = host_network.network_state()
    assert before["boot"] == boot_id()
    # What dockerd does.
    computer.rules = [
        "-P INPUT ACCEPT",
        "-P FORWARD DROP",
        "-N DOCKER",
        "-N DOCKER-USER",
        "-A FORWARD -j DOCKER-USER",
        "-A DOCKER -i br0 -j DROP",
        "-A DOCKER-USER -j RETURN",
    ]
    (tmp_path / "ip_forward").write_text("1\n")
    (tmp_path / "cgroup" / "docker").mkdir()
    host_network.restore_network(before)
    assert computer.rules == ["-P INPUT ACCEPT", "-P FORWARD ACCEPT"]
    assert (tmp_path / "ip_forward").read_text() == "0"
    assert not (tmp_path / "cgroup" / "docker").exists()


def test_what_the_user_did_meanwhile_stays(computer: Tables, tmp_path: Path) -> None:
    (tmp_path / "cgroup" / "docker").mkdir()
    (tmp_path / "ip_forward").write_text("1\n")
    before = host_network.network_state()
    computer.rules += ["-A INPUT -s 192.0.2.1/32 -j DROP"]
    host_network.restore_network(before)
    assert "-A INPUT -s 192.0.2.1/32 -j DROP" in computer.rules
    assert (tmp_path / "ip_forward").read_text() == "1\n"
    assert (tmp_path / "cgroup" / "docker").exists()


def test_nothing_is_run_that_the_record_names(
    computer: Tables, monkeypatch: pytest.MonkeyPatch
) -> None:
    run: list[tuple[str, ...]] = []

    def note(*words: str) -> str:
        run.append(words)
        return ""

    monkeypatch.setattr(host_network, "_run", note)
    before = {
        "iptables": {"/tmp/evil": {"filter": []}, "iptables": {"; evil": [], "filter": []}},  # noqa: S108
        "ip_forward": "1",
        "cgroups": [],
    }
    host_network.restore_network(before)
    assert run == [("iptables", "-w", "-t", "filter", "-S")]
    assert computer.rules
