"""The list of an image's files: two images are the same if it is."""

import os

import pytest

from firmware_tools.image.contents import clamp, differences, digest, listed

AT = 1_790_000_000


@pytest.fixture
def root(tmp_path):
    folder = tmp_path / "root"
    (folder / "etc").mkdir(parents=True)
    (folder / "etc/fstab").write_text("/dev/sda1\n")
    (folder / "etc/os-release").symlink_to("../usr/lib/os-release")
    clamp(folder, AT)
    return folder


def change(path, text):
    path.write_text(text)
    os.utime(path, (AT, AT))


def rights(path):
    path.chmod(0o755)


def another_time(path):
    os.utime(path, (AT - 1, AT - 1))


def attribute(path):
    try:
        os.setxattr(path, "user.menshen", b"\x01")
    except OSError:
        pytest.skip("this file system keeps no extended attributes")


def test_a_line_says_kind_mode_owner_time_size_content_and_path(root):
    lines = listed({"base": root})
    assert [line.split(" ")[0] for line in lines] == ["folder", "folder", "file", "link"]
    assert lines[2].startswith("file 0644")
    assert lines[2].endswith(" base/etc/fstab")
    assert f" {AT} 10 " in lines[2]
    assert lines[3].endswith(" ../usr/lib/os-release base/etc/os-release")


def test_the_same_tree_elsewhere_is_the_same(root, tmp_path):
    before = digest(listed({"base": root}))
    root.rename(tmp_path / "elsewhere")
    assert digest(listed({"base": tmp_path / "elsewhere"})) == before


@pytest.mark.parametrize(
    "meddle",
    [rights, another_time, attribute, lambda p: change(p, "/dev/sdb1\n"), lambda p: p.rename(f"{p}x")],
)
def test_whatever_is_changed_changes_the_hash_and_is_named(root, meddle):
    before = listed({"base": root})
    meddle(root / "etc/fstab")
    os.utime(root / "etc", (AT, AT))
    after = listed({"base": root})
    assert digest(after) != digest(before)
    assert all("base/etc/fstab" in line for line in differences(before, after))


def test_nothing_is_newer_than_the_time_that_was_given_and_what_is_older_stays(root):
    old, new, link = root / "etc/old", root / "etc/new", root / "etc/link"
    old.touch()
    os.utime(old, (AT - 9, AT - 9))
    new.touch()
    link.symlink_to("nowhere")
    clamp(root, AT)
    assert [int(path.lstat().st_mtime) for path in (old, new, link, root)] == [AT - 9, AT, AT, AT]


def test_a_name_that_looks_like_two_words_is_one(root):
    (root / "etc/a b\n-").touch()
    assert any(line.endswith("base/etc/a\\x20b\\x0a-") for line in listed({"base": root}))
