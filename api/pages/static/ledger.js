// @ts-check
// Saves reloads. Every page is complete without it.

const DEBOUNCE_MS = 120;
const address = () => location.href.split("#")[0];
/** Where what is shown was had from. */
let shownAt = address();

/** The clock bar: a range over the entries that change this page. @param {HTMLOListElement} rail */
function slider(rail) {
  let links = /** @type {HTMLAnchorElement[]} */ ([...rail.querySelectorAll("a")]);
  const shown = links.findLastIndex((link) => link.parentElement?.className === "shown");
  const range = document.createElement("input");
  Object.assign(range, { type: "range", min: "0", max: String(links.length - 1), step: "1", value: String(Math.max(shown, 0)) });
  range.setAttribute("aria-label", "As known at");
  let timer = 0;
  let asked = new AbortController();
  const told = () => range.setAttribute("aria-valuetext", links[range.valueAsNumber].title);
  const go = async (/** @type {boolean} */ push) => {
    const { href } = links[range.valueAsNumber];
    asked.abort();
    asked = new AbortController();
    try {
      const answer = await fetch(href, { headers: { Accept: "text/html" }, signal: asked.signal });
      if (!answer.ok) return void location.assign(href);
      swap(new DOMParser().parseFromString(await answer.text(), "text/html"));
      links = /** @type {HTMLAnchorElement[]} */ ([...rail.querySelectorAll("a")]);
      history[push ? "pushState" : "replaceState"]({}, "", href);
      shownAt = address();
    } catch (error) {
      if (/** @type {Error} */ (error).name !== "AbortError") location.assign(href);
    }
  };
  range.addEventListener("input", () => {
    told();
    clearTimeout(timer);
    timer = setTimeout(go, DEBOUNCE_MS, false);
  });
  range.addEventListener("change", () => {
    clearTimeout(timer);
    go(true);
  });
  told();
  rail.before(range);
}

/** Show another page's content at this place. @param {Document} page */
function swap(page) {
  for (const part of ["#main", "#clock-sentence", "footer", ".rail", ".stops"]) {
    const [old, now] = [document.querySelector(part), page.querySelector(part)];
    if (old && now) old.innerHTML = now.innerHTML;
  }
  document.body.className = page.body.className;
  document.title = page.title;
  enliven();
}

const bytesOf = (/** @type {string} */ text) => Uint8Array.from(atob(text), (one) => one.charCodeAt(0));
const textOf = (/** @type {Uint8Array} */ bytes) => btoa(String.fromCharCode(...bytes));

/** SHA-256 of some bytes after a first one (RFC 6962). @param {number} first @param {Uint8Array[]} parts */
async function hash(first, ...parts) {
  const blob = new Blob([Uint8Array.of(first), ...parts]);
  return new Uint8Array(await crypto.subtle.digest("SHA-256", await blob.arrayBuffer()));
}

/** The root that a leaf and the hashes beside its way lead to (RFC 9162, 2.1.3.2). @param {Uint8Array} leaf @param {Uint8Array[]} path @param {number} index @param {number} size */
async function rootOf(leaf, path, index, size) {
  let [node, last, root] = [index, size - 1, leaf];
  for (const beside of path) {
    if (last === 0) throw new Error("the proof is too long");
    if (node % 2 || node === last) {
      root = await hash(1, beside, root);
      while (node % 2 === 0 && node) [node, last] = [node / 2, Math.floor(last / 2)];
    } else root = await hash(1, root, beside);
    [node, last] = [Math.floor(node / 2), Math.floor(last / 2)];
  }
  if (last !== 0) throw new Error("the proof is too short");
  return root;
}

/** Whether an entry's own bytes lead to the root that was signed. @param {string} position @returns {Promise<string>} */
async function verify(position) {
  const [entry, proof] = await Promise.all([`/v1/events/${position}`, `/v1/events/${position}/proof`].map((url) => fetch(url)));
  if (!entry.ok || !proof.ok) throw new Error("the service gives no proof of it");
  const [head, note] = (await proof.text()).split("\n\n");
  const lines = head.split("\n");
  const at = lines.findIndex((line) => line.startsWith("index "));
  const [, size, root] = note.split("\n");
  const leaf = await hash(0, new Uint8Array(await entry.arrayBuffer()));
  const found = textOf(await rootOf(leaf, lines.slice(at + 1).map(bytesOf), Number(lines[at].slice(6)), Number(size)));
  if (found !== root) throw new Error(`these bytes lead to the root ${found}, and ${root} was signed`);
  return `These bytes are in the tree of ${size} entries with the root ${root}. Who signed it is checked by ledger verify.`;
}

/** @param {HTMLButtonElement} button */
function verifier(button) {
  button.hidden = false;
  const output = /** @type {HTMLOutputElement} */ (document.querySelector("[data-verified]"));
  button.addEventListener("click", async () => {
    output.textContent = "Checking…";
    try {
      output.textContent = `✓ ${await verify(String(button.dataset.verify))}`;
      output.className = "";
    } catch (error) {
      output.textContent = `✕ This entry is not what was signed: ${/** @type {Error} */ (error).message}`;
      output.className = "error";
    }
  });
}

function enliven() {
  document.querySelectorAll("[data-verify]").forEach((one) => verifier(/** @type {HTMLButtonElement} */ (one)));
}

document.querySelectorAll("[data-stops]").forEach((one) => slider(/** @type {HTMLOListElement} */ (one)));
enliven();
addEventListener("popstate", () => {
  if (address() !== shownAt) location.reload(); // within a page it goes on
});
