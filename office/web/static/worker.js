// Keeps the holder's page on the phone, so that it opens without a network. RELEASE, PLACE and SHELL stand above.
const NAME = `menshen-pass-${PLACE}${RELEASE}`;
const OURS = new RegExp(`^menshen-pass-${PLACE}[0-9a-f]{12}$`);

self.addEventListener("install", (event) => {
  const fresh = SHELL.map((path) => new Request(path, { cache: "reload", credentials: "omit" }));
  event.waitUntil(caches.open(NAME).then((cache) => cache.addAll(fresh)).then(() => self.skipWaiting()));
});

self.addEventListener("activate", (event) => {
  const old = caches.keys().then((names) => Promise.all(names.filter((name) => OURS.test(name) && name !== NAME).map((name) => caches.delete(name))));
  event.waitUntil(old.then(() => self.clients.claim()));
});

self.addEventListener("fetch", (event) => {
  const { method, url } = event.request;
  const { origin, pathname, search } = new URL(url);
  if (method !== "GET" || origin !== location.origin || !SHELL.includes(pathname + search)) return;
  const kept = caches.match(pathname + search, { ignoreVary: true });
  event.respondWith(kept.then((found) => found ?? fetch(event.request)));
});
