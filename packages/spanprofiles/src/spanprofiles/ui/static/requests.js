// Rows that are picked in the list to be compared: they stay picked while the list follows, and on the next list.
"use strict";

const MOST_PICKED = 60; // as many as one group of a comparison has

class Picks {
  constructor(form) {
    this.form = form;
    this.chips = form.querySelector("[data-chips]");
    this.hint = form.querySelector("[data-hint]");
    this.button = form.querySelector("button.first");
    this.picked = new Map(this.remembered());
    form.classList.add("lively");
    document.addEventListener("change", (event) => {
      if (event.target.matches('[form="picked"]')) this.turn(event.target);
    });
    document.addEventListener("replaced", () => this.mark());
    form.addEventListener("submit", (event) => { event.preventDefault(); this.compare(); });
    this.show();
  }

  remembered() {
    try {
      return JSON.parse(sessionStorage.getItem("picked")) || [];
    } catch {
      return [];
    }
  }

  turn(box) {
    if (!box.checked) this.picked.delete(box.value);
    else if (this.picked.size < MOST_PICKED) this.picked.set(box.value, box.dataset.title);
    this.show();
  }

  mark() {
    for (const box of document.querySelectorAll('[form="picked"]')) box.checked = this.picked.has(box.value);
  }

  show() {
    this.mark();
    try {
      sessionStorage.setItem("picked", JSON.stringify([...this.picked]));
    } catch { /* storage may be forbidden: then they are forgotten with the page */ }
    this.form.hidden = !this.picked.size;
    const count = this.picked.size;
    this.hint.textContent = count < 2 ? "Tick a second row to compare it with" : "Compare";
    this.button.disabled = count < 2;
    this.button.textContent = count < 3 ? "Compare the two" : `Compare these ${count} with the others`;
    this.chips.replaceChildren(...[...this.picked].map(([id, title]) => this.chip(id, title)));
  }

  chip(id, title) {
    const item = document.createElement("li"), button = document.createElement("button");
    button.type = "button";
    button.className = "chip";
    button.textContent = title;
    button.setAttribute("aria-label", `${title}: do not compare it`);
    button.addEventListener("click", () => { this.picked.delete(id); this.show(); });
    item.append(button);
    return item;
  }

  compare() {
    const address = new URL(this.form.action);
    for (const id of this.picked.keys()) address.searchParams.append("pick", id);
    this.picked.clear();
    this.show();
    location.assign(address);
  }
}

// Points of a scatter: one stop of the Tab key, and from there the arrow keys go through time.
document.addEventListener("keydown", (event) => {
  const point = event.target.closest?.(".scatter .point");
  if (!point || event.ctrlKey || event.metaKey || event.altKey) return;
  const points = [...point.ownerSVGElement.querySelectorAll(".point")], here = points.indexOf(point);
  const next = { ArrowLeft: here - 1, ArrowRight: here + 1, Home: 0, End: points.length - 1 }[event.key];
  if (!points[next]) return;
  event.preventDefault();
  point.setAttribute("tabindex", -1);
  points[next].setAttribute("tabindex", 0);
  points[next].focus();
});

// Panels that stay open or closed as they were left.
for (const panel of document.querySelectorAll("details[data-remember]")) {
  try {
    if (localStorage.getItem(panel.dataset.remember) === "closed") panel.open = false;
    panel.addEventListener("toggle", () => localStorage.setItem(panel.dataset.remember, panel.open ? "open" : "closed"));
  } catch { /* storage may be forbidden: then they are open */ }
}

for (const form of document.querySelectorAll("[data-picked]")) new Picks(form);
