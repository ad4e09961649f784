"""What an image says of itself, and whether a card holds it."""

import hashlib
import shutil
import uuid
from itertools import pairwise

import pytest
from click.testing import CliRunner

from firmware_tools.cli import main
from firmware_tools.image import account
from firmware_tools.image.packing import Partition, assemble, laid_out
from firmware_tools.image.recipe import MIB, ImageFault, Recipe


def types(*arguments, fails=False):
    done = CliRunner().invoke(main, ["image", *map(str, arguments)])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    assert (done.exit_code != 0) is fails, done.output
    return done.output


@pytest.fixture
def image(tmp_path):
    """Two partitions of a megabyte: the base system, and a place for the next."""
    path = tmp_path / "menshen.img"
    path.write_bytes(bytes(MIB) + b"base" * (MIB // 4) + bytes(MIB))
    partitions = (
        account.Held(
            name="menshen-base-a",
            start=MIB,
            bytes=MIB,
            sha256=hashlib.sha256(b"base" * (MIB // 4)).hexdigest(),
        ),
        account.Held(name="menshen-base-b", start=2 * MIB, bytes=MIB, sha256=""),
    )
    said = account.Account(
        format=1, recipe="trixie", arch="amd64", version="0.2.0", bundle="ab" * 32, built_utc=1_790_000_000,
        contents="cd" * 32, partitions=partitions, packages={"udev:amd64": "257.13-1"},
    )  # fmt: skip
    account.write(path.with_suffix(".json"), said)
    return path


def test_an_image_as_its_account_says(image):
    assert "every partition as its account says" in types("verify", image)
    said = types("show", image)
    assert "menshen 0.2.0 on Debian trixie for amd64, 1 packages" in said
    assert "menshen-base-b      1 MiB  empty" in said


def test_a_card_is_longer_than_its_image(image):
    card = image.with_name("card")
    card.write_bytes(image.read_bytes() + bytes(MIB))
    types("verify", card, "--account", image.with_suffix(".json"))


def test_one_bit_is_found_and_its_partition_named(image):
    data = bytearray(image.read_bytes())
    data[MIB + 77] ^= 1
    image.write_bytes(data)
    assert "menshen-base-a is not what the account says" in types("verify", image, fails=True)


def test_a_copy_that_broke_off_says_how_much_is_there(image):
    image.write_bytes(image.read_bytes()[: MIB + 9])
    assert "found 1 MiB" in types("verify", image, fails=True)


def test_without_its_account_an_image_says_where_it_belongs(image):
    image.with_suffix(".json").unlink()
    assert "it belongs beside the image, or name it with --account" in types("verify", image, fails=True)


def test_an_account_that_says_more_than_is_understood_is_refused(image):
    path = image.with_suffix(".json")
    path.write_text(path.read_text().replace('"format"', '"colour": "red", "format"'))
    assert "colour: unknown" in types("show", image, fails=True)


def test_the_partitions_of_the_recipe_lie_one_after_the_other():
    one_after_the_other = laid_out(Recipe.read("arm64"))
    assert [one.name for one in one_after_the_other] == [
        "menshen-boot",
        "menshen-base-a",
        "menshen-base-b",
        "menshen-data",
    ]
    for before, after in pairwise(one_after_the_other):
        assert before.start + before.bytes == after.start


def test_a_base_system_that_does_not_fit_says_what_to_raise(tmp_path):
    if not shutil.which("sfdisk", path="/usr/sbin:/sbin:/usr/bin"):
        pytest.skip("sfdisk is not installed here")
    large = tmp_path / "base.squashfs"
    large.write_bytes(b"x" * (2 * MIB))
    with pytest.raises(
        ImageFault, match=r"would need 3 MiB, and the recipe gives it 1; raise it in recipe\.toml"
    ):
        assemble(tmp_path / "i", [(Partition("menshen-base-a", MIB, MIB), large)], uuid.UUID(int=1))
