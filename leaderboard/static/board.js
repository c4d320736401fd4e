// The board: which block and view is shown stands in the address, so that it can be sent. What the page
// opens with is plain HTML; another view is drawn from data/<block>.js in the same form.
"use strict";
(() => {
  const { make, load } = mmedit;
  const source = document.getElementById("choices");
  if (!source) return;
  const known = JSON.parse(source.textContent);
  const table = document.getElementById("scores");
  const tools = document.getElementById("tools");
  const bodies = [document.getElementById("rows"), document.getElementById("apart")];
  const first = known.blocks[0];
  const PARTS = ["suite", "backbone", "protocol", "probes"];
  const GROUPS = ["Summary", "Change", "Spread", "Keep", "Use", "Other"];
  const FIXED = ["name", "rank", "track"];

  // -- the view, as the address says it

  const defaults = {
    block: first.slug, scorer: "generation", failed: "in", track: "", family: "", text: "", columns: "", sort: "",
  };
  let view = { ...defaults };
  let drawn = key(defaults);
  let turn = 0;

  function key(one) {
    return [one.block, one.scorer, one.failed, one.columns].join("\n");
  }

  function fromAddress() {
    const wanted = new URLSearchParams(location.hash.slice(1));
    const found = { ...defaults };
    for (const name of Object.keys(defaults)) if (wanted.has(name)) found[name] = wanted.get(name).slice(0, 2000);
    const block = known.blocks.find((one) => one.slug === found.block) || first;
    found.block = block.slug;
    if (!block.families.includes(found.scorer)) found.scorer = block.families[0];
    if (found.failed !== "out") found.failed = "in";
    found.text = found.text.slice(0, 80);
    return found;
  }

  function toAddress() {
    const said = new URLSearchParams();
    for (const [name, value] of Object.entries(view)) if (value !== defaults[name]) said.set(name, value);
    const text = said.toString();
    const wanted = text ? `#${text}` : "";
    if (wanted !== location.hash) history.replaceState(null, "", wanted || location.pathname + location.search);
  }

  const blockOf = (slug) => known.blocks.find((one) => one.slug === slug);
  const told = (data) => data.views[view.scorer][view.failed];
  const shownBefore = (data) => [told(data).summary, ...known.headline, ...known.shown];
  const columnsOf = (data) => (view.columns ? view.columns.split(",") : shownBefore(data));

  // -- choosing

  const selects = {};

  function options(select, pairs, chosen) {
    select.replaceChildren(...pairs.map(([value, text]) => make("option", { value, selected: value === chosen }, text)));
    select.value = chosen;
  }

  function buildChoice() {
    for (const part of PARTS) {
      const place = document.querySelector(`[data-choice="${part}"]`);
      selects[part] = make("select", { "aria-label": part[0].toUpperCase() + part.slice(1), name: part });
      place.replaceChildren(selects[part]);
      selects[part].addEventListener("change", () => choose(part));
    }
  }

  // The block nearest to what the selects say: the part just changed counts, the others if they can.
  function choose(changed) {
    const order = [changed, ...PARTS.filter((part) => part !== changed)];
    let left = known.blocks;
    for (const part of order) {
      const fitting = left.filter((one) => one[part] === selects[part].value);
      if (fitting.length) left = fitting;
    }
    const block = left[0];
    const scorer = block.families.includes(view.scorer) ? view.scorer : block.families[0];
    update({ block: block.slug, scorer });
  }

  function showChoice() {
    const block = blockOf(view.block);
    for (const part of PARTS) {
      const values = [...new Set(known.blocks.map((one) => one[part]))];
      options(selects[part], values.map((value) => [value, value]), block[part]);
    }
    const field = (name) => tools.elements.namedItem(name);
    options(field("scorer"), block.families.map((name) => [name, known.families[name] || name]), view.scorer);
    field("failed").value = view.failed;
    if (field("text").value !== view.text) field("text").value = view.text;
    const rows = allRows();
    for (const [name, read] of [["track", trackOf], ["family", familyOf]]) {
      const values = [...new Set([...rows.map(read), view[name]])].filter(Boolean).sort();
      options(field(name), [["", "all"], ...values.map((value) => [value, value])], view[name]);
    }
  }

  // -- rows

  const allRows = () => bodies.flatMap((body) => [...body.rows]);
  const trackOf = (row) => row.cells[2].textContent;
  const familyOf = (row) => row.cells[0].dataset.f || "";

  function filterRows() {
    const wanted = view.text.trim().toLowerCase();
    let shown = 0;
    for (const row of allRows()) {
      const fits = (!view.track || trackOf(row) === view.track) && (!view.family || familyOf(row) === view.family) &&
        (!wanted || row.cells[0].textContent.toLowerCase().includes(wanted));
      row.hidden = !fits;
      shown += fits ? 1 : 0;
    }
    const total = allRows().length;
    document.getElementById("none").hidden = shown > 0;
    document.getElementById("status").textContent = (shown === total ? "" : `${shown} of `) + (total === 1 ? "1 row" : `${total} rows`);
    const head = document.querySelector("tbody.apart:not(#apart)");
    if (head) head.hidden = [...bodies[1].rows].every((row) => row.hidden);
  }

  function number(cell) {
    if (cell.dataset.v) return Number(cell.dataset.v);
    const text = cell.firstChild ? cell.firstChild.textContent : "";
    const found = Number.parseFloat(text);
    return Number.isNaN(found) ? null : found;
  }

  function sortRows() {
    const [name, way] = view.sort.split(".");
    const heads = [...table.tHead.querySelectorAll("[data-key]")];
    const at = keys().indexOf(name);
    for (const head of heads) {
      if (at >= 0 && head.dataset.key === name) head.setAttribute("aria-sort", way === "up" ? "ascending" : "descending");
      else head.removeAttribute("aria-sort");
    }
    for (const body of bodies) {
      const rows = [...body.rows];
      for (const [place, row] of rows.entries()) if (row.place === undefined) row.place = place;
      const sign = way === "up" ? 1 : -1;
      rows.sort((a, b) => {
        if (at < 0) return a.place - b.place;
        if (name === "name" || name === "track") {
          return sign * a.cells[at].textContent.localeCompare(b.cells[at].textContent) || a.place - b.place;
        }
        const [x, y] = [number(a.cells[at]), number(b.cells[at])];
        if (x === null || y === null) return (x === null) - (y === null) || a.place - b.place;
        return sign * (x - y) || a.place - b.place;
      });
      body.append(...rows);
    }
  }

  const keys = () => [...FIXED, ...shownColumns];
  let shownColumns = [...table.tHead.rows[1].cells].map((cell) => cell.dataset.key);

  // A heading that sorts is a button; text sorts upwards first, numbers downwards, but for ranks and costs.
  function upgradeHeads() {
    for (const head of table.tHead.querySelectorAll("[data-key]")) {
      if (head.querySelector("button")) continue;
      const button = make("button", { type: "button", class: "sort" });
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => {
        const name = head.dataset.key;
        const rising = FIXED.includes(name) || known.costs.some((one) => one.key === name);
        const ways = rising ? ["up", "down"] : ["down", "up"];
        const [old, way] = view.sort.split(".");
        const next = old !== name ? ways[0] : way === ways[0] ? ways[1] : null;
        update({ sort: next ? `${name}.${next}` : "" });
      });
    }
  }

  // -- drawing another view

  function scoresOf(row) {
    const found = row.scores[view.scorer];
    if (!found) return null;
    if (view.failed === "in") return found.in;
    return found.out.cells ? found.out : { rank: found.out.rank, cells: found.in.cells };
  }

  function order(summary) {
    const value = (one) => (one.scores.cells[summary] ? one.scores.cells[summary][0] : null) ?? -1;
    return (a, b) => a.row.control - b.row.control || a.row.other_baseline - b.row.other_baseline || b.row.complete - a.row.complete || value(b) - value(a) ||
      (a.row.name < b.row.name ? -1 : a.row.name > b.row.name ? 1 : 0);
  }

  function heading(item) {
    return make("th", { scope: "col", "data-key": item.key }, make("abbr", { title: item.about }, item.title));
  }

  function drawHead(data) {
    const columns = shownColumns.map((name) => data.columns.find((item) => item.key === name) || known.costs.find((item) => item.key === name));
    const widths = [];
    for (const item of columns) {
      const group = item.group || "Cost";
      const last = widths[widths.length - 1];
      if (last && last[0] === group) last[1] += 1;
      else widths.push([group, 1]);
    }
    const [above, below] = table.tHead.rows;
    while (above.cells.length > FIXED.length) above.lastElementChild.remove();
    for (const [group, width] of widths) {
      above.append(make("th", { scope: "colgroup", colspan: width, class: "group" }, make("span", null, group)));
    }
    below.replaceChildren(...columns.map(heading));
    upgradeHeads();
  }

  function knownColumns(data) {
    const shown = new Set(Object.keys(Object.assign({}, ...data.rows.map((row) => (scoresOf(row) || { cells: {} }).cells))));
    const rank = (item) => GROUPS.indexOf(item.group);
    return [...data.columns.filter((item) => shown.has(item.key)).sort((a, b) => rank(a) - rank(b)), ...known.costs];
  }

  function drawColumns(data) {
    const chosen = new Set(shownColumns);
    const list = knownColumns(data);
    const boxes = list.map((item) => {
      const box = make("input", { type: "checkbox", value: item.key });
      box.checked = chosen.has(item.key);
      box.addEventListener("change", () => {
        const wanted = list.map((other) => other.key).filter((name) => (name === item.key ? box.checked : shownColumns.includes(name)));
        const plain = wanted.join() === list.map((other) => other.key).filter((name) => shownBefore(data).includes(name)).join();
        update({ columns: plain || !wanted.length ? "" : wanted.join(",") });
      });
      return make("label", null, box, `${item.group || "Cost"}: ${item.title}`);
    });
    const field = document.getElementById("columns");
    field.replaceChildren(field.querySelector("legend"), ...boxes);
  }

  function drawNotes(data) {
    const notes = mmeditRows.notes(told(data), view.scorer);
    document.getElementById("notes").replaceChildren(...notes.map((text) => make("p", { class: "quiet" }, text)));
    const failed = view.failed === "in" ? "failed edits counted in" : "failed edits left out";
    document.getElementById("caption").textContent =
      `Percent, by ${told(data).title}; ${failed}. After each number half its 95 % interval, under it the interval on an axis from 0 to 100.`;
    for (const link of document.querySelectorAll("#downloads [data-ext]")) {
      link.setAttribute("href", `data/${view.block}.${link.dataset.ext}`);
    }
    const pages = { edits: `edits/${view.block}/index.html`, compare: `compare.html#block=${view.block}`, svg: `figures/${view.block}-tradeoff.svg`, png: `figures/${view.block}-tradeoff.png` };
    for (const link of document.querySelectorAll("#onward [data-page]")) link.href = pages[link.dataset.page];
    const curl = document.getElementById("curl");
    curl.textContent = curl.textContent.replace(/\/data\/[^/]*$/, `/data/${view.block}.csv`);
  }

  function draw(data) {
    const columns = columnsOf(data);
    shownColumns = knownColumns(data).map((item) => item.key).filter((name) => columns.includes(name));
    const rows = data.rows.map((row) => ({ row, scores: scoresOf(row) })).filter((item) => item.scores).sort(order(told(data).summary));
    drawHead(data);
    bodies[0].replaceChildren(...rows.filter((item) => !item.row.apart).map((item) => mmeditRows.row(item.row, item.scores, shownColumns)));
    bodies[1].replaceChildren(...rows.filter((item) => item.row.apart).map((item) => mmeditRows.row(item.row, item.scores, shownColumns)));
    const note = document.querySelector("tbody.apart:not(#apart) th");
    if (note) note.setAttribute("colspan", String(FIXED.length + shownColumns.length));
    drawNotes(data);
  }

  // -- putting it together

  function update(changes) {
    view = { ...view, ...changes };
    toAddress();
    show();
  }

  function finish(data) {
    showChoice();
    if (data) drawColumns(data);
    filterRows();
    sortRows();
    table.removeAttribute("aria-busy");
  }

  function show() {
    const mine = (turn += 1);
    if (key(view) === drawn) {
      finish(null);
      return;
    }
    table.setAttribute("aria-busy", "true");
    load(view.block).then((data) => {
      if (mine !== turn) return;
      draw(data);
      drawn = key(view);
      finish(data);
    }, (error) => {
      if (mine !== turn) return;
      document.getElementById("status").textContent = `${error.message}; the table still shows the view before.`;
      table.removeAttribute("aria-busy");
    });
  }

  buildChoice();
  upgradeHeads();
  tools.hidden = false;
  tools.addEventListener("submit", (event) => event.preventDefault());
  for (const name of ["scorer", "failed", "track", "family"]) {
    tools.elements.namedItem(name).addEventListener("change", (event) => update({ [name]: event.target.value }));
  }
  tools.elements.namedItem("text").addEventListener("input", (event) => update({ text: event.target.value }));
  const chooser = tools.querySelector(".columns");
  chooser.addEventListener("toggle", () => {
    if (chooser.open) load(view.block).then(drawColumns, () => {});
  });
  chooser.addEventListener("keydown", (event) => {
    if (event.key === "Escape") {
      chooser.open = false;
      chooser.querySelector("summary").focus();
    }
  });
  window.addEventListener("hashchange", () => {
    view = fromAddress();
    show();
  });
  view = fromAddress();
  show();
})();
