#!/bin/sh
# Boot this machine's own systemd as the first process of a container that shows the
# machine's own files with a throw-away layer on top, as a kiosk or an office: what
# systemd/install.sh installs, filled by STAGED. All mounts live in a mount namespace and end with it.
#
#   boot.sh STAGE REPORT REPO SITE_PACKAGES PYTHON_PREFIX PYTHON STAGED
# to be run under: unshare -m -p -u -i -n -C --fork --kill-child
# Exit 77: this machine does not allow it.
set -eu
stage=$1 report=$2 repo=$3 site=$4 prefix=$5 python=$6 staged=$7

can_not() { echo "rig: this machine can't do it: $1"; exit 77; }

mount --make-rprivate / || can_not "no private mounts"
mount -t tmpfs stage "$stage"
mkdir "$stage/upper" "$stage/work" "$stage/root"
root=$stage/root
mount -t overlay overlay -o "lowerdir=/,upperdir=$stage/upper,workdir=$stage/work" "$root" || can_not "no overlay"
mount -t proc proc "$root/proc" || can_not "no proc"
mount -t sysfs sysfs "$root/sys"
mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup" || can_not "no cgroup2"
mount -t tmpfs run "$root/run"
mount -t tmpfs tmp "$root/tmp"
mount -t tmpfs dev "$root/dev"
for node in null zero full random urandom tty; do
    touch "$root/dev/$node"
    mount --bind "/dev/$node" "$root/dev/$node"
done
mkdir "$root/dev/pts" "$root/dev/shm"
mount -t devpts -o ptmxmode=666 devpts "$root/dev/pts"
ln -s pts/ptmx "$root/dev/ptmx"
# A device that works and that anybody might open, were it not for the unit.
for node in fuse loop-control hwrng kmsg; do
    if [ -c "/dev/$node" ]; then
        mknod -m 666 "$root/dev/foreign" c "0x$(stat -c %t "/dev/$node")" "0x$(stat -c %T "/dev/$node")"
        break
    fi
done

# What the units will run, out of /home and /root, which they can't see.
for pair in "$repo:src" "$site:site" "$prefix:python"; do
    mkdir -p "$root/opt/rig/${pair#*:}"
    mount --bind "${pair%:*}" "$root/opt/rig/${pair#*:}"
done
mkdir -p "$root/etc/menshen" "$root/report"
mount --bind "$report" "$root/report"

rm -rf "$root/etc/systemd/system" "$root/var/lib/menshen" "$root/var/lib/menshen-office" "$root/var/log/journal"

# installed KIND: what systemd/install.sh installs, with its users and directories.
installed() {
    "$repo/systemd/install.sh" "$1" "$root"
    chroot "$root" systemd-sysusers
    chroot "$root" systemd-tmpfiles --create --prefix=/etc/menshen --prefix=/etc/menshen-office --prefix=/var
}
# slot NAME VERSION: a slot that says it is whole, with this tree's units and no program yet.
slot() {
    slot=$root/var/lib/menshen/slots/$1
    mkdir -p "$slot/venv/bin" "$slot/units"
    ln -s "$python" "$slot/venv/bin/python"
    cp "$repo"/systemd/*.service "$repo"/systemd/*.timer "$repo"/systemd/*.path "$repo"/systemd/*.target "$slot/units/"
    printf '{"version": "%s", "floor": "0.0.0", "stores": {}}' "$2" >"$slot/slot.json"
}
# program FILE SHELL: a program that runs a line of shell with this tree's code to be found.
program() {
    printf '#!/bin/sh\nexport PYTHONPATH=/opt/rig/src:/opt/rig/site LD_LIBRARY_PATH=/opt/rig/python/lib\n%s\n' "$2" >"$1"
    chmod 755 "$1"
}
# environment FOLDER: the system's Python, and this tree to be found by it.
environment() {
    /usr/bin/python3 -m venv --without-pip --symlinks "$1"
    printf '/opt/rig/src\n/opt/rig/site\n' >"$(echo "$1"/lib/python3*/site-packages)/rig.pth"
}
. "$staged"

# pivot, not chroot: a process in a chroot may not make the user namespace that PrivateUsers= asks for.
mkdir -p "$root/machine"
cd "$root"
pivot_root . machine
umount -l /machine
exec env -i container=rig PATH=/usr/sbin:/usr/bin:/sbin:/bin \
    /lib/systemd/systemd --system --unit=rig.target --log-target=console --log-level=info
