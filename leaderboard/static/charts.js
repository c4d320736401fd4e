// The drawings of the page that compares runs. Coordinates are pixels of the width at hand.
"use strict";
mmedit.charts = (() => {
  const { draw, make, foreign, number } = mmedit;
  const CHARACTER = 6.8;
  const short = (name, longest = 24) => (name.length <= longest ? name : `${name.slice(0, longest - 1)}…`);
  const wide = (box) => Math.max(290, Math.min(760, box.clientWidth || 760));
  const svg = (width, height, label, ...children) =>
    draw("svg", { class: "plot", width, height, viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label }, ...children);
  const text = (x, y, words, more = {}) => draw("text", { x, y, ...more }, words);
  const line = (x1, y1, x2, y2, kind) => draw("line", { x1, y1, x2, y2, class: kind });

  const STEPS = [1, 2, 5, 10, 20, 25, 50, 100];
  function reach(values) {
    const largest = Math.max(1, ...values.map(Math.abs));
    const step = STEPS.find((one) => largest / one <= 4) ?? 100;
    return { most: Math.ceil(largest / step) * step, step };
  }

  // rows: [title, [[tone, value, low, high], …]]; names: [[tone, name], …] of what the lines are.
  function forest(box, rows, names, first) {
    const width = wide(box);
    const longest = Math.max(0, ...rows.map(([title]) => title.length));
    const gutter = Math.min(longest * CHARACTER + 16, width * 0.45), right = 20, top = 30, each = 15, gap = 9;
    const bounds = rows.flatMap(([, marks]) => marks.flatMap(([, value, low, high]) => [value, low ?? value, high ?? value]));
    const { most, step } = reach(bounds);
    const x = (value) => gutter + ((value + most) / (2 * most)) * (width - gutter - right);
    const parts = [];
    const bottom = top + rows.reduce((sum, [, marks]) => sum + marks.length * each + gap, 0);
    const apart = width < 500 && most / step > 2 ? 2 * step : step;
    for (let tick = -Math.floor(most / apart) * apart; tick <= most; tick += apart) {
      parts.push(line(x(tick), top - 6, x(tick), bottom, tick === 0 ? "zero" : "grid"));
      parts.push(text(x(tick), bottom + 16, `${tick > 0 ? "+" : ""}${number(tick, 0)}`, { "text-anchor": "middle" }));
    }
    parts.push(text(x(0) - 8, top - 14, "worse ←", { "text-anchor": "end" }), text(x(0) + 8, top - 14, "→ better"));
    let y = top;
    for (const [title, marks] of rows) {
      parts.push(text(gutter - 10, y + (marks.length * each) / 2 + 4, title, { "text-anchor": "end", class: "label" }));
      for (const [tone, value, low, high] of marks) {
        const middle = y + each / 2;
        const mark = draw("g", { class: `tone-${tone}` }, draw("title", {}, `${title}: ${spelt(value, low, high)} against ${names.find(([own]) => own === tone)[1]}`));
        if (low !== null) mark.append(line(x(low), middle, x(high), middle, "cross"));
        mark.append(draw("circle", { cx: x(value), cy: middle, r: 4, class: "dot" }));
        parts.push(mark);
        y += each;
      }
      y += gap;
    }
    const key = make("p", { class: "key" }, ...names.map(([tone, name]) => make("span", { class: `tone-${tone}` }, make("span", { "aria-hidden": "true" }, "● "), make("span", { class: "ink" }, "against ", foreign(name)))));
    box.replaceChildren(key, svg(width, bottom + 26, `Paired differences of ${first}, in percentage points`, ...parts));
  }

  const spelt = (value, low, high) => `${value > 0 ? "+" : ""}${number(value)}${low === null ? "" : ` [${number(low)}, ${number(high)}]`}`;

  // Squares of one pair, each a link to its edit. One of them is in the tab order; arrow keys move on.
  function squares(votes, link, title) {
    const words = { 1: ["won", "+"], "-1": ["lost", "−"], 0: ["tied", "·"] };
    const cells = votes.flatMap((vote, edit) => {
      if (vote === null) return [];
      const [kind, sign] = words[vote];
      return [make("a", { class: `square ${kind}`, href: link(edit), title: title(edit, kind), "aria-label": title(edit, kind), tabindex: "-1" }, sign)];
    });
    if (cells.length) cells[0].setAttribute("tabindex", "0");
    const box = make("div", { class: "squares" }, ...cells);
    box.addEventListener("keydown", (event) => {
      const at = cells.indexOf(document.activeElement);
      const across = cells.findIndex((cell) => cell.offsetTop > cells[0].offsetTop);
      const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -across, ArrowDown: across }[event.key];
      const next = cells[at + step];
      if (at < 0 || !step || !next) return;
      event.preventDefault();
      cells[at].setAttribute("tabindex", "-1");
      next.setAttribute("tabindex", "0");
      next.focus();
    });
    return box;
  }

  function scale(axis, values, from, to) {
    if (!axis.cost) {
      const x = (value) => from + (value / 100) * (to - from);
      return { x, ticks: [0, 25, 50, 75, 100].map((tick) => [x(tick), String(tick)]) };
    }
    const logs = values.filter((value) => value > 0).map(Math.log10);
    const low = Math.floor(Math.min(...logs, 0)), high = Math.max(Math.ceil(Math.max(...logs, low)), low + 1);
    const x = (value) => from + ((Math.log10(Math.max(value, 10 ** low)) - low) / (high - low)) * (to - from);
    const every = Math.ceil((high - low) / 4);
    const ticks = [];
    for (let power = low; power <= high; power += every) ticks.push([x(10 ** power), axis.spell(10 ** power)]);
    return { x, ticks };
  }

  // points: {name, tone or null, beside, x, y, xs and ys: [low, high] or null}; front: those that none beats.
  function scatter(box, points, across, up, front) {
    const width = wide(box), height = Math.min(460, Math.max(300, width * 0.62));
    const left = 48, right = width < 500 ? 16 : 90, top = 14, bottom = height - 44;
    const h = scale(across, points.map((one) => one.x), left, width - right);
    const v = scale(up, points.map((one) => one.y), bottom, top);
    const parts = [];
    for (const [x, label] of h.ticks) parts.push(line(x, top, x, bottom, "grid"), text(x, bottom + 16, label, { "text-anchor": "middle" }));
    for (const [y, label] of v.ticks) parts.push(line(left, y, width - right, y, "grid"), text(left - 6, y + 4, label, { "text-anchor": "end" }));
    parts.push(line(left, top, left, bottom, "frame"), line(left, bottom, width - right, bottom, "frame"));
    parts.push(text((left + width - right) / 2, height - 6, across.title, { "text-anchor": "middle" }));
    parts.push(text(14, (top + bottom) / 2, up.title, { "text-anchor": "middle", transform: `rotate(-90 14 ${(top + bottom) / 2})` }));
    const ordered = [...front].sort((one, other) => h.x(one.x) - h.x(other.x) || v.x(one.y) - v.x(other.y));
    if (ordered.length > 1) parts.push(draw("path", { class: "front", d: ordered.map((one, place) => `${place ? "L" : "M"}${h.x(one.x).toFixed(1)} ${v.x(one.y).toFixed(1)}`).join("") }));
    const weight = (one) => (one.tone ? 2 : front.has(one) ? 1 : 0);
    const drawn = [...points].sort((one, other) => weight(one) - weight(other));
    for (const one of drawn) {
      const x = h.x(one.x), y = v.x(one.y);
      const mark = draw("g", { class: one.tone ? `tone-${one.tone}` : "tone-control" }, draw("title", {}, `${one.name}: ${across.title.toLowerCase()} ${across.spell(one.x)}, ${up.title.toLowerCase()} ${up.spell(one.y)}`));
      if (one.tone && one.xs) mark.append(line(h.x(one.xs[0]), y, h.x(one.xs[1]), y, "cross"));
      if (one.tone && one.ys) mark.append(line(x, v.x(one.ys[0]), x, v.x(one.ys[1]), "cross"));
      mark.append(draw("circle", { cx: x, cy: y, r: one.tone ? 6 : 4, class: one.beside ? "hollow" : "dot" }));
      parts.push(mark);
    }
    parts.push(...labels(drawn.reverse().filter((one) => weight(one) > 0 || points.length <= 12), h, v, width, height - 44));
    box.replaceChildren(svg(width, height, `${up.title} against ${across.title.toLowerCase()}`, ...parts));
  }

  // The heaviest first; a label that would cover another is left to the title and the table.
  function labels(points, h, v, width, bottom) {
    const taken = [], parts = [];
    for (const one of points) {
      const name = short(one.name), long = name.length * CHARACTER, x = h.x(one.x), y = v.x(one.y);
      const places = [[x + 9, y + 4], [x - 9 - long, y + 4], [x - long / 2, y - 10], [x - long / 2, y + 20], [x + 9, y - 9], [x - 9 - long, y - 9], [x + 9, y + 17], [x - 9 - long, y + 17]];
      const free = places.find(([a, b]) => a > 0 && a + long < width && b > 10 && b < bottom && !taken.some(([c, d, w]) => a < c + w && c < a + long && Math.abs(b - d) < 13));
      if (!free) continue;
      taken.push([...free, long]);
      parts.push(text(free[0], free[1], name, { class: "label" }));
    }
    return parts;
  }

  return { forest, squares, scatter, spelt };
})();
