#!/bin/bash
# Waits until user data has been applied, and prepares the machine for the Docker API.
# Runs on the machine as root, any number of times.
#
#   init.sh [SECONDS [ROOT]]
#
# SECONDS: how long to wait for user data, 120 where unset. ROOT: a folder that stands for /.
set -euo pipefail

seconds=${1:-120}
root=${2:-}

socket=docker-tls-tcp.socket
drop_in=/etc/systemd/system/docker.service.d/10-tls-verify.conf

fail() {
  printf 'init.sh: %s\n' "$1" >&2
  exit 1
}

# Prints what is still missing, one line each; nothing when user data has been applied.
missing() {
  local file
  for file in "/etc/systemd/system/$socket" "$drop_in"; do
    [[ -s $root$file ]] || printf '%s does not exist\n' "$file"
  done
  [[ $(systemctl show --property LoadState --value "$socket") == loaded ]] ||
    printf 'systemd does not know %s\n' "$socket"
  [[ " $(systemctl show --property DropInPaths --value docker.service) " == *" $drop_in "* ]] ||
    printf 'systemd does not know the drop-in %s\n' "${drop_in##*/}"
}

[[ $(id -u) == 0 ]] || fail "must run as root, got $(id -un); sudo bash init.sh"
[[ $seconds =~ ^[0-9]{1,5}$ ]] || fail "SECONDS: must be a number, got '$seconds'"

end=$((SECONDS + 10#$seconds))
until lacking=$(missing) && [[ -z $lacking ]]; do
  if ((SECONDS >= end)); then
    printf '%s\n' "$lacking" >&2
    fail "user data: must be applied within $seconds s, got the above; journalctl --identifier=coreos-cloudinit"
  fi
  sleep 1
done

# Where the certificates arrive: in memory, and open to nobody but the SSH user.
user=${SUDO_USER:-root}
install -d -m 0700 -o "$user" -g "$(id -gn "$user")" "$root/run/moor"
install -d -m 0755 "$root/etc/docker"

# Without this, containers come back after a reboot only when somebody asks the engine.
systemctl enable docker.service
systemctl start docker.service

# On the first boot it may have started before user data wrote its configuration.
if [[ -e $root/etc/flatcar/update.conf ]] && systemctl cat locksmithd.service >/dev/null 2>&1; then
  systemctl restart locksmithd.service ||
    printf 'init.sh: locksmithd.service does not restart, reboots follow the default strategy\n' >&2
fi

printf 'init.sh: user data is applied, Docker runs\n'
