// What the pages share that are drawn from loaded data: elements, drawings, tables, and the address.
"use strict";
(() => {
  function filled(element, attributes, children) {
    for (const [name, value] of Object.entries(attributes)) {
      if (value !== null && value !== undefined && value !== false) element.setAttribute(name, value === true ? "" : value);
    }
    element.append(...children.flat().filter((child) => child !== null && child !== undefined));
    return element;
  }

  // Children that are strings become text: nothing is ever parsed as markup.
  const make = (tag, attributes = {}, ...children) => filled(document.createElement(tag), attributes, children);
  const draw = (tag, attributes = {}, ...children) =>
    filled(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
  // Text of strangers, whose marks turn no text but their own.
  const foreign = (text) => make("bdi", {}, text);

  const place = () => new URLSearchParams(location.hash.slice(1));
  function keep(values) {
    const kept = Object.entries(values).filter(([, value]) => value !== null && value !== undefined && value !== "");
    history.replaceState(null, "", `#${new URLSearchParams(kept)}`);
  }

  function options(select, choices, chosen) {
    select.replaceChildren(
      ...choices.map(([value, text]) => {
        const option = make("option", { value }, text);
        option.selected = value === chosen;
        return option;
      }),
    );
  }

  // Of promises that are handed over one after another the last one counts: what loads slowly may come
  // after what was chosen since. What one that came too late brings, or complains of, is null.
  function latest() {
    let turn = 0;
    return async (promise) => {
      const mine = (turn += 1);
      try {
        const value = await promise;
        return mine === turn ? value : null;
      } catch (error) {
        if (mine === turn) throw error;
        return null;
      }
    };
  }

  const number = (value, digits = 1) => (value === null || value === undefined ? "" : value.toFixed(digits).replace("-", "−"));

  function table(caption, heads, rows) {
    return make(
      "div", { class: "scroll", role: "region", "aria-label": caption, tabindex: "0" },
      make(
        "table", { class: "plain" },
        make("caption", {}, make("span", {}, caption)),
        make("thead", {}, make("tr", {}, ...heads.map((head) => make("th", { scope: "col" }, head)))),
        make(
          "tbody", {},
          ...rows.map(([head, ...cells]) =>
            make("tr", {}, make("th", { scope: "row" }, foreign(head)), ...cells.map((cell) => make("td", { class: "number" }, cell))),
          ),
        ),
      ),
    );
  }

  Object.assign(mmedit, { make, draw, foreign, place, keep, options, latest, number, table, root: document.body.dataset.root });
})();
