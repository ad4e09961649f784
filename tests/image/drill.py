"""Build an image twice, at different times and places, and compare every file.

python -m tests.image.drill [BUNDLE]     as root, on Debian; without a bundle the rig makes one of this tree

Exit code 0: both are the same; 1: not so, and the first differences are printed; 3: it can't be done here.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

from firmware_tools.image import account, build, contents
from firmware_tools.image.recipe import ImageFault, Recipe
from tests.rig.machine import ROOT

HERE = Path(__file__).parents[2]


def main(arguments: list[str]) -> int:
    try:
        bundle = Path(arguments[0]) if arguments else rig_bundle()
        with tempfile.TemporaryDirectory(prefix="menshen-drill-image-", dir="/var/tmp") as folder:
            once, again = (built(bundle, Path(folder) / name) for name in ("once", "and-again"))
            return compared(once, again)
    except (ImageFault, subprocess.CalledProcessError) as fault:
        print(f"drill: {fault}", file=sys.stderr)
        return 3


def rig_bundle() -> Path:
    """Of this tree, made in the rig's Debian root."""
    subprocess.run([HERE / "tests/rig/root.sh", ROOT], check=True)
    made = subprocess.run(
        [HERE / "tests/rig/release.sh", ROOT], check=True, stdout=subprocess.PIPE, text=True
    )
    return Path(made.stdout.strip())


def built(bundle: Path, out: Path) -> Path:
    order = build.Order(
        bundle,
        HERE / "systemd",
        HERE / "firmware_tools/device/guard.py",
        out,
        work=out.with_name(f"{out.name}-work"),
    )
    path, _ = build.build(
        Recipe.read("amd64"), order, lambda step: print(f"drill: {out.name}: {step}", flush=True)
    )
    return path


def compared(once: Path, again: Path) -> int:
    lists = [path.with_suffix(".contents").read_text().splitlines() for path in (once, again)]
    accounts = [account.read(path.with_suffix(".json")) for path in (once, again)]
    for line in contents.differences(*lists):
        print(f"drill: {line}")
    for one, other in zip(*(said.partitions for said in accounts), strict=True):
        same = "the same, byte for byte" if one.sha256 == other.sha256 else "other bytes, the same files"
        print(f"drill: {one.name:<15} {same if one.sha256 else 'empty'}")
    same = accounts[0].contents == accounts[1].contents == contents.digest(lists[0])
    print(
        f"drill: {len(lists[0])} files; "
        + (f"both images have contents {accounts[0].contents}" if same else "they differ")
    )
    return not same


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
