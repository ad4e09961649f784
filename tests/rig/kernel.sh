#!/bin/sh
# Build the kernel that the rig boots, as a program of this machine (User Mode Linux), from Debian's own
# source with tests/rig/kernel/config. Prints the folder with `linux` and `board.dtb` in it.
#
#   tests/rig/kernel.sh      any user; some 12 CPU minutes and 2 GB once, then a file of 10 MB that is kept
set -eu
here=$(cd "$(dirname "$0")" && pwd)
cache=${MENSHEN_RIG_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/menshen-rig}
source=linux-source-6.12
say() { printf 'rig: %s\n' "$*" >&2; }

want=$(cat "$here/kernel.sh" "$here"/kernel/* | sha256sum | cut -c1-16)
out=$cache/kernel-$want
[ ! -e "$out/linux" ] || { echo "$out"; exit 0; }

missing=
for tool in apt-get:apt dpkg-deb:dpkg gcc:gcc make:make flex:flex bison:bison bc:bc patch:patch xz:xz-utils; do
    command -v "${tool%%:*}" >/dev/null || missing="$missing ${tool#*:}"
done
[ -z "$missing" ] || { say "to build a kernel these are missing: apt install$missing"; exit 3; }

mkdir -p "$cache"
exec 9>"$cache/lock"
flock 9
[ ! -e "$out/linux" ] || { echo "$out"; exit 0; }
work=$cache/build-$want
log=$out.log
rm -rf "$work"
mkdir -p "$work"
trap 'rm -rf "$work"' EXIT
say "building a kernel from Debian's $source in $work; some 12 CPU minutes, once (see $log)"
{
    (cd "$work" && apt-get download -q "$source" && dpkg-deb -x "$source"_*.deb . && tar xf "usr/src/$source.tar.xz") &&
    cd "$work/$source" &&
    cat "$here"/kernel/*.patch | patch -p1 &&
    make ARCH=um defconfig &&
    ARCH=um scripts/kconfig/merge_config.sh -m .config "$here/kernel/config" &&
    make ARCH=um olddefconfig
} >"$log" 2>&1 9>&- || { say "preparing the kernel's source failed; the end of $log says why:"; tail -n 5 "$log" >&2; exit 1; }
while read -r line; do
    case $line in
        CONFIG_*=n) ;;
        CONFIG_*) grep -qxF "$line" .config || { say "this source can't give $line; see $here/kernel/config"; exit 1; } ;;
    esac
done <"$here/kernel/config"
{
    nice -n 10 make -j"$(nproc)" ARCH=um linux &&
    scripts/dtc/dtc -q -I dts -O dtb -o "$work/board.dtb" "$here/kernel/board.dts" &&
    strip -o "$work/linux" linux
} >>"$log" 2>&1 9>&- || { say "building failed; the end of $log says why:"; tail -n 20 "$log" >&2; exit 1; }
mkdir -p "$out"
cp "$work/board.dtb" "$out/"
mv "$work/linux" "$out/linux"
echo "$out"
