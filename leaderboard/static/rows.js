// Rows and notes of the board's table, in the form in which the first page has them as HTML.
"use strict";
var mmeditRows = (() => {
  const { make } = mmedit;
  const MISSING = "–";

  function one(value) {
    return value.toFixed(1);
  }

  function scoreCell(values) {
    if (!values) return make("td", { title: "not measured, or not to be had without the suite's data" }, MISSING);
    if (values[0] === null) return make("td", { title: "nothing to measure" }, MISSING);
    const [value, low, high, n, edits] = values;
    const bounded = low !== null && high !== null;
    const bounds = bounded ? ` [${low.toFixed(2)}, ${high.toFixed(2)}]` : "";
    const cell = make("td", { title: `${value.toFixed(2)}${bounds}, n = ${n} of ${edits} edits` }, one(value));
    if (bounded) cell.append(make("small", null, `±${one((high - low) / 2)}`));
    const bar = make("svg", null);
    if (bounded) bar.append(make("rect", { x: `${one(low)}%`, width: `${one(high - low)}%` }));
    bar.append(make("rect", { x: `${one(value)}%` }));
    cell.append(bar);
    return cell;
  }

  function digits(value) {
    if (value >= 9.95) return value.toFixed(0);
    for (let places = 1; places < 5; places += 1) if (value >= 0.995 * 10 ** (1 - places)) return value.toFixed(places);
    return value.toFixed(4);
  }

  function scaled(value) {
    const units = ["B", "kB", "MB", "GB"];
    let at = 0;
    while (value >= 999.5 && at < 3) [value, at] = [value / 1000, at + 1];
    return `${at === 0 || value >= 9.95 ? value.toFixed(0) : value.toFixed(1)} ${units[at]}`;
  }

  function costText(name, value) {
    if (value === null) return MISSING;
    if (name === "edit_bytes" || name === "peak_bytes") return scaled(value);
    if (name === "parameters") return scaled(value).replace(/B$/, "").trim().replace("G", "bn");
    return name === "overhead" ? `${value.toFixed(2)}x` : digits(value);
  }

  function costCell(name, value) {
    return make("td", { "data-v": value }, costText(name, value));
  }

  function row(of, scores, columns) {
    const head = make("th", { scope: "row", "data-f": of.family }, make("a", { href: `editors/${of.id}.html` }, of.name));
    const said = [];
    if (of.control) said.push("control");
    if (!of.complete) said.push(`${of.done} of ${of.planned}, unranked`);
    if (of.other_baseline) said.push("another baseline, unranked");
    if (of.status === "checked" && !of.apart) said.push("not asked again, unranked");
    if (of.failed) said.push(`${of.failed} failed`);
    for (const word of said) head.append(" ", make("small", null, word));
    const rank = scores.rank ? (scores.rank[0] === scores.rank[1] ? `${scores.rank[0]}` : scores.rank.join("–")) : "";
    const marks = [of.control && "control", !of.complete && "partial"].filter(Boolean).join(" ");
    const line = make("tr", { class: marks || null }, head, make("td", null, rank));
    line.append(make("td", null, make("a", { href: `runs/${of.page}.html` }, of.track)));
    for (const name of columns) {
      line.append(name in of.cost ? costCell(name, of.cost[name]) : scoreCell(scores.cells[name]));
    }
    return line;
  }

  // What stands under the table: how places came about, and how many edits a stable order takes.
  function notes(told, scorer) {
    const ranks = told.ranked_by === "paired"
      ? "differences edit by edit, all pairs tested at one joint level of 5 %"
      : "intervals that do not meet, for single edits of these rows cannot be set against each other here (other probes, other units, or the suite's data are not at hand)";
    const found = [`Ranks by ${told.by}: ${ranks}. Controls are marks on the scale, not methods; they, partial runs, runs against another baseline, runs of which nothing was asked again and self-reported rows take no rank.`];
    const stable = told.stability;
    if (stable) {
      let text = `A stable order: with the ${stable.edits} edits made here, ${stable.seen} of ${stable.pairs} neighbouring pairs are told apart at 80 % power.`;
      if (stable.all_but_close) {
        text += ` Telling apart all neighbours that differ by a point or more takes ${stable.all_but_close} edits`;
        text += stable.close ? `; ${stable.close} pairs are closer than that.` : ".";
      }
      if (stable.point) text += ` A difference of one point takes ${stable.point} edits (median pair).`;
      found.push(text);
    }
    if (scorer !== "generation") found.push("Teacher forcing is read of edits that our side applied; sandboxed code and self-reported answers are scored by generation only.");
    return found;
  }

  return { row, notes };
})();
