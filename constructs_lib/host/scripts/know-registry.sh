#!/bin/bash
# Tells this machine's Docker where the swarm's own image registry is, and how it proves itself
# there. Runs on the machine as root, any number of times; Docker looks at the files at each pull.
#
#   know-registry.sh ADDRESS NAME PORT [ROOT]
#
# ADDRESS: the private address of the machine that has the registry. NAME, PORT: where it answers,
# as image references say it. ROOT: a folder that stands for /.
#
# The registry takes a machine by the certificate of its Docker API, which is the authority's. They
# are links, so that a renewed certificate counts here as well.
set -euo pipefail
umask 022

address=${1:-}
name=${2:-}
port=${3:-}
root=${4:-}

fail() {
  printf 'know-registry.sh: %s\n' "$1" >&2
  exit 1
}

[[ $address =~ ^[0-9]{1,3}(\.[0-9]{1,3}){3}$ ]] ||
  fail "ADDRESS: must be an IPv4 address, got '$address'"
[[ $name =~ ^[a-z][a-z0-9-]{0,62}$ ]] || fail "NAME: must be a host name, got '$name'"
[[ $port =~ ^[1-9][0-9]{0,4}$ ]] || fail "PORT: must be in 1..65535, got '$port'"

folder=$root/etc/docker/certs.d/$name:$port
mkdir -p "$folder"
ln -sfn /etc/docker/ca.pem "$folder/ca.crt"
ln -sfn /etc/docker/server.pem "$folder/client.cert"
ln -sfn /etc/docker/server-key.pem "$folder/client.key"

# In place, and whole: where the file is mounted, as in a container, it cannot be renamed.
others=$(grep -v " $name\$" "$root/etc/hosts" || true)
printf '%s\n%s %s\n' "$others" "$address" "$name" >"$root/etc/hosts"

# What writes /etc/hosts anew at a boot must not lose the line.
drop_in=$root/etc/systemd/system/docker.service.d/20-registry.conf
mkdir -p "${drop_in%/*}"
cat >"$drop_in.new" <<EOF
[Service]
ExecStartPre=/bin/sh -c 'grep -q " $name\$\$" /etc/hosts || echo "$address $name" >>/etc/hosts'
EOF
mv -f "$drop_in.new" "$drop_in"
[[ -n $root ]] || systemctl daemon-reload
