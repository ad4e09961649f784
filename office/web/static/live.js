// New events and the standing of the gates, put into the page as the server draws them.
const page = document.querySelector("[data-stream]");
const rows = document.getElementById("events");
const standing = document.getElementById("standing");
const link = document.getElementById("link");
const MOST = 200;

function say(word, tone) {
  if (link.textContent !== word) {
    link.textContent = word;
    link.className = `pill ${tone}`;
  }
}

function add(html) {
  const fresh = document.createElement("template");
  fresh.innerHTML = `<table><tbody>${html}</tbody></table>`;
  const found = [...fresh.content.querySelectorAll("tr")].filter((row) => !document.getElementById(row.id));
  for (const row of found) row.classList.add("new");
  rows.prepend(...found);
  while (rows.rows.length > MOST) rows.deleteRow(-1);
  if (found.length) document.getElementById("no-events")?.remove();
}

const stream = new EventSource(page.dataset.stream);
stream.onopen = () => say(link.dataset.live, "good");
stream.onerror = () => say(link.dataset.lost, "alarm");
stream.onmessage = ({ data }) => {
  const news = JSON.parse(data);
  if (news.rows) add(news.rows);
  if (!standing.contains(document.activeElement)) standing.innerHTML = news.standing;
};
stream.addEventListener("reload", () => location.reload());
