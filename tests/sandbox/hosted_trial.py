"""A file of `compose_corpus/hosted` is deployed, seen running, and is what Compose makes of it."""

from __future__ import annotations

import re
import subprocess
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from compose_snapshots import differences, same_ids, without_listed_differences
from hosted import FOLDER, PROJECT, Hosted, document, repository, tag, write_override
from hosted import stand_ins as stand_ins_of
from stand_ins import StandIns

from constructs_lib.compose.parse_values import makes_its_source

if TYPE_CHECKING:
    from compose_machine import ComposeMachine

SECONDS = 240
"""How long one file may take: deployed, planned again, destroyed, and started by Compose."""

_DEVICES = """
set -eu
mkdir -p /dev/net /dev/dri /dev/serial/by-id
for node in net/tun ttyUSB0 dri/renderD128 kmsg serial/by-id/usb-Zigbee_stick-if00-port0; do
    [ -e "/dev/${node}" ] || mknod "/dev/${node}" c 1 3
done
"""
"""Devices that files name. They are other names of /dev/null, which a machine may hand on."""

_MODULES = """
set -eu
mount -o remount,bind,rw /usr
mkdir -p /lib/modules
mount -o remount,bind,ro /usr
"""
"""A machine of the sandbox has no kernel, and so no modules, of its own."""


def ready(machine: ComposeMachine) -> StandIns:
    """Make a machine ready for these files. Returns where their stand-ins go."""
    for script in (_DEVICES, _MODULES):
        subprocess.run([*machine.ssh, f"sudo sh -c '{script}'"], check=True, capture_output=True)
    # The ports of the machine's own services are taken by files, too.
    for container in machine.client.containers.list():
        container.stop(timeout=1)
    return StandIns(machine.registry)


def deploy_and_compare(
    machine: ComposeMachine, registry: StandIns, folder: Path, app: Hosted, seen: dict[str, Any]
) -> None:
    """Deploy a file, look at it, plan and destroy it, and compare it with what Compose starts.

    Args:
        machine: The machine, made ready.
        registry: Where the stand-ins go.
        folder: Where the file goes that names them.
        app: The file.
        seen: Gets what is seen, as docs/hosted.md tells it.
    """
    begin = time.monotonic()
    # What these files use as variables is in their own `.env`, or nowhere.
    machine = replace(machine, secrets={})
    seen |= {"failed": "could not be tried", "compose": ""}
    raw = document(app.file)
    for (reference, ends), stand_in in stand_ins_of(app, raw).items():
        registry.put(repository(app, reference, ends=ends), tag(reference), stand_in)
    more = write_override(app, raw, machine.registry, folder)
    _clean(machine, raw)
    try:
        _prepare(machine, app, raw)
        seen["failed"] = "did not deploy"
        started = time.monotonic()
        _apply(machine, app, more, seen)
        seen["seconds"] = round(time.monotonic() - started, 1)
        seen["failed"] = "is not in the state that it should be in"
        assert _states(machine) == _expected(app, raw)
        ours = same_ids(machine.snapshot(PROJECT), machine.names(PROJECT))
        assert len(ours["containers"]) == app.containers
        machine.keep_ended(app.file, PROJECT, more)
        seen["failed"] = "a second plan is not empty"
        assert machine.plan(app.file, PROJECT, more) == {}
        seen["failed"] = "is not removed"
        machine.terraform("destroy", "-auto-approve", "-input=false")
        assert machine.snapshot(PROJECT) == {"containers": {}, "networks": {}, "volumes": {}}
        seen["failed"] = ""
        seen["compose"] = "not compared"
        machine.put(app.file.parent)
        machine.compose(app.file, PROJECT, "up", "--detach", "--quiet-pull", override=more)
        theirs = same_ids(machine.snapshot(PROJECT), machine.names(PROJECT))
        seen["compose"] = "differs"
        found = differences(_comparable(ours, app, raw), _comparable(theirs, app, raw))
        assert found == {}
        seen["compose"] = "the same"
    finally:
        _clean(machine, raw)
    assert time.monotonic() - begin < SECONDS


def _apply(machine: ComposeMachine, app: Hosted, more: Path, seen: dict[str, Any]) -> None:
    try:
        machine.apply(app.file, PROJECT, more)
    except AssertionError as error:
        said = re.findall(r"(?:Error: |compose\.yaml: )(.+)", str(error))
        seen["failed"] = f"did not deploy: {said[0][:120]}" if said else "did not deploy"
        raise


def _comparable(snapshot: dict[str, Any], app: Hosted, raw: dict[str, Any]) -> dict[str, Any]:
    """Take out what cannot be the same: where files of this computer lie on the machine.

    Compose mounts the folder's path, here put on the machine for it. This project has a folder
    of the machine for data, and copies for files, for `:ro` folders, configs and secrets.
    """
    plain = without_listed_differences(snapshot)
    for container in plain["containers"].values():
        # Ended at once, or in a second: whoever looks first.
        for key in ("Running", "RestartCount"):
            container.pop(key, None)
        body = raw["services"][container["Config"]["Labels"]["com.docker.compose.service"]]
        delivered = _delivered(app, body)
        host = container["HostConfig"]
        for bindings in (host["PortBindings"] or {}).values():
            for binding in bindings:
                binding["HostPort"] = _chosen_of(body).get(binding["HostPort"], binding["HostPort"])
        for network in container["Networks"].values():
            network["Aliases"] = sorted(set(network["Aliases"]) - _linked_as(raw))
        host["Binds"] = [b for b in host["Binds"] if b.split(":")[1] not in delivered]
        host["Mounts"] = [m for m in host["Mounts"] if m["Target"] not in delivered]
        container["Mounts"] = [m for m in container["Mounts"] if m[1] not in delivered]
    return plain


def _chosen_of(body: dict[str, Any]) -> dict[str, str]:
    """Return what stands for a port of a range, of which the engine or this project takes one."""
    found: dict[str, str] = {}
    for port in body.get("ports") or ():
        published = str(port.get("published", ""))
        if "-" in published:
            found |= dict.fromkeys((published, published.partition("-")[0]), f"one of {published}")
    return found


def _linked_as(raw: dict[str, Any]) -> set[str]:
    """Return the other names that services have in links."""
    links = [link for body in raw["services"].values() for link in body.get("links") or ()]
    return {alias for service, _, alias in (link.partition(":") for link in links) if alias}


def _delivered(app: Hosted, body: dict[str, Any]) -> set[str]:
    """Return the paths in a service's containers that files of this computer are at, or beside."""
    found = set()
    for mount in body.get("volumes") or ():
        source = mount.get("source", "")
        if mount["type"] == "bind" and source.startswith(_of_this_computer(app)):
            found |= {mount["target"].rstrip("/"), mount["target"].rpartition("/")[0]}
    for kind, folder in (("configs", ""), ("secrets", "/run/secrets")):
        for use in body.get(kind) or ():
            target = str(use.get("target") or use["source"])
            path = target if target.startswith("/") else f"{folder}/{target}"
            found |= {path, path.rpartition("/")[0]}
    return found


def _of_this_computer(app: Hosted) -> tuple[str, str]:
    """Return the folders below which this project takes a path for one of this computer."""
    return str(app.file.parent), str(Path.home())


def _external(raw: dict[str, Any], kind: str) -> list[str]:
    return [thing["name"] for thing in (raw.get(kind) or {}).values() if thing.get("external")]


def _prepare(machine: ComposeMachine, app: Hosted, raw: dict[str, Any]) -> None:
    """Make what the file takes for there: what it calls external, and folders of the machine."""
    folders = [
        mount["source"]
        for body in raw["services"].values()
        for mount in body.get("volumes") or ()
        if mount["type"] == "bind" and not makes_its_source(mount)
    ]
    for folder in folders:
        if not folder.startswith(_of_this_computer(app)):
            words = f"sudo sh -c '[ -e {folder} ] || mkdir -p {folder}'"
            subprocess.run([*machine.ssh, words], check=True, capture_output=True)
    for name in _external(raw, "networks"):
        machine.client.networks.create(name)
    for name in _external(raw, "volumes"):
        machine.client.volumes.create(name)


def _clean(machine: ComposeMachine, raw: dict[str, Any]) -> None:
    machine.remove(PROJECT)
    words = f"sudo rm -rf /var/lib/moor/{PROJECT} {FOLDER}"
    subprocess.run([*machine.ssh, words], check=True, capture_output=True)
    for network in machine.client.networks.list(names=_external(raw, "networks") or ["-"]):
        if network.name in _external(raw, "networks"):
            network.remove()
    for volume in machine.client.volumes.list():
        own = any(label.startswith("moor.") for label in volume.attrs.get("Labels") or ())
        if own or volume.name in _external(raw, "volumes"):
            volume.remove(force=True)


def _states(machine: ComposeMachine) -> dict[str, str]:
    """Return the state of each container of the project, once none is in between."""
    mine: dict[str, str | list[str] | bool] = {"label": f"com.docker.compose.project={PROJECT}"}
    deadline = time.monotonic() + 20
    while True:
        found = {}
        for container in machine.client.containers.list(all=True, filters=mine):
            state = container.attrs["State"]
            word = state["Status"]
            if word == "exited":
                word = f"exited {state['ExitCode']}"
            elif "Health" in state:
                word = state["Health"]["Status"]
            service = container.labels["com.docker.compose.service"]
            number = container.labels["com.docker.compose.container-number"]
            found[f"{service}-{number}"] = word
        if time.monotonic() > deadline or not {"starting", "restarting"} & set(found.values()):
            return found
        time.sleep(0.3)


def _expected(app: Hosted, raw: dict[str, Any]) -> dict[str, str]:
    checked = {
        other
        for body in raw["services"].values()
        for other, how in (body.get("depends_on") or {}).items()
        if how["condition"] == "service_healthy"
    }
    expected = {}
    for name, body in raw["services"].items():
        word = "running"
        if name in app.ends:
            word = "exited 0"
        elif name in checked or (body.get("healthcheck") or {}).get("test"):
            word = "healthy"
        replicas = (body.get("deploy") or {}).get("replicas", body.get("scale"))
        for number in range(1 if replicas is None else int(replicas)):
            expected[f"{name}-{number + 1}"] = word
    return expected
