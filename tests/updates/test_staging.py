"""Building the other slot: verified once more, whole or not at all, with room or with a sentence."""

import contextlib
import json
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from firmware_tools import releases
from firmware_tools.device import staging
from firmware_tools.device.place import UpdateFault, free_bytes
from firmware_tools.manifest import Store, keeps_going
from firmware_tools.rollout import Rollout
from tests.updates.shop import FORMS, Shop
from tests.updates.test_slots import fill


@pytest.fixture(scope="module")
def opened(tmp_path_factory):
    shop = Shop(tmp_path_factory.mktemp("opened") / "shop")
    shop.release(shop.bundle("0.2.0", floor="0.1.0"))
    return shop.folder


@pytest.fixture
def shop(opened, tmp_path):
    """0.1.0 runs in a; 0.2.0 has been fetched."""
    shop = Shop.standing(Path(shutil.copytree(opened, tmp_path / "shop", symlinks=True)))
    shop.site.now += 300
    fill(shop.slots.root, "a", "0.1.0", stores={"journal": {"writes": 2, "reads": [2]}})
    shop.slots.begin()
    shop.fetch()
    return shop


def refused(shop, version=None) -> str:
    """And nothing is left of what was begun; what runs is untouched."""
    with pytest.raises(UpdateFault) as fault:
        shop.stage(version)
    assert shop.slots.about("b") is None
    assert shop.slots.about("a")["version"] == "0.1.0"
    assert shop.slots.current() == "a"
    return str(fault.value)


def test_a_slot_is_built_from_the_bundle_alone(shop):
    manifest = shop.stage()
    about = shop.slots.about("b")
    assert (manifest.version, about["version"], about["floor"]) == ("0.2.0", "0.2.0", "0.1.0")
    slot = shop.slots.root / "b"
    assert sorted(path.name for path in slot.iterdir()) == [
        "boards", "manifest.json", "migrations", "requirements.txt", "sbom.cdx.json", "slot.json", "units", "venv",
    ]  # fmt: skip
    done = subprocess.run(
        [slot / "venv/bin/menshen-agent", "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout == "menshen-agent, version 0.2.0\n"
    assert shop.slots.current() == "a", "staging switches nothing"
    shop.slots.switch(online=False)
    assert shop.runs() == "0.2.0"
    assert [entry["what"] for entry in shop.slots.state().history] == ["installed", "staged", "switched"]


def test_what_the_updater_stored_is_believed_only_after_it_is_verified_again(shop):
    stamp = shop.place.updates / "timestamp.json"
    good = stamp.read_bytes()
    stamp.write_bytes(good.replace(b'"version":', b'"version":1'))
    assert "what was fetched is not believed" in refused(shop)
    stamp.unlink()
    assert "what was fetched is not believed" in refused(shop)
    stamp.write_bytes(good)
    (bundle,) = (shop.place.updates / "fw").glob("*.tar")
    data = bytearray(bundle.read_bytes())
    data[data.index(b'"simulator"') + 1] ^= 0x12  # still a well-formed bundle, for the board `aimulator`
    bundle.write_bytes(data)
    assert "is not the bundle that was signed; fetch it again" in refused(shop)
    bundle.unlink()
    bundle.symlink_to("/dev/zero")
    assert refused(shop)


def test_what_expired_since_it_was_fetched_is_fetched_again_first(shop):
    shop.site.now += 8 * 86400
    assert "expired" in refused(shop)


def test_the_installer_remembers_versions_by_itself(shop):
    old = Path(shutil.copytree(shop.place.updates, shop.folder / "old"))
    shop.release(shop.bundle("0.3.0"))
    shop.fetch()
    staging._verified(shop.place, shop.site.moment(), None)
    shutil.rmtree(shop.place.updates)
    old.rename(shop.place.updates)
    assert "rolled back" in refused(shop)


def test_code_that_does_not_start_is_not_switched_to(shop):
    shop.release(shop.bundle("0.3.0", says="0.3.1"))
    shop.fetch()
    assert "the bundle calls itself 0.3.0, and its code says 'menshen-agent, version 0.3.1'" in refused(shop)
    shop.release(
        shop.bundle(
            "0.3.2", health="well", more={"sitecustomize.py": "raise SystemExit('libcamera: no such file')"}
        )
    )
    shop.fetch()
    assert "0.3.2 does not start: SystemExit: libcamera: no such file" in refused(shop)


def test_code_that_refuses_the_configuration_is_not_switched_to(shop):
    agent = shop.slots.root / "a" / "venv" / "bin" / "menshen-agent"
    agent.write_text(f"#!{sys.executable}\n")
    agent.chmod(0o755)
    shop.release(shop.bundle("0.3.0", refuses=True))
    shop.fetch()
    assert (
        "0.3.0 refuses this gate's configuration: door.open_s: found a key that this code does not know"
        in refused(shop)
    )
    agent.write_text(f"#!{sys.executable}\nraise SystemExit(1)\n")
    assert shop.stage().version == "0.3.0", "what is spoilt for both must not keep a mending release out"


def test_a_wheel_that_is_not_locked_is_not_installed(shop):
    bundle = shop.bundle("0.3.0")
    assert bundle.exists()
    slot = shop.slots.root / "b"
    digest = staging.hashlib.sha256(bundle.read_bytes()).hexdigest()
    slot.mkdir()
    staging.bundle.unpack(bundle, slot / "bundle", digest)
    lock = slot / "bundle" / "requirements.txt"
    lock.write_text(lock.read_text().replace("sha256:", "sha256:0000")[:-5] + "\n")
    with pytest.raises(UpdateFault, match="the wheels can't be installed"):
        staging._install(slot, sys.executable, lambda _name: None)


# --- older ones, asked for by a person ------------------------------------------------


def test_an_older_release_is_installed_only_when_asked_for_and_not_below_the_floor(shop):
    shop.release(shop.bundle("0.0.9"))
    fill(shop.slots.root, "a", "0.3.0")
    shop.site.now += 60
    assert shop.fetch().bundle is None
    with pytest.raises(
        UpdateFault, match=r"found no release 0\.7\.0 for this gate, wanted one of 0\.0\.9, 0\.2\.0"
    ):
        shop.fetch(version="0.7.0")
    assert "menshen-0.0.9" in shop.fetch(version="0.0.9").bundle.name
    with pytest.raises(
        UpdateFault, match=r"found no release 0\.7\.0 for this gate, wanted one of 0\.0\.9, 0\.2\.0"
    ):
        shop.stage("0.7.0")
    state = shop.slots.state()
    with shop.slots.alone():
        shop.slots._keep(replace(state, floor="0.1.0"))
    with pytest.raises(UpdateFault, match=r"0\.0\.9 is not installed: it is older than 0\.1\.0"):
        shop.stage("0.0.9")
    with pytest.raises(UpdateFault, match=r"0\.0\.9 is not fetched: it is older than 0\.1\.0"):
        shop.fetch(version="0.0.9")
    shop.fetch(version="0.2.0")
    assert shop.stage("0.2.0").version == "0.2.0"


# --- data outlives a rollback ------------------------------------------------------------


@pytest.mark.parametrize(
    ("theirs", "ours", "why"),
    [
        ((2, (2,)), (2, (2,)), None),
        ((2, (1, 2)), (1, (1, 2)), None),
        ((3, (2, 3)), (2, (2, 3)), None),
        (
            (3, (2, 3)),
            (2, (2,)),
            "it writes form 3 of the journal, which the running release could not read after",
        ),
        (
            (3, (3,)),
            (2, (2, 3)),
            "it can't read form 2 of the journal, which this gate has; take a release between",
        ),
    ],
)
def test_a_release_from_which_there_is_no_way_back_is_not_taken(theirs, ours, why):
    found = keeps_going(
        {"journal": Store(writes=theirs[0], reads=theirs[1]), "new": Store(writes=1, reads=(1,))},
        {"journal": Store(writes=ours[0], reads=ours[1]), "gone": Store(writes=1, reads=(1,))},
    )
    assert (found is None) if why is None else found.startswith(why)


def test_staging_asks_that_question_before_it_touches_the_other_slot(shop):
    fill(shop.slots.root, "b", "0.0.5")
    shop.release(
        shop.bundle("0.3.0", forms=FORMS.replace("writes = 2\nreads = [2]", "writes = 3\nreads = [2, 3]"))
    )
    shop.fetch()
    with pytest.raises(UpdateFault, match=r"0\.3\.0 is not installed: it writes form 3 of the journal"):
        shop.stage()
    assert shop.slots.about("b")["version"] == "0.0.5"


# --- room -----------------------------------------------------------------------------------


def test_without_room_it_says_so_and_touches_nothing(shop):
    """A data partition of its own, filled to the last byte."""
    var = shop.folder / "var"
    kept = shop.folder / "kept"
    var.rename(kept)
    var.mkdir()
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=24m", "small", var], capture_output=True, check=False
    ).returncode:
        pytest.skip("this user may not mount a small file system to fill")
    try:
        shutil.copytree(kept, var, symlinks=True, dirs_exist_ok=True)
        fill(shop.slots.root, "b", "0.0.5")
        filled_up(var / "ballast")
        with pytest.raises(
            UpdateFault, match="found 0 kB free on the data partition, wanted 1000 to begin with"
        ):
            shop.stage()
        (var / "ballast").write_bytes(bytes(free(var) - (2 << 20)))
        with pytest.raises(
            UpdateFault,
            match=r"found \d MB for the other slot, what it holds now included, wanted 16; make room",
        ):
            shop.stage()
        assert shop.slots.about("b")["version"] == "0.0.5"
        assert shop.slots.current() == "a"
        assert shop.slots.begin() == ""
        # What the question of room could not foresee ends in a sentence, too.
        (var / "ballast").write_bytes(bytes(free(var) - (18 << 20)))
        taken = var / "taken"

        def fills(step):
            if step == "environment made":
                filled_up(taken)

        with pytest.raises(UpdateFault, match="the data partition is full; what runs is untouched"):
            shop.stage(step=fills)
        assert shop.slots.about("b") is None
        assert shop.slots.current() == "a"
        taken.unlink()
        (var / "ballast").unlink()
        assert shop.stage().version == "0.2.0"
    finally:
        subprocess.run(["umount", "-l", var], check=True)


def filled_up(path: Path) -> None:
    with contextlib.suppress(OSError), path.open("wb", buffering=0) as file:
        while file.write(bytes(1 << 16)):
            pass


def free(folder) -> int:
    (folder / "ballast").unlink()
    return free_bytes(folder)


# --- the works ----------------------------------------------------------------------------


def test_the_first_slot_is_built_once(shop):
    with pytest.raises(UpdateFault, match="found slots in"):
        staging.first(shop.slots, shop.bundle("0.3.0"), sys.executable)


def test_all_that_a_slot_holds_is_flushed_before_it_says_that_it_is_whole(shop, tmp_path):
    """strace sees every write and every flush, of pip and of whoever else writes."""
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed, so nobody watched the order of writes and flushes")
    trace = tmp_path / "trace"
    code = (
        "import sys; from pathlib import Path; from tests.updates.shop import Shop\n"
        "shop = Shop.standing(Path(sys.argv[1])); shop.site.now = float(sys.argv[2])\n"
        "shop.stage(); shop.slots.switch(online=False)"
    )
    done = subprocess.run(
        ["strace", "-f", "-y", "-qq", "-e", "signal=none", "-o", str(trace),
         "-e", "trace=openat,write,pwrite64,copy_file_range,sendfile,ftruncate,rename,renameat,renameat2,fsync,syncfs,symlink,symlinkat,mkdir,unlink,link,linkat",
         sys.executable, "-c", code, str(shop.folder), str(shop.site.now)],
        capture_output=True, text=True, check=False, cwd=Path(__file__).parents[2],
    )  # fmt: skip
    if "PTRACE" in done.stderr or "Operation not permitted" in done.stderr:
        pytest.skip(
            "this machine lets nobody trace a process, so nobody watched the order of writes and flushes"
        )
    assert done.returncode == 0, done.stderr
    slot = str(shop.slots.root / "b")
    lines = trace.read_text().splitlines()
    whole = next(
        n for n, line in enumerate(lines) if "slot.json" in line and re.search(r"\blink(at)?\(", line)
    )
    switch = next(n for n, line in enumerate(lines) if "rename" in line and '/current"' in line)
    assert whole < switch
    flushed = {path_in(line) for line in lines[:whole] if " fsync(" in line}
    last_write = {
        path_in(line): n for n, line in enumerate(lines[:whole]) if " write(" in line or "copy_file" in line
    }
    files = [p for p in Path(slot).rglob("*") if p.is_file() and not p.is_symlink() and p.name != "slot.json"]
    folders = [p for p in Path(slot).rglob("*") if p.is_dir() and not p.is_symlink()]
    assert len(files) > 10
    assert not [p for p in (*files, *folders) if str(p) not in flushed], "every file and every directory"
    first_flush = next(n for n, line in enumerate(lines) if "syncfs(" in line)
    late = [
        p for p, n in last_write.items() if p.startswith(slot) and n > first_flush and "slot.json" not in p
    ]
    assert not late, "nothing is written after the flush began"
    after = [path_in(line) for line in lines[whole:switch] if " fsync(" in line]
    assert slot in after, "slot.json's name"
    assert any(path.endswith(".state.new") for path in after), "what was decided"
    assert str(shop.slots.root) in after, "and its name"
    assert any(str(shop.slots.root) in path_in(line) for line in lines[switch:] if " fsync(" in line), (
        "the link"
    )


def path_in(line: str) -> str:
    """strace -y writes a descriptor as 3</path>."""
    return line.partition("<")[2].partition(">")[0]


def test_a_slot_says_what_it_was_built_from(shop):
    shop.stage()
    about = json.loads((shop.slots.root / "b" / "slot.json").read_text())
    (bundle,) = (shop.place.updates / "fw").glob("*.tar")
    assert bundle.name.startswith(about["sha256"])
    assert about["stores"] == {"journal": {"reads": [2], "writes": 2}}


def test_terms_of_the_signature_and_of_the_bundle_must_agree(shop):
    bundle = shop.bundle("0.3.0")
    renamed = bundle.with_name(bundle.name.replace("0.3.0", "0.4.0"))
    bundle.rename(renamed)
    drafted = releases.draft(shop.releases, [renamed], Rollout(percent=100), shop.site.at)
    target = drafted.metadata.signed.targets[f"fw/{renamed.name}"]
    target.unrecognized_fields["custom"]["menshen"]["version"] = "0.4.0"
    drafted.metadata.to_file(str(shop.releases / "draft.firmware.json"))
    shop.sign_and_publish()
    shop.fetch()
    assert "the bundle calls itself 0.3.0, and 0.4.0 was signed" in refused(shop)
