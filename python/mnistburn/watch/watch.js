"use strict";

// Asks for the parts of the page that change, and puts in those that did.

const SECOND = 1000;
const shown = new Map();
const lost = document.getElementById("lost");
const pause = document.getElementById("pause");
const announcement = document.getElementById("announcement");
let timer = 0;

function put(id, markup) {
  if (shown.get(id) === markup) {
    return;
  }
  shown.set(id, markup);
  const part = document.getElementById(id);
  const focused = part.contains(document.activeElement) ? document.activeElement.id : "";
  const scrolled = new Map();
  for (const one of part.querySelectorAll(".scroll")) {
    scrolled.set(one.id, one.scrollLeft);
  }
  // The server escapes all that is no markup.
  part.innerHTML = markup;
  for (const [name, left] of scrolled) {
    const one = document.getElementById(name);
    if (one) {
      one.scrollLeft = left;
    }
  }
  if (focused) {
    document.getElementById(focused)?.focus({ preventScroll: true });
  }
}

async function look() {
  let wait = 3 * SECOND;
  try {
    const answer = await fetch("parts", { cache: "no-store" });
    if (!answer.ok) {
      throw new Error(answer.statusText);
    }
    const content = await answer.json();
    document.title = content.title;
    if (announcement.textContent !== content.announcement) {
      announcement.textContent = content.announcement;
    }
    for (const [id, markup] of Object.entries(content.parts)) {
      put(id, markup);
    }
    lost.hidden = true;
    // A run that is over may be resumed, or another one may take its place.
    wait = content.over ? 5 * SECOND : SECOND;
  } catch {
    lost.hidden = false;
  }
  if (pause.getAttribute("aria-pressed") === "false") {
    timer = setTimeout(look, wait);
  }
}

pause.hidden = false;
pause.addEventListener("click", () => {
  const paused = pause.getAttribute("aria-pressed") === "false";
  pause.setAttribute("aria-pressed", String(paused));
  clearTimeout(timer);
  if (!paused) {
    look();
  }
});
document.addEventListener("visibilitychange", () => {
  clearTimeout(timer);
  if (!document.hidden && pause.getAttribute("aria-pressed") === "false") {
    look();
  }
});
look();
