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

place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
# verify wants to see the programs; /opt/menshen exists on a device only.
for program in menshen-agent menshen-provision; do
    printf '#!/bin/sh\n' >"$place/$program"
    chmod +x "$place/$program"
done
for unit in "$units"/*.service; do
    sed "s#/opt/menshen/venv/bin/\(menshen-agent\|menshen-provision\)#$place/\1#" "$unit" >"$place/${unit##*/}"
done

fault=0
said=$(systemd-analyze verify --man=no --recursive-errors=no "$place"/*.service 2>&1) || fault=1
# What it has to say about other people's units on this machine is not ours to mend.
ours=$(printf '%s\n' "$said" | grep -e menshen -e "$place" || true)
if [ -n "$ours" ] || [ "$fault" = 1 ]; then
    echo "units: systemd-analyze verify found faults; correct the lines it names" >&2
    printf '%s\n' "${ours:-$said}" >&2
    exit 1
fi

# Exposure, 0 (none) to 10, in tenths: the gate needs devices, sync needs the network.
score() {
    if ! said=$(systemd-analyze security --offline=true --no-pager --threshold="$2" "$place/$1" 2>&1); then
        echo "units: $1 is more exposed than $2 tenths; a line that confines it went missing" >&2
        printf '%s\n' "$said" | grep -v '✓' >&2
        exit 1
    fi
    printf '%s\n' "$said" | sed -n 's/.*Overall exposure level for /units: /p'
}
score menshen-gate.service 20
score menshen-sync.service 15
score menshen-provision.service 30
score menshen-provision-gadget.service 30
score menshen-provision-apply.service 20
