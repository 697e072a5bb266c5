#!/bin/bash
# Has Docker's data and the services' folders on a data volume, and Docker wait for it.
# Runs on the machine as root, any number of times.
#
#   data-volume.sh use VOLUME [SECONDS]
#
# VOLUME: the EBS volume's id, vol-…, attached to this machine. SECONDS: how long to wait for it,
# 120 where unset. Docker is stopped where it does not have the volume yet, and stays so; what
# the machine has is copied to a volume that is blank. The script installs itself and its units, by
# which the volume is mounted at each boot:
#
#   data-volume.sh prepare|bind|release|check|end|grow
#
# No unit of Docker's starts without the volume: a volume that is late is waited for.
set -euo pipefail
umask 022

task=${1:-}
home=/etc/moor
units=/etc/systemd/system
place=/mnt/moor
link=/dev/disk/by-id/nvme-Amazon_Elastic_Block_Store_
label=moor-data
engine=/etc/docker/daemon.json
# What lives on the volume, with its place on the machine.
folders=(docker moor)
own=/var/lib
makefs=/usr/lib/systemd/systemd-makefs
# Exists where the kernel refused to let the mounted file system grow.
small=$home/data-volume.small

say() {
  printf 'data-volume.sh: %s\n' "$1"
}

fail() {
  say "$1" >&2
  exit 1
}

# Waits for the device, SECONDS or for ever.
await() {
  local end=${1:-} told=
  until [[ -b $device ]]; do
    if [[ -n $end ]] && ((SECONDS >= end)); then
      fail "volume $volume: must be attached as an NVMe device, got no $device within $end s; is it attached, and is the instance type one of the Nitro system?"
    fi
    [[ -n $told ]] || say "volume $volume: waiting for $device"
    told=yes
    sleep 0.5
  done
}

# Prints what low-level probing tells of the device; nothing of a blank one.
probe() {
  blkid -p -o value -s "$1" "$device" 2>/dev/null || [[ $? == 2 ]]
}

header() {
  dumpe2fs -h "$device" 2>/dev/null | sed -n "s/^$1: *//p"
}

is_mounted() {
  mountpoint --quiet "$place"
}

# Whether a folder of the machine is the volume's.
is_bound() {
  is_mounted && [[ "$(stat --format %d "$own/$1" 2>/dev/null)" == "$(stat --format %d "$place")" ]]
}

prepare() {
  await
  if is_mounted; then
    grow
  else
    make_ready
  fi
}

foreign() {
  fail "volume $volume: must be blank, or hold a file system of Moor's, got $1; nothing of it was changed: take what is on it, and another volume"
}

make_ready() {
  local kind named size holds
  # What formats looks for file systems, and takes no notice of partitions.
  [[ -z $(probe PTTYPE) ]] || foreign 'a partition table'
  # Formats what is blank, and leaves alone what holds anything.
  "$makefs" ext4 "$device" || fail "volume $volume: must take a file system, got a failure"
  kind=$(probe TYPE) named=$(probe LABEL)
  if [[ $kind == ext4 && $named != "$label" && "$(header 'Last mount time')" == n/a ]]; then
    # Made here a moment ago, and used by nobody.
    e2label "$device" "$label"
    named=$label
  fi
  [[ $kind == ext4 ]] || foreign "${kind:-something that is none}"
  [[ $named == "$label" ]] ||
    fail "volume $volume: must hold a file system of Moor's, whose label is $label, got ext4 with the label '$named'; nothing of it was changed: take what is on it, and another volume"
  size=$(blockdev --getsize64 "$device")
  holds=$(($(header 'Block count') * $(header 'Block size')))
  ((holds <= size)) ||
    fail "volume $volume: must be as large as its file system, $holds bytes, got $size; a volume never shrinks"
  if [[ -e $small ]] && ((holds < size)); then
    e2fsck -f -p "$device" || (($? < 4)) || fail "volume $volume: must be whole, got errors: e2fsck $device"
    resize2fs "$device"
    rm -f "$small"
  fi
}

# Lets the file system have the volume's size: at once, or before the next mount.
grow() {
  local source text
  source=$(findmnt --noheadings --output SOURCE --mountpoint "$place")
  if text=$(resize2fs "$source" 2>&1); then
    rm -f "$small"
    say "volume $volume: the file system has $(df --output=size -h "$place" | tail -n 1 | tr -d ' ')"
  else
    touch "$small"
    say "volume $volume: this kernel does not let it grow while it is in use, so it does at the next boot: ${text##*$'\n'}"
  fi
}

# Copies what the machine has to a volume that lacks it. Half a copy counts for nothing.
fill() {
  local folder=$1 wanted free
  [[ ! -e $place/$folder ]] || return 0
  rm -rf "${place:?}/$folder.new"
  wanted=$(du --summarize --block-size=1 "$own/$folder" | cut -f 1)
  free=$(df --output=avail --block-size=1 "$place" | tail -n 1)
  ((wanted < free)) ||
    fail "volume $volume: must have room for $own/$folder, $((wanted >> 20)) MiB, got $((free >> 20)) MiB free; choose a larger aws.data_volume.size_gib"
  mkdir "$place/$folder.new"
  # With its owner and mode, and what overlays write down beside the files.
  cp --archive --sparse=auto "$own/$folder/." "$place/$folder.new/"
  sync --file-system "$place"
  mv "$place/$folder.new" "$place/$folder"
}

bind() {
  local folder
  is_mounted || fail "$place: must be the volume $volume, got nothing that is mounted"
  [[ ! -e $home/daemon.json ]] || mv -f "$home/daemon.json" "$engine"
  grow
  for folder in "${folders[@]}"; do
    if ! is_bound "$folder"; then
      mkdir -p "$own/$folder"
      fill "$folder"
      mount --bind "$place/$folder" "$own/$folder"
    fi
  done
}

release() {
  local folder
  for folder in "${folders[@]}"; do
    if is_bound "$folder"; then
      umount --recursive "$own/$folder"
    fi
  done
}

check() {
  local folder
  for folder in "${folders[@]}"; do
    is_bound "$folder" ||
      fail "$own/$folder: must be on the volume $volume before Docker starts, got the machine's own disk"
  done
}

# Has Docker stop its containers when it stops, each with its own signal and patience: it starts them
# again then, which it does not do for those that somebody has stopped.
end() {
  systemctl is-active --quiet docker.service || return 0
  [[ ! -e $engine || -e $home/daemon.json ]] || cp "$engine" "$home/daemon.json"
  printf '{"live-restore": false}\n' >"$engine"
  # Not a job of systemd's, which takes none while the machine shuts down.
  kill -s HUP "$(systemctl show --property MainPID --value docker.service)"
  local until=$((SECONDS + 15))
  until [[ $(docker info --format '{{.LiveRestoreEnabled}}') == false ]]; do
    ((SECONDS < until)) || return 0
    sleep 0.1
  done
}

unit() {
  cat >"$units/$1.new"
  mv -f "$units/$1.new" "$units/$1"
}

install_units() {
  local of_device
  of_device=$(systemd-escape --path --suffix=device "$device")
  mkdir -p "$home" "$units/docker.service.d" "$units/$of_device.d"
  printf '%s\n' "$volume" >"$home/data-volume.new"
  mv -f "$home/data-volume.new" "$home/data-volume"
  if [[ $(readlink -f "$0") != "$home/data-volume.sh" ]]; then
    install -m 0755 "$0" "$home/data-volume.sh.new"
    mv -f "$home/data-volume.sh.new" "$home/data-volume.sh"
  fi
  # A device that is late fails nothing.
  unit "$of_device.d/10-late.conf" <<UNIT
[Unit]
JobRunningTimeoutSec=infinity
UNIT
  unit moor-data-volume.service <<UNIT
[Unit]
Description=The data volume $volume is there, and holds a file system
Before=mnt-moor.mount
# Each request for Docker tries again, at leisure: another volume may be there by then.
StartLimitIntervalSec=0

[Service]
Type=oneshot
TimeoutStartSec=infinity
ExecStart=/bin/bash -c '/bin/bash $home/data-volume.sh prepare || { sleep 5; exit 1; }'
UNIT
  unit mnt-moor.mount <<UNIT
[Unit]
Description=The data volume $volume
Requires=moor-data-volume.service
After=moor-data-volume.service
StartLimitIntervalSec=0

[Mount]
What=$device
Where=$place
Type=ext4
UNIT
  unit moor-data-folders.service <<UNIT
[Unit]
Description=Docker's data and the services' folders on the data volume
Requires=mnt-moor.mount
After=mnt-moor.mount
StartLimitIntervalSec=0

[Service]
Type=oneshot
RemainAfterExit=yes
TimeoutStartSec=infinity
ExecStart=/bin/bash $home/data-volume.sh bind
ExecStop=/bin/bash $home/data-volume.sh release
UNIT
  unit docker.service.d/20-data-volume.conf <<UNIT
[Unit]
Requires=mnt-moor.mount moor-data-folders.service
After=mnt-moor.mount moor-data-folders.service

[Service]
ExecStartPre=/bin/bash $home/data-volume.sh check
UNIT
  systemctl daemon-reload
}

use() {
  local former=
  [[ ! -s $home/data-volume ]] || former=$(<"$home/data-volume")
  await "$1"
  if [[ $former == "$volume" ]] && is_bound docker && is_bound moor; then
    install_units
    grow
    return
  fi
  # What cannot be used is refused before anything is stopped.
  if ! is_mounted || [[ $(findmnt -n -o SOURCE --mountpoint "$place") != "$(readlink -f "$device")" ]]; then
    make_ready
  fi
  mkdir -p "$home"
  end
  install_units
  systemctl stop docker.socket docker.service
  # Flatcar's socket comes back by itself whenever it is stopped, and systemd counts that, too: after
  # the fifth time within ten seconds nothing could start Docker.
  systemctl reset-failed docker.socket docker-tls-tcp.socket docker.service \
    moor-data-volume.service moor-data-folders.service 2>/dev/null || true
  # Another volume than before: this one gives way to it.
  systemctl stop moor-data-folders.service mnt-moor.mount
  systemctl start moor-data-folders.service || {
    journalctl --no-pager --quiet --boot --output=cat --lines=15 \
      --unit=moor-data-volume.service --unit=mnt-moor.mount --unit=moor-data-folders.service >&2
    fail "volume $volume: must be mounted, got the above; Docker stays stopped"
  }
  check
  say "volume $volume: Docker's data and the services' folders are on it"
}

[[ $(id -u) == 0 ]] || fail "must run as root, got $(id -un); sudo bash data-volume.sh"
case $task in
  use)
    volume=${2:-}
    [[ $volume =~ ^vol-[0-9a-f]+$ ]] || fail "VOLUME: must be a volume's id such as vol-0123456789abcdef0, got '$volume'"
    [[ ${3:-120} =~ ^[0-9]{1,5}$ ]] || fail "SECONDS: must be a number, got '$3'"
    device=$link${volume//-/}
    use "$((10#${3:-120}))"
    ;;
  prepare | bind | release | check | end | grow)
    volume=$(<"$home/data-volume")
    device=$link${volume//-/}
    "$task"
    ;;
  *) fail "TASK: must be use, prepare, bind, release, check, end or grow, got '$task'" ;;
esac
