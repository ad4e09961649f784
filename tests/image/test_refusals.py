"""An image that would come to nothing is not begun."""

import os
import platform
from dataclasses import replace
from pathlib import Path

import pytest

from firmware_tools.image import base, build, ready
from firmware_tools.image.recipe import RECIPES, ImageFault, Recipe
from firmware_tools.manifest import Fits
from tests.updates.shop import Shop

HERE = Path(__file__).parents[2]


@pytest.fixture
def recipe():
    return Recipe.read({"aarch64": "arm64"}.get(platform.machine(), "amd64"))


def test_an_ordinary_user_is_told_to_be_root():
    assert "wanted root" in ready.not_root(1000)
    assert ready.not_root(0) == ""


def test_tools_that_are_missing_are_named_with_their_packages():
    assert ready.no_tools({"sh": "dash", "make-a-moon": "moons"}) == (
        "found no make-a-moon here, wanted Debian with them: apt install moons"
    )
    assert ready.no_tools({"sh": "dash"}) == ""


@pytest.mark.parametrize(
    ("arch", "python", "why"),
    [("x86_64", "3.11", "is for x86_64 with Python 3.11, and the image would be aarch64 with 3.13"),
     ("armv7l", "3.13", "is for armv7l with Python 3.13")],
)  # fmt: skip
def test_a_release_for_another_machine_is_refused(arch, python, why):
    recipe = Recipe.read("arm64")
    assert why in ready.misfit("menshen.tar", Fits(boards=("reference",), arch=arch, python=python), recipe)
    assert ready.misfit("m", Fits(boards=("reference",), arch="aarch64", python=recipe.python), recipe) == ""


def test_no_room_is_said_of_a_folder_that_is_not_there_yet(tmp_path):
    said = ready.no_room(tmp_path / "images" / "today", 1 << 60)
    assert f"GB free in {tmp_path}, wanted" in said
    assert "make room, or name another place with --work" in said
    assert ready.no_room(tmp_path / "images", 1) == ""


def test_a_machine_of_another_kind_wants_an_emulator(recipe):
    assert "can't run what an image for sparc64 is built with" in ready.foreign(
        replace(recipe, machine="sparc64", arch="sparc64")
    )
    assert ready.foreign(recipe) == ""


def test_packages_that_have_moved_on_are_named():
    ours, theirs = {"udev:amd64": "257.13-1"}, {"udev:amd64": "257.9-1", "curl:amd64": "8"}
    said = ready.moved_on(ours, theirs)
    assert said.startswith(
        "2 packages are not those of the earlier image (curl:amd64 8 -> none; udev:amd64 257.9-1 -> "
    )
    assert "--mirror" in said
    assert ready.moved_on(ours, dict(ours)) == ""


@pytest.mark.skipif(
    os.geteuid() != 0 or ready.no_tools() != "", reason="an image is built by root, with tools of Debian's"
)
def test_a_wrong_bundle_is_refused_before_anything_is_done(recipe, tmp_path):
    picture = tmp_path / "cat.jpg"
    picture.write_bytes(b"meow" * 999)
    ours = Shop(tmp_path / "shop").bundle("0.2.0", python="3.9")
    for bundle, why in (
        (picture, "damaged or cut short"),
        (tmp_path / "gone.tar", "No such file"),
        (ours, "Python 3.9"),
    ):
        order = build.Order(
            bundle, HERE / "systemd", HERE / "firmware_tools/device/guard.py", tmp_path / "out", work=tmp_path
        )
        with pytest.raises(ImageFault, match=why):
            build.build(recipe, order)
    assert not (tmp_path / "out").exists()


def test_an_unknown_machine_is_named():
    with pytest.raises(ImageFault, match="found the machine 'm68k', wanted one of amd64, arm64"):
        Recipe.read("m68k")


def test_an_archive_of_one_day_is_not_mixed_with_todays(recipe):
    assert recipe.sources("http://archive.test/20260101") == ["deb http://archive.test/20260101 trixie main"]
    assert len(recipe.sources()) == 3


def test_a_key_or_a_password_in_an_image_stops_it(tmp_path):
    (tmp_path / "keys/gate").mkdir(parents=True)
    base.no_keys(tmp_path)
    (tmp_path / "keys/gate/journal.pem").touch()
    with pytest.raises(ImageFault, match=r"found the key keys/gate/journal\.pem"):
        base.no_keys(tmp_path)
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/shadow").write_text("root:*:1:\npi:$y$secret:1:\n")
    with pytest.raises(ImageFault, match="found a password for pi"):
        base.no_passwords(tmp_path)


def test_each_user_of_the_units_has_a_number_that_never_moves():
    """Files on the data partition outlive the base system."""
    ids = (RECIPES / "debian/files/usr/lib/sysusers.d/00-menshen-ids.conf").read_text()
    units = (HERE / "systemd/sysusers.d/menshen.conf").read_text()
    named, numbered = (
        {line.split()[1] for line in text.splitlines() if line.startswith(("u ", "g "))}
        for text in (units, ids)
    )
    assert named <= numbered
