// The page: sends documents one by one, shows what comes back, filters, opens, downloads.
// What is inserted as HTML was rendered by this service, which escapes every document's text.

const ABREAST = 2; // documents on their way at a time
const RETRIES = 30;
const $ = (id) => document.getElementById(id);
const documents = new Map(); // number -> what the service read, for downloads
let queue = [];
let count = 0;
let done = 0;
let batch = 0; // documents of the current run
let sending = 0;
let ending = new AbortController();

// -- giving documents ---------------------------------------------------------------------

$("files").addEventListener("change", (event) => {
  give([...event.target.files]);
  event.target.value = ""; // so that the same file can be given again
});

const drop = $("drop");
for (const kind of ["dragenter", "dragover"]) {
  addEventListener(kind, (event) => {
    if (!event.dataTransfer.types.includes("Files")) return; // text may be dropped where it fits
    event.preventDefault();
    drop.classList.add("over");
  });
}
addEventListener("dragleave", (event) => {
  if (!event.relatedTarget) drop.classList.remove("over");
});
addEventListener("drop", (event) => {
  if (!event.dataTransfer.types.includes("Files")) return;
  event.preventDefault();
  drop.classList.remove("over");
  give([...event.dataTransfer.files]);
});

$("paste").addEventListener("submit", (event) => {
  event.preventDefault();
  const text = $("text").value;
  if (!text.trim()) return;
  give([new File([text], "粘贴的文本")]);
  $("text").value = "";
});

$("stop").addEventListener("click", () => {
  queue = [];
  ending.abort();
});

function give(files) {
  if (!files.length) return;
  if (!sending) {
    done = batch = 0;
    ending = new AbortController();
  }
  batch += files.length;
  queue.push(...files.map((file) => ({ file, number: ++count })));
  $("work").hidden = false;
  while (sending < ABREAST && queue.length) work();
  tell();
}

async function work() {
  sending += 1;
  while (queue.length) {
    const { file, number } = queue.shift();
    try {
      show(await sent(file, number), file.name, number);
    } catch (error) {
      if (error.name === "AbortError") batch -= 1;
      else fail(file.name, error.message);
    }
    done += 1;
    tell();
  }
  sending -= 1;
  if (sending) return;
  tell();
  $("work").scrollIntoView({ block: "start" });
}

async function sent(file, number) {
  const address = "/page/document?" + new URLSearchParams({ name: file.name.slice(-300), number });
  for (let attempt = 0; ; attempt += 1) {
    const answer = await asked(address, { method: "POST", body: file });
    if (answer.ok) return answer.json();
    if (answer.status !== 503 || attempt === RETRIES) throw new Error(await reason(answer));
    await new Promise((then) => setTimeout(then, 1000 * (answer.headers.get("retry-after") || 2)));
  }
}

async function asked(address, request) {
  try {
    return await fetch(address, { signal: ending.signal, ...request });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Error("没有收到答复：文件过大，或服务已停止");
  }
}

async function reason(answer) {
  if (answer.status === 413) return "文件过大";
  if (answer.status === 503) return "服务正忙，请稍后再试";
  if (answer.status === 504) return "没有及时处理完";
  const told = await answer.json().catch(() => ({}));
  return told.detail || `服务出错（${answer.status}）`;
}

// -- showing what comes back --------------------------------------------------------------

function tell() {
  const busy = sending > 0;
  $("progress").max = batch || 1;
  $("progress").value = done;
  $("progress").parentElement.hidden = !busy;
  $("told").textContent = busy ? `正在分析，已完成 ${done} / ${batch} 份` : summary();
  for (const button of document.querySelectorAll("[data-form]")) button.disabled = busy;
}

function summary() {
  const failures = $("failures").childElementCount;
  const failed = failures ? `，${failures} 份未能读入` : "";
  const read = documents.size - failures;
  return `已分析 ${read} 份材料，共 ${$("rows").childElementCount} 个问题${failed}`;
}

function show(answer, name, number) {
  if (!batch) return; // cleared meanwhile
  documents.set(number, answer.document);
  if (answer.failure) return fail(name, answer.failure);
  // Answers may overtake one another: keep the order in which documents were given.
  insert($("rows"), answer.rows, number);
  insert($("articles"), answer.article, number);
  const option = new Option(`${answer.title}（${answer.issues}）`, `n${number}`);
  put($("filters").notice, [option], number);
  $("results").hidden = false;
  counted();
  filter();
}

function insert(place, html, number) {
  const template = document.createElement("template");
  template.innerHTML = html;
  const parts = [...template.content.children];
  for (const part of parts) part.hidden = part.matches("article");
  put(place, parts, number);
}

function put(place, parts, number) {
  const later = [...place.children].find((there) => there.dataset.number > number);
  for (const part of parts) {
    part.dataset.number = number;
    place.insertBefore(part, later || null);
  }
}

function fail(name, why) {
  const item = document.createElement("li");
  const what = document.createElement("b");
  what.textContent = name;
  item.append(what, `：${why}`);
  $("failures").append(item);
  $("failures").hidden = false;
}

function counted() {
  const rows = [...$("rows").children];
  for (const cell of document.querySelectorAll("[data-count]")) {
    const what = cell.dataset.count;
    const those = rows.filter(
      ({ dataset }) => what === "all" || (what === "doubt" ? dataset.doubt === "yes" : dataset.status === what),
    );
    cell.textContent = those.length;
  }
}

$("clear").addEventListener("click", () => {
  queue = [];
  ending.abort();
  documents.clear();
  batch = 0;
  for (const id of ["rows", "articles", "failures"]) $(id).replaceChildren();
  $("filters").notice.length = 1;
  $("filters").reset();
  for (const id of ["results", "work", "failures"]) $(id).hidden = true;
  $("files").focus();
});

// -- filters ------------------------------------------------------------------------------

function filter() {
  const form = $("filters");
  const words = form.words.value.trim().toLowerCase();
  let left = 0;
  for (const row of $("rows").children) {
    const { notice, category, status, doubt } = row.dataset;
    const fits =
      (!form.notice.value || form.notice.value === notice) &&
      (!form.category.value || form.category.value === category) &&
      (!form.status.value || form.status.value === status) &&
      (!form.doubt.checked || doubt === "yes") &&
      (!words || row.textContent.toLowerCase().includes(words));
    row.hidden = !fits;
    left += fits;
  }
  const all = $("rows").childElementCount;
  $("shown").textContent = left === all ? `共 ${all} 个问题` : `显示 ${left} / ${all} 个问题`;
}

$("filters").addEventListener("input", filter);
$("filters").addEventListener("reset", () => setTimeout(filter));
$("filters").addEventListener("submit", (event) => event.preventDefault());

// -- an issue in its place ----------------------------------------------------------------

const shownRows = () => [...$("rows").children].filter((row) => !row.hidden);
const linkOf = (row) => row.querySelector("a");
let opened = null; // the row whose issue is open
let scrolled = 0;

function route() {
  const anchor = decodeURIComponent(location.hash.slice(1));
  const issue = /^n\d+-\d+$/.test(anchor) && $(anchor);
  const back = !issue && opened;
  if (issue && !opened) scrolled = scrollY;
  opened = issue ? [...$("rows").children].find((row) => linkOf(row).hash === `#${anchor}`) : null;
  $("overview").hidden = Boolean(issue);
  $("reader").hidden = !issue;
  if (issue) open(issue);
  if (back && back.isConnected) {
    scrollTo(0, scrolled);
    linkOf(back).focus({ preventScroll: true });
  }
}

function open(issue) {
  const article = issue.closest("article");
  for (const other of $("articles").children) other.hidden = other !== article;
  for (const old of document.querySelectorAll(".issue.opened")) old.classList.remove("opened");
  issue.classList.add("opened");
  const rows = shownRows();
  const at = rows.indexOf(opened);
  for (const [id, row] of [["previous", rows[at - 1]], ["next", at < 0 ? rows[0] : rows[at + 1]]]) {
    $(id).hidden = !row;
    if (row) $(id).hash = linkOf(row).hash;
  }
  const heading = issue.querySelector("h4");
  heading.tabIndex = -1;
  issue.scrollIntoView();
  heading.focus({ preventScroll: true });
}

addEventListener("hashchange", route);
addEventListener("keydown", (event) => {
  if (event.key === "Escape" && opened) location.hash = "#list";
});

// -- downloads ----------------------------------------------------------------------------

for (const button of document.querySelectorAll("[data-form]")) {
  button.addEventListener("click", () => download(button));
}

async function download(button) {
  const { form } = button.dataset;
  const given = [...documents].sort(([one], [other]) => one - other).map(([, read]) => read);
  button.disabled = true;
  $("told").textContent = "正在准备下载……";
  try {
    const answer = await asked(`/page/download/${form}`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ documents: given }),
      signal: undefined,
    });
    if (!answer.ok) throw new Error(await reason(answer));
    const link = document.createElement("a");
    link.href = URL.createObjectURL(await answer.blob());
    link.download = decodeURIComponent(answer.headers.get("content-disposition").split("''")[1]);
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
    $("told").textContent = `已下载：${link.download}`;
  } catch (error) {
    $("told").textContent = `没有下载成：${error.message}`;
  }
  button.disabled = false;
}
