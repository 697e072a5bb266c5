"""User data with every kind of entry that a machine of the sandbox acts on."""

from __future__ import annotations

import base64
import gzip
from typing import Final

EVERYTHING: Final = """\
#cloud-config
hostname: box
ssh_authorized_keys:
  - ssh-ed25519 AAAA one
write_files:
  - path: /etc/a
    permissions: 0640
    owner: core:core
    content: |
      hello
  - path: /etc/b
    encoding: gzip+base64
    content: {packed}
coreos:
  update:
    reboot_strategy: "off"
    group: beta
  units:
    - name: docker.service
      enable: true
      drop_ins:
        - name: 10-tls.conf
          content: |
            [Service]
    - name: job.service
      runtime: yes
      command: start
      content: |
        [Service]
        ExecStart=/bin/true
users:
  - name: alice
    groups: [docker]
    ssh_authorized_keys: [ssh-ed25519 BBBB two]
""".format(packed=base64.b64encode(gzip.compress(b"packed")).decode())
