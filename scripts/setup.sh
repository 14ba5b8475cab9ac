#!/bin/sh
# Sets up everything the suite and its tests need. Idempotent, quick when nothing is to do, says what it does.
#
#   sh scripts/setup.sh            install what is missing
#   sh scripts/setup.sh --check    only say what is missing; exit 1 when anything is
#   sh scripts/setup.sh --suite    what the suite runs on, no tests: for images of containers
#   sh scripts/setup.sh --modules  of that the node modules and the worker of mediasoup, which no source here changes
#   sh scripts/setup.sh --packages running   the Debian packages that the suite runs on, by name; or building, testing
#
# Needs: Debian or Ubuntu, any Node with npm, root or sudo for packages. Elsewhere it names what to install by hand.
set -eu
cd "$(dirname "$0")/.."

# What each package is for:
#   kamailio…      the SIP edge (TLS, JSON reports, UUIDs)
#   sip-tester     SIPp, for scenarios
#   baresip-core   an independent SIP phone, for tests and the demo
#   openssl        development certificates
#   libopus0, libbcg729-0   the codecs Opus and G.729 (libopus.so.0, libbcg729.so.0)
#   libsrtp2-1     SRTP of the media plane
#   netbase        names of protocols, by which Kamailio asks for keepalives of TCP
#   libavahi-client3   what the NDI runtime finds sources through
#   redis-server   the ledger's other store, for its tests
#   chromium       the browser in which the auditor's page is tested
#   ffmpeg         pictures of NDI sources as H.264, and an independent decoder for tests
#   tshark         reads every H.323 message made here, so that both readings can be compared
#   gcc, libc6-dev a small library that keeps Kamailio 5.6 and 5.7 apart from a fault with OpenSSL 3
#   python3-venv   fetches the NDI runtime, which comes in a Python package
#   g++, pkg-config, flatbuffers-compiler and the libraries behind them: the worker process of mediasoup is compiled from its npm package
#   ca-certificates, curl, iproute2, procps, util-linux   used by tests (addresses, process lists, full-disk test)
#   zsh, fish      shells in which the completions of ifctl are tested
#   sipvicious     scanners that the edge must withstand, for its tests
running='kamailio kamailio-tls-modules kamailio-websocket-modules kamailio-json-modules kamailio-extra-modules kamailio-utils-modules netbase ffmpeg libopus0 libbcg729-0 libsrtp2-1 libavahi-client3 openssl ca-certificates procps'
building='gcc libc6-dev g++ pkg-config flatbuffers-compiler libflatbuffers-dev libssl-dev libuv1-dev libsrtp2-dev libusrsctp-dev libabsl-dev'
testing='sip-tester sipvicious baresip-core redis-server chromium tshark curl iproute2 python3-venv util-linux zsh fish'
packages="$running $building $testing"

say() { printf 'setup: %s\n' "$*" >&2; }
fail() { say "$*"; exit 1; }

check_only=false
suite_only=false
modules_only=false
case "${1:-}" in
  '') ;;
  --check) check_only=true ;;
  --suite) suite_only=true packages="$running $building" ;;
  --modules) suite_only=true modules_only=true packages="$running $building" ;;
  --packages)
    case "${2:-}" in
      running) echo "$running" ;;
      building) echo "$building" ;;
      testing) echo "$testing" ;;
      *) fail '--packages: expected running, building or testing' ;;
    esac
    exit 0 ;;
  *) fail "unknown option $1; expected --check, --suite, --modules, --packages or nothing" ;;
esac

missing_packages() {
  for package in $packages; do
    case "$(dpkg-query -W -f '${Status}' "$package" 2>/dev/null)" in
      'install ok installed') ;;
      *) printf ' %s' "$package" ;;
    esac
  done
}

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"
  elif command -v sudo >/dev/null 2>&1; then sudo "$@"
  else fail "installing packages needs root or sudo; run as root: apt-get install --no-install-recommends$missing"
  fi
}

install_packages() {
  missing=$(missing_packages)
  [ -n "$missing" ] || return 0
  if $check_only; then say "missing Debian packages:$missing"; return 1; fi
  say "installing Debian packages:$missing"
  # The packages' own services must not start: the suite runs its own Kamailio, on loopback, from its own configuration.
  policy=/usr/sbin/policy-rc.d
  guarded=false
  if [ ! -e "$policy" ]; then
    guarded=true
    trap 'as_root rm -f "$policy"' EXIT INT TERM
    printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null
    as_root chmod 755 "$policy"
  fi
  as_root apt-get update -qq || say 'apt-get update failed; trying with the package lists that are there'
  # shellcheck disable=SC2086
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null \
    || fail "apt-get could not install:$missing"
  if $guarded; then as_root rm -f "$policy"; trap - EXIT INT TERM; fi
}

install_node_modules() {
  stamp=node_modules/.setup-stamp
  if $suite_only; then omitted=dev; else omitted=; fi
  wanted="$(cksum <package-lock.json)${omitted:+ without $omitted}"
  if [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ]; then return 0; fi
  if $check_only; then say 'node modules are missing or out of step with package-lock.json'; return 1; fi
  say 'installing node modules (with Node 24 among them)'
  npm ci --no-audit --no-fund --loglevel=error ${omitted:+--omit="$omitted"} || fail 'npm ci failed'
  # npm 9 drops the command's link when it skips the packages of other processors: both bring a command `node`.
  for binary in node_modules/node-linux-*/bin/node; do
    if [ -x "$binary" ]; then ln -sf "../${binary#node_modules/}" node_modules/.bin/node; fi
  done
  for name in if ifctl if-chassis if-coordinator if-governor if-optimise if-witness; do ln -sf ../../cli/ifctl.cjs "node_modules/.bin/$name"; done
  printf '%s' "$wanted" >"$stamp"
}

# build_library SOURCE LIBRARY FLAGS...: anew when the source, or a header of its part, is newer.
build_library() {
  source=$1 library=$2
  shift 2
  if [ -e "$library" ] && [ "$library" -nt "$source" ] && [ -z "$(find "${source%%/*}" -name '*.h' -newer "$library")" ]; then return 0; fi
  if $check_only; then say "not built: $library"; return 1; fi
  say "building $library"
  mkdir -p "$(dirname "$library")"
  # Under a name of its own first: who has loaded the library before keeps that file.
  cc -Wall -Werror -shared -fPIC -o "$library.$$" "$source" "$@" && mv "$library.$$" "$library" || fail "could not build $source"
}

build_libraries() {
  build_library kamailio/openssl-fork.c kamailio/build/openssl-fork.so -O2 -pthread &&
    build_library media/udp/udp.c media/build/udp.so -O2 &&
    # Numbers as JavaScript reckons them: no sum and product in one step.
    build_library media/express/express.c media/build/express.so -O3 -ffp-contract=off -fno-math-errno -lm &&
    # What Node does not lend shows when it is loaded, not when it is called.
    build_library ledger/log/compiled.c ledger/build/compiled.node -O2 -Wl,-z,now &&
    build_library cli/compiled.c cli/build/compiled.node -O2 -Wl,-z,now
}

status=0
if command -v dpkg-query >/dev/null 2>&1 && command -v apt-get >/dev/null 2>&1; then
  install_packages || status=1
else
  for program in kamailio sipp baresip openssl cc c++ pkg-config flatc; do
    command -v "$program" >/dev/null 2>&1 || { say "not found: $program"; status=1; }
  done
  [ $status = 0 ] || fail 'this is not Debian or Ubuntu: install Kamailio 5.6 or later with its TLS, JSON and UUID modules, SIPp 3.6 or later, baresip 1.0 or later, OpenSSL, a C++ compiler, pkg-config, flatc, and the headers of OpenSSL, libuv, libsrtp 2, usrsctp, Abseil and flatbuffers by hand, then run this again'
fi
command -v npm >/dev/null 2>&1 || fail 'npm was not found: install Node.js with npm (any version), then run this again'
install_node_modules || status=1
$modules_only || build_libraries || status=1
[ $status = 0 ] || exit 1

node=node_modules/.bin/node
[ -x "$node" ] || node=node
major=$("$node" -p 'process.versions.node.split(".")[0]')
[ "$major" -ge 24 ] || fail "Node $major found, 24 or later needed, and no Node binary for $(uname -m) comes with the modules: install Node 24 by hand"
$check_only || $modules_only || "$node" cli/bundle.ts || fail 'could not bundle the commands of ifctl'

# The worker of mediasoup: compiled once on a machine, then found by its hash.
if $check_only; then
  [ -x node_modules/mediasoup/worker/out/Release/mediasoup-worker ] || { say 'the mediasoup worker is not built'; exit 1; }
else
  "$node" media/mediasoup/build-worker.ts || fail 'the mediasoup worker could not be built'
fi

# The NDI runtime is optional: nothing else fails without it. Its licence is not one to hand it on by.
$check_only || $suite_only || sh scripts/fetch-ndi.sh
