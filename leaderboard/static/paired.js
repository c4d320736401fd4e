// Paired differences between two runs, from their values edit by edit: means, 95 % intervals by the
// expanded percentile bootstrap over clusters, and the edits won and lost.
"use strict";
mmedit.paired = (() => {
  const RESAMPLES = 2000;
  const SEED = 20240919;
  const TIE = 1e-6;
  const SIGNS = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

  // A column of a run's file: percent by edit, NaN where the edit was not made or has no such question.
  function unpacked(column) {
    if (Array.isArray(column)) return column.map((value) => (value === null ? NaN : value));
    return [...column.rows].map((sign) => (sign === "-" ? NaN : column.values[SIGNS.indexOf(sign)]));
  }

  const joined = (values, harmonic) => (harmonic ? values.length / values.reduce((sum, value) => sum + 1 / value, 0) : values.reduce((sum, value) => sum + value, 0) / values.length);

  // The columns that both have, those of each side with NaN where the other lacks the edit.
  function shared(mine, theirs) {
    const sides = [{}, {}];
    for (const name of Object.keys(mine)) {
      if (!(name in theirs)) continue;
      const own = unpacked(mine[name]), other = unpacked(theirs[name]);
      sides[0][name] = own.map((value, edit) => (Number.isNaN(other[edit]) ? NaN : value));
      sides[1][name] = other.map((value, edit) => (Number.isNaN(own[edit]) ? NaN : value));
    }
    return sides;
  }

  // By column and group the difference of every edit. A group is made of those of its parts that the edit has.
  function deltas(index, mine, theirs) {
    const sides = shared(mine, theirs);
    const there = (value) => !Number.isNaN(value);
    for (const side of sides) {
      for (const [name, { parts, harmonic }] of Object.entries(index.groups)) {
        if (parts.every((part) => side[part]?.some(there))) side[name] = side[parts[0]].map((_, edit) => joined(parts.map((part) => side[part][edit]).filter(there), harmonic));
      }
    }
    return Object.fromEntries(Object.entries(sides[0]).map(([name, own]) => [name, own.map((value, edit) => value - sides[1][name][edit])]));
  }

  // Small, fast and seeded: the same edits always give the same interval.
  function random(seed) {
    let state = seed >>> 0;
    return () => {
      state = (state + 0x6d2b79f5) >>> 0;
      let mixed = Math.imul(state ^ (state >>> 15), state | 1);
      mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
      return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
    };
  }

  function percentile(sorted, share) {
    const place = (sorted.length - 1) * share, below = Math.floor(place);
    return sorted[below] + (sorted[Math.min(below + 1, sorted.length - 1)] - sorted[below]) * (place - below);
  }

  // What each cluster adds to a column: its sum and its number of edits.
  function sums(values, clusters, count) {
    const total = new Float64Array(count), behind = new Float64Array(count);
    values.forEach((value, edit) => {
      if (Number.isNaN(value)) return;
      total[clusters[edit]] += value;
      behind[clusters[edit]] += 1;
    });
    return { total, behind, wide: behind.reduce((number, one) => number + (one > 0), 0) };
  }

  function mean(counts, { total, behind }) {
    let sum = 0, number = 0;
    for (let cluster = 0; cluster < counts.length; cluster += 1) {
      sum += counts[cluster] * total[cluster];
      number += counts[cluster] * behind[cluster];
    }
    return number ? sum / number : NaN;
  }

  function averaged(means, groups) {
    for (const [name, { parts, harmonic }] of Object.entries(groups)) {
      if (parts.every((part) => part in means)) means[name] = joined(parts.map((part) => means[part]), harmonic);
    }
    return means;
  }

  const LAST_BITS = 1e-10;
  const minus = (one, other) => (Math.abs(one - other) < LAST_BITS ? 0 : one - other);

  // {edits, clusters, columns: {name: [value, low, high]}}, as the files hold it of blocks with few runs.
  function compared(index, mine, theirs) {
    const sides = shared(mine, theirs);
    const leaves = Object.keys(sides[0]);
    const made = index.ids.map((_, edit) => leaves.some((name) => !Number.isNaN(sides[0][name][edit])));
    const numbers = new Map();
    const clusters = index.ids.map((_, edit) => {
      const own = index.clusters ? index.clusters[edit] : edit;
      if (made[edit] && !numbers.has(own)) numbers.set(own, numbers.size);
      return numbers.get(own);
    });
    const parts = sides.map((side) => Object.fromEntries(leaves.map((name) => [name, sums(side[name], clusters, numbers.size)])));
    const apart = (counts) => {
      const [own, other] = parts.map((side) => averaged(Object.fromEntries(leaves.map((name) => [name, mean(counts, side[name])])), index.groups));
      return Object.fromEntries(Object.keys(own).map((name) => [name, minus(own[name], other[name])]));
    };
    const points = apart(new Float64Array(numbers.size).fill(1));
    const samples = Object.fromEntries(Object.keys(points).map((name) => [name, []]));
    const next = random(SEED);
    for (let draw = 0; draw < RESAMPLES; draw += 1) {
      const counts = new Float64Array(numbers.size);
      for (let one = 0; one < numbers.size; one += 1) counts[Math.floor(next() * numbers.size)] += 1;
      const own = apart(counts);
      for (const name of Object.keys(own)) if (!Number.isNaN(own[name])) samples[name].push(own[name]);
    }
    const leavesOf = (name) => (index.groups[name] ? index.groups[name].parts.flatMap(leavesOf) : [name]);
    const columns = {};
    for (const [name, value] of Object.entries(points)) {
      if (Number.isNaN(value)) continue;
      const wide = Math.min(...leavesOf(name).map((leaf) => parts[0][leaf].wide));
      const out = index.tails[wide - index.fewest]; // none for fewer clusters than an interval needs
      const sorted = samples[name].sort((one, other) => one - other);
      columns[name] = out === undefined ? [value, null, null] : [value, Math.min(percentile(sorted, out), value), Math.max(percentile(sorted, 1 - out), value)];
    }
    return { edits: made.filter(Boolean).length, clusters: numbers.size, columns };
  }

  // The same seen from the other side.
  function turned(pair) {
    const other = (value) => (value === null ? null : 0 - value);
    return { ...pair, columns: Object.fromEntries(Object.entries(pair.columns).map(([name, [value, low, high]]) => [name, [other(value), other(high), other(low)]])) };
  }

  // 1 where the first does better, -1 where the second does, 0 where neither, null where it cannot be said.
  const votes = (delta) => delta.map((value) => (Number.isNaN(value) ? null : value > TIE ? 1 : value < -TIE ? -1 : 0));

  return { compared, deltas, turned, votes };
})();
