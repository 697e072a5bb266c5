"""The page of what is supported, written from the table.

`python -m constructs_lib.compose.support_page > docs/compose.md` writes it anew.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from constructs_lib.compose.support import (
    CONFIG,
    NETWORK,
    PROJECT,
    SECRET,
    SERVICE,
    VOLUME,
    Key,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

DIFFERENCES: Final[Mapping[str, str]] = {
    "Config.Image": "an image is named by its digest, so that a moved tag shows in the plan; a "
    "built one by the hash of its context",
    "Config.Entrypoint": "has the command's words, too, where an argument is empty or the image's "
    "entry point is cleared: what runs is the same",
    "Config.ExposedPorts": "ports that are only exposed are not noted in the container: the "
    "provider knows published ports only",
    "Config.Labels": "the labels with paths of this computer (`working_dir`, `config_files`) and "
    "`image` and `depends_on` are left out; `config-hash` is Moor's own digest, so that a "
    "`docker compose up` by hand would make the containers anew",
    "Config.AttachStdout": "and `AttachStderr`: Compose attaches to the output of what it starts",
    "Config.Volumes": "the provider notes the path of each mounted volume here; Compose does not",
    "HostConfig.MemorySwappiness": "`mem_swappiness` is not handed on: engines on cgroup v2 "
    "discard it, and older ones heed it",
    "HostConfig.NetworkMode": "it stays `bridge`: the provider takes the container from there to "
    "its networks before it starts",
    "HostConfig.Init": "false where nothing is said; Compose leaves it to the engine, whose "
    "default is false",
    "HostConfig.Binds": "files of relative paths, secrets and configs are copied into the "
    "container, since they are on this computer: what the container writes there is not written "
    "back, and the folder of the image stays visible below a copied one",
    "HostConfig.Mounts": "a volume without a name is in `Config.Volumes`; a folder of the machine "
    "with a `propagation` is here instead of in `HostConfig.Binds`, and has to be there already; "
    "for secrets and configs see `HostConfig.Binds`",
    "HostConfig.PortBindings": "a port without an address is published on IPv4, not on IPv6 too; "
    "what the engine would discard, with `network_mode: host`, is not told to it",
    "HostConfig.RestartPolicy": "`no` is written out; Compose leaves it empty, which is the same",
    "HostConfig.SecurityOpt": "has `=` where a file has `:`, which newer engines know as the old "
    "way",
    "HostConfig.VolumesFrom": "`:ro` counts; Compose 2.40 forgets it",
    "NetworkSettings.Networks.NAME.Links": "another name that `links` gives to a service is an "
    "alias of that service on the networks that both are on, so that others there know it, too",
    "a port of a range": "of `8000-8001:80` the first replica gets 8000; Compose hands the range "
    "to the engine, which picks",
    "anonymous volumes": "a replaced container gets new ones; Compose hands the old ones on",
    "services that ended": "`docker compose up` runs a service again that has ended by itself; "
    "here one runs once, until something of it changes, that others wait for with "
    "`service_completed_successfully`, or that publishes no port, has no `restart` beyond "
    "`on-failure`, and had ended well before `moor up` was done",
}
"""What the engine is told otherwise than by `docker compose up`, and why."""

_HEADLINES: Final[tuple[tuple[str, str, Mapping[str, Key]], ...]] = (
    ("Top level", "", PROJECT),
    ("Services", "services.NAME.", SERVICE),
    ("Networks", "networks.NAME.", NETWORK),
    ("Volumes", "volumes.NAME.", VOLUME),
    ("Configs", "configs.NAME.", CONFIG),
    ("Secrets", "secrets.NAME.", SECRET),
)

_WORDS: Final = {
    "yes": "yes",
    "nothing": "accepted, without effect",
    "unheeded": "accepted, without effect, with a warning",
    "no": "refused",
}


def document() -> str:
    """Return `docs/compose.md`."""
    parts = [_INTRODUCTION]
    for title, where, keys in _HEADLINES:
        rows = "\n".join(_rows(keys, "", deep=title != "Top level"))
        under = f"Keys of `{where.rstrip('.')}`.\n\n" if where else ""
        parts.append(f"### {title}\n\n{under}{_HEAD}{rows}\n")
    parts.append("## Differences from `docker compose up`\n")
    parts.append("".join(f"- `{what}`: {why}.\n" for what, why in DIFFERENCES.items()))
    return "\n".join(parts)


_HEAD: Final = "| key | one machine | | swarm | |\n| --- | --- | --- | --- | --- |\n"


def _rows(
    keys: Mapping[str, Key],
    where: str,
    *,
    deep: bool,
    swarm: Mapping[str, Key] | None = None,
) -> Iterator[str]:
    """Yield the rows of some keys, and of those below them.

    Args:
        keys: The keys; those that only a swarm heeds are there, too.
        where: What stands in front of them.
        deep: Whether those below are told.
        swarm: The keys that a swarm heeds here; None where they are the same, and each says itself
            what becomes of it.
    """
    for name, key in sorted(keys.items(), key=lambda item: item[0].lower()):
        other = key.on(swarm=True) if swarm is None else swarm.get(name)
        # Compose writes two keys with a capital; people do not.
        place = f"{where}{name.lower()}"
        in_swarm = "| |" if other is None else _cells(other)
        if other is not None and (other.how, other.text) == (key.how, key.text):
            in_swarm = "the same | |"
        yield f"| `{place}` | {_cells(key)} {in_swarm}"
        below = key.inside or (other.inside if other is not None else None)
        if below is None or not deep:
            continue
        shape = key.shape if key.inside is not None or other is None else other.shape
        suffix = {"one": "", "list": "[]", "map": ".NAME"}[shape]
        same = other is not None and other.inside is key.inside
        # Where a key has no effect on one machine, neither have those below it.
        known = key.inside or {sub: replace(key, text="", inside=None, swarm=None) for sub in below}
        only = None if same else dict((other.inside if other is not None else None) or {})
        if other is not None and other.inside is None:
            only = dict.fromkeys(below, replace(other, text="", swarm=None))
        yield from _rows(known, f"{place}{suffix}.", deep=True, swarm=only)


def _cells(key: Key) -> str:
    return f"{_WORDS[key.how]} | {key.text[:1].upper() + key.text[1:]} |"


_INTRODUCTION: Final = """\
# Services from Compose files

<!-- Written by `python -m constructs_lib.compose.support_page > docs/compose.md`. -->

Name the file in the environment's settings, relative to them; several are merged in their order,
as `docker compose -f one -f two` does:

```yaml
services: ../services/compose.yaml
variables:                       # what the file may use as ${NAME}
  ELASTIC_IMAGE: docker.io/library/elasticsearch:8.15.3
```

Compose itself reads the files (`docker compose config`), so that interpolation, `.env`,
`extends`, `include`, anchors, profiles (`COMPOSE_PROFILES`) and short and long forms mean what
they always mean. Then every service, network and volume becomes a Terraform resource of its own,
named as Compose names it (`project-service-1`), so that a plan shows what will change and
`docker compose -p PROJECT ps` on the machine lists them. A variable that is
not set is empty, with a warning in the plan.

- **Images**: a plan asks the registry for the digest behind a tag, and shows when it has moved.
  `pull_policy: missing` keeps what the machine has. Old images stay on the machine.
- **Relative paths** in `volumes` are files and folders of this computer. A file is copied into the
  container with its mode and owner. A folder that a service may write to becomes one of the machine
  and outlives the containers; one that is only read is an exact copy. A changed file shows in the
  plan. [README](../README.md#data) says what lives where.
- **Secrets and configs** are copied into the container by the deployment; into one with
  `read_only` they are mounted. Terraform's state has their path and a keyed hash, never their
  content. Those from variables pass through a file under `.moor/` that only you can read.
- **Volumes** are destroyed when their declaration under `volumes:` is removed, or with
  `make down`; never by a change to a service.
- **Waiting**: the deployment waits for services with a healthcheck, in the order of
  `depends_on`, and fails with the health log if one becomes unhealthy.
- **Ports** must be open in a security group: `aws.http.ports` or `aws.docker_api.service_ports`,
  as `443`, `53/udp`, `8000-8010` or `8000-8010/udp`. One that is left to the engine (`- "80"`) is
  open to nobody: `moor status` tells which it is, and SSH leads there.

## In a swarm

Where the settings have a swarm, a service becomes one of the swarm's (`project_service`), and the
second pair of columns counts.

- **Networks** are overlays. A service's name stands for the addresses of its tasks
  (`endpoint_mode: dnsrr`), and a port is that of each node which runs a task. `endpoint_mode: vip`
  and `mode: ingress` take IP_VS in the nodes' kernels, and `driver_opts: {encrypted: ""}` takes
  ESP: where the file asks for one of them, and a node lacks it, the plan is refused with the
  reason, or the first deployment, which makes the nodes.
- **Images** are named by their digest, so that each node runs the same.
- **Secrets and configs** are the swarm's own, each called `PROJECT_NAME_HASH`; the hash takes a key
  to know. What has another content is another one, and the old one goes when no task has it.
- **Named volumes** are each node's own. A service that mounts one stays on the node that its first
  deployment chose, which has the label `moor.volume.PROJECT.VOLUME`. A global service has one a
  node, and NFS, whose `driver_opts` say `type: nfs`, is the same on all.
- **Waiting**: the deployment waits until as many tasks run, and are healthy, as there are to be,
  and fails with the errors of those that do not.
- **Replaced** is a service when its networks, `extra_hosts`, `sysctls` or `mode` change: a swarm
  would change the first two in place, and the provider does not.

## What is supported

Keys beginning with `x-` are Compose's own extension and are free, but for two. `x-moor` is told of
in the settings, and `x-backup` of a service says what runs in its containers around a snapshot of
the data volume, instead of stopping them: `pre` before it begins, and `post` afterwards, whatever
has failed. Each is a text for `sh -c`, or a list of words. Whatever is refused, or is not
in these tables, is an error that names file, service and key; all of them are told at once. What
Compose itself does not heed on one engine is accepted, and a warning says so. What the engine would
refuse, such as an address that is none, is told before anything is deployed.
"""


if __name__ == "__main__":
    print(document(), end="")  # noqa: T201  (it is a command)
