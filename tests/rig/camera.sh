#!/bin/sh
# Run the camera driver against the real picamera2 and libcamera, without a Raspberry Pi.
#
#   tests/rig/camera.sh [ROOT]      as root; ROOT is kept (2 GB), default /var/tmp/menshen-rig
#
# In a Debian 13 root of its own, libcamera's virtual camera plays JPEG files. What it cannot
# show (exposure, focus, the scaler) is in docs/on-a-real-pi.md.
set -eu
here=$(cd "$(dirname "$0")/../.." && pwd)
root=${1:-/var/tmp/menshen-rig}
mirror=${MIRROR:-}
say() { printf 'rig: %s\n' "$*" >&2; }

[ "$(id -u)" -eq 0 ] || { say "wanted: root, for chroot"; exit 3; }
command -v debootstrap >/dev/null || { say "debootstrap is missing: apt install debootstrap"; exit 3; }

if [ ! -e "$root/ready" ]; then
    say "making a Debian 13 root in $root; some minutes, once"
    debootstrap --variant=minbase --include=ca-certificates,python3-pip,python3-dev,gcc,libcap-dev,python3-numpy,python3-pydantic,python3-pil \
        trixie "$root" ${mirror:+"$mirror"} >"$root.log" 2>&1 || { say "debootstrap failed; see $root.log"; exit 1; }
    sed 's/ trixie / trixie-backports /' "$root/etc/apt/sources.list" >"$root/etc/apt/sources.list.d/backports.list"
    for file in /etc/resolv.conf /etc/pip.conf /etc/ssl/certs/ca-certificates.crt; do
        [ ! -e "$file" ] || cp "$file" "$root$file"
    done
    {
        chroot "$root" apt-get update -q
        chroot "$root" apt-get install -q -y --no-install-recommends -t trixie-backports python3-libcamera libcamera-ipa
        chroot "$root" python3 -m pip install -q --break-system-packages --no-cache-dir picamera2==0.3.38
    } >>"$root.log" 2>&1 || { say "installing failed; see $root.log"; exit 1; }
    touch "$root/ready"
fi

rm -rf "$root/opt/menshen" "$root/opt/frames" "$root/opt/seen"
mkdir -p "$root/opt/menshen/tests" "$root/opt/frames" "$root/opt/seen"
cp -r "$here/agent" "$here/hw" "$root/opt/menshen/"
cp -r "$here/tests/rig" "$root/opt/menshen/tests/"
cp "$here/tests/rig/virtual.yaml" "$root/usr/share/libcamera/pipeline/virtual/virtual.yaml"
cd "$here"
PYTHONSAFEPATH=1 PYTHONPATH=$here .venv/bin/python -m tests.rig.show "$root/opt/frames"
chroot "$root" env PYTHONPATH=/opt/menshen LIBCAMERA_LOG_LEVELS=*:FATAL timeout 90 \
    python3 /opt/menshen/tests/rig/watch.py /opt/seen >"$root/opt/seen/said.json" 2>"$root/opt/seen/errors" ||
    { say "the camera driver failed:"; tail -20 "$root/opt/seen/errors" >&2; exit 1; }
PYTHONSAFEPATH=1 PYTHONPATH=$here .venv/bin/python -m tests.rig.show --check "$root/opt/seen"
