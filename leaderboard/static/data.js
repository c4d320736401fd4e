// Data that is loaded when it is asked for. From a file no page may fetch another file, but it may load
// a script: each data file calls mmeditData with its name and what it holds.
"use strict";
var mmedit = (() => {
  const held = new Map();
  const waiting = new Map();
  const root = document.body ? document.body.dataset.root : "";

  function take(name, value) {
    held.set(name, value);
    for (const done of waiting.get(name) || []) done.resolve(value);
    waiting.delete(name);
  }

  // The data called `name`, from data/<name>.js below the site's root. Rejects if it cannot be loaded.
  function load(name) {
    if (held.has(name)) return Promise.resolve(held.get(name));
    return new Promise((resolve, reject) => {
      if (waiting.has(name)) {
        waiting.get(name).push({ resolve, reject });
        return;
      }
      waiting.set(name, [{ resolve, reject }]);
      const script = document.createElement("script");
      script.src = `${document.body.dataset.root}data/${name}.js`;
      // once a script has run its data are taken: else it was cut short, or another page stands in its place
      for (const end of ["error", "load"]) script.addEventListener(end, () => {
        if (held.has(name)) return;
        for (const done of waiting.get(name) || []) done.reject(new Error(`data/${name}.js cannot be loaded`));
        waiting.delete(name);
        script.remove();
      });
      document.head.append(script);
    });
  }

  // An element with attributes and children; texts become text and nothing else.
  function make(tag, attributes, ...children) {
    const svg = tag === "svg" || tag === "rect" || tag === "path" || tag === "line" || tag === "circle" || tag === "text" || tag === "g";
    const element = svg ? document.createElementNS("http://www.w3.org/2000/svg", tag) : document.createElement(tag);
    for (const [name, value] of Object.entries(attributes || {})) {
      if (value === null || value === undefined || value === false) continue;
      element.setAttribute(name, value === true ? "" : String(value));
    }
    for (const child of children) {
      if (child !== null && child !== undefined) element.append(child);
    }
    return element;
  }

  return { take, load, make, root };
})();
function mmeditData(name, value) {
  mmedit.take(name, value);
}
