"""Two base systems on a boot partition: which starts, who is on trial, and what is left wherever the power goes."""

import pytest

from firmware_tools.device.bases import (
    BaseFault,
    Entries,
    Trials,
    entry_text,
    from_stick,
    install,
    running_base,
    status,
    version_of,
    watch,
)
from tests.updates.loader import starts

OLD, NEW = "2026.11.01.0000", "2026.12.01.0000"


class Cut(Exception):
    """The power goes."""


@pytest.fixture
def boot(tmp_path):
    """A boot partition as an image has it."""
    boot = tmp_path / "boot"
    (boot / "loader/entries").mkdir(parents=True)
    kernel(boot / "menshen-base-a", "old")
    (boot / "loader/entries/menshen-base-a.conf").write_text(entry_text("a", 1, OLD, "ro quiet"))
    return boot


@pytest.fixture
def base(tmp_path):
    """A newer base system, as its partition is seen when it is mounted."""
    return made(tmp_path / "base", NEW)


@pytest.fixture
def trials(tmp_path):
    return Trials(tmp_path / "held")


def made(base, version):
    kernel(base / "usr/lib/menshen/boot", version)
    (base / "usr/lib/menshen/boot/options").write_text("ro splash\n")
    (base / "usr/lib/os-release").write_text(f'ID=debian\nIMAGE_VERSION="{version}"\n')
    return base


def kernel(folder, text):
    folder.mkdir(parents=True)
    for name in ("vmlinuz", "initrd"):
        (folder / name).write_text(f"{name} {text}")


def names(boot):
    return sorted(path.name for path in (boot / "loader/entries").iterdir())


def test_what_was_written_comes_first_with_three_starts(boot, base):
    entries = Entries(boot)
    entries.forbid("b")
    assert not entries.starts("b")
    entries.prefer("b", base)
    assert names(boot) == ["menshen-base-a.conf", "menshen-base-b+3.conf"]
    assert entries.primary() == "b"
    assert entries.starts("b")
    assert (boot / "menshen-base-b/initrd").read_text() == f"initrd {NEW}"
    text = (boot / "loader/entries/menshen-base-b+3.conf").read_text()
    assert "options root=PARTLABEL=menshen-base-b ro splash\n" in text
    assert entries.found()["b"].version == NEW


def test_three_starts_that_came_to_nothing_and_the_one_before_runs(boot, base):
    Entries(boot).prefer("b", base)
    assert [starts(boot) for _ in range(5)] == ["b", "b", "b", "a", "a"]
    assert not Entries(boot).starts("b")
    assert Entries(boot).primary() == "a"


@pytest.mark.parametrize("before", [0, 1, 2])
def test_one_that_is_well_stays_at_whichever_start(boot, base, before):
    Entries(boot).prefer("b", base)
    for _ in range(before + 1):
        assert starts(boot) == "b"
    Entries(boot).bless("b")
    assert names(boot) == ["menshen-base-a.conf", "menshen-base-b.conf"]
    assert [starts(boot) for _ in range(5)] == ["b"] * 5


def test_the_third_base_system_goes_where_the_first_was(boot, base, tmp_path):
    entries = Entries(boot)
    entries.prefer("b", base)
    starts(boot)
    entries.bless("b")
    entries.forbid("a")
    assert starts(boot) == "b"
    entries.prefer("a", made(tmp_path / "third", "2027.01.01.0000"))
    assert starts(boot) == "a"
    entries.give_up("a")
    assert starts(boot) == "b"


def test_wherever_the_power_goes_the_one_that_ran_still_starts(boot, base, tmp_path):
    """Over one that failed before, for then there is the most to clear away."""
    Entries(boot).prefer("b", made(tmp_path / "failed", "2026.11.15.0000"))
    Entries(boot).give_up("b")
    (boot / "FSCK0000.REC").write_text("what fsck made of a kernel that was cut off")
    cuts = 0
    while True:
        left = [cuts]

        def step(name, left=left):
            left[0] -= 1
            if left[0] < 0:
                raise Cut(name)

        entries = Entries(boot, step)
        try:
            entries.forbid("b")
            entries.prefer("b", base)
        except Cut:
            assert starts(boot) == "a"
            assert (boot / "menshen-base-a/vmlinuz").read_text() == "vmlinuz old"
            cuts += 1
        else:
            break
    assert cuts >= 4
    assert starts(boot) == "b"
    assert (boot / "menshen-base-b/vmlinuz").read_text() == f"vmlinuz {NEW}"
    assert not list(boot.glob("FSCK*"))


def test_the_last_one_that_starts_is_not_taken_away(boot, base):
    with pytest.raises(BaseFault, match="nothing to start beside base a"):
        Entries(boot).forbid("a")
    Entries(boot).prefer("b", base)
    Entries(boot).give_up("b")
    with pytest.raises(BaseFault, match="nothing to start beside base a"):
        Entries(boot).forbid("a")
    assert starts(boot) == "a"


def test_a_person_goes_back_to_one_that_is_good(boot, base):
    entries = Entries(boot)
    entries.prefer("b", base)
    entries.bless("b")
    entries.prefer("a", base / "not looked at")
    assert names(boot) == ["menshen-base-a.conf", "menshen-base-b.conf"]
    assert starts(boot) == "a"


def test_a_base_system_of_another_make_is_refused(boot, base):
    (base / "usr/lib/menshen/boot/initrd").unlink()
    with pytest.raises(BaseFault, match="found no initrd in the base system"):
        Entries(boot).prefer("b", base)
    (base / "usr/lib/os-release").write_text("ID=debian\n")
    with pytest.raises(BaseFault, match="no IMAGE_VERSION"):
        version_of(base)


def watched(trials, boot, running, ails):
    return watch(trials, Entries(boot), running, ails, within_s=0.05, every_s=0.01, least_s=0.02)


def test_a_trial_that_is_well_is_good_after_its_least_time(boot, base, trials):
    trials.begin("b", NEW, online=True)
    Entries(boot).prefer("b", base)
    assert watched(trials, boot, "a", lambda _online: "nobody asks")[0] is None
    assert trials.current() is not None
    starts(boot)
    asked = []
    good, said = watched(trials, boot, "b", lambda online: asked.append(online) or "")
    assert (good, said) == (True, f"base b, {NEW}, is good")
    assert set(asked) == {True}
    assert len(asked) > 1
    assert trials.current() is None
    assert [told["what"] for told in trials.history()] == ["kept"]
    assert names(boot) == ["menshen-base-a.conf", "menshen-base-b.conf"]


def test_a_trial_that_is_not_well_is_left_at_once(boot, base, trials):
    trials.begin("b", NEW, online=False)
    Entries(boot).prefer("b", base)
    starts(boot)
    good, said = watched(trials, boot, "b", lambda _online: "no picture for 5 s")
    assert good is False
    assert "no picture for 5 s" in said
    assert starts(boot) == "a"
    assert watched(trials, boot, "a", str)[0] is None
    (told,) = trials.history()
    assert (told["what"], told["version"], told["why"]) == ("left", NEW, "no picture for 5 s")


def test_a_trial_that_never_came_up_is_told_by_the_one_before(boot, base, trials):
    trials.begin("b", NEW, online=False)
    Entries(boot).prefer("b", base)
    assert [starts(boot) for _ in range(4)] == ["b", "b", "b", "a"]
    good, said = watched(trials, boot, "a", str)
    assert good is None
    assert "started three times and did not come up" in said
    assert trials.current() is None
    assert trials.left(NEW) == "it was started three times and did not come up"


def test_a_trial_whose_writing_was_cut_short_is_told_too(boot, trials):
    trials.begin("b", NEW, online=False)
    assert starts(boot) == "a"
    assert "not written to its end" in watched(trials, boot, "a", str)[1]
    assert trials.history()[-1]["what"] == "cut short"
    assert trials.left(NEW) == "", "it may be tried again"


def test_status_says_what_runs_what_waits_and_what_was(boot, base, trials):
    trials.begin("b", NEW, online=False)
    Entries(boot).prefer("b", base)
    said = list(status(trials, Entries(boot), "a"))
    assert said == [f"base a    {OLD}    runs", f"base b    {NEW}    on trial, 3 starts left"]
    Entries(boot).give_up("b")
    trials.end("left", "no picture for 5 s")
    said = list(status(trials, Entries(boot), "a"))
    assert said[1] == f"base b    {NEW}    left"
    assert said[2].endswith(f"{NEW}    left: no picture for 5 s")


def test_the_kernels_command_line_says_what_runs():
    assert running_base("initrd=\\x root=PARTLABEL=menshen-base-b rootfstype=squashfs ro") == "b"
    with pytest.raises(BaseFault, match="runs from no menshen image"):
        running_base("root=/dev/sda1 ro")


def test_a_machine_without_its_makers_certificate_takes_none(tmp_path, trials):
    with pytest.raises(BaseFault, match="built without its maker's certificate"):
        install(tmp_path / "x.raucb", trials, "a", anyway=False)


def test_a_stick_with_none_or_two_is_not_guessed_at(tmp_path, trials):
    with pytest.raises(BaseFault, match="found 0 files"):
        from_stick(tmp_path, trials, "a")
    for name in ("one.raucb", "two.raucb"):
        (tmp_path / name).touch()
    with pytest.raises(BaseFault, match="found 2 files"):
        from_stick(tmp_path, trials, "a")
