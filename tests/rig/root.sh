#!/bin/sh
# Make the Debian 13 root that the rig runs in: a chroot for the camera, and what the
# machine's disk is made of.
#
#   tests/rig/root.sh [ROOT]      as root; ROOT is kept (4 GB), default /var/tmp/menshen-rig
#
# Some minutes the first time, nothing afterwards; new requirements are added to what stands.
set -eu
here=$(cd "$(dirname "$0")/../.." && pwd)
root=${1:-/var/tmp/menshen-rig}
mirror=${MIRROR:-}
say() { printf 'rig: %s\n' "$*" >&2; }

[ "$(id -u)" -eq 0 ] || { say "wanted: root, for chroot"; exit 3; }
command -v debootstrap >/dev/null || { say "debootstrap is missing: apt install debootstrap"; exit 3; }

system="systemd-sysv udev dbus kmod iproute2 procps e2fsprogs v4l-utils"
product="python3-venv libzbar0t64 libgl1 libglib2.0-0t64"
camera="python3-numpy python3-pydantic python3-pil"
build="python3-pip python3-dev gcc libcap-dev swig"
want=$(cat "$0" "$here/requirements/dev.txt" "$here/requirements/build.txt" | sha256sum)
[ "$(cat "$root/ready" 2>/dev/null)" != "$want" ] || exit 0

exec 9>"$root.lock"
flock 9
if [ ! -e "$root/bootstrapped" ]; then
    say "making a Debian 13 root in $root; some minutes, once"
    rm -rf "$root"
    debootstrap --variant=minbase --include=ca-certificates trixie "$root" ${mirror:+"$mirror"} >"$root.log" 2>&1 ||
        { say "debootstrap failed; see $root.log"; exit 1; }
    sed 's/ trixie / trixie-backports /' "$root/etc/apt/sources.list" >"$root/etc/apt/sources.list.d/backports.list"
    touch "$root/bootstrapped"
fi
for file in /etc/resolv.conf /etc/pip.conf /etc/ssl/certs/ca-certificates.crt; do
    [ ! -e "$file" ] || cp "$file" "$root$file"
done
say "installing what a gate and its tests want; some minutes, once (see $root.log)"
mkdir -p "$root/opt/menshen"
cp "$here/requirements/dev.txt" "$here/requirements/build.txt" "$root/opt/menshen/"
inside() {
    chroot "$root" env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 LANG=C.UTF-8 "$@" >>"$root.log" 2>&1 ||
        { say "$1 failed; the end of $root.log says why:"; tail -n 5 "$root.log" >&2; exit 1; }
}
inside apt-get update -q
# shellcheck disable=SC2086  lists of packages
inside apt-get install -q -y --no-install-recommends $system $product $camera $build
inside apt-get install -q -y --no-install-recommends -t trixie-backports python3-libcamera libcamera-ipa
inside apt-get clean
# On a Pi both come from apt; Debian has neither. PYPI=1 makes lgpio bring its own C library.
inside env PYPI=1 python3 -m pip install -q --break-system-packages --no-cache-dir picamera2==0.3.38 lgpio==0.2.2.0
inside python3 -m venv --system-site-packages /opt/menshen/venv
for file in build dev; do
    inside /opt/menshen/venv/bin/python -m pip install -q --no-cache-dir --require-hashes -r "/opt/menshen/$file.txt"
done
echo "$want" >"$root/ready"
