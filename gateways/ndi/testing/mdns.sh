#!/bin/sh
# Two machines on one cable, each with an avahi of its own: `mdns.sh FOLDER AVAHI PYTHON PEER NODE SCRIPT NAME` sends as NAME on one and runs SCRIPT on the other.
# To be run by root in new namespaces of network, processes and mounts, which take all of it with them when this ends.
set -eu
if [ "$1" != side ]; then
  folder=$1 avahi=$2 python=$3 peer=$4 node=$5 script=$6 name=$7
  # the daemon wants a user of its own
  for file in passwd group; do cp "/etc/$file" "$folder/$file"; done
  grep -q '^avahi:' /etc/passwd || echo 'avahi:x:990:990::/run:/bin/false' >>"$folder/passwd"
  grep -q '^avahi:' /etc/group || echo 'avahi:x:990:' >>"$folder/group"
  for file in passwd group; do mount --bind "$folder/$file" "/etc/$file"; done
  mount -t tmpfs none /run
  unshare --net --mount sh "$0" side "$folder/one" "$avahi" wire1 198.51.100.1 "$python" "$peer" send "$name" 600 >"$folder/sender" 2>&1 &
  sender=$!
  # until it is in a network of its own
  until [ "$(readlink /proc/$sender/ns/net)" != "$(readlink /proc/self/ns/net)" ]; do sleep 0.05; done
  ip link add wire0 type veth peer name wire1 netns "$sender"
  exec sh "$0" side "$folder/two" "$avahi" wire0 198.51.100.2 "$node" "$script" mdns "$name"
fi
folder=$2 avahi=$3 wire=$4 address=$5
shift 5
mkdir -p "$folder/tmp"
mount -t tmpfs none /run
ip link set lo up
until ip link show "$wire" >/dev/null 2>&1; do sleep 0.05; done
ip addr add "$address/24" dev "$wire"
ip link set "$wire" up
ip route add 224.0.0.0/4 dev "$wire"
cat >"$folder/bus.conf" <<BUS
<busconfig>
  <type>system</type>
  <listen>unix:path=$folder/bus</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow user="*"/><allow own="*"/><allow send_type="method_call"/><allow send_destination="*"/><allow receive_sender="*"/>
  </policy>
</busconfig>
BUS
printf '[server]\nhost-name=%s\nuse-ipv6=no\nallow-interfaces=%s\n' "$(basename "$folder")" "$wire" >"$folder/avahi.conf"
export DBUS_SYSTEM_BUS_ADDRESS="unix:path=$folder/bus" LD_LIBRARY_PATH="$avahi/usr/lib/$(uname -m)-linux-gnu" TMPDIR="$folder/tmp"
dbus-daemon --config-file="$folder/bus.conf" --nofork --nopidfile 2>/dev/null &
until [ -S "$folder/bus" ]; do sleep 0.05; done
mkdir -p /run/avahi-daemon
"$avahi/usr/sbin/avahi-daemon" --no-drop-root --no-rlimits --no-chroot --no-proc-title -f "$folder/avahi.conf" >"$folder/log" 2>&1 &
until grep -q 'startup complete' "$folder/log"; do sleep 0.05; done
exec "$@"
