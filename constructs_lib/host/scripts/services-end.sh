#!/bin/bash
# Has containers end cleanly whenever the machine shuts down, whoever asked for that: each with its
# own signal, and in the time that its service asks for. Docker starts them again at the next boot.
# Runs on the machine as root, any number of times; nothing is restarted by it.
#
#   services-end.sh install
#
# By itself Docker leaves its containers alone when it stops (live-restore), and systemd sends the
# same signal to whatever is left, and waits 90 s for it. The script installs itself and a unit that
# has Docker take them along:
#
#   services-end.sh end|resume
#
# Nothing of this outlives a boot, and after a power cut there is nothing to be put back.
set -euo pipefail
umask 022

task=${1:-}
home=/etc/moor
units=/etc/systemd/system
engine=/etc/docker/daemon.json
# What stands in for the engine's configuration; in memory, so that it is gone when the machine is.
ending=/run/moor-services-end.json
unit=moor-services-end.service

fail() {
  printf 'services-end.sh: %s\n' "$1" >&2
  exit 1
}

live_restore() {
  docker info --format '{{.LiveRestoreEnabled}}' 2>/dev/null
}

# Has Docker read its configuration again, and waits until it goes by that.
reload() {
  local wanted=$1 until=$((SECONDS + 15))
  # Not a job of systemd's, which takes none while the machine shuts down.
  kill -s HUP "$(systemctl show --property MainPID --value docker.service)"
  until [[ $(live_restore) == "$wanted" ]]; do
    ((SECONDS < until)) || fail "docker.service: must have live-restore $wanted, got no such answer within 15 s"
    sleep 0.1
  done
}

# Docker stops after this, and its containers with it: it starts those again then, which it does not
# do for what somebody has stopped. In a swarm it does so anyway.
end() {
  systemctl is-active --quiet docker.service || return 0
  [[ $(live_restore) == true ]] || return 0
  printf '{"live-restore": false}\n' >"$ending"
  mountpoint --quiet "$engine" || mount --bind "$ending" "$engine"
  reload false
}

# Where the machine does not shut down after all, everything is as it was.
resume() {
  mountpoint --quiet "$engine" || return 0
  umount "$engine"
  ! systemctl is-active --quiet docker.service || reload true
}

put() {
  cat >"$1.new"
  mv -f "$1.new" "$1"
}

install_units() {
  mkdir -p "$home" "$units/docker.service.d"
  if [[ $(readlink -f "$0") != "$home/services-end.sh" ]]; then
    install -m 0755 "$0" "$home/services-end.sh.new"
    mv -f "$home/services-end.sh.new" "$home/services-end.sh"
  fi
  # Stopped with the machine, and before Docker is.
  put "$units/$unit" <<UNIT
[Unit]
Description=Containers end when Docker does
After=docker.service

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/bash $home/services-end.sh resume
ExecStop=/bin/bash $home/services-end.sh end

[Install]
WantedBy=multi-user.target
UNIT
  # As long as AWS lets a machine shut down: Docker itself waits no longer than a container may take.
  put "$units/docker.service.d/30-services-end.conf" <<UNIT
[Service]
TimeoutStopSec=210
UNIT
  systemctl daemon-reload
  systemctl enable --now "$unit"
}

[[ $(id -u) == 0 ]] || fail "must run as root, got $(id -un); sudo bash services-end.sh"
case $task in
  install) install_units ;;
  end | resume) "$task" ;;
  *) fail "TASK: must be install, end or resume, got '$task'" ;;
esac
