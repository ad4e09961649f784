#!/bin/bash
# Build the image that the rig boots, of this tree, as `menshen-firmware image build` does for anybody. Prints its path.
# Some minutes; nothing while neither the release nor the base system's recipe and units have changed.
#
#   tests/rig/image.sh [ROOT]      as root, after root.sh; ROOT by default /var/tmp/menshen-rig
set -eu
here=$(cd "$(dirname "$0")/../.." && pwd)
root=${1:-/var/tmp/menshen-rig}
out=$root.image
bundle=$("$here/tests/rig/release.sh" "$root")
cd "$here"
want=$({ cat "$bundle"; find firmware_tools/image systemd firmware_tools/device/guard.py -type f -not -path '*__pycache__*' | LC_ALL=C sort | xargs cat; } | sha256sum)
exec 9>"$root.image.lock"
flock 9
if [ "$(cat "$out/of" 2>/dev/null)" != "$want" ]; then
    rm -rf "$out"
    PYTHONSAFEPATH=1 PYTHONPATH=$here .venv/bin/python -m firmware_tools.cli image build "$bundle" --out "$out" >&2
    echo "$want" >"$out/of"
fi
ls "$out"/menshen-*.img
