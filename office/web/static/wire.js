// What goes over the wire, byte for byte as docs/pass-format.md has it. Knows no page, no key store, no clock.
const ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:";
const PROTECTED = { ed25519: [0xa1, 0x01, 0x27], p256: [0xa1, 0x01, 0x26] };
export const STEP_S = 15;

const text = new TextEncoder();

/** Base45 (RFC 9285) of bytes. */
function base45(bytes) {
  let out = "";
  for (let i = 0; i < bytes.length; i += 2) {
    const pair = i + 1 < bytes.length;
    let n = pair ? bytes[i] * 256 + bytes[i + 1] : bytes[i];
    for (let digits = pair ? 3 : 2; digits > 0; digits--, n = Math.floor(n / 45)) out += ALPHABET[n % 45];
  }
  return out;
}

/** A CBOR byte string with its length in the fewest bytes; up to 64 KiB. */
function byteString(bytes) {
  const size = bytes.length;
  const head = size < 24 ? [0x40 | size] : size < 256 ? [0x58, size] : [0x59, size >> 8, size & 255];
  return [...head, ...bytes];
}

/** The bytes that are signed: COSE's Sig_structure (RFC 9052, 4.4). */
export function signed(alg, context, payload) {
  const body = typeof payload === "string" ? text.encode(payload) : payload;
  const parts = [PROTECTED[alg], text.encode(context), body].flatMap(byteString);
  return new Uint8Array([0x84, 0x6a, ...text.encode("Signature1"), ...parts]);
}

export const hex = (bytes) => [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
export const unhex = (digits) => new Uint8Array(digits.match(/../g).map((pair) => parseInt(pair, 16)));

/** The body of a rotating pass: type and algorithm, pass id (16 hex digits), step. */
export function rotatingBody(alg, pass, step) {
  const body = new Uint8Array(13);
  body[0] = alg === "ed25519" ? 0x21 : 0x22;
  body.set(unhex(pass), 1);
  new DataView(body.buffer).setUint32(9, step);
  return body;
}

/** A code's text. */
export const compose = (body, signature) => "M1" + base45(new Uint8Array([...body, ...signature]));

/** A public key as the office writes it, from what WebCrypto exports as "raw". */
export function keyText(alg, raw) {
  if (alg === "ed25519") return `ed25519:${hex(raw)}`;
  return `p256:${raw[64] & 1 ? "odd:" : ""}${hex(raw.slice(1, 33))}`; // raw is 4, x, y (SEC 1, 2.3.3)
}
