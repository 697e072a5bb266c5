"""User data of a machine whose Docker API is reached over mutual TLS.

User data brings the socket unit, the drop-in and the engine's configuration, and nothing that would
ever have to change: another certificate, authority or client must not replace the machine. The
machine makes its key itself, and `scripts/open-docker-api.sh` installs it with the certificates,
which arrive later over SSH. Until then, and whenever something is missing, the port stays closed,
because an open one without TLS is root for everybody who reaches it:

- `docker-tls-tcp.socket` starts only where key, certificate, clients, drop-in and the TLS options
  all exist. systemd looks at these conditions at each start, so at every boot as well.
- The TLS options are in a file that the script writes last, not in the drop-in itself: dockerd
  refuses to start at all with `--tlsverify` and no key, and would be missing locally as well.
- The drop-in does not let dockerd start without `--tlsverify` unless systemd says in so many words
  that the socket is inactive, whatever else sets DOCKER_OPTS.
- After each start of dockerd `scripts/refuse-strangers.sh` asks the open port as strangers would,
  and closes it where one is answered: options count for nothing if the OS does not pass them on.

The socket comes before docker.service, whatever starts that: once dockerd runs, systemd refuses the
socket until the next start. On a boot both belong to their targets. But Docker is an extension that
may be merged late, and then its local socket is up at once and the other one not yet, so that a
local request would start dockerd too early: the drop-in therefore pulls the socket in. A socket
unit is ordered before its service by itself.

Source: Flatcar's documentation, "Customizing Docker"; systemd.unit(5), systemd.socket(5).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from constructs_lib.host.machine_config import DropIn, MachineConfig

if TYPE_CHECKING:
    from constructs_lib.host.machine_config import Updates

CA_FILE: Final = "/etc/docker/ca.pem"
"""The authority of the server, for checks on the machine itself."""
CLIENTS_FILE: Final = "/etc/docker/clients.pem"
"""The certificates of the clients that the API answers."""
SERVER_CERTIFICATE_FILE: Final = "/etc/docker/server.pem"
SERVER_KEY_FILE: Final = "/etc/docker/server-key.pem"
TLS_OPTIONS_FILE: Final = "/etc/docker/tls.env"
"""Sets DOCKER_OPTS; `scripts/open-docker-api.sh` writes it."""

ENGINE_FILE: Final = "/etc/docker/daemon.json"

SOCKET_UNIT: Final = "docker-tls-tcp.socket"
DROP_IN: Final = "10-tls-verify.conf"
DROP_IN_FILE: Final = f"/etc/systemd/system/docker.service.d/{DROP_IN}"

PROBE_FILE: Final = "/etc/docker/refuse-strangers.sh"

SSHD_PORT: Final = 22
"""Where sshd listens without being told."""

_HIGHEST_PORT: Final = 65535

_SOCKET: Final = f"""\
[Unit]
Description=Docker API over mutual TLS
# Closed unless everything that TLS needs is there.
ConditionFileNotEmpty={CLIENTS_FILE}
ConditionPathExists={SERVER_CERTIFICATE_FILE}
ConditionPathExists={SERVER_KEY_FILE}
ConditionPathExists={DROP_IN_FILE}
ConditionFileNotEmpty={PROBE_FILE}
ConditionFileNotEmpty={TLS_OPTIONS_FILE}

[Socket]
ListenStream={{port}}
BindIPv6Only=both
Service=docker.service

[Install]
WantedBy=sockets.target
"""

# `$$` is one `$` for the shell; a single one would be filled in by systemd. The options are looked
# at word by word: `--tlsverify=false` after `--tlsverify` wins.
_DROP_IN: Final = f"""\
[Unit]
# The open port first, whatever starts Docker: once it runs, systemd refuses the port.
Wants={SOCKET_UNIT}

[Service]
EnvironmentFile=-{TLS_OPTIONS_FILE}
# Fail closed: no API without client certificates on the open port.
ExecStartPre=/bin/sh -c '\\
  set -f; verified=; \\
  for word in $$DOCKER_OPTS; do \\
    case $$word in --tlsverify) verified=yes;; --tlsverify=*|--tls=*) verified=; break;; esac; \\
  done; \\
  test -z "$$verified" || exit 0; \\
  state=$$(systemctl is-active {SOCKET_UNIT}); \\
  test "$$state" != inactive || exit 0; \\
  echo "{SOCKET_UNIT} must be inactive where DOCKER_OPTS lacks --tlsverify, got $$state" >&2; \\
  exit 1'
ExecStartPost=/bin/bash {PROBE_FILE} {{port}}
"""

_PROBE: Final = Path(__file__).parent / "scripts" / "refuse-strangers.sh"
# dockerd reads its certificates when it starts, and only then; containers must outlive that. In
# swarm mode dockerd refuses it, and a node is drained before its certificates change.
_ENGINE: Final = '{"live-restore": true}\n'
_ENGINE_OF_A_SWARM: Final = '{"live-restore": false}\n'

_SSH_PORT: Final = """\
[Socket]
ListenStream=
ListenStream={port}
"""


def docker_host(
    *, docker_port: int, ssh_port: int, updates: Updates | None = None, swarm: bool = False
) -> MachineConfig:
    """Describe the machine.

    Args:
        docker_port: TCP port of the Docker API, 1 to 65535.
        ssh_port: TCP port of sshd, 1 to 65535, another one.
        updates: When the machine may reboot to finish an update; Flatcar's default where unset.
        swarm: Whether the machine is one of a swarm. It then never reboots by itself, whatever
            `updates` says: Moor reboots one machine at a time, after its services have moved.

    Returns:
        The configuration, open for more files and units.

    Raises:
        ValueError: A port is out of range, or both are the same.
    """
    for name, port in (("docker_port", docker_port), ("ssh_port", ssh_port)):
        if not 1 <= port <= _HIGHEST_PORT:
            raise ValueError(f"docker host: {name}: must be in 1..{_HIGHEST_PORT}, got {port}")
    if docker_port == ssh_port:
        raise ValueError(
            f"docker host: docker_port and ssh_port: must differ, got {docker_port} for both"
        )
    config = MachineConfig()
    config.add_file(PROBE_FILE, _PROBE.read_text())
    config.add_file(ENGINE_FILE, _ENGINE_OF_A_SWARM if swarm else _ENGINE)
    # Not enabled here: the script does that when TLS is proved, and undoes it when it is not;
    # user data is applied at every boot and would enable it again.
    config.add_unit(SOCKET_UNIT, content=_SOCKET.format(port=docker_port))
    # Enabled, not just activated by its socket: else containers wait for a first request
    # after a reboot.
    config.add_unit(
        "docker.service",
        enable=True,
        drop_ins=[DropIn(name=DROP_IN, content=_DROP_IN.format(port=docker_port))],
    )
    if ssh_port != SSHD_PORT:
        config.add_unit(
            "sshd.socket",
            # The first boot has opened port 22 by then. Connections outlive the restart.
            command="restart",
            drop_ins=[DropIn(name="10-port.conf", content=_SSH_PORT.format(port=ssh_port))],
        )
    if swarm:
        config.set_update(reboot_strategy="off")
    elif updates is not None:
        config.set_update(
            reboot_strategy=updates.reboot_strategy,
            window_start=updates.window_start,
            window_length=updates.window_length,
        )
    return config
