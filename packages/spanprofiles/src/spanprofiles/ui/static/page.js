// What the pages do beyond plain HTML: lists that follow, flame graphs that zoom and search, names that can be copied.
// Texts of traces and profiles reach the document through textContent, or as HTML that the server has escaped.
"use strict";

const SVG = "http://www.w3.org/2000/svg";
const ROW = 20;

const away = document.getElementById("away");
const failing = new Map();

function tellAway(what, message) {
  if (message) failing.set(what, message); else failing.delete(what);
  const first = failing.values().next().value;
  away.textContent = first ? `${first} Looking again until it does.` : "";
  away.hidden = !first;
}

// ---- parts of a page that follow what happens -------------------------------------------------------------------

function follow(part) {
  const every = Number(part.dataset.every);
  const held = () => "hold" in part.dataset && part.querySelector(":is(tbody, .points):hover, :is(tbody, .points) :focus-visible");
  let timer = 0;

  async function look() {
    clearTimeout(timer);
    const note = part.querySelector(".held");
    if (note) note.hidden = !held();
    if (!document.hidden && !held()) await ask();
    timer = setTimeout(look, Number(part.querySelector("[data-sooner]")?.dataset.sooner) || every);
  }

  async function ask() {
    let answer, text;
    try {
      answer = await fetch(part.dataset.live, { headers: { Accept: "text/html" } });
      text = await answer.text();
    } catch {
      part.classList.add("stale");
      tellAway(part, "The program that serves this page does not answer.");
      return;
    }
    const found = new DOMParser().parseFromString(text, "text/html");
    if (!answer.ok) {
      const message = found.querySelector(".state p");
      part.classList.add("stale");
      tellAway(part, message ? message.textContent + "." : `The answer was ${answer.status}.`);
      return;
    }
    part.classList.remove("stale");
    tellAway(part, "");
    if (held() || part.innerHTML === found.body.innerHTML) return;
    const focused = part.contains(document.activeElement) ? document.activeElement.id : "";
    for (const opened of part.querySelectorAll("details[id]")) {
      const next = found.getElementById(opened.id);
      if (next) next.open = opened.open;
    }
    part.replaceChildren(...found.body.childNodes);
    part.dispatchEvent(new Event("replaced", { bubbles: true }));
    if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
  }

  document.addEventListener("visibilitychange", () => { if (!document.hidden) look(); });
  timer = setTimeout(look, "soon" in part.dataset ? 0 : every);
}

// A page that waits for samples, or for a server: loaded again when there is something else to see.
async function lookAgain(mark) {
  try {
    const text = await (await fetch(location.href)).text();
    const found = new DOMParser().parseFromString(text, "text/html");
    if (!found.querySelector("[data-again]")) return location.reload();
    tellAway(mark, "");
  } catch {
    tellAway(mark, "The program that serves this page does not answer.");
  }
  setTimeout(() => lookAgain(mark), Number(mark.dataset.again));
}

// ---- figures ----------------------------------------------------------------------------------------------------

function duration(ns) {
  if (ns < 1e6) return `${Math.round(ns / 1e3)} us`;
  return ns < 1e9 ? `${(ns / 1e6).toFixed(1)} ms` : `${(ns / 1e9).toFixed(2)} s`;
}


// What cannot be seen in a text of somebody else, shown as the server shows it.
const visible = (text) => text.replace(/[\p{C}\p{Zl}\p{Zp}]/gu, (one) => {
  const code = one.codePointAt(0), digits = code < 0x100 ? 2 : code < 0x10000 ? 4 : 8;
  return `\\${{ 2: "x", 4: "u", 8: "U" }[digits]}${code.toString(16).padStart(digits, "0")}`;
});

// ---- flame graphs -----------------------------------------------------------------------------------------------

class Flame {
  constructor(panel) {
    const data = JSON.parse(panel.querySelector("[data-boxes]").textContent);
    this.panel = panel;
    this.names = data.names;
    this.files = data.files || []; // of a function, or below of a box
    this.places = data.at ? data.at.map((number) => data.places[number]) : [];
    this.leftOut = data.leftOut || 0;
    this.written = data.written; // each value with how well it is known
    this.difference = data.kind === "difference";
    this.box = panel.querySelector("[data-picture]");
    this.svg = this.box.querySelector("svg");
    this.says = panel.querySelector(".flame-says");
    this.counts = panel.querySelector("[data-counts]");
    this.reset = panel.querySelector("[data-reset]");
    this.search = panel.querySelector(".flame-search");
    this.matches = panel.querySelector(".flame-matches");
    this.boxes = data.boxes.map(([parent, start, total, self, kind, key, names, before, after, change, words], index) =>
      ({ index, parent, start, total, self, kind, key, names, before, after, change, words, children: [], depth: 0 }));
    for (const one of this.boxes) {
      if (one.parent < 0) continue;
      one.depth = this.boxes[one.parent].depth + 1;
      this.boxes[one.parent].children.push(one);
    }
    this.whole = this.boxes[0];
    this.matched = null;
    this.tip = document.createElement("div");
    this.tip.className = "tip";
    this.tip.hidden = true;
    panel.append(this.tip);
    this.pen = document.createElement("canvas").getContext("2d");
    this.focus = this.chosen = this.named();
    this.chosenByHand = false;
    for (const title of this.svg.querySelectorAll("title")) title.remove();
    this.search.hidden = false;
    this.listen();
    // The server does not know the width: labels may be cut off in their midst. Redrawn where that costs nothing.
    if (this.boxes.length < 1500) this.draw();
    this.say();
    if (this.search.value) this.find();
  }

  named() {
    const key = new URLSearchParams(location.search).get("frame");
    return this.boxes.find((one) => one.key === key) || this.whole;
  }

  label(one) {
    const [first, last] = [one.names[0], one.names[one.names.length - 1]].map((name) => visible(this.names[name]));
    return one.names.length === 1 ? first : `${one.names.length} library frames: ${first} … ${last}`;
  }

  // Zoom so that one box fills the width, and say so in the address.
  zoom(one, push = true) {
    this.focus = this.chosen = one;
    this.draw();
    this.say();
    this.reset.hidden = one === this.whole;
    if (!push) return;
    const address = new URL(location.href);
    if (one === this.whole) address.searchParams.delete("frame"); else address.searchParams.set("frame", one.key);
    if (address.href !== location.href) history.pushState(null, "", address);
  }

  shown() {
    const width = this.box.clientWidth, { start, total, depth } = this.focus, above = new Set();
    for (let one = this.focus; one; one = this.boxes[one.parent]) above.add(one);
    const found = [];
    let folded = this.leftOut;
    for (const one of this.boxes) {
      if (above.has(one)) found.push([one, 0, width]);
      else if (one.depth > depth && one.start >= start && one.start + one.total <= start + total) {
        const wide = (one.total / total) * width;
        if (wide < 0.5) folded += 1; else found.push([one, ((one.start - start) / total) * width, wide]);
      }
    }
    return [found, folded];
  }

  draw() {
    const [found, folded] = this.shown(), drawn = document.createDocumentFragment();
    let rows = 0;
    for (const [one, left, wide] of found) {
      const group = document.createElementNS(SVG, "g"), rect = document.createElementNS(SVG, "rect"), top = one.depth * ROW;
      rows = Math.max(rows, one.depth + 1);
      group.dataset.box = one.index;
      group.setAttribute("class", this.classes(one, wide));
      rect.setAttribute("x", left.toFixed(2));
      rect.setAttribute("y", top);
      rect.setAttribute("width", wide.toFixed(2));
      rect.setAttribute("height", ROW - 1);
      rect.setAttribute("rx", 2);
      group.append(rect);
      const fitting = wide >= 28 ? this.fit(one, wide - 9) : "";
      if (fitting) {
        const text = document.createElementNS(SVG, "text");
        text.setAttribute("x", (left + 5).toFixed(2));
        text.setAttribute("y", top + 14);
        text.textContent = fitting;
        group.append(text);
      }
      drawn.append(group);
    }
    this.svg.setAttribute("height", rows * ROW);
    this.svg.replaceChildren(drawn);
    this.counts.textContent = `${found.length} boxes${folded ? `; ${folded} of the narrowest are folded away` : ""}.`;
  }

  classes(one, wide) {
    const words = ["box", one.kind];
    if (wide < 3) words.push("thin");
    if (one.depth < this.focus.depth) words.push("faded");
    if (this.matched) words.push(this.isMatched(one) ? "matched" : "unmatched");
    if (one === this.chosen && this.chosenByHand) words.push("chosen");
    return words.join(" ");
  }

  fit(one, room) {
    let text = this.label(one);
    if (this.difference && one.kind !== "same" && !one.kind.startsWith("same ")) text = `${one.change}  ${text}`;
    this.pen.font = `${one.kind.startsWith("own") || this.difference ? "600 " : ""}12px ${getComputedStyle(this.svg).fontFamily}`;
    const wide = this.pen.measureText(text).width;
    if (wide <= room) return text;
    const kept = Math.floor((text.length * room) / wide) - 2;
    return kept > 1 ? `${text.slice(0, kept)}…` : "";
  }

  facts(one) {
    const file = this.places[one.index] || (one.names.length === 1 ? this.files[one.names[0]] : "") || "";
    const whose = one.kind.startsWith("own") ? "your code" : one.kind.startsWith("library") ? "library" : "";
    if (this.difference) return [file, one.words];
    return [[whose, file].filter(Boolean).join(", "), `self ${this.written[one.self]}`, `total ${this.written[one.total]}`];
  }

  say() {
    const name = document.createElement("b"), copy = document.createElement("button");
    name.className = "code";
    name.textContent = this.label(this.chosen);
    copy.type = "button";
    copy.textContent = "Copy name";
    copy.addEventListener("click", () => this.copy());
    const facts = this.facts(this.chosen).filter(Boolean).map((text) => {
      const line = document.createElement("span");
      line.textContent = visible(text);
      return line;
    });
    this.says.replaceChildren(name, ...facts, copy, ...this.ways());
  }

  // The way from the chosen box to its function's callers and callees.
  ways() {
    const { functions } = this.panel.dataset;
    if (!functions || this.chosen === this.whole || this.chosen.names.length > 1) return [];
    const way = document.createElement("a");
    way.href = `${functions}?name=${encodeURIComponent(this.names[this.chosen.names[0]])}`;
    way.className = "button";
    way.textContent = "Callers and callees";
    return [way];
  }

  copy() {
    const text = this.chosen.names.map((name) => this.names[name]).join("\n");
    copyText(text, this.says.querySelector("button"));
  }

  choose(one) {
    if (!one) return;
    this.chosen = one;
    this.chosenByHand = true;
    this.svg.querySelector(".chosen")?.classList.remove("chosen");
    this.svg.querySelector(`[data-box="${one.index}"]`)?.classList.add("chosen");
    this.say();
  }

  beside(step) {
    const [found] = this.shown(), row = found.filter(([one]) => one.depth === this.chosen.depth).sort((a, b) => a[1] - b[1]);
    const place = row.findIndex(([one]) => one === this.chosen);
    return row[place + step]?.[0];
  }

  isMatched(one) {
    return one.names.some((name) => this.matched.has(name));
  }

  find() {
    const wanted = this.search.value.trim().toLowerCase();
    this.matched = wanted
      ? new Set(this.names.map((_, index) => index).filter((index) => this.names[index].toLowerCase().includes(wanted)))
      : null;
    for (const group of this.svg.querySelectorAll("[data-box]")) {
      const hit = this.matched && this.isMatched(this.boxes[group.dataset.box]);
      group.classList.toggle("matched", Boolean(hit));
      group.classList.toggle("unmatched", Boolean(this.matched && !hit));
    }
    this.matches.textContent = this.matched ? this.summary() : "";
    const address = new URL(location.href);
    if (wanted) address.searchParams.set("search", wanted); else address.searchParams.delete("search");
    if (address.href !== location.href) history.replaceState(null, "", address);
  }

  summary() {
    let total = 0;
    const counted = new Set(), functions = new Set();
    for (const one of this.boxes.slice(1)) {
      const above = counted.has(one.parent), hit = this.isMatched(one);
      if (hit) one.names.filter((name) => this.matched.has(name)).forEach((name) => functions.add(name));
      if (hit && !above) total += one.total;
      if (hit || above) counted.add(one.index);
    }
    if (!functions.size) return "no function matches";
    return `${functions.size} function${functions.size > 1 ? "s match" : " matches"}: ${Math.round((100 * total) / this.whole.total)} % of the whole`;
  }

  listen() {
    const under = (event) => {
      const group = event.target.closest?.("[data-box]");
      return group && this.boxes[group.dataset.box];
    };
    this.svg.addEventListener("click", (event) => {
      const one = under(event);
      if (!one || event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      this.chosenByHand = false;
      this.tip.hidden = true;
      this.zoom(one);
    });
    this.svg.addEventListener("mousemove", (event) => this.point(under(event), event));
    this.svg.addEventListener("mouseleave", () => { this.tip.hidden = true; });
    this.reset.addEventListener("click", (event) => { event.preventDefault(); this.zoom(this.whole); this.box.focus(); });
    this.search.addEventListener("input", () => this.find());
    this.search.addEventListener("keydown", (event) => {
      if (event.key === "Escape") { this.search.value = ""; this.find(); }
    });
    this.box.addEventListener("keydown", (event) => this.key(event));
    window.addEventListener("popstate", () => this.zoom(this.named(), false));
    let width = this.box.clientWidth;
    new ResizeObserver(() => {
      if (Math.abs(this.box.clientWidth - width) > 1) { width = this.box.clientWidth; this.draw(); }
    }).observe(this.box);
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const one = this.chosen;
    const moves = {
      ArrowUp: () => this.choose(this.boxes[one.parent]),
      ArrowDown: () => this.choose(one.children[0]),
      ArrowLeft: () => this.choose(this.beside(-1)),
      ArrowRight: () => this.choose(this.beside(1)),
      Enter: () => this.zoom(one),
      Escape: () => this.zoom(this.whole),
      c: () => { this.say(); this.copy(); },
    };
    if (!moves[event.key]) return;
    event.preventDefault();
    moves[event.key]();
  }

  point(one, event) {
    this.tip.hidden = !one;
    if (!one) return;
    const name = document.createElement("b");
    name.textContent = this.label(one);
    this.tip.replaceChildren(name, ...this.facts(one).filter(Boolean).map((text) => {
      const line = document.createElement("span");
      line.textContent = visible(text);
      return line;
    }));
    const { width, height } = this.tip.getBoundingClientRect();
    this.tip.style.left = `${Math.max(4, Math.min(event.clientX + 14, innerWidth - width - 8))}px`;
    this.tip.style.top = `${event.clientY + 18 + height > innerHeight ? event.clientY - height - 10 : event.clientY + 18}px`;
  }
}

// ---- small things -----------------------------------------------------------------------------------------------

async function copyText(text, button) {
  const before = button.dataset.words || button.textContent;
  button.dataset.words = before;
  button.textContent = (await copied(text)) ? "Copied" : "Not allowed here";
  setTimeout(() => { button.textContent = before; }, 1500);
}

async function copied(text) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text).then(() => true, () => false);
  // Pages that came over plain HTTP from another machine have no clipboard, but can copy what is selected.
  const field = document.createElement("textarea"), focused = document.activeElement;
  field.value = text;
  field.className = "unseen";
  document.body.append(field);
  field.select();
  const done = document.execCommand("copy");
  field.remove();
  focused?.focus({ preventScroll: true });
  return done;
}

// An ID is copied by a click on it, or on the button after it.
function offerCopy(code) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "copy";
  button.textContent = "Copy";
  button.setAttribute("aria-label", `Copy the ${code.dataset.copy}`);
  button.setAttribute("aria-live", "polite");
  code.title = `Click to copy the ${code.dataset.copy}`;
  code.after(button);
  const copy = () => {
    button.removeAttribute("aria-label"); // so that "Copied" is said
    copyText(code.textContent, button);
    setTimeout(() => button.setAttribute("aria-label", `Copy the ${code.dataset.copy}`), 1500);
  };
  button.addEventListener("click", copy);
  code.addEventListener("click", () => { if (getSelection().isCollapsed) copy(); });
}

function submitOnChange(form) {
  form.addEventListener("change", (event) => { if (event.target.matches("select, [type=checkbox]")) form.requestSubmit(); });
  form.addEventListener("submit", () => {
    for (const field of form.elements) if (field.name && !field.value) field.disabled = true;
  });
}

// A page that chose what to show by itself: its address says what, so that it can be kept and zoomed.
for (const mark of document.querySelectorAll("[data-address]")) history.replaceState(null, "", mark.dataset.address);
// A form whose answer takes a while says so: also one that a live part brings.
document.addEventListener("submit", (event) => {
  const words = event.target.dataset.busy, button = event.target.querySelector("button");
  if (words && button) setTimeout(() => { button.disabled = true; button.textContent = words; });
});
for (const part of document.querySelectorAll("[data-live]")) follow(part);
for (const panel of document.querySelectorAll("[data-flame]")) panel.flame = new Flame(panel);
for (const code of document.querySelectorAll("[data-copy]")) offerCopy(code);
for (const form of document.querySelectorAll("[data-filters]")) submitOnChange(form);
for (const mark of document.querySelectorAll("[data-again]")) setTimeout(() => lookAgain(mark), Number(mark.dataset.again));
window.addEventListener("pageshow", (event) => {
  if (event.persisted) for (const field of document.querySelectorAll("form :disabled[name]")) field.disabled = false;
});
