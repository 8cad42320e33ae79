// @ts-check
// Saves reloads. Every page is complete without it.

const DEBOUNCE_MS = 120;
const CHECK_MS = 300;
const PLAY_MS = 1000;
const address = () => location.href.split("#")[0];
/** Where what is shown was had from. */
let shownAt = address();

const make = (/** @type {string} */ tag, /** @type {object} */ of) => Object.assign(document.createElement(tag), of);

/** The clock bar: a range over the entries that change this page. @param {HTMLOListElement} rail */
function slider(rail) {
  const all = () => /** @type {HTMLAnchorElement[]} */ ([...rail.querySelectorAll("a")]);
  let links = all();
  const shown = links.findLastIndex((link) => link.parentElement?.className === "shown");
  const range = /** @type {HTMLInputElement} */ (make("input", { type: "range", min: 0, max: links.length - 1, step: 1, value: Math.max(shown, 0) }));
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
      links = all();
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
  let playing = 0;
  const play = make("button", { type: "button", textContent: "Play", ariaPressed: "false" });
  const pause = () => {
    clearInterval(playing);
    playing = 0;
    play.ariaPressed = "false";
  };
  const step = () => {
    range.stepUp();
    range.dispatchEvent(new Event("input"));
    if (range.value === range.max) pause();
  };
  play.addEventListener("click", () => {
    if (playing) return pause();
    if (range.value === range.max) range.value = "0";
    playing = setInterval(step, PLAY_MS);
    play.ariaPressed = "true";
  });
  range.addEventListener("focus", pause);
  rail.before(range, play);
}

/** Show another page's content at this place. @param {Document} page */
function swap(page) {
  for (const part of ["#main", "#clock-sentence", "footer", ".rail", ".stops"]) {
    const [old, now] = [document.querySelector(part), page.querySelector(part)];
    if (old && now) old.innerHTML = now.innerHTML;
  }
  if (!page.querySelector("#live")) unwatch();
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

let unwatch = () => {};

/** Tells how many entries came since the page was made, as long as somebody looks at it. @param {HTMLElement} place */
function live(place) {
  const stream = new URL(String(place.dataset.live), location.href);
  const link = make("a", { href: address() });
  let count = 0;
  /** @type {EventSource | undefined} */
  let source;
  const watch = () => {
    source?.close();
    if (document.hidden || !place.isConnected) return;
    source = new EventSource(stream);
    source.onmessage = (event) => {
      stream.searchParams.set("after", event.lastEventId);
      count += 1;
      link.textContent = count === 1 ? "1 new entry: load it" : `${count} new entries: load them`;
      if (!link.isConnected) place.append(link);
    };
  };
  unwatch = () => {
    place.remove();
    watch();
  };
  document.addEventListener("visibilitychange", watch);
  addEventListener("pagehide", () => source?.close());
  addEventListener("pageshow", watch);
}

/** @typedef {{at: string, where: string, detail: string}} Told */

/** Says at the fields of a form what is wrong so far. It can be sent at any time. @param {HTMLFormElement} form */
function checker(form) {
  const output = /** @type {HTMLOutputElement} */ (form.querySelector("[data-checked]"));
  const marked = () => [...form.querySelectorAll(".wrong")].map((one) => one.id.slice(0, -6));
  const touched = new Set(marked());
  let timer = 0;
  let asked = new AbortController();
  const check = async () => {
    asked.abort();
    asked = new AbortController();
    const body = new URLSearchParams(/** @type {any} */ (new FormData(form)));
    try {
      const answer = await fetch(String(form.dataset.check), { method: "POST", body, signal: asked.signal });
      if (answer.ok) show(await answer.json());
    } catch {} // the preview says the same
  };
  const show = (/** @type {{errors: Told[], anomalies: Told[]}} */ { errors, anomalies }) => {
    marked().forEach((at) => mark(at, ""));
    const wrong = errors.filter(({ at }) => at && [...touched].some((one) => one === at || one.startsWith(`${at}/`)));
    const whole = errors.filter(({ at }) => !at);
    for (const { at } of wrong) mark(at, wrong.filter((one) => one.at === at).map((one) => one.detail).join("; "));
    const open = errors.length - wrong.length - whole.length;
    output.textContent = [
      wrong.length && `${wrong.length} to mend: ${wrong.map((one) => one.where).join(", ")}`,
      ...whole.map((one) => one.detail),
      open && `${open} still to fill in`,
      anomalies.length && `${anomalies.length} unusual: ${anomalies.map((one) => one.detail).join("; ")}`,
    ].filter(Boolean).join(" · ") || "Nothing is wrong or unusual";
  };
  const soon = () => {
    clearTimeout(timer);
    timer = setTimeout(check, CHECK_MS);
  };
  form.oninput = soon;
  form.addEventListener("change", (event) => {
    touched.add(/** @type {HTMLInputElement} */ (event.target).name);
    soon();
  });
}

/** Says at a field what is wrong with it, or nothing any more. @param {string} at @param {string} detail */
function mark(at, detail) {
  const [field, id] = [document.getElementById(at), `${at}.wrong`];
  document.getElementById(id)?.remove();
  if (!field) return;
  const others = (field.getAttribute("aria-describedby") ?? "").split(" ").filter((one) => one !== id);
  field.setAttribute("aria-describedby", [...others, detail && id].filter(Boolean).join(" "));
  const legend = field.querySelector(":scope > legend");
  if (!legend) field.ariaInvalid = detail ? "true" : null;
  if (!detail) return;
  const said = make("span", { id, className: "wrong" });
  said.append(make("strong", { textContent: "Error:" }), ` ${detail}`);
  if (legend) legend.after(said);
  else field.before(said);
}

/** @param {string} css @param {(one: any) => void} run */
const each = (css, run) => document.querySelectorAll(css).forEach(run);
const enliven = () => each("[data-verify]", verifier);

each("[data-stops]", slider);
each("[data-check]", checker);
each("[data-live]", live);
enliven();
addEventListener("popstate", () => {
  if (address() !== shownAt) location.reload(); // within a page it goes on
});
