#!/bin/sh
# Check the units without systemd running: do they parse, is every key known, and is
# each process as confined as it was? With an argument, check the units in that folder.
#
# systemd-analyze tells of a misspelt key on standard error and still returns 0, so
# anything that it says counts as a fault.
set -eu
units=${1:-$(dirname "$0")}

if ! command -v systemd-analyze >/dev/null; then
    echo "units: systemd-analyze is not installed here, so the units were not checked (Debian: apt install systemd)"
    exit 0
fi

# Exposure, 0 (none) to 10, in tenths, that each may have at most, and what it has it for.
ceilings() {
    cat <<'TABLE'
menshen-gate.service               20  cameras, pins and a loudspeaker
menshen-safe.service               15  pins
menshen-sync.service               15  the network
menshen-console.service            15  the kernel's word on addresses
menshen-guard-adopt.service        13  root: the link, and units of a slot
menshen-guard-begin.service        13  the same
menshen-guard-stick.service        13  root: is heard by RAUC and systemd
menshen-guard-watch.service        13  the same
menshen-guard-base.service         13  root: entries on the boot partition, a restart
menshen-guard-retry.service        13  root: to be heard by systemd
menshen-update-fetch.service       15  the network
menshen-update-install.service     15  root: builds slots, reads what the gate's users read
menshen-first-boot.service         18  root: gives keys to their users, locks passwords
menshen-provision.service          30  root: gives keys to their users, sets the clock
menshen-provision-gadget.service   20  root: writes to the kernel's configfs
menshen-provision-apply.service    20  root: to be heard by systemd
menshen-office.service             18  the network, and ports below 1024
menshen-office-ingest.service      15  the network
menshen-office-mirror.service      15  the network
menshen-office-renew.service       15  the network: a database, a broker
menshen-office-backup.service      15  the network: a database
TABLE
}

place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
# verify wants to see the programs, and a gate's slots and an office's environment are not on this machine.
for program in menshen-agent menshen-firmware menshen-office menshen-provision guard.py bases.py; do
    printf '#!/bin/sh\n' >"$place/$program"
    chmod +x "$place/$program"
done
find "$units" -maxdepth 2 \( -name '*.service' -o -name '*.timer' -o -name '*.path' -o -name '*.target' \) | while read -r unit; do
    sed -e "s#/var/lib/menshen/slots/current/venv/bin/\(menshen-[a-z]*\)#$place/\1#" \
        -e "s#/opt/menshen/venv/bin/\(menshen-office\)#$place/\1#" \
        -e "s#/usr/lib/menshen/\([a-z]*\.py\)#$place/\1#" "$unit" >"$place/${unit##*/}"
done

fault=0
said=$(cd "$place" && SYSTEMD_UNIT_PATH="$place:" systemd-analyze verify --man=no --recursive-errors=no \
    "$place"/menshen-*.* 2>&1) || fault=1
# What it has to say about other people's units on this machine is not ours to mend.
ours=$(printf '%s\n' "$said" | grep -e menshen -e "$place" || true)
if [ -n "$ours" ] || [ "$fault" = 1 ]; then
    echo "units: systemd-analyze verify found faults; correct the lines it names" >&2
    printf '%s\n' "${ours:-$said}" >&2
    exit 1
fi

for unit in "$place"/*.service; do
    name=${unit##*/}
    most=$(ceilings | while read -r one tenths _; do [ "$one" != "$name" ] || echo "$tenths"; done)
    if [ -z "$most" ]; then
        echo "units: $name has no ceiling; say in the table of $0 how exposed it may be, and what for" >&2
        exit 1
    fi
    if ! said=$(systemd-analyze security --offline=true --no-pager --threshold="$most" "$unit" 2>&1); then
        echo "units: $name is more exposed than $most tenths; a line that confines it went missing" >&2
        printf '%s\n' "$said" | grep -v '✓' >&2
        exit 1
    fi
    printf '%s\n' "$said" | sed -n 's/.*Overall exposure level for /units: /p'
done
