"""What a bench can show and sign: the technician's key, and the site's enrolment authority.

Where the authority stays in the office, the bench writes the kiosk's request
beside it and says how to go on; with the signed certificate in place, the same
command goes through.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from provisioning import durable
from provisioning.authority import (
    CERTIFICATE,
    GATE_DAYS,
    Authority,
    AuthorityFault,
    check_issued,
    issued_file,
    requested,
)
from provisioning.site_file import Site
from provisioning.technician import Technician

REQUESTS: Final = "requests"


@dataclass(frozen=True, slots=True)
class Credentials:
    """Either may be missing: a blank kiosk wants no technician, a site may have no certificates."""

    technician: Technician | None = None
    authority: Authority | None = None

    def certificate(self, site: Site, gate: str, csr: bytes) -> bytes:
        """The certificate (PEM) for a kiosk's request, from the authority at hand or from the office.

        Raises:
            AuthorityFault: it can't be had now; says what to do.
        """
        days = site.facts.identity.days if site.facts.identity else GATE_DAYS
        if self.authority:
            return self.authority.certify(csr, site.facts.site, gate, days)
        folder = site.authority_folder
        if folder is None:
            raise AuthorityFault("the site's file has no [identity]; its gates have no certificates")
        key = requested(csr, site.facts.site, gate)
        kept = issued_file(folder, gate, key)
        if kept.exists():
            pem = kept.read_bytes()
            check_issued(pem, key, (folder / CERTIFICATE).read_bytes())
            return pem
        request = folder / REQUESTS / f"{kept.stem}.csr"
        durable.make_directory(request.parent)
        durable.write(request, x509.load_der_x509_csr(csr).public_bytes(Encoding.PEM))
        raise AuthorityFault(_next_step(request, kept))


def _next_step(request: Path, kept: Path) -> str:
    return (
        f"the office must sign this kiosk's request: send it {request}, have it run "
        f"`menshen-provision ca sign` on it, put the answer at {kept}, and run this again"
    )
