// Filters of the table of claims. Without this file's effect all claims are shown and the filters are not.
"use strict";
(() => {
  const filters = document.querySelector(".filters");
  const buttons = [...filters.querySelectorAll("button[data-filter]")];
  const reset = filters.querySelector("[data-reset]");
  const rows = [...document.querySelectorAll("table.claims tbody tr")];

  const chosen = (name) =>
    buttons.filter((button) => button.dataset.filter === name && button.getAttribute("aria-pressed") === "true")
      .map((button) => button.dataset.value);

  // A row is shown when its kind and its verdict are chosen; where none is chosen, all are.
  const update = () => {
    const wanted = { kind: chosen("kind"), verdict: chosen("verdict") };
    for (const row of rows) {
      row.hidden = Object.entries(wanted).some(([name, values]) => values.length && !values.includes(row.dataset[name]));
    }
    const shown = rows.filter((row) => !row.hidden).length;
    filters.querySelector("[data-shown]").textContent = `${shown} of ${rows.length} claims shown.`;
    reset.hidden = !wanted.kind.length && !wanted.verdict.length;
  };

  for (const button of buttons) {
    button.addEventListener("click", () => {
      button.setAttribute("aria-pressed", String(button.getAttribute("aria-pressed") !== "true"));
      update();
    });
  }
  reset.addEventListener("click", () => {
    buttons.forEach((button) => button.setAttribute("aria-pressed", "false"));
    buttons[0].focus();
    update();
  });
  filters.hidden = false;
  update();
})();
