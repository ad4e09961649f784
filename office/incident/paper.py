"""The zip itself: files, a manifest of their SHA-256, and the office's signature over the manifest.

    README.txt        what it is, and how it is checked
    *.jsonl           one record a line
    manifest.json     who made it, why, of what, and each file's length and hash
    manifest.sig      the audit key's Ed25519 over the manifest, in hex

Any SHA-256 and any Ed25519 check it; `check` does so without an office.
"""

import hashlib
import json
import tempfile
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, Any, Final

from agent.core.keys import Alg, PublicKey, sig_structure, verify
from office.faults import OfficeFault

FORMAT: Final = "menshen/incident/1"
MANIFEST: Final = "manifest.json"
SIGNATURE: Final = "manifest.sig"
_CHUNK: Final = 1 << 16
_MOST_MANIFEST: Final = 1 << 20
_README: Final = """\
menshen: file of an incident / 事件卷宗

Each *.jsonl has one record a line. manifest.json says who made this file, why, and the SHA-256 of each file in it;
manifest.sig is the office's signature over manifest.json. Check it, on any machine that has menshen:
每个 *.jsonl 文件每行一条记录。manifest.json 写明制作人、事由及各文件的 SHA-256；manifest.sig 是对它的签名。核验方法：

    menshen-office incident verify FILE --key KEY

KEY is what `menshen-office audit key` prints in the office. / KEY 为在办公室运行 `menshen-office audit key` 所得。
It holds personal data: keep it from others, and delete it when the matter is closed.
内含个人信息：请妥善保管，事毕删除。
"""


@dataclass(frozen=True, slots=True)
class Heading:
    """Whose file it is, and what for."""

    site: str
    key: PublicKey
    made_at: str
    by: str
    why: str
    about: Mapping[str, Any]


def chunks(
    heading: Heading, records: Mapping[str, Iterable[Mapping[str, Any]]], sign: Callable[[bytes], bytes]
) -> Iterator[bytes]:
    """The zip, piece by piece; it is made whole before the first comes."""
    with tempfile.TemporaryFile() as file:
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as packed:
            files = {"README.txt": _put(packed, "README.txt", [_README.encode()])}
            files |= {name: _put(packed, name, map(_line, rows)) for name, rows in records.items()}
            manifest = json.dumps(
                {
                    "format": FORMAT,
                    "site": heading.site,
                    "key": str(heading.key),
                    "made_at": heading.made_at,
                    "by": heading.by,
                    "why": heading.why,
                    "about": heading.about,
                    "files": files,
                },
                ensure_ascii=False,
                indent=1,
            ).encode()
            packed.writestr(MANIFEST, manifest)
            packed.writestr(SIGNATURE, sign(_signed(heading.site, manifest)).hex())
        file.seek(0)
        while piece := file.read(_CHUNK):
            yield piece


def _signed(site: str, manifest: bytes) -> bytes:
    return sig_structure(Alg.ED25519, f"menshen/1/incident/{site}", manifest)


def _line(record: Mapping[str, Any]) -> bytes:
    return json.dumps(record, ensure_ascii=False, default=_plain).encode("utf-8", "backslashreplace") + b"\n"


def _plain(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def _put(packed: zipfile.ZipFile, name: str, pieces: Iterable[bytes]) -> dict[str, Any]:
    digest, size = hashlib.sha256(), 0
    with packed.open(name, "w", force_zip64=True) as file:
        for piece in pieces:
            file.write(piece)
            digest.update(piece)
            size += len(piece)
    return {"bytes": size, "sha256": digest.hexdigest()}


@dataclass(frozen=True, slots=True)
class Checked:
    """What a sound file says of itself; the key is whose signature it bears."""

    site: str
    key: str
    made_at: str
    by: str
    why: str
    files: int


def check(path: Path, key: PublicKey | None = None) -> Checked:
    """Check a file, without any office.

    Args:
        key: the office's audit key as it was noted; None believes the file's own word.
    Raises:
        OfficeFault: it is not sound, and which part is not.
    """
    try:
        with zipfile.ZipFile(path) as packed:
            return _checked(packed, key)
    except (OSError, zipfile.BadZipFile, zipfile.LargeZipFile, NotImplementedError, RuntimeError) as fault:
        raise OfficeFault(f"not sound: {path} can't be read as a zip: {fault}") from fault
    except (ValueError, KeyError, TypeError, AttributeError, EOFError) as fault:
        raise OfficeFault(f"not sound: what {path} says of itself can't be read: {fault!r}") from fault


def _checked(packed: zipfile.ZipFile, wanted: PublicKey | None) -> Checked:
    names = packed.namelist()
    if len(names) != len(set(names)):
        raise OfficeFault("not sound: a name stands in it twice")
    with packed.open(MANIFEST) as file:
        manifest = file.read(_MOST_MANIFEST)
    with packed.open(SIGNATURE) as file:
        signature = bytes.fromhex(file.read(1024).decode("ascii"))
    facts: Any = json.loads(manifest)
    if facts["format"] != FORMAT:
        raise OfficeFault(f"not sound: not of form {FORMAT}")
    key = PublicKey.parse(facts["key"])
    if wanted is not None and key != wanted:
        raise OfficeFault(f"not sound: it names key {key}, wanted {wanted}: another office's, or forged")
    if not verify(key, signature, _signed(facts["site"], manifest)):
        raise OfficeFault(f"not sound: the manifest is not signed by {key}")
    files = facts["files"]
    if odd := files.keys() ^ (set(names) - {MANIFEST, SIGNATURE}):
        raise OfficeFault(f"not sound: {min(odd)} is missing, or was put in")
    for name, said in files.items():
        with packed.open(name) as file:
            if _hashed(file, said["bytes"]) != (said["bytes"], said["sha256"]):
                raise OfficeFault(f"not sound: {name} is not what was signed")
    return Checked(facts["site"], str(key), facts["made_at"], facts["by"], facts["why"], len(files))


def _hashed(file: IO[bytes], most: int) -> tuple[int, str]:
    """Length and hash; no further than one byte beyond what is wanted, however well it is packed."""
    digest, size = hashlib.sha256(), 0
    while size <= most and (piece := file.read(min(_CHUNK, most + 1 - size))):
        digest.update(piece)
        size += len(piece)
    return size, digest.hexdigest()
