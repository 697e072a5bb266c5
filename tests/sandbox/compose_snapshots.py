"""What an engine says of a project, without what nobody has chosen, and how two of that differ."""

from __future__ import annotations

import copy
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from docker.models.containers import Container

CORPUS = Path(__file__).resolve().parents[1] / "compose_corpus"
PROJECT = "corpus"

_ANY = "com.docker.compose."


def plain_container(container: Container) -> dict[str, Any]:
    """Keep of a container what somebody has chosen."""
    attrs = container.attrs
    config, host = dict(attrs["Config"]), dict(attrs["HostConfig"])
    short = attrs["Id"][:12]
    networks = attrs["NetworkSettings"]["Networks"] or {}
    if config["Hostname"] == short:
        config["Hostname"] = ""
    config["Env"] = sorted(config["Env"] or [])
    config["Labels"] = _labels(config["Labels"])
    for key in ("CapAdd", "CapDrop"):
        # Engines differ in whether they write the prefix.
        host[key] = sorted(
            c if c == "ALL" else "CAP_" + c.upper().removeprefix("CAP_") for c in host[key] or []
        )
    for key in ("GroupAdd", "Dns", "DnsOptions", "DnsSearch", "ExtraHosts", "SecurityOpt"):
        host[key] = sorted(host[key] or [])
    host["Ulimits"] = sorted(host["Ulimits"] or [], key=lambda u: u["Name"])
    return {
        "Image": attrs["Image"],
        "Platform": attrs["Platform"],
        "RestartCount": attrs["RestartCount"],
        "Running": attrs["State"]["Running"],
        "ExitCode": attrs["State"]["ExitCode"],
        "Path": attrs["Path"],
        "Args": attrs["Args"],
        "Config": config,
        "HostConfig": host,
        "Mounts": sorted(
            (
                m["Type"],
                m["Destination"],
                "anonymous" if re.fullmatch("[0-9a-f]{64}", m.get("Name", "")) else m.get("Name"),
                m.get("Driver"),
                m["RW"],
                m.get("Propagation"),
            )
            for m in attrs["Mounts"]
        ),
        "Networks": {
            name: {
                "Aliases": sorted(set(n["Aliases"] or []) - {short}),
                "IPAMConfig": {k: v for k, v in (n["IPAMConfig"] or {}).items() if v},
                "DriverOpts": n["DriverOpts"] or {},
                "Links": n["Links"],
            }
            for name, n in networks.items()
        },
    }


def plain_network(attrs: dict[str, Any]) -> dict[str, Any]:
    """Keep of a network what somebody has chosen."""
    kept = ("Driver", "Internal", "Attachable", "EnableIPv6", "Options", "Ingress", "Scope")
    chosen = {k: attrs[k] for k in kept}
    ipam = dict(attrs["IPAM"])
    if not _has_addresses(attrs):
        ipam.pop("Config")
    return {**chosen, "IPAM": ipam, "Labels": _labels(attrs["Labels"])}


def _has_addresses(attrs: dict[str, Any]) -> bool:
    """Tell addresses that a file gives from those of the engine."""
    return any(c["Subnet"].startswith("10.77.") for c in attrs["IPAM"]["Config"] or [])


def plain_volume(attrs: dict[str, Any]) -> dict[str, Any]:
    """Keep of a volume what somebody has chosen."""
    return {
        "Driver": attrs["Driver"],
        "Options": attrs["Options"] or {},
        "Labels": _labels(attrs["Labels"]),
    }


def _labels(labels: dict[str, str] | None) -> dict[str, str]:
    """Keep the user's labels and those that tell Compose what is what."""
    kept = re.compile(
        r"com\.docker\.compose\.(project|service|container-number|oneoff|network|volume|version)$"
    )
    return {k: v for k, v in (labels or {}).items() if not k.startswith(_ANY) or kept.match(k)}


def differences(ours: Any, theirs: Any, where: str = "") -> dict[str, tuple[Any, Any]]:  # noqa: ANN401
    """Return where two JSON values differ, with both sides. Nothing and empty are the same."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        found: dict[str, tuple[Any, Any]] = {}
        for key in sorted({*ours, *theirs}):
            place = f"{where}|{key}" if where else str(key)
            found |= differences(ours.get(key), theirs.get(key), place)
        return found
    if ours == theirs or (ours in (None, [], {}, "", 0) and theirs in (None, [], {}, "", 0)):
        return {}
    return {where: (ours, theirs)}


def without_listed_differences(snapshot: dict[str, Any]) -> dict[str, Any]:
    """Take out what `DIFFERENCES` lists, and nothing else."""
    plain = copy.deepcopy(snapshot)
    for name, container in plain["containers"].items():
        config, host = container["Config"], container["HostConfig"]
        for key in ("Image", "Volumes", "AttachStdout", "AttachStderr", "ExposedPorts"):
            config.pop(key, None)
        host.pop("MemorySwappiness", None)
        # These are built anew, and have another time in them.
        if name.endswith(("-proxy-1", "-base-1", "-tool-1", "-packer-1")):
            container.pop("Image")
        if not re.fullmatch("host|none|container:.*", host["NetworkMode"]):
            host["NetworkMode"] = "its own"
        host["RestartPolicy"]["Name"] = host["RestartPolicy"]["Name"] or "no"
        if host["NetworkMode"] == "host":
            host["PortBindings"] = {}
        host["SecurityOpt"] = [option.replace(":", "=", 1) for option in host["SecurityOpt"]]
        binds = [*(host["Binds"] or []), *_spreading(host)]
        host["Binds"] = sorted(b for b in binds if not _is_delivered(b))
        host["Mounts"] = [
            {key: value for key, value in mount.items() if value != {}}
            for mount in host.get("Mounts") or []
            if mount["Type"] != "volume"
            and not _is_delivered(mount.get("Source", ""))
            and not _spread(mount)
        ]
        for bindings in (host["PortBindings"] or {}).values():
            for binding in bindings:
                binding["HostIp"] = binding["HostIp"] or "0.0.0.0"  # noqa: S104
                # Either lets the engine choose.
                binding["HostPort"] = "" if binding["HostPort"] == "0" else binding["HostPort"]
                if re.fullmatch("18010-18011|1801[01]", binding["HostPort"]):
                    binding["HostPort"] = "one of 18010-18011"
        for network in container["Networks"].values():
            network.pop("Links")
            network["Aliases"] = [alias for alias in network["Aliases"] if alias != "broker"]
        # Compose forgets the `:ro` here.
        inherits = host["VolumesFrom"] = [v.removesuffix(":ro") for v in host["VolumesFrom"] or []]
        container["Mounts"] = [
            [*mount[:4], None if inherits else mount[4], mount[5]]
            for mount in container["Mounts"]
            if (mount[0] != "bind" or mount[1].startswith("/host/"))
            and not _is_delivered(str(mount[2]))
        ]
    return plain


def _spread(mount: dict[str, Any]) -> str:
    return str((mount.get("BindOptions") or {}).get("Propagation") or "")


def _spreading(host: dict[str, Any]) -> list[str]:
    """Write mounts with a propagation as Compose does."""
    return [
        f"{m['Source']}:{m['Target']}:{'ro' if m.get('ReadOnly') else 'rw'},{_spread(m)}"
        for m in host.get("Mounts") or []
        if _spread(m)
    ]


def _is_delivered(source: str) -> bool:
    """Return whether a mount shows what is here: a folder of theirs, a copy or folder of ours."""
    places = (str(CORPUS), f"{PROJECT}_copy_", "/var/lib/moor/", "/var/lib/docker/volumes/")
    return source.startswith(places)


def same_ids(snapshot: dict[str, Any], names: dict[str, str]) -> dict[str, Any]:
    """Put names into the place of ids, wherever they are."""
    text = json.dumps(snapshot)
    for identity, name in names.items():
        text = text.replace(identity, f"<{name}>").replace(f'"{identity[:12]}"', f'"<{name}>"')
    plain: dict[str, Any] = json.loads(text)
    return plain
