"""What an engine changes on the computer that it runs on, and how that is undone."""

from __future__ import annotations

import contextlib
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from sandbox.engine.processes import boot_id

if TYPE_CHECKING:
    from collections.abc import Mapping

_IP_FORWARD: Final = Path("/proc/sys/net/ipv4/ip_forward")
_CGROUPS: Final = Path("/sys/fs/cgroup")
_TOOLS: Final = ("iptables", "ip6tables")
_TABLES: Final = ("filter", "nat", "raw", "mangle")


def network_state() -> dict[str, Any]:
    """Describe what dockerd is going to change, so that it can be undone."""
    return {
        "boot": boot_id(),
        "ip_forward": _IP_FORWARD.read_text().strip(),
        "iptables": {tool: _rules(tool) for tool in _TOOLS},
        "cgroups": [str(folder) for folder in _cgroup_folders()],
    }


def _cgroup_folders() -> list[Path]:
    return [f for f in (*_CGROUPS.glob("docker"), *_CGROUPS.glob("*/docker")) if f.is_dir()]


def _rules(tool: str) -> dict[str, list[str]]:
    """Return the rules of each table in `iptables -S` form; empty where the tool fails."""
    return {table: _run(tool, "-w", "-t", table, "-S").splitlines() for table in _TABLES}


def _run(*command: str) -> str:
    result = subprocess.run(command, check=False, capture_output=True, text=True)
    return result.stdout if result.returncode == 0 else ""


def restore_network(before: Mapping[str, Any]) -> None:
    """Remove dockerd's chains, jumps and policies where they were not there before.

    Args:
        before: What `network_state` returned. It says what was there, and nothing of what is run.
    """
    for tool in _TOOLS:
        for table in _TABLES:
            rules = before["iptables"].get(tool, {}).get(table)
            if rules is not None:
                _restore_table(tool, table, set(rules))
    if before["ip_forward"] == "0" and _IP_FORWARD.read_text().strip() == "1":
        _IP_FORWARD.write_text("0")
    for folder in _cgroup_folders():
        if str(folder) not in before["cgroups"]:
            with contextlib.suppress(OSError):
                folder.rmdir()


def _restore_table(tool: str, table: str, before: set[str]) -> None:
    now = _run(tool, "-w", "-t", table, "-S").splitlines()
    added = [rule for rule in now if rule not in before]
    chains = [r.split()[1] for r in added if r.startswith("-N DOCKER")]
    # Only rules that lead to Docker's chains: what the user added meanwhile stays.
    for rule in added:
        words = rule.split()
        if words[0] == "-A" and words[1] not in chains and words[-1] in chains:
            _run(tool, "-w", "-t", table, "-D", *words[1:])
    for chain in chains:
        _run(tool, "-w", "-t", table, "-F", chain)
    for chain in chains:
        _run(tool, "-w", "-t", table, "-X", chain)
    if "-P FORWARD DROP" in added and "-P FORWARD ACCEPT" in before:
        _run(tool, "-w", "-t", table, "-P", "FORWARD", "ACCEPT")
