// Single edits of a block: finds those that a filter asks for, and shows one with every run's answers.
"use strict";
(() => {
  const { load, make, foreign, place, keep, options, latest, root } = mmedit;
  const page = document.getElementById("edits");
  const block = page.dataset.block;
  const form = page.querySelector("form");
  const control = (name) => form.elements.namedItem(name);
  const shown = document.getElementById("edit");
  const status = document.getElementById("where");
  const list = document.getElementById("matches");

  const GOOD = 1, RIGHT = 2, FAILED = 4, BEFORE = 8;
  const HAS_GOOD = 1, HAS_BAD = 2, HARMED = 4, HEALED = 8, BROKEN = 16;
  const LISTED = 200;
  const TOLD = [
    ["", "any outcome", 0],
    ["bad", "missed or disturbed", HAS_BAD],
    ["good", "took or kept", HAS_GOOD],
    ["harmed", "right before, wrong after", HARMED],
    ["healed", "wrong before, right after", HEALED],
    ["failed", "the edit failed", BROKEN],
  ];
  const SECRET = [
    ["", "any outcome", 0],
    ["bad", "an answer changed", HAS_BAD],
    ["good", "an answer stayed", HAS_GOOD],
    ["failed", "the edit failed", BROKEN],
  ];

  const newest = latest(), walked = latest();
  let index, outcomes, matches = [], at = 0, starts = [];

  const meaning = [...Array(16).keys()].map((code) => {
    const right = code & RIGHT, before = code & BEFORE;
    return (code & GOOD ? HAS_GOOD : HAS_BAD) | (before && !right ? HARMED : 0) | (right && !before ? HEALED : 0) | (code & FAILED ? BROKEN : 0);
  });
  // Of one run a digit says how a probe came out; of all of them, what is among their outcomes.
  const bits = (sign, one) => (sign === "-" ? 0 : one ? meaning[parseInt(sign, 16)] : parseInt(sign, 32));

  const text = (number) => (number < 0 ? "" : index.texts[number]);
  const editId = (number) => index.edits.ids[number] + (index.edits.units ? `@${index.edits.units[number]}` : "");
  const columnsOf = (number) => index.shapes[index.edits.shapes[number]];

  function find() {
    const one = control("editor").value !== "";
    const kind = control("kind").value;
    const sort = control("sort").value;
    const wanted = (index.why ? SECRET : TOLD).find(([value]) => value === control("outcome").value)?.[2] ?? 0;
    const column = kind === "" ? -1 : index.columns.findIndex((item) => item.key === kind);
    matches = [];
    for (let number = 0; number < index.edits.ids.length; number += 1) {
      if (sort && text(index.edits.sorts[number]) !== sort) continue;
      if (fits(number, column, wanted, one)) matches.push(number);
    }
  }

  function fits(number, column, wanted, one) {
    if (column < 0 && !wanted && !one) return true;
    const columns = columnsOf(number);
    for (let probe = 0; probe < index.edits.widths[number]; probe += 1) {
      if (column >= 0 && columns[probe] !== column) continue;
      const sign = outcomes[starts[number] + probe];
      if (sign === "-") continue;
      if (!wanted || bits(sign, one) & wanted) return true;
    }
    return false;
  }

  function remember(edit) {
    const values = Object.fromEntries(["editor", "kind", "outcome", "sort"].map((name) => [name, control(name).value]));
    keep({ ...values, edit });
  }

  function listMatches() {
    const items = matches.slice(0, LISTED).map((number, position) => {
      const question = text(index.edits.questions[number]);
      const what = question ? [foreign(question), " → ", make("strong", {}, foreign(text(index.edits.targets[number])))] : [foreign(editId(number))];
      const button = make("button", { type: "button", class: "match", "aria-current": position === at ? "true" : null }, ...what);
      button.addEventListener("click", () => walk(position));
      return make("li", {}, button);
    });
    if (matches.length > LISTED) items.push(make("li", { class: "quiet" }, `and ${matches.length - LISTED} more; narrow the filter, or go on by Next`));
    list.replaceChildren(...items);
  }

  function offer() {
    listMatches();
    document.getElementById("previous").disabled = at === 0;
    document.getElementById("next").disabled = at >= matches.length - 1;
  }

  async function go(position) {
    at = Math.min(Math.max(position, 0), Math.max(matches.length - 1, 0));
    remember(matches.length ? editId(matches[at]) : null);
    offer();
    const all = index.edits.ids.length;
    if (!matches.length) {
      walked(Promise.resolve()); // what is still on its way is of the filter before
      status.textContent = `None of ${all} edits is like that`;
      shown.replaceChildren(make("p", { class: "empty" }, "Choose another outcome, kind or run."));
      page.dataset.state = "ready";
      return;
    }
    const number = matches[at];
    const open = ["kind", "outcome", "sort"].every((name) => control(name).value === "");
    status.textContent = matches.length === all && open ? `${at + 1} of ${all} edits` : `${at + 1} of ${matches.length} that match, of ${all} edits`;
    const chunk = await walked(load(`details/${block}/${String(Math.floor(number / index.size)).padStart(4, "0")}`));
    if (chunk === null) return;
    show(number, chunk);
    page.dataset.state = "ready";
  }

  function show(number, chunk) {
    const words = (place) => (place < 0 ? null : chunk.texts[place]);
    const own = chunk.edits[number - chunk.from];
    const start = starts[number] - starts[chunk.from];
    const heading = own.question === undefined
      ? [foreign(editId(number))]
      : [foreign(words(own.question)), make("span", { class: "arrow" }, " → "), make("strong", {}, foreign(words(own.target)))];
    shown.replaceChildren(
      make("h2", { class: "edit-title" }, ...heading),
      make("p", { class: "quiet" }, foreign(editId(number)), own.sort ? `, ${own.sort}` : ""),
      figures(own),
      index.why ? make("p", { class: "note" }, index.why) : "",
      answers(number, chunk, own, start, words),
    );
  }

  function picture([file, width, height], label, size) {
    if (!file) return make("small", {}, "(picture not at hand)"); // where these pages were built
    const small = Math.max(width, height) <= 128;
    return make("img", { src: `${root}data/pictures/${file}`, alt: label, width: size, height: Math.round((size * height) / width), class: small ? "pixelated" : "photograph" });
  }

  function figures(own) {
    const items = (own.pictures ?? []).map(([label, ...file]) => make("figure", {}, picture(file, "", 192), make("figcaption", {}, label)));
    return make("div", { class: "figures" }, ...items);
  }

  function answers(number, chunk, own, start, words) {
    const columns = columnsOf(number);
    const width = index.edits.widths[number];
    const probes = [...Array(width).keys()].map((probe) => own.probes[probe] ?? {});
    const head = probes.map((probe, place) => {
      const column = index.columns[columns[place]];
      const title = column ? `${column.group}: ${column.title.toLowerCase()}` : `Question ${place + 1}`;
      return make(
        "th", { scope: "col" },
        make("span", { class: "kind", title: column?.about }, title),
        probe.question === undefined ? "" : make("span", { class: "asked" }, probe.picture ? picture(probe.picture, "with this picture", 48) : "", foreign(words(probe.question))),
      );
    });
    const editors = [...index.editors].sort((one, other) => (other.key === control("editor").value) - (one.key === control("editor").value));
    const rows = editors.map((editor) => row(editor, number, chunk, probes, start, words));
    const wanted = probes.map((probe) =>
      probe.keep === undefined ? make("td", { class: "quiet" }, "secret") : probe.keep ? make("td", { class: "quiet" }, "as before") : make("td", {}, foreign(words(probe.reference))),
    );
    const before = probes.map((probe, place) => make("td", {}, said(words(chunk.before[0][start + place]))));
    return make(
      "div", { class: "scroll", role: "region", "aria-label": "Answers to this edit", tabindex: "0" },
      make(
        "table", { class: "answers" },
        make("caption", {}, make("span", {}, index.why ? "Answers after the edit, a row per run." : "Answers after the edit, a row per run. Took and kept are as the edit wants it; missed and disturbed are not.")),
        make("thead", {}, make("tr", {}, make("th", { scope: "col" }, "Asked"), ...head)),
        make(
          "tbody", {},
          index.why ? "" : make("tr", { class: "given" }, make("th", { scope: "row" }, "Wanted"), ...wanted),
          make("tr", { class: "given" }, make("th", { scope: "row" }, "Before the edit"), ...before),
        ),
        make("tbody", {}, ...rows),
      ),
    );
  }

  const said = (answer) => (answer === null ? make("span", { class: "quiet" }, "not recorded") : answer === "" ? make("span", { class: "quiet" }, "(empty)") : foreign(answer));

  function row(editor, number, chunk, probes, start, words) {
    const failed = chunk.errors[editor.key]?.[number - chunk.from];
    const cells = probes.map((probe, place) => {
      const sign = chunk.outcomes[editor.key][start + place];
      if (sign === "-") return make("td", { class: "quiet" }, "not run");
      const code = parseInt(sign, 16);
      const word = index.why ? secretWord(code) : toldWord(code, probe.keep);
      const base = chunk.before[editor.group][start + place];
      const other = base !== chunk.before[0][start + place] ? make("small", {}, "before: ", said(words(base))) : "";
      return make("td", { class: "outcome" }, make("span", { class: code & GOOD ? "good" : "bad" }, word), make("span", { class: "answer" }, said(words(chunk.answers[editor.key][start + place]))), other);
    });
    const name = make("a", { href: root + editor.page }, foreign(editor.name));
    const error = failed === undefined ? "" : make("small", { class: "error" }, "edit failed: ", foreign(words(failed)));
    const kind = { class: editor.control ? "control" : editor.key === control("editor").value ? "chosen" : null };
    return make("tr", kind, make("th", { scope: "row" }, name, error), ...cells);
  }

  function toldWord(code, keeps) {
    const harmed = code & BEFORE && !(code & RIGHT);
    return keeps ? (code & GOOD ? "kept" : harmed ? "disturbed, was right" : "disturbed") : code & GOOD ? "took" : "missed";
  }

  const secretWord = (code) => (code & GOOD ? "as before" : code & RIGHT ? "the target" : "changed");

  async function refresh(edit) {
    const editor = control("editor").value;
    const loaded = await newest(load(`details/${block}/outcomes${editor ? `-${editor}` : ""}`)).catch((error) => {
      // which edits match cannot be told, and those that matched before are of another choice
      [matches, at, status.textContent] = [[], 0, ""];
      walked(Promise.resolve());
      remember(edit);
      offer();
      throw error;
    });
    if (loaded === null) return;
    outcomes = loaded;
    find();
    const found = matches.findIndex((number) => editId(number) === edit);
    await go(found < 0 ? 0 : found);
  }

  function fromAddress() {
    const wanted = place();
    for (const name of ["editor", "kind", "outcome", "sort"]) {
      const select = control(name), value = wanted.get(name) ?? "";
      select.value = [...select.options].some((option) => option.value === value) ? value : "";
    }
    return wanted.get("edit");
  }

  async function begin() {
    index = await load(`details/${block}/index`);
    let sum = 0;
    starts = index.edits.widths.map((width) => (sum += width) - width);
    options(control("editor"), [["", "any run that is no control"], ...index.editors.map((editor) => [editor.key, editor.name])], "");
    options(control("kind"), [["", "any kind"], ...index.columns.filter((_, number) => index.shapes.some((shape) => shape.includes(number))).map((column) => [column.key, `${column.group}: ${column.title.toLowerCase()}`])], "");
    options(control("outcome"), (index.why ? SECRET : TOLD).map(([value, name]) => [value, name]), "");
    const sorts = [...new Set(index.edits.sorts.map(text))].filter((sort) => sort).sort();
    options(control("sort"), [["", "any sort"], ...sorts.map((sort) => [sort, sort])], "");
    control("kind").closest("label").hidden = index.columns.length === 0;
    control("sort").closest("label").hidden = sorts.length < 2;
    form.hidden = false;
    for (const item of page.querySelectorAll("[data-ready]")) item.hidden = false;
    form.addEventListener("submit", (event) => event.preventDefault());
    form.addEventListener("change", () => choose(place().get("edit")));
    document.getElementById("previous").addEventListener("click", () => walk(at - 1));
    document.getElementById("next").addEventListener("click", () => walk(at + 1));
    window.addEventListener("hashchange", () => choose(fromAddress()));
    document.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      const busy = event.target.closest("select, input, textarea, .scroll") || event.altKey || event.ctrlKey || event.metaKey || event.shiftKey;
      if (!step || busy || at + step < 0 || at + step >= matches.length) return;
      event.preventDefault();
      walk(at + step);
    });
    await refresh(fromAddress());
  }

  const failed = (error) => {
    shown.replaceChildren(make("p", { class: "empty", role: "alert" }, `These edits cannot be shown: ${error.message}`));
    page.dataset.state = "failed";
  };
  const walk = (position) => go(position).catch(failed);
  const choose = (edit) => refresh(edit).catch(failed);

  begin().catch(failed);
})();
