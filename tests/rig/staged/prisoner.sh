# For tests/test_confinement.py: in place of each program a prisoner that tries what its unit should forbid, and
# things of each party's for it to try. Read by boot.sh.
installed kiosk
installed office
slot a 0.1.0
ln -s a "$root/var/lib/menshen/slots/current"
for name in menshen-agent menshen-firmware menshen-provision; do
    program "$root/var/lib/menshen/slots/a/venv/bin/$name" \
        "exec $python /opt/rig/src/tests/rig/prisoner.py $name \"\$@\""
done
mkdir -p "$root/opt/menshen/venv/bin"
program "$root/opt/menshen/venv/bin/menshen-office" \
    "exec $python /opt/rig/src/tests/rig/prisoner.py office \"\$@\""
printf 'SERVE=--port 8080\nINGEST=--broker here\nMIRROR=--broker here\nBACKUP=/var/backups\n' >"$root/etc/menshen-office/office.env"
program "$root/usr/lib/menshen/guard.py" "exec $python /opt/rig/src/tests/rig/prisoner.py guard \"\$@\""
program "$root/usr/lib/menshen/bases.py" "exec $python /opt/rig/src/tests/rig/prisoner.py guard \"\$([ \"\$1\" = stick ] && echo stick || echo base)\""

touch "$root/etc/menshen/gate.toml"
echo secret >"$root/etc/menshen/broker.password"
chmod 640 "$root/etc/menshen/broker.password"
chroot "$root" chown root:menshen /etc/menshen/broker.password
for side in gate sync; do
    echo secret >"$root/var/lib/menshen/keys/$side/key"
    echo public >"$root/var/lib/menshen/$side/theirs"
    chmod 640 "$root/var/lib/menshen/$side/theirs"
    chroot "$root" chown "menshen-$side" "/var/lib/menshen/keys/$side/key"
    chroot "$root" chown "menshen-$side:menshen" "/var/lib/menshen/$side/theirs"
done
# What is said goes to files, and a prisoner is no daemon: those that a kiosk starts later are started one by one.
for unit in "$repo"/systemd/menshen-*.service "$repo"/systemd/office/menshen-*.service; do
    name=${unit##*/}
    mkdir -p "$root/etc/systemd/system/$name.d"
    role=${name#menshen-}
    printf '[Unit]\nConditionPathExists=\n[Service]\nStandardInput=null\nStandardOutput=append:/report/%s.jsonl\nStandardError=append:/report/%s.err\n' \
        "${role%.service}" "${role%.service}" >"$root/etc/systemd/system/$name.d/report.conf"
done
printf '[Unit]\nWants=menshen-gate.service menshen-sync.service\n' >"$root/etc/systemd/system/rig.target"
