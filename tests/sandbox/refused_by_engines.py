"""What the engine refuses, and what is so near to it that a reader might be too strict."""

from __future__ import annotations

from typing import Final

IMAGE: Final = "image: '${REGISTRY}/busybox:1.36'"
_BASE: Final = f"{IMAGE}, command: sleep 100, stop_signal: SIGKILL"

REFUSED: Final = (
    "image: '${REGISTRY}/Busybox'",
    "image: '${REGISTRY}/busybox@sha256:abc'",
    *(
        f"{_BASE}, {keys}"
        for keys in (
            "container_name: '-a'",
            "container_name: a",
            f"hostname: {'x' * 65}",
            "environment: {'': x}",
            "volumes: ['/tmp:/']",
            "volumes: [{type: volume, source: data, target: '/a:b'}]",
            "volumes: ['data:/a'], tmpfs: [/a]",
            "tmpfs: ['/a:nope']",
            "tmpfs: ['a']",
            "platform: a/b/c/d",
            "cpuset: zz",
            "cpus: -1",
            "cpus: 0.001",
            "cpu_period: 5",
            "cpu_quota: 5",
            "mem_limit: 1m",
            "mem_reservation: 1m",
            "mem_limit: 8m, mem_reservation: 9m",
            "mem_limit: 8m, memswap_limit: 7m",
            "memswap_limit: 8m",
            "dns: [nope]",
            "extra_hosts: {a: nope}",
            "devices: ['./nope:/dev/x']",
            "device_cgroup_rules: [nope]",
            "ulimits: {nope: 5}",
            "ulimits: {nofile: {soft: 6, hard: 5}}",
            "security_opt: ['nope:1']",
            "security_opt: [selinux]",
            "security_opt: ['no-new-privileges:perhaps']",
            "ipc: nope",
            "logging: {driver: json-file, options: {max-files: '3'}}",
            "logging: {driver: local, options: {tag: x}}",
            "pid: nope",
            "working_dir: nope",
            "restart: 'on-failure:-1'",
            "healthcheck: {test: 'true', interval: 5us}",
            "healthcheck: {test: 'true', interval: -5s}",
            "gpus: [{count: 2, device_ids: ['0']}]",
            "network_mode: 'container:x', hostname: a",
            "network_mode: 'service:other', dns: [192.0.2.1]",
            "network_mode: 'service:other', extra_hosts: {a: 192.0.2.1}",
            "networks: {fixed: {ipv4_address: nope}}",
            "networks: {fixed: {ipv4_address: 192.0.2.1}}",
            "networks: {fixed: {ipv4_address: 10.77.60.1}}",
            "networks: {fixed: {ipv6_address: '2001:db8::1'}}",
            "networks: {fixed: {mac_address: nope}}",
            "networks: {plain: {ipv4_address: 10.77.61.9}}",
            "networks: [hosts]",
            "networks: [of_a_part]",
            "networks: [of_another]",
            "networks: [of_nothing]",
            "networks: [elsewhere]",
            "networks: [of_the_host]",
            "networks: [of_the_bridge]",
        )
    ),
)
"""Services that the engine does not make or start; each is to be told before."""

TAKEN: Final = tuple(
    f"{_BASE}, {keys}"
    for keys in (
        "container_name: ab",
        f"hostname: {'x' * 64}",
        "hostname: 'a b'",
        "environment: {'my.name': x}",
        "volumes: ['//tmp/x:/a/', 'data:/a/b']",
        "volumes: [{type: bind, source: '/tmp', target: '/a:b', bind: {create_host_path: false}}]",
        "tmpfs: ['/a:size=1m,mode=0700,noexec', '/b']",
        "platform: linux/amd64",
        "cpuset: '0,0'",
        "cpus: 0.01",
        "cpu_shares: 262144",
        "mem_reservation: 6m",
        "userns_mode: keep-id",
        "mem_limit: 8m, mem_reservation: 8m, memswap_limit: 8m",
        "memswap_limit: -1",
        "dns: ['2001:db8::1']",
        "devices: ['/dev/null:/dev/x:m']",
        "device_cgroup_rules: ['c 1:3 rwm']",
        "ulimits: {core: -1, nofile: {soft: 64, hard: 64}, rtprio: 0}",
        "security_opt: [no-new-privileges, 'apparmor:unconfined', 'label:disable']",
        "ipc: none",
        "logging: {driver: json-file, options: {max-size: 1m, tag: x, mode: non-blocking}}",
        "logging: {driver: local, options: {max-size: 1m, max-file: '2', cache-disabled: 'true'}}",
        "pid: host",
        "restart: 'on-failure:0'",
        "healthcheck: {test: 'true', interval: 1ms}",
        "network_mode: host, hostname: a, dns: [192.0.2.1]",
        "networks: {fixed: {ipv4_address: 10.77.60.9, link_local_ips: [169.254.60.9]}}",
        "networks: [sixth]",
    )
)
"""Services that it makes and starts."""

_NETWORKS: Final = {
    "fixed": "{ipam: {config: [{subnet: 10.77.60.0/24, gateway: 10.77.60.1}]}}",
    "plain": "{}",
    "sixth": "{ipam: {config: [{subnet: 10.77.62.0/24}, {subnet: 'fd00:77:62::/64'}]}}",
    "hosts": "{ipam: {config: [{subnet: 10.77.63.1/24}]}}",
    "of_a_part": "{ipam: {config: [{subnet: 10.77.64.0/24, ip_range: 10.77.0.0/16}]}}",
    "of_another": "{ipam: {config: [{subnet: 10.77.65.0/24, gateway: 10.77.66.1}]}}",
    "of_nothing": "{ipam: {config: [{gateway: 10.77.66.1}]}}",
    "elsewhere": "{driver: host}",
    "of_the_host": "{external: true, name: host}",
    "of_the_bridge": "{external: true, name: bridge}",
}


def document(service: str) -> str:
    """Return a Compose file with a service, and with what it names."""
    named = [
        f"  {name}: {network}"
        for name, network in _NETWORKS.items()
        if "networks:" in service and name in service
    ]
    return "\n".join(
        [
            "services:",
            f"  web: {{{service}}}",
            *([f"  other: {{{_BASE}}}"] if "service:other" in service else []),
            *(["networks:", *named] if named else []),
            *(["volumes: {data: }"] if "data" in service else []),
            "",
        ]
    )
