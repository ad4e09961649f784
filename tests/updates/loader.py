"""What systemd-boot does with the entries on a boot partition, as far as it chooses and counts.

Source: systemd 257, src/boot/boot.c: config_entry_compare and config_entry_bump_counters. That the real one does the
same is seen by tests/rig/test_base_updates.py.
"""

import re
from pathlib import Path

_ENTRY = re.compile(r"(.+?)(?:\+(\d+)(?:-(\d+))?)?\.conf")


def starts(boot: Path) -> str:
    """Choose an entry, count if it is on trial; the letter of the base system whose kernel is loaded."""
    entries = []
    for path in (boot / "loader/entries").glob("*.conf"):
        name, left, done = _ENTRY.fullmatch(path.name).groups()
        facts = dict(line.split(" ", 1) for line in path.read_text().splitlines())
        entries.append((left == "0", -int(facts["version"]), name, left, int(done or 0), path, facts))
    _, _, name, left, done, path, facts = min(entries, key=lambda entry: entry[:3])
    if left is not None and left != "0":
        path.rename(path.with_name(f"{name}+{int(left) - 1}-{done + 1}.conf"))
    for what in ("linux", "initrd"):
        assert (boot / facts[what].lstrip("/")).read_text()
    return name[-1]
