"""The script that has containers end with the machine, with a real mount in its own name space.

`systemctl` and `docker` are stand-ins on PATH; dockerd is a process that reads its configuration
again when it gets the signal for that.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from constructs_lib.host import user_data

SCRIPT = Path(user_data.__file__).parent / "scripts" / "services-end.sh"

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("unshare") is None, reason="needs root and unshare"
)

DOCKERD = """\
#!/bin/bash
trap 'cat /etc/docker/daemon.json >"$KEPT/read"' HUP
cat /etc/docker/daemon.json >"$KEPT/read"
while :; do sleep 0.05; done
"""
DOCKER = """\
#!/bin/bash
sed 's/[^a-z]*live-restore[^a-z]*//; s/[^a-z]//g' "$KEPT/read"
"""
SYSTEMCTL = """\
#!/bin/bash
echo "$*" >>"$KEPT/calls"
case "$*" in
  "is-active --quiet docker.service") [[ ! -e $KEPT/stopped ]] ;;
  "show --property MainPID --value docker.service") cat "$KEPT/pid" ;;
esac
"""
SYSTEM = """\
set -e
mkdir -p "$KEPT/upper" "$KEPT/etc"
mount -t tmpfs none "$KEPT/upper"
mkdir "$KEPT/upper/etc" "$KEPT/upper/work"
mount -t overlay none -o "lowerdir=/etc,upperdir=$KEPT/upper/etc,workdir=$KEPT/upper/work" /etc
mkdir -p /etc/docker
printf '{"live-restore": %s}\\n' "${LIVE:-true}" >/etc/docker/daemon.json
mount -t tmpfs none /run
dockerd & echo $! >"$KEPT/pid"
trap 'kill $(cat "$KEPT/pid")' EXIT
until [[ -s $KEPT/read ]]; do sleep 0.05; done
script() { bash "$SCRIPT" "$@"; }
engine() { cat /etc/docker/daemon.json; cat "$KEPT/read"; }
"""
ON, OFF = '{"live-restore": true}', '{"live-restore": false}'


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    """Return the folder of one test's machine."""
    tools = tmp_path / "bin"
    tools.mkdir()
    for name, text in (("dockerd", DOCKERD), ("docker", DOCKER), ("systemctl", SYSTEMCTL)):
        (tools / name).write_text(text)
        (tools / name).chmod(0o755)
    return tmp_path


def run(kept: Path, commands: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run commands on the machine."""
    return subprocess.run(
        ["unshare", "--mount", "--propagation", "private", "bash", "-c", f"{SYSTEM}\n{commands}"],
        env={
            "KEPT": str(kept),
            "SCRIPT": str(SCRIPT),
            "PATH": f"{kept}/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            **variables,
        },
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def printed(kept: Path, commands: str, **variables: str) -> list[str]:
    """Return the lines that commands print, which must succeed."""
    done = run(kept, commands, **variables)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.splitlines()


def test_docker_takes_its_containers_along_until_the_machine_is_gone(kept: Path) -> None:
    # Twice, since a shutdown may begin again; and on the disk nothing has changed.
    lines = printed(
        kept, "script end; script end; engine; umount /etc/docker/daemon.json; engine | head -n 1"
    )
    assert lines == [OFF, OFF, ON]


def test_all_is_as_it_was_where_the_machine_does_not_shut_down_after_all(kept: Path) -> None:
    assert printed(kept, "script end; script resume; engine; script resume; engine") == [ON] * 4


def test_nothing_is_done_in_a_swarm_whose_docker_ends_its_tasks_itself(kept: Path) -> None:
    commands = "script end; ! mountpoint -q /etc/docker/daemon.json; engine"
    assert printed(kept, commands, LIVE="false") == [OFF, OFF]


def test_nothing_is_done_where_docker_does_not_run(kept: Path) -> None:
    commands = 'touch "$KEPT/stopped"; script end; engine'
    assert printed(kept, commands) == [ON, ON]


def test_it_installs_itself_and_starts_nothing_but_its_own_unit(kept: Path) -> None:
    lines = printed(
        kept,
        "script install; bash /etc/moor/services-end.sh install; cd /etc/systemd/system;"
        'cmp "$SCRIPT" /etc/moor/services-end.sh; cat docker.service.d/30-services-end.conf;'
        "grep -E '^(After|Exec|Wanted|Remain)' moor-services-end.service; ls /etc/moor",
    )
    assert lines == [
        "[Service]",
        "TimeoutStopSec=210",
        "After=docker.service",
        "RemainAfterExit=yes",
        "ExecStart=/bin/bash /etc/moor/services-end.sh resume",
        "ExecStop=/bin/bash /etc/moor/services-end.sh end",
        "WantedBy=multi-user.target",
        "services-end.sh",
    ]
    calls = (kept / "calls").read_text().splitlines()
    assert calls == ["daemon-reload", "enable --now moor-services-end.service"] * 2


def test_a_wrong_word_is_refused(kept: Path) -> None:
    done = run(kept, "script stop")
    assert (done.returncode, done.stderr) == (
        1,
        "services-end.sh: TASK: must be install, end or resume, got 'stop'\n",
    )
