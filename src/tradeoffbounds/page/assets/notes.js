// The note of a number: on hover, on focus, on tap; Escape puts it away, and the pointer may rest on it.

const GAP = 8;
const MARGIN = 12;

function startNotes() {
  const bubble = document.getElementById("bubble");
  let owner = null;
  let leaving = 0;

  function place() {
    const at = owner.getBoundingClientRect();
    const { width, height } = bubble.getBoundingClientRect();
    const widest = document.documentElement.clientWidth;
    const left = Math.max(MARGIN, Math.min(at.left, widest - width - MARGIN));
    const above = at.top - height - GAP;
    const below = at.bottom + GAP;
    const top = below + height <= window.innerHeight || above < 0 ? below : above;
    bubble.style.left = `${left}px`;
    bubble.style.top = `${top}px`;
  }

  function show(button) {
    clearTimeout(leaving);
    if (owner === button) return;
    owner = button;
    const note = document.getElementById(`note-${button.dataset.note}`);
    bubble.replaceChildren(...[...note.childNodes].map((node) => node.cloneNode(true)));
    bubble.showPopover();
    place();
  }

  function hide() {
    clearTimeout(leaving);
    if (owner === null) return;
    owner = null;
    bubble.hidePopover();
  }

  function leave() {
    clearTimeout(leaving);
    leaving = setTimeout(hide, 200);
  }

  const noted = (event) => (event.target instanceof Element ? event.target.closest("[data-note]") : null);
  document.addEventListener("pointerover", (event) => {
    const button = noted(event);
    if (event.pointerType === "mouse" && button) show(button);
  });
  document.addEventListener("pointerout", (event) => {
    if (event.pointerType === "mouse" && noted(event)) leave();
  });
  bubble.addEventListener("pointerenter", () => clearTimeout(leaving));
  bubble.addEventListener("pointerleave", leave);
  document.addEventListener("focusin", (event) => {
    const button = noted(event);
    if (button?.matches(":focus-visible")) show(button);
    else if (button !== owner) hide();
  });
  document.addEventListener("focusout", (event) => {
    if (noted(event)) leave();
  });
  document.addEventListener("click", (event) => {
    const button = noted(event);
    if (button) show(button);
    else if (!bubble.contains(event.target)) hide();
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") hide();
  });
  // Focus scrolls its number into view, so a scroll alone is no reason to go.
  document.addEventListener("scroll", (event) => {
    if (owner === null || event.target === bubble) return;
    const { top, bottom } = owner.getBoundingClientRect();
    if (bottom < 0 || top > window.innerHeight) hide();
    else place();
  }, { capture: true, passive: true });
}
