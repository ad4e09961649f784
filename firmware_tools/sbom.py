"""The bill of materials of a bundle, in CycloneDX 1.6: what is in it, from where, under which licence.

It is written from the wheels themselves, not from what an environment happens
to have, and the same wheels make the same bytes.
"""

import email.message
import email.parser
import json
import uuid
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import HashAlgorithm, HashType
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output import make_outputter
from cyclonedx.schema import OutputFormat, SchemaVersion
from packageurl import PackageURL
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from firmware_tools.manifest import BundleFault

_NAMESPACE: Final = uuid.UUID("6f6b3f52-5d3a-5c0e-9d0b-6d656e736865")
_MAX_METADATA_BYTES: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Wheel:
    """One wheel of a bundle.

    Args:
        name: normalised, as PyPI compares names.
        wants: normalised names of what it needs; whether or not this machine is one that needs it.
    """

    path: Path
    name: str
    version: str
    sha256: str
    bytes: int
    licence: str
    wants: frozenset[str]


def metadata_of(wheel: Path) -> email.message.Message:
    """A wheel's METADATA.

    Raises:
        BundleFault: it has none.
    """
    try:
        with zipfile.ZipFile(wheel) as archive:
            names = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
            with archive.open(names[0]) as file:
                text = file.read(_MAX_METADATA_BYTES).decode("utf-8", "replace")
        return email.parser.Parser().parsestr(text, headersonly=True)
    except (zipfile.BadZipFile, OSError, IndexError, KeyError) as fault:
        raise BundleFault(f"{wheel.name} has no METADATA that can be read; download it again") from fault


def licence_of(metadata: email.message.Message) -> str:
    """An SPDX expression, or a name, or nothing."""
    said = metadata.get("License-Expression") or ""
    if not said:
        classified = [
            line.rpartition(" :: ")[2]
            for line in metadata.get_all("Classifier", [])
            if line.startswith("License ::")
        ]
        said = classified[0] if classified else (metadata.get("License") or "").strip().partition("\n")[0]
    return str(said)[:120]


def wants_of(metadata: email.message.Message) -> frozenset[str]:
    """What a wheel needs without any extra of its own."""
    found = (Requirement(str(line)) for line in metadata.get_all("Requires-Dist", []))
    return frozenset(
        canonicalize_name(one.name) for one in found if one.marker is None or "extra" not in str(one.marker)
    )


def made_from(wheels: Sequence[Wheel], product: str, version: str, built_utc: int) -> bytes:
    """The bill as JSON.

    Args:
        product: the name among the wheels of what this is the bill of.
    """
    factory = LicenseFactory()
    parts = {one.name: _component(one, factory) for one in sorted(wheels, key=lambda wheel: wheel.name)}
    bom = Bom(
        serial_number=uuid.uuid5(_NAMESPACE, "\n".join(sorted(one.sha256 for one in wheels))),
        components=[part for name, part in parts.items() if name != product],
    )
    bom.metadata.timestamp = datetime.fromtimestamp(built_utc, UTC)
    whole = parts[product]
    whole.type, whole.version = ComponentType.APPLICATION, version
    bom.metadata.component = whole
    for wheel in wheels:
        bom.register_dependency(
            parts[wheel.name], [parts[name] for name in sorted(wheel.wants) if name in parts]
        )
    text = make_outputter(bom, OutputFormat.JSON, SchemaVersion.V1_6).output_as_string()
    return json.dumps(json.loads(text), indent=1, sort_keys=True).encode() + b"\n"


def _component(wheel: Wheel, factory: LicenseFactory) -> Component:
    purl = PackageURL("pypi", None, wheel.name, wheel.version)
    return Component(
        name=wheel.name,
        version=wheel.version,
        type=ComponentType.LIBRARY,
        bom_ref=str(purl),
        purl=purl,
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=wheel.sha256)],
        licenses=[factory.make_from_string(wheel.licence)] if wheel.licence else [],
    )
