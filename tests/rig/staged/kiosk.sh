# For tests/rig/test_kiosk.py: this tree as a kiosk that nobody has started yet. Slot a holds it, and nothing is on
# trial; slot b holds it as well. A file `broken-SLOT` in the gate's folder makes that slot's gate end at once, as one
# does that can't find its camera's library; `deaf-SLOT` does that to the technician's link. Read by boot.sh.
installed kiosk
for name in a b; do
    slot $name 0.1.0
    rm -r "$slot/venv"
    environment "$slot/venv"
    for pair in menshen-agent:agent.cli menshen-firmware:firmware_tools.cli menshen-provision:provisioning.cli; do
        program "$slot/venv/bin/${pair%:*}" \
            "[ \"\$1\" != gate ] || [ ! -e /var/lib/menshen/gate/broken-$name ] || exit 1
[ \"\$1\" != device ] || [ ! -e /var/lib/menshen/gate/deaf-$name ] || exit 1
unset PYTHONPATH LD_LIBRARY_PATH
exec /var/lib/menshen/slots/$name/venv/bin/python -c 'from ${pair#*:} import main; main()' \"\$@\""
    done
done
# Slot a brings a unit that the base system does not have, and another that differs.
units=$root/var/lib/menshen/slots/a/units
printf '[Service]\nExecStart=/usr/bin/sleep infinity\n' >"$units/menshen-more.service"
echo 'Wants=menshen-more.service' >"$units/more"
sed -i '/^Wants=menshen-gate/r '"$units/more" "$units/menshen-kiosk.target"
sed -i 's/^Description=menshen console.*/Description=menshen console of slot a/' "$units/menshen-console.service"
# A kernel's serial port and screen, as pseudo terminals of the test's.
for pair in ttyGS0 tty1; do
    [ ! -e "$report/../$pair" ] || { touch "$root/dev/$pair" && mount --bind "$(readlink -f "$report/../$pair")" "$root/dev/$pair"; }
done
cp -r "$report/../etc/." "$root/etc/menshen/"
mkdir "$root/srv/published"
mount --bind "$(readlink -f "$report/../published")" "$root/srv/published"
chroot "$root" chown -R root:menshen /etc/menshen
chmod 640 "$root/etc/menshen/broker.password"
# What an image never has, to be locked at the first start.
echo 'pi::20000:0:99999:7:::' >>"$root/etc/shadow"
echo 'pi:x:4242:4242::/:/bin/sh' >>"$root/etc/passwd"
echo 0123456789abcdef0123456789abcdef >"$root/etc/machine-id"
# Minutes are seconds here.
mkdir -p "$root/etc/systemd/system/menshen-guard-retry.timer.d"
printf '[Timer]\nOnActiveSec=\nOnActiveSec=10s\nAccuracySec=100ms\n' >"$root/etc/systemd/system/menshen-guard-retry.timer.d/soon.conf"
printf '[Unit]\nWants=menshen-kiosk.target\n' >"$root/etc/systemd/system/rig.target"
