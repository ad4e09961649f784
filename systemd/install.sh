#!/bin/sh
# Put menshen's units, and what they want beside them, where systemd looks for a base system's.
#
#   systemd/install.sh kiosk [ROOT] [GUARD]    a gate; ROOT is / or the root of an image
#   systemd/install.sh office [ROOT]           a site office
#
# Nothing is started. Users and directories are made by systemd at the next start, or now by
# `systemd-sysusers && systemd-tmpfiles --create`. docs/device.md says what stands where.
set -eu
kind=${1:-} root=${2:-/}
here=$(cd "$(dirname "$0")" && pwd)
guard=${3:-$here/../firmware_tools/device/guard.py}
root=${root%/}

into() { # MODE FOLDER FILE...
    mode=$1 folder=$root$2
    shift 2
    mkdir -p "$folder"
    for file; do
        install -m "$mode" "$file" "$folder/"
    done
}
on_at_boot() {
    mkdir -p "$root/etc/systemd/system/multi-user.target.wants"
    ln -sf "/usr/lib/systemd/system/$1" "$root/etc/systemd/system/multi-user.target.wants/$1"
}

case $kind in
    kiosk)
        [ -f "$guard" ] || { echo "install: found no guard at $guard; give its path as the third word" >&2; exit 1; }
        into 644 /usr/lib/systemd/system "$here"/*.service "$here"/*.timer "$here"/*.path "$here"/*.target
        into 755 /usr/lib/menshen "$guard" "$(dirname "$guard")/bases.py"
        mkdir -p "$root/usr/sbin"
        ln -sf ../lib/menshen/bases.py "$root/usr/sbin/menshen-base"
        into 644 /usr/lib/sysusers.d "$here/sysusers.d/menshen.conf"
        into 644 /usr/lib/tmpfiles.d "$here/tmpfiles.d/menshen.conf"
        into 644 /usr/lib/udev/rules.d "$here/udev/60-menshen.rules" "$here/udev/70-menshen-stick.rules"
        into 644 /usr/lib/sysctl.d "$here/sysctl.d/60-menshen.conf"
        for part in system journald logind zram-generator; do
            into 644 "/usr/lib/systemd/$part.conf.d" "$here/$part.conf.d/menshen.conf"
        done
        on_at_boot menshen-kiosk.target
        on_at_boot menshen-guard-base.service
        # The first screen is menshen-console's, and nobody logs in at any other.
        for unit in getty@tty1.service autovt@.service; do
            ln -sf /dev/null "$root/etc/systemd/system/$unit"
        done
        ;;
    office)
        into 644 /usr/lib/systemd/system "$here"/office/*.service "$here"/office/*.timer "$here"/office/*.target
        into 644 /usr/lib/sysusers.d "$here/office/sysusers.d/menshen-office.conf"
        into 644 /usr/lib/tmpfiles.d "$here/office/tmpfiles.d/menshen-office.conf"
        on_at_boot menshen-office.target
        ;;
    *)
        echo "install: found '$kind', wanted kiosk or office; see the head of $0" >&2
        exit 2
        ;;
esac
