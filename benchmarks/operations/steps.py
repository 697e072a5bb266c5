"""What docs/operations.md shows: a line a command, in the order of an operator's days.

A command that comes anew is one line here, in the part that it belongs to. It runs in a shell,
in a folder with `environments/shop.yaml` and `services/`, with ENVIRONMENT set.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A command, and what is said of it.

    Attributes:
        command: What is typed.
        text: What stands before it on the page.
        status: How it ends.
    """

    command: str
    text: str = ""
    status: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A part of the page.

    Attributes:
        title: Its title.
        text: What stands below that.
        steps: Its commands, in their order.
    """

    title: str
    text: str = ""
    steps: tuple[Step, ...]


def _step(command: str, text: str = "", status: int = 0) -> Step:
    return Step(command=command, text=text, status=status)


PARTS: Final = (
    Part(
        title="Create",
        text="Settings and a Compose file are there; nothing else is.",
        steps=(
            _step("moor cost", "What it will cost, before anything is made."),
            _step("moor cost --as-on-aws"),
            _step("moor graph --output pictures", "And what it will look like."),
            _step("moor permissions | head -n 9", "What a key of AWS has to be allowed for it."),
            _step("moor up", "Outside of a sandbox the plan is shown and asked for first."),
        ),
    ),
    Part(
        title="Verify",
        text="`up` ends well only when everything that should run was seen to run. To see it:",
        steps=(
            _step("moor status"),
            _step("curl --silent http://127.33.0.2/ | grep title"),
            _step(
                'eval "$(moor env)"; docker ps --format "{{.Names}}  {{.Ports}}" | sort',
                "Any `docker` of yours talks to the machine, with the certificate that `moor env` "
                "points to.",
            ),
            _step(
                "moor context; docker --context shop-shop ps --quiet | wc --lines",
                "The same by a name, for all shells.",
            ),
            _step("moor doctor --security", "What is open, to whom, and who answers."),
            _step("moor doctor", "What is wrong or soon will be, and what to do about it."),
            _step(
                "chmod 644 .moor/shop/ssh/id_ed25519; moor doctor --offline --fix",
                "What loses nothing it mends by itself.",
            ),
        ),
    ),
    Part(
        title="Change",
        text="Edit the settings or the Compose file, look at the plan, and apply it.",
        steps=(
            _step("moor plan --detailed-exitcode", "Without an edit there is nothing to do."),
            _step("sed -i 's/hostname: web/hostname: shop/' services/compose.yaml"),
            _step("moor plan --detailed-exitcode", "Status 3 is for a script: changes wait.", 3),
            _step("moor up web", "One service, without touching the machine."),
            _step("moor history", "Each deployment that succeeded is on record."),
            _step("moor rollback 1", "The services as they were, with the images that they had."),
            _step("moor up web", "And forward again, to what the files say."),
            _step(
                "sed -i 's/service_ports:.*/service_ports: [9200, 9300]/' environments/shop.yaml"
            ),
            _step("moor up", "A port that is opened is a rule of its own."),
            _step(
                "sed -i 's/port: 2222/port: 22222222/' environments/shop.yaml; moor plan",
                "What cannot be is told before anything is touched.",
                1,
            ),
            _step("sed -i 's/port: 22222222/port: 2222/' environments/shop.yaml"),
        ),
    ),
    Part(
        title="Look",
        steps=(
            _step("moor ps", "The containers."),
            _step("moor logs --tail 2", "What services write."),
            _step("moor top --once", "What they use."),
            _step("moor exec web cat /etc/hostname", "A command in a container that runs."),
            _step(
                "moor run web busybox uname", "A command in a container of its own, removed after."
            ),
            _step("moor os status", "The machine's system, and whether a reboot waits."),
            _step("moor lock status", "Who is at work."),
            _step("moor status --drift", "What was changed by hand is told, too."),
            _step("moor status --json | head -n 12", "For a script."),
            _step(
                "timeout --preserve-status --signal INT 4 moor watch",
                "The same screen again and again, until ctrl-c ends it.",
            ),
            _step("moor ls", "All environments at once."),
            _step("moor ssh cat /etc/hostname", "A shell on the machine, or one command."),
            _step("moor scp :/etc/os-release .; head -n 1 os-release", "Files, both ways."),
            _step("moor restart web", "A service begins anew, as it is."),
            _step(
                "moor port-forward web 18080:8080 & sleep 5; "
                "curl --silent --show-error http://127.0.0.1:18080/; kill %1; wait",
                "A port of this computer that leads to a container's, published or not.",
            ),
            _step(
                "moor stop web; moor status; moor start web",
                "What is stopped is told, and started by `moor start` or the next `moor up`.",
            ),
            _step("moor os reboot", "All services are waited for."),
            _step("moor providers", "Which Terraform providers this environment is bound to."),
        ),
    ),
    Part(
        title="Back up",
        text="The data volume outlives the machine; a snapshot of it outlives a mistake.",
        steps=(
            _step(
                "moor backup create",
                "What writes stands still for the moment in which the snapshot begins.",
            ),
            _step("moor backup ls"),
            _step(
                "moor backup verify newest",
                "A machine of its own starts the services from it, and is gone again.",
            ),
            _step(
                "moor backup restore newest",
                "Back to that moment. The volume that there was is kept.",
            ),
            _step(
                "moor backup discard \"$(moor backup ls | grep -o 'vol-[0-9a-f]*' | head -n 1)\"",
                "Until somebody gives it up.",
            ),
            _step("moor backup prune", "Snapshots that the settings do not keep go."),
        ),
    ),
    Part(
        title="Replace",
        steps=(
            _step(
                "moor host replace",
                "Another machine with the same address and the same data.",
            ),
            _step("moor plan --detailed-exitcode"),
        ),
    ),
    Part(
        title="Rotate",
        text="Other certificates are one step of the next `up`; containers run on meanwhile.",
        steps=(
            _step("moor certs rotate client"),
            _step(
                "moor share anna --days 30", "Somebody else has access of their own, for a while."
            ),
            _step("moor up"),
            _step("moor share", "Who has access."),
            _step("moor unshare anna; moor up", "And it is taken back."),
        ),
    ),
    Part(
        title="Destroy",
        steps=(
            _step("moor down", "Outside of a sandbox it asks first. The data volume stays."),
            _step("echo shop | moor data give-up", "That loses it, and asks for the name."),
        ),
    ),
)
