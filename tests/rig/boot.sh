#!/bin/sh
# Boot this machine's own systemd as the first process of a container that shows the
# machine's own files with a throw-away layer on top, with menshen's units in it.
# All mounts live in a mount namespace and end with it.
#
#   boot.sh STAGE REPORT REPO SITE_PACKAGES PYTHON_PREFIX PYTHON
# to be run under: unshare -m -p -u -i -n -C --fork --kill-child
# Exit 77: this machine does not allow it.
set -eu
stage=$1 report=$2 repo=$3 site=$4 prefix=$5 python=$6

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
    mkdir -p "$root/opt/menshen/${pair#*:}"
    mount --bind "${pair%:*}" "$root/opt/menshen/${pair#*:}"
done
mkdir -p "$root/opt/menshen/venv/bin" "$root/etc/menshen" "$root/report"
mount --bind "$report" "$root/report"
printf '#!/bin/sh\nPYTHONPATH=/opt/menshen/src:/opt/menshen/site exec %s /opt/menshen/src/tests/rig/prisoner.py "$1"\n' "$python" \
    >"$root/opt/menshen/venv/bin/menshen-agent"
chmod 755 "$root/opt/menshen/venv/bin/menshen-agent"

rm -rf "$root/etc/systemd/system"
mkdir -p "$root/etc/systemd/system"
cp "$repo"/systemd/*.service "$root/etc/systemd/system/"
touch "$root/etc/menshen/gate.toml"
chroot "$root" systemd-sysusers - <"$repo/systemd/sysusers.d/menshen.conf"
chroot "$root" systemd-tmpfiles --create - <"$repo/systemd/tmpfiles.d/menshen.conf"
for side in gate sync; do
    echo secret >"$root/var/lib/menshen/keys/$side/key"
    echo public >"$root/var/lib/menshen/$side/theirs"
    chmod 640 "$root/var/lib/menshen/$side/theirs"
    chroot "$root" chown "menshen-$side" "/var/lib/menshen/keys/$side/key"
    chroot "$root" chown "menshen-$side:menshen" "/var/lib/menshen/$side/theirs"
    mkdir "$root/etc/systemd/system/menshen-$side.service.d"
    printf '[Service]\nStandardOutput=append:/report/%s.jsonl\nStandardError=append:/report/%s.err\n' "$side" "$side" \
        >"$root/etc/systemd/system/menshen-$side.service.d/report.conf"
done
printf '[Unit]\nWants=menshen-gate.service menshen-sync.service\n' >"$root/etc/systemd/system/rig.target"

# pivot, not chroot: a process in a chroot may not make the user namespace that PrivateUsers= asks for.
mkdir -p "$root/machine"
cd "$root"
pivot_root . machine
umount -l /machine
exec env -i container=rig PATH=/usr/sbin:/usr/bin:/sbin:/bin \
    /lib/systemd/systemd --system --unit=rig.target --log-target=console --log-level=info
