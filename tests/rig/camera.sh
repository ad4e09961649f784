#!/bin/sh
# Run the camera driver against the real picamera2 and libcamera, without a Raspberry Pi.
#
#   tests/rig/camera.sh [ROOT]      as root; ROOT is kept (4 GB), default /var/tmp/menshen-rig
#
# In a Debian 13 root of its own, libcamera's virtual camera plays JPEG files. What it cannot
# show (exposure, focus, the scaler) is in docs/on-a-real-pi.md.
set -eu
here=$(cd "$(dirname "$0")/../.." && pwd)
root=${1:-/var/tmp/menshen-rig}
say() { printf 'rig: %s\n' "$*" >&2; }

"$here/tests/rig/root.sh" "$root"

rm -rf "$root/opt/camera" "$root/opt/frames" "$root/opt/seen"
mkdir -p "$root/opt/camera/tests" "$root/opt/frames" "$root/opt/seen"
cp -r "$here/agent" "$here/hw" "$root/opt/camera/"
cp -r "$here/tests/rig" "$root/opt/camera/tests/"
cp "$here/tests/rig/virtual.yaml" "$root/usr/share/libcamera/pipeline/virtual/virtual.yaml"
cd "$here"
PYTHONSAFEPATH=1 PYTHONPATH=$here .venv/bin/python -m tests.rig.show "$root/opt/frames"
chroot "$root" env PYTHONPATH=/opt/camera LIBCAMERA_LOG_LEVELS=*:FATAL timeout 90 \
    python3 /opt/camera/tests/rig/watch.py /opt/seen >"$root/opt/seen/said.json" 2>"$root/opt/seen/errors" ||
    { say "the camera driver failed:"; tail -20 "$root/opt/seen/errors" >&2; exit 1; }
PYTHONSAFEPATH=1 PYTHONPATH=$here .venv/bin/python -m tests.rig.show --check "$root/opt/seen"
