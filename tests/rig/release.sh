#!/bin/bash
# Make a release's bundle out of this tree, in the rig's root: there are the Python and the compilers of a gate's
# base system. Prints its path. Seconds, after the first time.
#
#   tests/rig/release.sh [ROOT]      as root, after root.sh; ROOT by default /var/tmp/menshen-rig
set -eu
here=$(cd "$(dirname "$0")/../.." && pwd)
root=${1:-/var/tmp/menshen-rig}
out=$root.release
say() { printf 'rig: %s\n' "$*" >&2; }
lgpio=0.2.2.0

exec 9>"$root.lock"
flock 9
mkdir -p "$out"
making=$root/opt/making
pip() { # what pip wheel is to make
    chroot "$root" env LANG=C.UTF-8 PYPI=1 SOURCE_DATE_EPOCH="$built" python3 -m pip wheel -q --no-deps -w /opt/making/wheels "$@" \
        >"$out/log" 2>&1 || { say "pip failed; the end of $out/log says why:"; tail -n 5 "$out/log" >&2; exit 1; }
}
built=$(git -C "$here" log -1 --format=%ct 2>/dev/null || echo 1790000000)
want=$(cat "$0" "$here/requirements/gate.txt" | sha256sum)
if [ "$(cat "$making/of" 2>/dev/null)" != "$want" ]; then
    say "bringing and building a gate's wheels"
    rm -rf "$making"
    mkdir -p "$making/wheels"
    cp "$here/requirements/gate.txt" "$making/"
    pip --require-hashes -r /opt/making/gate.txt
    # On a Pi it comes from apt; see root.sh.
    pip lgpio==$lgpio
    { cat "$making/gate.txt"; printf 'lgpio==%s \\\n    --hash=sha256:%s\n' $lgpio "$(sha256sum "$making"/wheels/lgpio-*.whl | cut -c1-64)"; } >"$making/pins.txt"
    echo "$want" >"$making/of"
fi
rm -rf "$making/tree" "$making"/wheels/menshen-*.whl
mkdir "$making/tree"
(cd "$here" && git ls-files -z -c -o --exclude-standard -- agent hw provisioning firmware_tools office systemd pyproject.toml README.md |
    while IFS= read -r -d '' name; do [ ! -e "$name" ] || printf '%s\0' "$name"; done |
    tar c --null -T -) | tar x -C "$making/tree" --no-same-owner
pip /opt/making/tree
rm -f "$out"/menshen-*.tar
python=$(chroot "$root" python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])')
cd "$here"
PYTHONSAFEPATH=1 PYTHONPATH=$here .venv/bin/python -m firmware_tools.cli release build --wheels "$making/wheels" --out "$out" \
    --pins "$making/pins.txt" --built-here cobs --python "$python" --built "$built" >&2
ls "$out"/menshen-*.tar
