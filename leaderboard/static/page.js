// Shows the section and the view that the URL's hash names, and keeps the hash in step with the
// selects. Without this script every section is shown.
"use strict";
(() => {
  const data = JSON.parse(document.getElementById("board-data").textContent);
  const form = document.querySelector(".choice");
  if (!form) return;
  const names = ["suite", "backbone", "setting", "scorer"];
  const select = (name) => form.elements.namedItem(name);
  const has = (name, value) => [...select(name).options].some((option) => option.value === value);

  function fromHash() {
    const wanted = new URLSearchParams(location.hash.slice(1));
    for (const name of names) {
      if (has(name, wanted.get(name))) select(name).value = wanted.get(name);
    }
  }

  function toHash() {
    const chosen = new URLSearchParams(names.map((name) => [name, select(name).value]));
    history.replaceState(null, "", `#${chosen}`);
  }

  function show() {
    const fits = (section) => names.slice(0, 3).every((name) => section[name] === select(name).value);
    const found = data.sections.find(fits);
    for (const section of document.querySelectorAll(".section")) section.hidden = section.id !== found?.id;
    for (const view of document.querySelectorAll(".view")) view.hidden = view.dataset.family !== select("scorer").value;
    document.getElementById("no-match").hidden = Boolean(found);
  }

  // A suite or backbone may exist in one setting only: go along rather than show nothing.
  function follow() {
    const fits = (section, upTo) => names.slice(0, upTo).every((name) => section[name] === select(name).value);
    if (data.sections.some((section) => fits(section, 3))) return;
    const near = data.sections.find((section) => fits(section, 2));
    if (near) select("setting").value = near.setting;
  }

  function csv(section, family) {
    // A spreadsheet takes such a text for a formula, unless an apostrophe stands in front; numbers stay.
    const formula = /^[=+\-@\t\r\n＝＋－＠]/, number = /^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/;
    const harmless = (text) => (formula.test(text) && !number.test(text) ? `'${text}` : text);
    const quoted = (value) => `"${harmless(String(value ?? "")).replaceAll('"', '""')}"`;
    const head = ["suite", "backbone", "setting", "family", "editor", "fingerprint", "sort", "column", ...data.fields];
    const lines = [head];
    for (const row of section.rows.filter((item) => item.family === family)) {
      for (const [sort, cells] of Object.entries(row.scores)) {
        for (const [column, cell] of Object.entries(cells)) {
          lines.push([section.suite, section.backbone, section.setting, family, row.editor, row.fingerprint, sort, column, ...cell]);
        }
      }
    }
    return lines.map((line) => line.map(quoted).join(",")).join("\n") + "\n";
  }

  for (const button of document.querySelectorAll("button.csv")) {
    button.hidden = false;
    button.addEventListener("click", () => {
      const section = data.sections.find((item) => item.id === button.closest(".section").id);
      const link = document.createElement("a");
      link.href = URL.createObjectURL(new Blob([csv(section, button.dataset.family)], { type: "text/csv" }));
      link.download = `${section.suite}-${section.backbone}-${button.dataset.family}.csv`;
      link.click();
      URL.revokeObjectURL(link.href);
    });
  }

  for (const name of names) {
    // A select with one choice asks nothing; the heading says what it is.
    select(name).closest("label").hidden = name === "setting" && select(name).options.length < 2;
    select(name).addEventListener("change", () => { follow(); toHash(); show(); });
  }
  window.addEventListener("hashchange", () => { fromHash(); show(); });
  form.addEventListener("submit", (event) => event.preventDefault());
  form.hidden = false;
  fromHash();
  show();
})();
