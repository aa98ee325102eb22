// The labelling page's keys: one for the category, one for the status, and the answer is sent.
// Half an answer outlives a reload of its tab.

const form = document.getElementById("answer");
const keys = document.getElementById("keys");
const DRAFT = "rectify-nlp-draft";
const KEYS = "rectify-nlp-keys";
const off = () => localStorage.getItem(KEYS) === "off";
let sent = false;

for (const other of document.forms) other.addEventListener("submit", submitted);
addEventListener("pageshow", () => (sent = false)); // also when the page comes back from history
(document.getElementById("problem") || document.getElementById("segment-h")).focus({ preventScroll: true });
document.addEventListener("keydown", pressed);
if (form) begin();

function begin() {
  restore();
  form.addEventListener("input", () => keep("category", "also", "status", "remark"));
  // Taken back, an answer is asked for anew; what is tedious to give again is kept.
  form.addEventListener("submit", () => keep("also", "remark"));
  keys.closest("[hidden]").hidden = false;
  keys.checked = !off();
  keys.addEventListener("change", () => localStorage.setItem(KEYS, keys.checked ? "on" : "off"));
}

function submitted(event) {
  if (sent) event.preventDefault();
  sent = true;
}

// -- keys -----------------------------------------------------------------------------------

const chosen = (name) => form.querySelector(`[name=${name}]:checked`);
// By place on the keyboard, so that Shift and input methods change nothing.
const named = (event) => event.code.replace(/^(Key|Digit|Numpad)(?=.$)/, "").toLowerCase();

function pressed(event) {
  if (event.ctrlKey || event.altKey || event.metaKey || event.repeat || sent) return;
  if (event.target.matches("input[type=text]")) {
    if (event.key === "Escape") event.target.blur();
    return;
  }
  if (off()) return;
  const attribute = event.shiftKey ? "data-shift" : "data-key";
  const target = document.querySelector(`[${attribute}="${CSS.escape(named(event))}"]`);
  if (!target) return;
  event.preventDefault();
  if (target.type === "text") target.focus();
  else target.click();
  if (target.type === "checkbox") document.getElementById("also").open = true;
  if (target.type === "radio" && chosen("category") && chosen("status")) form.requestSubmit();
}

// -- drafts ---------------------------------------------------------------------------------

function keep(...names) {
  const given = [...new FormData(form)].filter(([name]) => names.includes(name));
  sessionStorage.setItem(DRAFT, JSON.stringify({ segment: form.dataset.segment, given }));
}

function restore() {
  const draft = JSON.parse(sessionStorage.getItem(DRAFT));
  if (draft?.segment !== form.dataset.segment) return;
  for (const [name, value] of draft.given) {
    if (name === "remark") form.remark.value = value;
    else for (const input of form.elements[name]) if (input.value === value) input.checked = true;
    if (name === "also") document.getElementById("also").open = true;
  }
}
