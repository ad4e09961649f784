"""A phone as the holder's page makes one: it proves its key and asks, over the same addresses."""

import json
import re
import time

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from django.test import Client

from agent.core.keys import Alg, PublicKey, sig_structure
from office import phones
from tests.office_pages.desk import SITE, Desk


def invited(desk: Desk, pass_id: str, by: str = "chen") -> str:
    """The desk presses the button; what its link carries."""
    page = desk.browser(by).post(f"/passes/{pass_id}/invite").text
    return re.search(r"/pass/#([\w-]{32})<", page)[1]


class Phone:
    """One phone with one key."""

    def __init__(self, alg: Alg = Alg.ED25519) -> None:
        if alg is Alg.ED25519:
            self._ed = Ed25519PrivateKey.generate()
            self.key = PublicKey(alg, self._ed.public_key().public_bytes_raw())
        else:
            self._ec = ec.generate_private_key(ec.SECP256R1())
            point = self._ec.public_key().public_numbers()
            self.key = PublicKey(alg, point.x.to_bytes(32), odd=bool(point.y % 2))
        self.pass_id = ""

    def sign(self, data: bytes) -> bytes:
        if self.key.alg is Alg.ED25519:
            return self._ed.sign(data)
        r, s = decode_dss_signature(self._ec.sign(data, ec.ECDSA(hashes.SHA256())))
        return r.to_bytes(32) + s.to_bytes(32)

    def ask(self, what: str, **question):
        """Status and answer."""
        reply = Client().post(f"/pass/{what}", json.dumps(question), content_type="application/json")
        return reply.status_code, reply.json()

    def proof(self, token: str, key: str = "") -> dict[str, str]:
        _, opened = self.ask("challenge", token=token)
        key = key or str(self.key)
        proof = phones.proof(self.key.alg, SITE, opened.get("challenge", ""), key)
        return {"token": token, "key": key, "signature": self.sign(proof).hex()}

    def enrol(self, token: str):
        status, answer = self.ask("enrol", **self.proof(token))
        self.pass_id = answer.get("pass", "")
        return status, answer

    def standing(self, utc: int | None = None, **changes):
        utc = int(time.time()) if utc is None else utc
        lines = f"{self.pass_id}\n{utc}\nstanding".encode()
        signature = self.sign(sig_structure(self.key.alg, f"menshen/1/holder/{SITE}", lines)).hex()
        question = {"pass": self.pass_id, "utc": utc, "key": str(self.key), "signature": signature}
        return self.ask("standing", **{**question, **changes})
