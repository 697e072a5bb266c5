"""The machines of an environment: how each one is, asked all at once."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from moor import typed
from moor.failure import CommandError
from moor.overview import api, host
from moor.overview.api import Api
from moor.overview.host import Host
from moor.overview.within import Question

if TYPE_CHECKING:
    from collections.abc import Mapping

    from moor.outputs import Outputs
    from moor.session import Session

_ID: Final = re.compile(r"HostKeyAlias=(i-[0-9a-f]+)")
_EC2_SECONDS: Final = 1.2
"""How long EC2 may take at least to say what has become of a machine that does not answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """A machine, as it is now.

    Attributes:
        name: The node's name; that of the environment where there is one machine alone.
        address: Its public address.
        identity: Its id in EC2; empty where nobody knows.
        api: What its Docker API says.
        host: What it says over SSH.
        fate: What EC2 says of a machine that does not answer; empty where it was not asked.
        look: The command that looks further.
    """

    name: str
    address: str
    identity: str
    api: Api
    host: Host
    fate: str = ""
    look: str = ""

    @property
    def problem(self) -> str:
        """What is wrong with it, in one line; empty where nothing is."""
        if not self.api.problem:
            return ""
        more = f"; look with: {self.look}" if self.look else ""
        return self.fate or f"{self.name}: {self.api.problem}{more}"


def ask(session: Session, outputs: Outputs, *, seconds: float) -> list[Machine]:
    """Ask all machines.

    Args:
        session: The command.
        outputs: What the last deployment told.
        seconds: How long to wait for answers at most.
    """
    deadline = time.monotonic() + seconds
    certificates, port = session.environment.certificates, urlsplit(outputs.docker_host).port or 0
    places = _places(session, outputs)
    apis = {
        name: Question(lambda address=address: api.ask(address, port, certificates))  # type: ignore[misc]  # the loop's own
        for name, (address, _, _) in places.items()
    }
    hosts = {
        name: Question(lambda command=command: host.ask(command))  # type: ignore[misc]  # likewise
        for name, (_, _, command) in places.items()
    }
    look = typed.program(session.environment, "doctor")
    late_api = Api(problem=f"must answer within {seconds:g} s, got silence", is_reached=False)
    found = {
        name: Machine(
            name=name,
            address=address,
            identity=identity,
            api=apis[name].answer(deadline) or late_api,
            host=Host(problem="not asked"),
            look=look,
        )
        for name, (address, identity, _) in places.items()
    }
    lost = [one for one in found.values() if not one.api.is_reached]
    states = _states(session, lost, deadline) if lost else {}
    for name, one in found.items():
        told = Host(problem="not asked: it is not reached")
        if one.api.is_reached:
            late = Host(problem="SSH must answer in time, got silence")
            told = hosts[name].answer(deadline) or late
        found[name] = replace(one, host=told, fate=states.get(name, ""))
    return list(found.values())


def _places(session: Session, outputs: Outputs) -> Mapping[str, tuple[str, str, str]]:
    """Return each machine's address, id, and the command that opens a shell on it."""
    if outputs.nodes:
        return {
            name: (node.public_ip, node.instance_id, node.ssh)
            for name, node in outputs.nodes.items()
        }
    identity = _ID.search(outputs.ssh)
    return {
        session.environment.name: (
            outputs.public_ip,
            identity[1] if identity else "",
            outputs.ssh,
        )
    }


def _states(session: Session, lost: list[Machine], deadline: float) -> dict[str, str]:
    """Say what has become of machines that do not answer, as far as EC2 knows it in time."""
    up = typed.command(session.environment, "up")
    question = Question(lambda: _in_ec2(session, [one.identity for one in lost if one.identity]))
    try:
        states = question.answer(max(deadline, time.monotonic() + _EC2_SECONDS))
    except CommandError:
        if session.settings.sandbox is None:
            return {}
        told = f"{session.environment.name}: the sandbox must run, got none; {up} starts it"
        return dict.fromkeys([one.name for one in lost], told)
    found = {}
    for one in lost:
        state = None if states is None or not one.identity else states.get(one.identity, "gone")
        machine = f"{one.name}: machine {one.identity}"
        if state in ("gone", "terminated", "shutting-down"):
            found[one.name] = (
                f"{machine}: must be there, got none in EC2: it is gone; {up} makes another one"
            )
        elif state in ("stopped", "stopping", "pending"):
            found[one.name] = f"{machine}: must run, got {state}; start it in AWS's console"
        elif state == "running":
            look = typed.program(session.environment, "doctor")
            found[one.name] = (
                f"{one.name}: {one.api.problem}, though EC2 says that machine {one.identity} runs; "
                f"look with: {look}"
            )
    return found


def _in_ec2(session: Session, identities: list[str]) -> dict[str, str]:
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415  # heavy

    from moor.aws_client import ec2  # noqa: PLC0415  # heavy

    if not identities:
        return {}
    filters = [{"Name": "instance-id", "Values": identities}]
    try:
        client = ec2(session.settings, session.environment.sandbox_credentials)
        pages = client.describe_instances(Filters=filters)["Reservations"]
    except (BotoCoreError, ClientError) as error:
        raise CommandError(str(error)) from None
    return {
        str(i["InstanceId"]): str(i["State"]["Name"]) for page in pages for i in page["Instances"]
    }
