# For tests/rig/test_office_units.py: a machine on which an office is installed and no site made yet. Read by boot.sh.
installed office
environment "$root/opt/menshen/venv"
for pair in menshen-office:office.cli menshen-firmware:firmware_tools.cli; do
    program "$root/opt/menshen/venv/bin/${pair%:*}" "unset PYTHONPATH LD_LIBRARY_PATH
exec /opt/menshen/venv/bin/python -c 'from ${pair#*:} import main; main()' \"\$@\""
done
printf '[Unit]\nWants=menshen-office.target\n' >"$root/etc/systemd/system/rig.target"
