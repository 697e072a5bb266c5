#!/bin/bash
# Waits until user data has been applied, and prepares the machine for the Docker API.
# Runs on the machine as root, any number of times.
#
#   init.sh [SECONDS [ROOT]]
#
# SECONDS: how long to wait for user data, 300 where unset, which is how long the machine itself
# tries. ROOT: a folder that stands for /.
set -euo pipefail

seconds=${1:-300}
root=${2:-}

socket=docker-tls-tcp.socket
drop_in=/etc/systemd/system/docker.service.d/10-tls-verify.conf
# What fetches and applies the user data. It asks the instance metadata service for a token once,
# without waiting for the network: where that fails, it goes on in vain for five minutes.
reader=oem-cloudinit.service

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

# Whether the reader goes on without the token that it needs.
waits_in_vain() {
  local line result=1
  while IFS= read -r line; do
    case $line in
      *'fetching token'* | *'Fetching meta-data'*) result=1 ;;
      *'error: '*) result=0 ;;
    esac
  done < <(journalctl --no-pager --boot --output cat --unit "$reader")
  return "$result"
}

# Starts the reader again where it has failed, or will, once the service hands out tokens. Fails
# where there is nothing to heal, or not yet.
heal() {
  case $(systemctl show --property ActiveState --value "$reader") in
    failed) ;;
    activating) waits_in_vain || return 1 ;;
    *) return 1 ;;
  esac
  curl --silent --fail --output /dev/null --max-time 5 --noproxy '*' --request PUT \
    --header 'X-aws-ec2-metadata-token-ttl-seconds: 60' \
    http://169.254.169.254/latest/api/token || return 1
  printf 'init.sh: user data could not be fetched during the boot: starting %s again\n' "$reader"
  systemctl restart --no-block "$reader"
}

[[ $(id -u) == 0 ]] || fail "must run as root, got $(id -un); sudo bash init.sh"
[[ $seconds =~ ^[0-9]{1,5}$ ]] || fail "SECONDS: must be a number, got '$seconds'"

end=$((SECONDS + 10#$seconds))
healed=$((SECONDS - 15))
until lacking=$(missing) && [[ -z $lacking ]]; do
  if ((SECONDS >= end)); then
    printf '%s\n' "$lacking" >&2
    fail "user data: must be applied within $seconds s, got the above; journalctl -u oem-cloudinit"
  fi
  # Not at once again: it is just at work.
  if ((SECONDS >= healed + 15)) && heal; then
    healed=$SECONDS
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
