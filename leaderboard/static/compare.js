// Two to four runs of a block side by side. All choices are in the address.
"use strict";
(() => {
  const { load, make, foreign, place, keep, options, latest, number, table, paired, charts, root } = mmedit;
  const page = document.getElementById("compare");
  const form = page.querySelector("form");
  if (!form) return;
  const at = (id) => document.getElementById(id);
  const selects = Object.fromEntries([...page.querySelectorAll("select")].map((select) => [select.name, select]));
  const SEATS = ["first", "second", "third", "fourth"];
  const LISTED = 500;
  const opened = latest(), compared = latest();
  let index, pairs = [], shownWidth = 0;

  const percent = (title, key) => ({ key, title, cost: false, spell: (value) => number(value), of: (editor, family) => editor.cells[family]?.[key] });
  const sized = (value) => {
    const units = ["B", "kB", "MB", "GB", "TB"];
    const power = value < 1 ? 0 : Math.min(4, Math.floor(Math.log10(value) / 3));
    return `${number(value / 1000 ** power, value / 1000 ** power < 10 && power ? 1 : 0)} ${units[power]}`;
  };
  const timed = (value) => (value >= 0.1 ? `${number(value, value < 10 ? 1 : 0)} s` : value >= 1e-4 ? `${number(1000 * value, value < 0.01 ? 1 : 0)} ms` : `${number(1e6 * value, 0)} µs`);
  const costs = (title, key, spell) => ({ key, title, cost: true, spell, of: (editor) => (editor[key] === null ? undefined : [editor[key], null, null]) });
  const AXES = [
    percent("Generality", "generality"), percent("Locality", "locality"), percent("Reliability", "reliability/main"),
    percent("Hard", "hard"), percent("Hard generality", "hard_generality"), percent("Hard locality", "hard_locality"), percent("Mean", "mean"), costs("Seconds per edit", "seconds", timed), costs("Bytes per edit", "bytes", sized),
  ];

  const chosen = () => SEATS.map((name) => selects[name].value).filter((key, position, all) => key && all.indexOf(key) === position);
  const editor = (key) => index.editors.find((one) => one.key === key);
  const name = (key) => editor(key).name;
  const title = (key) => {
    const column = index.columns.find((one) => one.key === key);
    return column.group === "Summary" || column.group === column.title ? column.title : `${column.group}: ${column.title.toLowerCase()}`;
  };
  const editId = (edit) => index.ids[edit] + (index.units ? `@${index.units[edit]}` : "");
  const link = (edit, key) => `${root}edits/${index.block}/index.html#${new URLSearchParams({ editor: key, edit: editId(edit) })}`;

  async function pairOf(first, second) {
    const family = selects.scorer.value;
    const [mine, theirs] = await Promise.all([first, second].map((key) => load(`compare/${index.block}/run-${key}`)));
    const found = { first, second, mine: mine[family], theirs: theirs[family] };
    if (!found.mine || !found.theirs) return { ...found, why: "has no numbers by this scorer" };
    if (editor(first).group !== editor(second).group) return { ...found, why: "is measured against another baseline" };
    if (editor(first).schedule !== editor(second).schedule) return { ...found, why: "made its edits in other units" };
    if (!index.ahead) return { ...found, told: paired.compared(index, found.mine, found.theirs) };
    const [ahead, behind] = await Promise.all([first, second].map((key) => load(`compare/${index.block}/pairs-${key}`)));
    const own = ahead[family]?.[second], other = behind[family]?.[first];
    const told = own ?? (other && paired.turned(other));
    return told ? { ...found, told } : { ...found, why: "made none of the same edits" };
  }

  async function compare() {
    const keys = chosen();
    const wanted = [];
    for (let one = 0; one < keys.length; one += 1) for (let other = one + 1; other < keys.length; other += 1) wanted.push([keys[one], keys[other]]);
    const found = await compared(Promise.all(wanted.map((pair) => pairOf(...pair))));
    if (found === null) return;
    pairs = found;
    render();
  }

  const tone = (key) => chosen().indexOf(key) + 1;

  function render() {
    shownWidth = at("trade").clientWidth;
    drawDifferences();
    drawSquares();
    drawTrade();
    page.dataset.state = "ready";
  }

  function drawDifferences() {
    const [first] = chosen();
    const own = pairs.filter((pair) => pair.first === first && pair.told);
    const without = pairs.filter((pair) => pair.first === first && !pair.told);
    const keys = index.columns.map((column) => column.key).filter((key) => own.some((pair) => pair.told.columns[key]) && !key.endsWith("_alone"));
    const said = own.map((pair) => {
      const by = title(index.summary), found = pair.told.columns[index.summary];
      const apart = !found ? "" : found[1] === null ? `is ${charts.spelt(...found)} in ${by}` : found[1] > 0 ? `is ahead in ${by}, ${charts.spelt(...found)}` : found[2] < 0 ? `is behind in ${by}, ${charts.spelt(...found)}` : `cannot be told apart in ${by}, ${charts.spelt(...found)}`;
      return [" Against ", foreign(name(pair.second)), ` on ${pair.told.edits} shared edits it ${apart || `shares no number of ${by}`}.`];
    });
    const lacking = without.map((pair) => [" ", foreign(name(pair.second)), ` ${pair.why}.`]);
    at("difference-lead").replaceChildren(foreign(name(first)), " minus each of the others, in percentage points with the paired 95 % interval; an interval that leaves out zero says that the two differ.", ...[...said, ...lacking].flat());
    if (own.length) {
      charts.forest(at("difference"), keys.map((key) => [title(key), own.filter((pair) => pair.told.columns[key]).map((pair) => [tone(pair.second), ...pair.told.columns[key]])]), own.map((pair) => [tone(pair.second), name(pair.second)]), name(first));
    } else {
      at("difference").replaceChildren(make("p", { class: "empty" }, "There is no pair to draw."));
    }
    const told = pairs.filter((pair) => pair.told);
    at("difference-table").replaceChildren(
      table(
        "Differences in percentage points with paired 95 % intervals", ["Measure", ...told.map((pair) => `${name(pair.first)} − ${name(pair.second)}`)],
        keys.map((key) => [title(key), ...told.map((pair) => (pair.told.columns[key] ? charts.spelt(...pair.told.columns[key]) : "no number"))]),
      ),
    );
  }

  function drawSquares() {
    const measure = selects.measure.value;
    const [first] = chosen();
    const own = pairs.filter((pair) => pair.first === first && pair.told);
    const listed = [];
    const parts = own.map((pair) => {
      const delta = paired.deltas(index, pair.mine, pair.theirs)[measure] ?? [];
      const votes = paired.votes(delta);
      const count = (vote) => votes.filter((one) => one === vote).length;
      votes.forEach((vote, edit) => { if (vote) listed.push([pair, edit, vote, delta[edit]]); });
      const words = { won: "better", lost: "worse", tied: "alike" };
      return make(
        "div", { class: "pair" },
        make("h3", {}, foreign(name(first)), " against ", foreign(name(pair.second))),
        make("p", {}, make("span", { class: "square won", "aria-hidden": "true" }, "+"), ` better on ${count(1)}, `, make("span", { class: "square lost", "aria-hidden": "true" }, "−"), ` worse on ${count(-1)}, `, make("span", { class: "square tied", "aria-hidden": "true" }, "·"), ` alike on ${count(0)} edits`),
        charts.squares(votes, (edit) => link(edit, first), (edit, kind) => `${editId(edit)}: ${words[kind]}`),
      );
    });
    at("squares").replaceChildren(...(parts.length ? parts : [make("p", { class: "empty" }, "There is no pair to draw.")]));
    const rows = listed.slice(0, LISTED).map(([pair, edit, vote, by]) => [editId(edit), `against ${name(pair.second)}`, vote > 0 ? "better" : "worse", charts.spelt(by, null, null), make("a", { href: link(edit, first) }, "look")]);
    at("squares-table").replaceChildren(table(`Edits on which ${name(first)} differs in ${title(measure).toLowerCase()}${listed.length > LISTED ? `, the first ${LISTED} of ${listed.length}` : ""}`, ["Edit", "Pair", "It does", "By", "Answers"], rows));
  }

  function drawTrade() {
    const family = selects.scorer.value;
    const [across, up] = ["across", "up"].map((axis) => AXES.find((one) => one.key === selects[axis].value));
    const points = index.editors.flatMap((one) => {
      const x = across.of(one, family), y = up.of(one, family);
      const span = (cell) => (cell[1] === null ? null : cell.slice(1));
      return x && y ? [{ key: one.key, name: one.name, beside: one.beside, tone: tone(one.key) || null, x: x[0], y: y[0], xs: span(x), ys: span(y) }] : [];
    });
    const better = (axis, one, other) => (axis.cost ? other - one : one - other);
    const beats = (one, other) => {
      const [h, v] = [better(across, one.x, other.x), better(up, one.y, other.y)];
      return h >= 0 && v >= 0 && (h > 0 || v > 0);
    };
    const methods = points.filter((one) => !one.beside);
    const front = new Set(methods.filter((one) => !methods.some((other) => beats(other, one))));
    at("trade-lead").textContent = "All runs of the block by the numbers of the board. The dashed line joins those that no other beats in both; those that compete with nobody are hollow, and the table says why.";
    if (points.length) charts.scatter(at("trade"), points, across, up, front);
    else at("trade").replaceChildren(make("p", { class: "empty" }, "No run has both numbers."));
    at("trade-table").replaceChildren(table("The trade-off", ["Run", across.title, up.title, "Beaten by none in both"], points.map((one) => [one.name, across.spell(one.x), up.spell(one.y), one.beside || (front.has(one) ? "yes" : "no")])));
    const files = ["svg", "png"].map((kind) => make("a", { href: `${root}figures/${index.block}-tradeoff.${kind}`, download: true }, kind.toUpperCase()));
    at("trade-files").replaceChildren("Generality and locality as a figure for papers: ", files[0], ", ", files[1], ".");
  }

  function remember() {
    const values = Object.fromEntries(Object.entries(selects).filter(([key]) => !SEATS.includes(key)).map(([key, select]) => [key, select.value]));
    keep({ block: values.block, runs: chosen().join(","), ...values });
  }

  function offer(wanted) {
    const names = index.editors.map((one) => [one.key, one.name]);
    const known = (wanted.get("runs") ?? "").split(",").filter((key, position, all) => index.editors.some((one) => one.key === key) && all.indexOf(key) === position);
    const summary = (one) => one.cells[index.families[0].name]?.[index.summary]?.[0] ?? -1;
    const best = [...index.editors].sort((one, other) => one.apart - other.apart || one.control - other.control || Boolean(one.beside) - Boolean(other.beside) || summary(other) - summary(one)).map((one) => one.key);
    const seats = known.length > 1 ? known : [...new Set([...known, ...best])].slice(0, 2);
    SEATS.forEach((seat, position) => options(selects[seat], position < 2 ? names : [["", "nobody"], ...names], seats[position] ?? ""));
    const choose = (select, choices, fallback) => {
      const value = wanted.get(select.name);
      options(select, choices, choices.some(([own]) => own === value) ? value : fallback);
    };
    const families = index.families.filter((family) => index.editors.filter((one) => Object.keys(one.cells[family.name]).length).length > 1);
    choose(selects.scorer, families.map((family) => [family.name, family.title]), "generation");
    choose(selects.measure, index.columns.map((column) => [column.key, title(column.key)]), index.summary);
    choose(selects.across, AXES.map((axis) => [axis.key, axis.title]), "generality");
    choose(selects.up, AXES.map((axis) => [axis.key, axis.title]), "locality");
  }

  async function open(wanted) {
    const slug = [...selects.block.options].some((option) => option.value === wanted.get("block")) ? wanted.get("block") : selects.block.options[0].value;
    selects.block.value = slug;
    const loaded = await opened(load(`compare/${slug}/index`));
    if (loaded === null) return;
    compared(Promise.resolve()); // what is still on its way is of the block before
    index = loaded;
    pairs = [];
    form.hidden = false;
    const why = index.why ? `${index.why} So runs of this block cannot be compared edit by edit here.` : index.editors.length < 2 ? "This block has one run; there is nothing to compare it with." : "";
    at("why").textContent = why;
    at("why").hidden = !why;
    at("trouble").hidden = true;
    offer(wanted);
    for (const item of page.querySelectorAll("[data-ready]")) item.hidden = Boolean(why);
    for (const seat of [...SEATS, "scorer"]) selects[seat].closest("label").hidden = Boolean(why);
    remember();
    if (!why) await compare();
    page.dataset.state = "ready";
  }

  const failed = (error) => {
    at("trouble").hidden = false;
    at("trouble").textContent = `These runs cannot be compared: ${error.message}`;
    page.dataset.state = "failed";
  };

  for (const one of page.querySelectorAll("form")) one.addEventListener("submit", (event) => event.preventDefault());
  page.addEventListener("change", (event) => {
    if (event.target === selects.block) open(new URLSearchParams({ block: selects.block.value, runs: chosen().join(",") })).catch(failed);
    else {
      remember();
      if (SEATS.includes(event.target.name) || event.target === selects.scorer) compare().catch(failed);
      else render();
    }
  });
  window.addEventListener("hashchange", () => open(place()).catch(failed));
  window.addEventListener("resize", () => { if (pairs.length && at("trade").clientWidth !== shownWidth) render(); });
  open(place()).catch(failed);
})();
