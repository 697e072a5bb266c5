"""How `init.sh` heals a boot without user data; systemd and the metadata service are stand-ins."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from constructs_lib.host import user_data

SCRIPT = Path(user_data.__file__).parent / "scripts" / "init.sh"
READER = "oem-cloudinit.service"
HEALED = f"init.sh: user data could not be fetched during the boot: starting {READER} again\n"

# A restart of the reader applies the user data, as a test asks for; the rest is said in files.
SYSTEMCTL = f"""\
#!/bin/bash
here=${{0%/*}}
echo "$*" >>"$here/calls"
case "$*" in
  "show --property ActiveState --value {READER}") cat "$here/reader" ;;
  "show --property LoadState"*) [[ -e $here/applied ]] && echo loaded || echo not-found ;;
  "show --property DropInPaths"*) echo {user_data.DROP_IN_FILE} ;;
  "restart --no-block {READER}") bash "$here/restart" ;;
  "cat locksmithd.service") exit 1 ;;
esac
"""


class Machine:
    """A machine whose user data is not applied."""

    def __init__(self, folder: Path) -> None:
        self.tools = folder / "tools"
        self.root = folder / "root"
        self.tools.mkdir()
        self.tool("systemctl", SYSTEMCTL)
        self.tool("journalctl", '#!/bin/bash\ncat "${0%/*}/journal"\n')
        self.tool("curl", '#!/bin/bash\necho "$*" >>"${0%/*}/asked"\n')
        self.tool("id", "#!/bin/bash\n[[ $1 == -u ]] && echo 0 || echo root\n")
        self.tool("install", "#!/bin/bash\n")
        self.tool("sleep", "#!/bin/bash\nexec /bin/sleep 0.01\n")
        self.say(reader="failed", journal="", restart="")
        for path in (f"/etc/systemd/system/{user_data.SOCKET_UNIT}", user_data.DROP_IN_FILE):
            self.file(path)

    def tool(self, name: str, text: str) -> None:
        """Put a program on PATH."""
        (self.tools / name).write_text(text)
        (self.tools / name).chmod(0o755)

    def say(self, **files: str) -> None:
        """Set what the stand-ins say and do."""
        for name, text in files.items():
            (self.tools / name).write_text(f"{text}\n")

    def file(self, path: str) -> None:
        """Write a file of the user data."""
        target = self.root / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text("content\n")

    def run(self, seconds: int = 20) -> subprocess.CompletedProcess[str]:
        """Run the script."""
        return subprocess.run(
            ["bash", SCRIPT, str(seconds), self.root],
            check=False,
            capture_output=True,
            text=True,
            env={"PATH": f"{self.tools}:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"},
        )

    @property
    def restarts(self) -> int:
        """How often the reader was started again."""
        calls = (self.tools / "calls").read_text().splitlines()
        return calls.count(f"restart --no-block {READER}")


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    made = Machine(tmp_path)
    applied = made.tools / "applied"
    made.file(user_data.CA_FILE)
    made.say(restart=f"touch {applied}")
    return made


def test_a_reader_that_has_failed_is_started_again(machine: Machine) -> None:
    done = machine.run()
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{HEALED}init.sh: user data is applied, Docker runs\n"
    assert machine.restarts == 1
    assert "--request PUT" in (machine.tools / "asked").read_text()


IN_VAIN = "fetching token...\nerror: Unable to fetch data: no route\nChecking availability"


@pytest.mark.parametrize(
    ("journal", "restarts"),
    [
        (IN_VAIN, 1),
        ("fetching token...\nerror: token response status code 503", 1),
        ("", 0),
        ("fetching token...\nChecking availability", 0),
        # It was started again already, or is at work.
        (f"{IN_VAIN}\nfetching token...", 0),
        (f"{IN_VAIN}\nfetching token...\nFetching meta-data from datasource", 0),
    ],
)
def test_a_reader_that_waits_in_vain_is_started_again(
    machine: Machine, journal: str, restarts: int
) -> None:
    machine.say(reader="activating", journal=journal)
    done = machine.run(20 if restarts else 1)
    assert done.returncode == (0 if restarts else 1)
    assert machine.restarts == restarts


def test_a_reader_that_is_done_is_left_alone(machine: Machine) -> None:
    machine.say(reader="inactive", journal=IN_VAIN)
    assert machine.run(1).returncode == 1
    assert machine.restarts == 0


def test_nothing_is_started_while_the_service_hands_out_no_token(machine: Machine) -> None:
    machine.tool(
        "curl", '#!/bin/bash\n[[ -e "${0%/*}/second" ]] || { touch "${0%/*}/second"; exit 22; }\n'
    )
    assert machine.run().returncode == 0
    assert machine.restarts == 1


def test_it_gives_up_after_the_time_that_the_machine_itself_tries(machine: Machine) -> None:
    machine.say(restart="")
    done = machine.run(1)
    assert done.returncode == 1
    # Once, and not once more while it is at work.
    assert machine.restarts == 1
    assert done.stderr.splitlines()[-1] == (
        "init.sh: user data: must be applied within 1 s, got the above; journalctl -u oem-cloudinit"
    )
    assert "seconds=${1:-300}\n" in SCRIPT.read_text()
