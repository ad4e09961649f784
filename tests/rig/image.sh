#!/bin/bash
# Build the image that the rig boots, of this tree, as `menshen-firmware image build` does for anybody. Prints its path.
# Some minutes; nothing while neither the release nor the base system's recipe and units have changed.
# It takes later base systems that the key in ROOT.signer has signed, which is made here, once.
#
#   tests/rig/image.sh [ROOT]      as root, after root.sh; ROOT by default /var/tmp/menshen-rig
set -eu
here=$(cd "$(dirname "$0")/../.." && pwd)
root=${1:-/var/tmp/menshen-rig}
out=$root.image
bundle=$("$here/tests/rig/release.sh" "$root")
cd "$here"
signer=$root.signer
if [ ! -e "$signer/certificate.pem" ]; then
    mkdir -p "$signer"
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 36500 -subj "/O=menshen rig/CN=base systems" \
        -keyout "$signer/key.pem" -out "$signer/certificate.pem" 2>/dev/null
fi
want=$({ cat "$bundle" "$signer/certificate.pem"; find firmware_tools/image systemd firmware_tools/device/guard.py firmware_tools/device/bases.py -type f -not -path '*__pycache__*' | LC_ALL=C sort | xargs cat; } | sha256sum)
exec 9>"$root.image.lock"
flock 9
if [ "$(cat "$out/of" 2>/dev/null)" != "$want" ]; then
    rm -rf "$out"
    PYTHONSAFEPATH=1 PYTHONPATH=$here .venv/bin/python -m firmware_tools.cli image build "$bundle" --out "$out" --base-certificate "$signer/certificate.pem" >&2
    echo "$want" >"$out/of"
fi
ls "$out"/menshen-*.img
