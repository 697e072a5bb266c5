"""The private engine, in a network namespace of its own: nothing here meets other engines."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

# It records itself where the engine of the other tests does.
pytestmark = pytest.mark.alone

ROOT = Path(__file__).resolve().parents[2]

needs_root = pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("dockerd") is None,
    reason="only root can start an engine, and only where one is installed",
)

SCRIPT = """
import json, os, signal, subprocess, sys
from pathlib import Path
from sandbox.engine.connect import connect
from sandbox.engine.private import PrivateEngine
from sandbox.engine.processes import all_processes, command_line
from sandbox.engine.record import EngineRecord, record_file

def rules():
    tools = [(t, k) for t in ("iptables", "ip6tables") for k in ("filter", "nat")]
    run = lambda t, k: subprocess.run([t, "-w", "-t", k, "-S"], capture_output=True).stdout
    mounts = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    processes = [p for p in all_processes() if directory in " ".join(command_line(p))]
    others = [p for p in processes if p != os.getpid()]
    links = sorted(os.listdir("/sys/class/net"))
    forward = Path("/proc/sys/net/ipv4/ip_forward").read_text()
    return [run(*tk) for tk in tools], mounts, others, links, forward

directory = sys.argv[1]
subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
subprocess.run(["iptables", "-A", "FORWARD", "-s", "203.0.113.1", "-j", "ACCEPT"], check=True)
before = rules()
engine = PrivateEngine(Path(directory))
engine.start(print)
client = connect(engine.url)
assert engine.is_running() and engine.is_unused(client)
client.networks.create("one", driver="bridge")
assert not engine.is_unused(client)
assert rules() != before
assert Path(directory).stat().st_mode & 0o777 == 0o700
record = EngineRecord.read()
for process in (record.dockerd, record.containerd):
    os.kill(process.pid, signal.SIGKILL)
    os.waitpid(process.pid, 0)
assert not engine.is_running() and engine.has_run()
again = PrivateEngine(Path(directory))
again.start(print)
client = connect(again.url)
client.networks.get("one").remove()
again.stop()
assert not again.has_run()
assert not record_file().exists()
after = rules()
assert after == before, (before, after)
again.stop()
print("as before")
"""


@needs_root
@pytest.mark.parametrize("length", [1, 100])
def test_it_survives_a_kill_and_leaves_nothing_when_it_stops(tmp_path: Path, length: int) -> None:
    directory = tmp_path / ("x" * length) / "engine"
    directory.mkdir(parents=True)
    result = subprocess.run(
        ["unshare", "--net", "--mount", sys.executable, "-c", SCRIPT, str(directory)],
        check=False,
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=120,
    )
    assert result.stdout.endswith("as before\n"), result.stdout + result.stderr
