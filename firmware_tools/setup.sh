#!/bin/sh
# Bring a Debian or Raspberry Pi OS machine to where it can run menshen.
#
#   firmware_tools/setup.sh run     what the product needs   (make demo)
#   firmware_tools/setup.sh dev     and what its tests need  (make test)
#   firmware_tools/setup.sh pages   and a browser            (make drill-pages)
#
# Safe to repeat: it does nothing when nothing has changed. System packages
# come from apt when this user is root or may use sudo without being asked;
# otherwise it says which are missing and stops.
set -eu
cd "$(dirname "$0")/.."
kind=${1:-run}
venv=${VENV:-.venv}

say() { printf 'setup: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }
installed() { dpkg-query -W -f='${db:Status-Abbrev}' "$1" 2>/dev/null | grep -q '^ii'; }

case $kind in
    run) wanted="libzbar0 libgl1 libglib2.0-0" ;;
    dev) wanted="libzbar0 libgl1 libglib2.0-0 mosquitto mosquitto-clients postgresql" ;;
    pages) wanted="libzbar0 libgl1 libglib2.0-0 mosquitto mosquitto-clients postgresql chromium fonts-noto-cjk" ;;
    *) die "found '$kind', wanted 'run', 'dev' or 'pages'" ;;
esac

# --- which Python ------------------------------------------------------------
# A gate takes picamera2 and lgpio from apt, so there the system's own
# interpreter is used and its packages stay visible.
python=${PYTHON:-python3}
venv_flags=
if /usr/bin/python3 -c 'import picamera2' 2>/dev/null; then
    python=/usr/bin/python3
    venv_flags=--system-site-packages
fi
if ! command -v "$python" >/dev/null; then
    wanted="$wanted python3 python3-venv"
elif ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
    wanted="$wanted python3-venv"
fi

# --- system packages ---------------------------------------------------------
missing=
for package in $wanted; do
    # Debian 13 renamed libraries with 64-bit time: libzbar0 is libzbar0t64.
    installed "$package" || installed "${package}t64" || missing="$missing $package"
done
if [ -n "$missing" ]; then
    as_root=
    if [ "$(id -u)" -ne 0 ]; then
        if command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
            as_root="sudo -n"
        else
            die "these Debian packages are missing:$missing
setup: install them with:  sudo apt-get install$missing
setup: then run the same command again"
        fi
    fi
    command -v apt-get >/dev/null ||
        die "these libraries are missing:$missing, and there is no apt-get here; install them, then run the same command again"
    say "installing$missing"
    log=$(mktemp)
    # RUNLEVEL=1 keeps a freshly installed broker or database from starting by itself: the
    # tests start their own, on free ports.
    if ! { $as_root apt-get update -qq &&
           $as_root env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 \
               apt-get install -y -qq --no-install-recommends $missing; } >"$log" 2>&1
    then
        tail -n 20 "$log" >&2
        die "apt-get could not install$missing; its last lines are above"
    fi
    rm -f "$log"
fi

command -v "$python" >/dev/null || die "found no $python; install Debian's python3 (3.11 or newer)"
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
    die "found $("$python" --version), wanted Python 3.11 or newer (Debian 12, Raspberry Pi OS bookworm)"

# --- the private environment -------------------------------------------------
[ "$kind" = pages ] && kind=dev  # the same environment; only a browser beside it
requirements=requirements/$kind.txt
stamp=$venv/.menshen-$kind
want=$(cat "$requirements" requirements/build.txt pyproject.toml firmware_tools/setup.sh | sha256sum | cut -d' ' -f1)
[ -f "$stamp" ] && [ "$(cat "$stamp")" = "$want" ] && exit 0
[ -x "$venv/bin/python" ] || { say "making $venv"; "$python" -m venv $venv_flags "$venv"; }
say "installing $requirements"
pip() { "$venv/bin/python" -m pip install --quiet --disable-pip-version-check "$@"; }
# First the tools that install, pinned beside the rest so that nothing unpinned is fetched. The pip that
# Debian brings into an environment mistakes `name[extra]` for unpinned as soon as `name` has a newer release.
pip --require-hashes -r requirements/build.txt
pip --require-hashes -r "$requirements"
# The five packages as they stand, editable, with their commands.
pip --no-deps --no-build-isolation --editable .
printf '%s' "$want" >"$stamp"
