#!/bin/bash
# Make the machine's disks out of the rig's root and this tree: root.img, made again when the root changes
# (a minute, 4 GB), and app.img, made again each time (seconds).
#
#   tests/rig/disk.sh [ROOT]      as root, after root.sh; ROOT by default /var/tmp/menshen-rig
set -eu
here=$(cd "$(dirname "$0")/../.." && pwd)
root=${1:-/var/tmp/menshen-rig}
say() { printf 'rig: %s\n' "$*" >&2; }
command -v mkfs.ext4 >/dev/null || { say "mkfs.ext4 is missing: apt install e2fsprogs"; exit 3; }

exec 9>"$root.lock"
flock 9
app=$root/opt/menshen/app
if [ "$(cat "$root.img.of" 2>/dev/null)" != "$(cat "$root/ready")" ]; then
    say "making the machine's disk, $root.img"
    rm -rf "$app" "$root.img.of"
    mkdir -p "$app"
    printf '#!/bin/sh\nset -e\nmount -t ext4 -o ro /dev/ubdb /opt/menshen/app\nexec /opt/menshen/app/tests/rig/inside/init "$@"\n' >"$root/opt/menshen/init"
    chmod 755 "$root/opt/menshen/init"
    rm -f "$root.img"
    mkfs.ext4 -q -E root_owner=0:0 -L menshen-rig -d "$root" "$root.img" 8G >/dev/null
    cp "$root/ready" "$root.img.of"
fi
rm -rf "$app"
mkdir -p "$app"
(cd "$here" && git ls-files -z -c -o --exclude-standard -- agent hw provisioning firmware_tools office systemd tests pyproject.toml docs benchmarks |
    while IFS= read -r -d '' name; do [ ! -e "$name" ] || printf '%s\0' "$name"; done |
    tar c --null -T -) | tar x -C "$app" --no-same-owner
chroot "$root" python3 -m compileall -q -j 2 /opt/menshen/app >/dev/null || true
rm -f "$root.app.img"
mkfs.ext4 -q -L menshen-app -d "$app" "$root.app.img" 256M >/dev/null
