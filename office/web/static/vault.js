// Keys and passes, kept by the browser. A private key is made not extractable: no script can read it, this one neither.
const ED25519 = { name: "Ed25519" };
const P256 = { name: "ECDSA", namedCurve: "P-256" };
const HOW = { ed25519: ED25519, p256: { name: "ECDSA", hash: "SHA-256" } };

function wait(request) {
  return new Promise((done, failed) => {
    request.onsuccess = () => done(request.result);
    request.onerror = () => failed(request.error);
  });
}

async function store(mode) {
  const opening = indexedDB.open("menshen", 1);
  opening.onupgradeneeded = () => opening.result.createObjectStore("passes", { keyPath: "pass" });
  return (await wait(opening)).transaction("passes", mode).objectStore("passes");
}

/** This site's passes on this phone, as they were kept; another site of the group has a page of its own for its own. */
export const all = async () => (await wait((await store("readonly")).getAll())).filter((one) => one.site === document.documentElement.dataset.site);
export const keep = async (one) => wait((await store("readwrite")).put(one));
export const forget = async (pass) => wait((await store("readwrite")).delete(pass));

/** A new key pair: Ed25519, or P-256 where the browser has none. */
export async function makeKey() {
  let alg = "ed25519";
  const pair = await crypto.subtle.generateKey(ED25519, false, ["sign", "verify"]).catch(() => {
    alg = "p256";
    return crypto.subtle.generateKey(P256, false, ["sign", "verify"]);
  });
  const raw = new Uint8Array(await crypto.subtle.exportKey("raw", pair.publicKey));
  return { alg, key: pair.privateKey, raw };
}

/** 64 bytes: Ed25519, or r then s. */
export const sign = async (one, bytes) => new Uint8Array(await crypto.subtle.sign(HOW[one.alg], one.key, bytes));
