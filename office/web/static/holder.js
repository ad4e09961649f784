// The holder's page: takes an invitation, shows the code, and says what is the matter. All words are in the page.
import { qrcode } from "./qrcode.mjs";
import * as vault from "./vault.js";
import * as wire from "./wire.js";

const TURN_MS = 500; // so long each of certificate and code is shown
const TICK_MS = 100;
const ASK_EVERY_MS = 20_000;
const CLOCK_MATTERS_MS = 5_000;
const QUIET = 6; // modules; ISO/IEC 18004 wants 4
const FORMS = { code: [5, "M"], certificate: [6, "L"] };
const NEXT = "menshen-invitation";

const $ = (id) => document.getElementById(id);
const show = (id, so = true) => ($(id).hidden = !so);
const standalone = navigator.standalone === true || matchMedia("(display-mode: standalone)").matches;

let passes = [];
let held = null; // the pass that is shown
let token = "";
let opened = null; // what the office said of the invitation
let offset = 0; // the office's clock minus this phone's, in ms
let made = {}; // codes by step
let drawn = "";

const now = () => Date.now() + offset;

// --- the office -----------------------------------------------------------------

class Refused extends Error {
  constructor(answer) {
    super(answer.error);
    this.answer = answer;
  }
}

async function ask(what, question) {
  const asked = performance.now();
  const response = await fetch(what, { method: "POST", body: JSON.stringify(question), cache: "no-store", credentials: "omit" });
  const answer = await response.json();
  const took = performance.now() - asked;
  if (took < 5000) offset = answer.utc * 1000 + took / 2 - Date.now();
  if (Math.abs(offset) < 1000) offset = 0;
  say("clock", Math.abs(offset) > CLOCK_MATTERS_MS);
  if (!response.ok) throw new Refused(answer);
  return answer;
}

/** A question that only this phone can ask. */
async function askAsHolder(what, words, more = {}) {
  const utc = Math.floor(now() / 1000);
  const bytes = wire.signed(held.alg, `menshen/1/holder/${held.site}`, [held.pass, utc, ...words].join("\n"));
  const signature = wire.hex(await vault.sign(held, bytes));
  return ask(what, { pass: held.pass, utc, key: held.public, signature, ...more });
}

// --- from the invitation to the pass ----------------------------------------------

async function openInvitation() {
  fault("");
  try {
    opened = await ask("challenge", { token });
  } catch (error) {
    return fault(error);
  }
  fill("invite", opened);
  show("invite");
  show("empty", false);
}

async function accept() {
  $("accept").disabled = true;
  fault("");
  try {
    const made = await vault.makeKey();
    const one = { pass: opened.pass, site: opened.site, alg: made.alg, key: made.key, public: wire.keyText(made.alg, made.raw) };
    await vault.keep({ ...one, state: "invited" }); // before the office knows it: a key that can't be kept is none
    const [kept] = (await vault.all()).filter((other) => other.pass === one.pass);
    opened = await ask("challenge", { token }); // the first may be too old by now
    const proof = wire.signed(kept.alg, `menshen/1/enrol/${kept.site}`, `${opened.challenge}\n${kept.public}`);
    const question = { token, key: kept.public, signature: wire.hex(await vault.sign(kept, proof)) };
    const answer = await ask("enrol", question).catch((error) => {
      if (error instanceof Refused) throw error;
      return ask("enrol", question); // an answer can get lost; the office knows the same phone again
    });
    await remember({ ...kept, ...terms(answer) });
    history.replaceState(null, "", location.pathname + location.search);
    sessionStorage.removeItem(NEXT);
    navigator.storage?.persist?.().catch(() => {});
    await begin();
  } catch (error) {
    fault(error);
  } finally {
    $("accept").disabled = false;
  }
}

const terms = ({ state, kind, zones, from, until, certificate }) => ({ state, kind, zones, from, until, certificate });

async function remember(one) {
  await vault.keep(one);
  passes = await vault.all();
}

// --- the code ------------------------------------------------------------------

async function codeAt(step) {
  if (!made[step]) {
    const body = wire.rotatingBody(held.alg, held.pass, step);
    made = { [step - 1]: made[step - 1], [step]: wire.compose(body, await vault.sign(held, wire.signed(held.alg, `menshen/1/${held.site}`, body))) };
  }
  return made[step];
}

function draw(text, form) {
  if (text === drawn) return;
  drawn = text;
  const qr = qrcode(...FORMS[form]);
  qr.addData(text, "Alphanumeric");
  qr.make();
  const size = qr.getModuleCount();
  let path = "";
  for (let y = 0; y < size; y++) {
    for (let x = 0; x < size; x++) {
      let run = 0;
      while (x + run < size && qr.isDark(y, x + run)) run++;
      if (run) path += `M${x} ${y}h${run}v1h-${run}z`;
      x += run;
    }
  }
  $("code").setAttribute("viewBox", `${-QUIET} ${-QUIET} ${size + 2 * QUIET} ${size + 2 * QUIET}`);
  $("modules").setAttribute("d", path);
  $("code").dataset.form = form;
}

let busy = false;
async function tick() {
  if (!held || document.hidden || busy) return;
  busy = true;
  try {
    const at = now();
    const step = Math.floor(at / 1000 / wire.STEP_S);
    const left = (step + 1) * wire.STEP_S - at / 1000;
    const code = await codeAt(step);
    const certificateNow = held.certificate && Math.floor(at / TURN_MS) % 2 === 0;
    draw(certificateNow ? held.certificate : code, certificateNow ? "certificate" : "code");
    $("ring").setAttribute("stroke-dashoffset", 100 * (1 - left / wire.STEP_S));
    $("left").textContent = Math.ceil(left);
    say("ended", at / 1000 >= held.until);
    say("early", at / 1000 < held.from);
  } finally {
    busy = false;
  }
}

let lock = null;
async function stayBright() {
  if (!held || document.hidden || lock) return;
  lock = await navigator.wakeLock?.request("screen").catch(() => null);
  lock?.addEventListener("release", () => (lock = null));
}

// --- what the page says ------------------------------------------------------------

/** A sentence about the pass, shown or not; the page has it under its name. */
function say(name, so) {
  for (const one of document.querySelectorAll(`[data-say="${name}"]`)) one.hidden = !so;
}

/** Why it did not work: the office's reason, a browser that keeps no keys, or no network. */
function fault(error) {
  const reasons = [...document.querySelectorAll("[data-fault]")];
  const found = !error ? "" : error instanceof Refused ? error.answer.error : error instanceof TypeError ? "network" : "keys";
  const known = reasons.some((one) => one.dataset.fault === found);
  for (const one of reasons) one.hidden = one.dataset.fault !== (known ? found : found && "other");
  show("fault", Boolean(found));
}

/** Put what is known into places that are named after it. */
function fill(id, facts) {
  for (const place of $(id).querySelectorAll("[data-is]")) {
    const value = facts[place.dataset.is];
    const word = $("words").querySelector(`[data-word="${CSS.escape(String(value))}"]`);
    place.textContent = place.dataset.is === "until" ? day(value) : word ? word.textContent : Array.isArray(value) ? value.join(", ") : (value ?? "");
  }
}

const day = (utc) => new Date(utc * 1000).toLocaleString(document.documentElement.lang, { dateStyle: "long", timeStyle: "short" });

function showVisitors(visitors) {
  const cards = visitors.map((one) => {
    const card = $("visitor").content.firstElementChild.cloneNode(true);
    card.querySelector("strong").textContent = one.name;
    card.querySelector("span").textContent = ` · ${one.purpose} · ${one.gate}`;
    for (const button of card.querySelectorAll("button")) button.addEventListener("click", () => decide(one.visit, button.value, card));
    return card;
  });
  $("visitors").replaceChildren(...cards);
}

/** The host's word about a visitor who waits. */
async function decide(visit, decision, card) {
  for (const button of card.querySelectorAll("button")) button.disabled = true;
  try {
    showFile(await askAsHolder("visit", ["visit", visit, decision], { visit, decision }));
  } catch (error) {
    if (error instanceof TypeError) say("offline", true);
    askStanding();
  }
}

function showFile(answer) {
  showVisitors(answer.visitors);
  fill("file", answer);
  const rows = answer.seen.map((one) => {
    const row = document.createElement("li");
    const word = (name) => $("words").querySelector(`[data-word="${CSS.escape(name)}"]`)?.textContent ?? name;
    row.textContent = [day(one.at), one.gate, word(one.kind), one.reason && word(one.reason)].filter(Boolean).join(" · ");
    return row;
  });
  $("seen").replaceChildren(...rows);
  show("file", true);
}

function howItStands() {
  return askAsHolder("standing", ["standing"]).catch((error) => {
    if (error.answer?.error !== "clock") throw error;
    return askAsHolder("standing", ["standing"]); // the first answer has told the time
  });
}

/** Keys whose enrolment was cut off: the office says whether it has them. */
async function recover() {
  for (const one of (await vault.all()).filter((kept) => kept.state === "invited")) {
    held = one;
    try {
      await vault.keep({ ...one, ...terms(await howItStands()) });
      token = "";
      history.replaceState(null, "", location.pathname + location.search);
    } catch (error) {
      if (error.answer?.error === "unknown") await vault.forget(one.pass);
    }
  }
  held = null;
}

async function askStanding() {
  if (!held) return;
  const asked = held.pass;
  try {
    const answer = await howItStands();
    if (held.pass !== asked) return;
    held = { ...held, ...terms(answer), out: false };
    await remember(held);
    showFile(answer);
    say("offline", false);
  } catch (error) {
    if (error instanceof TypeError) return say("offline", true);
    if (["taken_out", "unknown"].includes(error.answer?.error)) {
      held = { ...held, out: true };
      await remember(held);
    }
  }
  standing();
}

function standing() {
  const usable = !held.out && held.state === "live";
  show("live", usable);
  say("out", Boolean(held.out));
  for (const state of ["suspended", "revoked"]) say(state, !held.out && held.state === state);
  say("over", !held.out && held.state === "ended");
}

function choose(pass) {
  held = passes.find((one) => one.pass === pass) ?? passes[0];
  made = {};
  drawn = "";
  localStorage.setItem("menshen-pass", held.pass);
  fill("card", held);
  show("file", false);
  standing();
  tick();
  stayBright();
  askStanding();
}

async function begin() {
  passes = (await vault.all()).filter((one) => one.state !== "invited").sort((a, b) => b.until - a.until);
  show("invite", false);
  show("empty", !passes.length && !token);
  show("card", passes.length > 0);
  show("choice", passes.length > 1);
  if (!passes.length) return;
  $("which").replaceChildren(...passes.map((one) => new Option(`${one.site} · ${$("words").querySelector(`[data-word="${one.kind}"]`).textContent}`, one.pass)));
  choose(localStorage.getItem("menshen-pass"));
  $("which").value = held.pass;
}

// --- the page opens -----------------------------------------------------------------

function unable() {
  if (!isSecureContext) return "http";
  if (!globalThis.crypto?.subtle || !globalThis.indexedDB) return "browser";
  return "";
}

function listen() {
  $("accept").addEventListener("click", accept);
  $("which").addEventListener("change", () => choose($("which").value));
  $("paste").addEventListener("submit", (event) => {
    event.preventDefault();
    token = $("pasted").value.trim().replace(/^.*#/, "");
    openInvitation();
  });
  $("copy").addEventListener("click", () => navigator.clipboard?.writeText(location.href).then(() => show("copied")));
  $("forget").addEventListener("click", async () => {
    await vault.forget(held.pass);
    location.reload();
  });
  for (const link of document.querySelectorAll("[data-language]")) {
    link.addEventListener("click", () => {
      localStorage.setItem("menshen-language", link.dataset.language);
      if (token) sessionStorage.setItem(NEXT, token);
    });
  }
  addEventListener("hashchange", () => location.reload());
  addEventListener("online", askStanding);
  addEventListener("offline", () => say("offline", true));
  addEventListener("beforeinstallprompt", (event) => {
    event.preventDefault();
    show("install");
    $("install").onclick = () => event.prompt();
  });
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) return;
    tick();
    stayBright();
    askStanding();
  });
}

async function start() {
  const why = unable();
  if (why) {
    say(why, true);
    return show("unable");
  }
  const language = localStorage.getItem("menshen-language");
  if (language && language !== document.documentElement.dataset.language && !new URLSearchParams(location.search).has("l"))
    return location.replace(`?l=${language}${location.hash}`);
  listen();
  const worker = navigator.serviceWorker?.register("worker.js", { scope: "./" }) ?? Promise.reject();
  worker.catch(() => say("online-only", true)); // as in the browsers inside other apps on an iPhone
  const iphone = "standalone" in navigator;
  say("iphone", iphone && !standalone);
  say("wechat", /MicroMessenger/i.test(navigator.userAgent));
  say("installed", standalone);
  say("loose", !standalone);
  token = location.hash.slice(1) || sessionStorage.getItem(NEXT) || "";
  try {
    await recover();
    await begin();
  } catch {
    say("browser", true);
    return show("unable");
  }
  if (token) await openInvitation();
  setInterval(tick, TICK_MS);
  setInterval(() => document.hidden || askStanding(), ASK_EVERY_MS);
}

start();
