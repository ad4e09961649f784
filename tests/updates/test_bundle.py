"""Bundles: the same bytes for the same input, and one way only to read them."""

import io
import json
import os
import sys
import tarfile
import tracemalloc
import zipfile
from pathlib import Path

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from firmware_tools import building, bundle
from firmware_tools.manifest import BundleFault, Listed, Manifest
from tests.updates.shop import BUILT, FORMS, Shop, wheel

MACHINE = os.uname().machine
PYTHON = "{}.{}".format(*sys.version_info[:2])


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    return Shop(tmp_path_factory.mktemp("shop") / "s")


@pytest.fixture(scope="module")
def good(shop):
    return shop.bundle("0.2.0")


def recipe(folder: Path, **terms) -> building.Recipe:
    folder.mkdir(exist_ok=True)
    for name in ("wheels", "units", "boards"):
        (folder / name).mkdir(exist_ok=True)
    (folder / "pins.txt").touch()
    (folder / "forms.toml").write_text(FORMS)
    (folder / "boards" / "simulator.toml").touch()
    usual = {
        "wheels": folder / "wheels",
        "pins": folder / "pins.txt",
        "units": folder / "units",
        "boards": folder / "boards",
        "forms": folder / "forms.toml",
        "arch": MACHINE,
        "python": PYTHON,
        "floor": "0.0.0",
        "built_utc": BUILT,
    }
    return building.Recipe(**{**usual, **terms})


# --- building ------------------------------------------------------------------


def test_the_same_input_makes_the_same_bytes(shop, good, tmp_path):
    again = Shop(tmp_path / "elsewhere").bundle("0.2.0")
    os.utime(again, (0, 0))
    assert good.read_bytes() == again.read_bytes()


def test_a_bundle_says_what_is_in_it(good):
    manifest = bundle.inspect(good)
    assert manifest.version == "0.2.0"
    assert set(manifest.files) == {
        "wheels/menshen-0.2.0-py3-none-any.whl",
        "units/menshen-gate.service",
        "boards/simulator.toml",
        "migrations/stores.toml",
        "requirements.txt",
        "sbom.cdx.json",
    }
    assert manifest.stores["journal"].writes == 2
    assert manifest.fits.boards == ("simulator", "own")
    with tarfile.open(good) as archive:  # any tar program reads it
        assert archive.getnames() == ["manifest.json", *sorted(manifest.files)]


def test_its_bill_of_materials_is_cyclonedx(tmp_path):
    made = recipe(tmp_path)
    wheel(made.wheels, "menshen", "0.3.0", {"m.py": ""}, needs=("Tiny_Dep>=1", "pillow; extra == 'bench'"))
    dep = wheel(made.wheels, "tiny_dep", "1.5", {"t.py": ""})
    made.pins.write_text(f"tiny-dep==1.5 \\\n    --hash=sha256:{bundle_hash(dep)}\n")
    path, manifest = building.build(made, tmp_path / "out")
    with tarfile.open(path) as archive:
        bill = json.load(archive.extractfile("sbom.cdx.json"))
        lock = archive.extractfile("requirements.txt").read().decode()
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    assert bill["metadata"]["component"]["purl"] == "pkg:pypi/menshen@0.3.0"
    (part,) = bill["components"]
    assert part["hashes"] == [{"alg": "SHA-256", "content": bundle_hash(dep)}]
    assert part["licenses"][0]["license"] == {"id": "MIT"}
    assert {"ref": "pkg:pypi/menshen@0.3.0", "dependsOn": ["pkg:pypi/tiny-dep@1.5"]} in bill["dependencies"]
    assert f"tiny-dep==1.5 --hash=sha256:{bundle_hash(dep)}\n" in lock
    assert manifest.version == "0.3.0"
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(json.dumps(bill)) is None


def bundle_hash(path: Path) -> str:
    return building._listed(path)["sha256"]


def test_a_wheel_that_is_not_pinned_is_not_taken(tmp_path):
    made = recipe(tmp_path)
    wheel(made.wheels, "menshen", "0.3.0", {"m.py": ""})
    wheel(made.wheels, "tiny_dep", "1.5", {"t.py": ""})
    with pytest.raises(BundleFault, match=r"tiny_dep-1\.5-py3-none-any\.whl is not what pins\.txt pins"):
        building.build(made, tmp_path / "out")
    assert not list((tmp_path / "out").glob("*")) if (tmp_path / "out").exists() else True


def test_a_wheel_made_here_is_taken_by_name_and_pinned_version(tmp_path):
    made = recipe(tmp_path, built_here=frozenset({"tiny-dep"}))
    wheel(made.wheels, "menshen", "0.3.0", {"m.py": ""}, needs=("tiny-dep",))
    wheel(made.wheels, "tiny_dep", "1.5", {"t.py": ""})
    made.pins.write_text("tiny-dep==1.4 \\\n    --hash=sha256:00\n")
    with pytest.raises(BundleFault, match="is not what"):
        building.build(made, tmp_path / "out")
    made.pins.write_text("tiny-dep==1.5 \\\n    --hash=sha256:00\n")
    assert building.build(made, tmp_path / "out")[0].exists()


@pytest.mark.parametrize(
    ("prepare", "terms", "why"),
    [
        (lambda w: None, {}, "found no wheel of menshen"),
        (lambda w: (w / "tuf-7.0.1.tar.gz").touch(), {}, "wanted wheels alone; nothing is built on a gate"),
        (lambda w: (w / "numpy-2.5.5-cp311-cp311-win_amd64.whl").touch(), {}, "is not for"),
        (lambda w: wheel(w, "menshen", "0.3.0.dev1", {"m.py": ""}), {}, "wanted three numbers such as 1.2.3"),
        (lambda w: wheel(w, "menshen", "0.3.0", {"m.py": ""}), {"floor": "0.4.0"}, "is above the version"),
        (lambda w: wheel(w, "menshen", "0.3.0", {"m.py": ""}), {"arch": "pdp11"}, "fits.arch"),
    ],
)
def test_what_makes_no_bundle_is_named(tmp_path, prepare, terms, why):
    made = recipe(tmp_path, **terms)
    prepare(made.wheels)
    with pytest.raises(BundleFault, match=why):
        building.build(made, tmp_path / "out")


# --- damaged and hostile bundles -------------------------------------------------


def refused(path: Path, tmp_path: Path) -> str:
    """Neither looking nor unpacking takes it; nothing is written outside."""
    with pytest.raises(BundleFault) as looked:
        bundle.inspect(path)
    with pytest.raises(BundleFault):
        bundle.unpack(path, tmp_path / "inside", building._listed(path)["sha256"])
    outside = [one for one in tmp_path.rglob("*") if one.name in {"evil", "passwd", "evil.whl"}]
    assert not outside
    return str(looked.value)


def with_bytes(tmp_path: Path, data: bytes) -> Path:
    path = tmp_path / "menshen-0.2.0.tar"
    path.write_bytes(data)
    return path


def test_a_bundle_cut_short_anywhere_is_refused(good, tmp_path):
    data = good.read_bytes()
    for end in [0, 1, 511, 512, 700, *range(1024, len(data), 997), len(data) - 1024, len(data) - 1]:
        with pytest.raises(BundleFault):
            bundle.inspect(with_bytes(tmp_path, data[:end]))


def test_a_bundle_with_any_byte_changed_is_refused(good, tmp_path):
    data = bytearray(good.read_bytes())
    signed = building._listed(good)["sha256"]
    for n, at in enumerate(range(0, len(data), 61)):
        data[at] ^= 0x41
        with pytest.raises(
            BundleFault
        ):  # a word in the manifest may change and still be one: the signed hash tells
            bundle.unpack(with_bytes(tmp_path, bytes(data)), tmp_path / str(n), signed)
        data[at] ^= 0x41
    bundle.unpack(with_bytes(tmp_path, bytes(data)), tmp_path / "good", signed)


def test_a_bundle_that_goes_on_after_its_end_is_refused(good, tmp_path):
    assert "goes on after its last file" in refused(
        with_bytes(tmp_path, good.read_bytes() + bytes(512)), tmp_path
    )


def rebuilt(good: Path, tmp_path: Path, change) -> Path:
    """The same bundle with one member put in by a hand that knows tar: change(archive, manifest's members)."""
    target = tmp_path / "hostile.tar"
    with tarfile.open(good) as source, tarfile.open(target, "w", format=tarfile.USTAR_FORMAT) as archive:
        members = [(member, source.extractfile(member).read()) for member in source]
        for member, data in members:
            replaced = change(member, data)
            for info, content in replaced if replaced is not None else [(member, data)]:
                archive.addfile(info, io.BytesIO(content))
    data = target.read_bytes().rstrip(b"\0")
    target.write_bytes(data + bytes(-len(data) % 512) + bytes(1024))
    return target


def odd(kind: bytes = tarfile.REGTYPE, name: str = "units/evil", link: str = "", mode: int = 0o644):
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.mode, info.mtime = kind, link, mode, BUILT
    return info


@pytest.mark.parametrize(
    ("info", "why"),
    [
        (odd(tarfile.SYMTYPE, link="/etc/passwd"), "found a symbolic link, 'units/evil'"),
        (odd(tarfile.SYMTYPE, link="../../../evil"), "found a symbolic link"),
        (odd(tarfile.LNKTYPE, link="/etc/passwd"), "found a hard link"),
        (odd(tarfile.CHRTYPE), "found a device"),
        (odd(tarfile.BLKTYPE), "found a device"),
        (odd(tarfile.FIFOTYPE), "found a pipe"),
        (odd(tarfile.DIRTYPE), "found a directory"),
        (odd(name="../../evil"), "found '../../evil' in the bundle, wanted units/menshen-gate.service"),
        (odd(name="/tmp/evil"), "found '/tmp/evil' in the bundle"),
        (odd(name="units/evil"), "found 'units/evil' in the bundle"),
        (odd(name="units/menshen-gate.service", mode=0o4755), "has 0 bytes, and the manifest says"),
    ],
)
def test_what_is_no_listed_file_is_refused(good, tmp_path, info, why):
    path = rebuilt(
        good, tmp_path, lambda m, d: [(info, b"")] if m.name == "units/menshen-gate.service" else None
    )
    assert why in refused(path, tmp_path)


def test_a_file_with_rights_of_its_own_is_refused(good, tmp_path):
    def change(member, data):
        member.mode |= 0o4111 if member.name.startswith("units/") else 0
        return [(member, data)]

    assert "has an owner, a mode or a time of its own" in refused(rebuilt(good, tmp_path, change), tmp_path)


def test_a_long_name_extension_is_refused_before_it_is_read(good, tmp_path):
    path = tmp_path / "long.tar"
    with tarfile.open(path, "w", format=tarfile.GNU_FORMAT) as archive:
        info = tarfile.TarInfo("x" * 300)
        archive.addfile(info)
    assert "found an extended header" in refused(path, tmp_path)


def doctored(good: Path, tmp_path: Path, change) -> Path:
    """The same bundle with a manifest that was changed, and written as ours are."""
    with tarfile.open(good) as source:
        fields = json.load(source.extractfile("manifest.json"))
    change(fields)
    text = json.dumps(fields, indent=1, sort_keys=True).encode() + b"\n"

    def put(member, data):
        if member.name == "manifest.json":
            member.size = len(text)
            return [(member, text)]
        return None

    return rebuilt(good, tmp_path, put)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (
            lambda f: f.update(hooks="rm -rf /"),
            "hooks: unknown; a newer release of menshen-firmware may know it",
        ),
        (lambda f: f["fits"].update(country="any"), "fits.country: unknown"),
        (lambda f: f.update(format=2), "format"),
        (lambda f: f.update(version="1.2"), "wanted three numbers"),
        (lambda f: f.update(version="1.2.3; reboot"), "wanted three numbers"),
        (lambda f: f.update(floor="9.0.0"), "is above the version"),
        (lambda f: f.update(built_utc=-1), "built_utc"),
        (lambda f: f["files"].pop("sbom.cdx.json"), "lists no sbom.cdx.json"),
        (
            lambda f: f["files"].update({"../evil": {"bytes": 0, "sha256": "0" * 64}}),
            "found the path '../evil'",
        ),
        (lambda f: f["files"].update({"/etc/passwd": {"bytes": 0, "sha256": "0" * 64}}), "found the path"),
        (
            lambda f: f["files"].update({"units/../../evil": {"bytes": 0, "sha256": "0" * 64}}),
            "found the path",
        ),
        (lambda f: f["files"].update({"wheels/..whl": {"bytes": 0, "sha256": "0" * 64}}), "found the path"),
        (
            lambda f: f["files"]["sbom.cdx.json"].update(sha256="0" * 64),
            "has another hash than the manifest says",
        ),
        (lambda f: f["files"]["sbom.cdx.json"].update(bytes=1 << 40), "sbom.cdx.json.bytes"),
        (lambda f: f["stores"]["journal"].update(reads=[1]), "writes form 2 and can't read it"),
        (lambda f: f.update(unpacked_bytes=1 << 50), "unpacked_bytes"),
        (
            lambda f: f["files"].update({f"units/{n}": {"bytes": 0, "sha256": "0" * 64} for n in range(500)}),
            "at most 400 items",
        ),
    ],
)
def test_a_manifest_that_is_not_understood_is_refused(good, tmp_path, change, why):
    assert why in refused(doctored(good, tmp_path, change), tmp_path)


@pytest.mark.parametrize(
    "data", [b"", b"{", b"[]", b"null", b"[" * 100_000, b'{"format": 1, "format": 1}', b"\xff\xfe", b"NaN"]
)
def test_rubbish_for_a_manifest_is_refused(data):
    with pytest.raises(BundleFault):
        Manifest.from_bytes(data)


def test_a_huge_manifest_is_refused_without_being_read(good, tmp_path):
    path = tmp_path / "huge.tar"
    with path.open("wb") as file:
        info = odd(name="manifest.json")
        info.size = 300 << 20
        file.write(info.tobuf(tarfile.USTAR_FORMAT))
        file.truncate(301 << 20)
    tracemalloc.start()
    assert "found a manifest of 314572800 bytes, wanted at most 262144" in refused(path, tmp_path)
    assert tracemalloc.get_traced_memory()[1] < 4 << 20
    tracemalloc.stop()


def test_a_bundle_larger_than_any_is_refused(tmp_path):
    path = tmp_path / "large.tar"
    with path.open("wb") as file:
        file.truncate(bundle.MAX_BUNDLE_BYTES + 1)
    with pytest.raises(BundleFault, match="wanted at most"):
        bundle.inspect(path)


# --- wheels within ----------------------------------------------------------------


def wheel_with(tmp_path: Path, name: str, content: bytes = b"", mode: int = 0) -> Path:
    path = tmp_path / "menshen-0.2.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        info = zipfile.ZipInfo(name)
        info.external_attr, info.compress_type = mode << 16, zipfile.ZIP_DEFLATED
        archive.writestr(info, content)
    return path


@pytest.mark.parametrize("name", ["../evil", "a/../../evil", "/etc/evil", "\\evil", "a\\..\\evil"])
def test_a_wheel_with_a_path_out_of_it_is_refused(tmp_path, name):
    with pytest.raises(BundleFault, match="which leads out of it"):
        bundle.check_wheel(wheel_with(tmp_path, name))


@pytest.mark.parametrize("mode", [0o120777, 0o020666, 0o060666, 0o010644])
def test_a_wheel_with_a_link_or_a_device_is_refused(tmp_path, mode):
    with pytest.raises(BundleFault, match="which is no plain file"):
        bundle.check_wheel(wheel_with(tmp_path, "evil", b"/etc/passwd", mode))


def test_a_bomb_is_refused_unopened(tmp_path):
    with pytest.raises(BundleFault, match="a bomb"):
        bundle.check_wheel(wheel_with(tmp_path, "zeros", bytes(100 << 20)))


def test_a_wheel_that_holds_more_than_the_manifest_says_is_refused(good, tmp_path):
    path = doctored(good, tmp_path, lambda f: f.update(unpacked_bytes=10))
    assert bundle.inspect(path).unpacked_bytes == 10
    with pytest.raises(BundleFault, match="and the manifest says 10: a bomb"):
        bundle.unpack(path, tmp_path / "inside", building._listed(path)["sha256"])


def test_a_bundle_exchanged_after_its_check_is_not_unpacked(good, tmp_path, shop):
    other = shop.bundle("0.2.1")
    with pytest.raises(BundleFault, match="is not the bundle that was signed"):
        bundle.unpack(other, tmp_path / "inside", building._listed(good)["sha256"])


def test_sizes_are_whole_numbers():
    with pytest.raises(ValueError, match="valid integer"):
        Listed(bytes=1.5, sha256="0" * 64)
