#!/bin/sh
# Fetches the NDI runtime and two independent NDI programs (ndi-python, cyndilib) from the Python registry into a folder of their own. The runtime is
# proprietary: its licence is shown. Where there is no Python or no registry it says so and ends well: all of the suite but NDI works without.
set -u
cd "$(dirname "$0")/.."
folder=node_modules/.cache/ndi
packages='ndi-python==6.3.2.6 cyndilib==0.1.3 numpy'

say() { printf 'setup: %s\n' "$*" >&2; }

# avahi is unpacked, not installed: no daemon of the system begins to run. Tests of multicast DNS need it.
fetch_avahi() {
  avahi=node_modules/.cache/avahi
  if [ -d "$avahi" ] || [ -x /usr/sbin/avahi-daemon ] || ! command -v apt-get >/dev/null; then return; fi
  rm -rf "$avahi.new" && mkdir -p "$avahi.new"
  if (cd "$avahi.new" && timeout 60 apt-get download avahi-daemon libavahi-core7 libdaemon0 >/dev/null 2>&1); then
    for package in "$avahi.new"/*.deb; do dpkg -x "$package" "$avahi.new" && rm "$package"; done
    mv "$avahi.new" "$avahi"
  else
    rm -rf "$avahi.new"
    say 'no avahi fetched: multicast DNS is not tested'
  fi
}

if [ "$(cat "$folder/.stamp" 2>/dev/null)" = "$packages" ]; then
  fetch_avahi
  exit 0
fi
# who has no registry is not made to wait for it at each set-up: once a day
failed=$folder.failed
if [ -n "$(find "$failed" -mmin -1440 2>/dev/null)" ]; then exit 0; fi
mkdir -p node_modules/.cache && : >"$failed"
if ! python3 -m venv "$folder.new" >/dev/null 2>&1; then
  rm -rf "$folder.new"
  say 'no NDI runtime fetched: python3 with venv is needed (or set NDI_RUNTIME_DIR_V6); NDI is left out'
  exit 0
fi
say 'fetching the NDI runtime (proprietary; NDI is a trademark of Vizrt NDI AB)'
# shellcheck disable=SC2086
if ! "$folder.new/bin/python3" -m pip install --quiet --disable-pip-version-check --only-binary :all: --retries 1 --timeout 20 $packages >/dev/null 2>&1; then
  rm -rf "$folder.new"
  say 'no NDI runtime fetched: the Python registry is out of reach or has none for this machine; NDI is left out'
  exit 0
fi
printf '%s' "$packages" >"$folder.new/.stamp"
rm -rf "$folder"
mv "$folder.new" "$folder"
rm -f "$failed"
fetch_avahi
for licence in "$folder"/lib/python3*/site-packages/NDIlib/libndi_licenses.txt; do
  [ -e "$licence" ] || continue
  say "licence of the NDI runtime ($licence):"
  sed -n '1,17p' "$licence" >&2
done
exit 0
