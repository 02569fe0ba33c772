"use strict";
(() => {
  const gallery = document.getElementById("gallery"), filter = document.getElementById("filter"), sort = document.getElementById("sort");
  const items = [...gallery.children], count = document.getElementById("count");
  const order = new Map(items.map((li, i) => [li, i]));
  const by = {
    order: () => 0,
    name: (a, b) => a.dataset.name.localeCompare(b.dataset.name, "en", { sensitivity: "base" }),
    pid: (a, b) => a.dataset.pid - b.dataset.pid,
    created: (a, b) => (a.dataset.created || "~") < (b.dataset.created || "~") ? -1 : (a.dataset.created || "~") > (b.dataset.created || "~") ? 1 : 0,
    share: (a, b) => a.dataset.share - b.dataset.share,
    grade: (a, b) => b.dataset.grade - a.dataset.grade,
  };
  function show() {
    const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
    let n = 0;
    for (const li of items) {
      const text = li.dataset.text + " " + li.querySelector(".verdict").textContent.toLowerCase();
      li.hidden = !words.every((w) => text.includes(w));
      n += li.hidden ? 0 : 1;
    }
    count.textContent = n < items.length ? `${n} of ${items.length} processes` : n === 1 ? "1 process" : `${n} processes`;
  }
  filter.addEventListener("input", show);
  sort.addEventListener("change", () => {
    const sorted = [...items].sort((a, b) => by[sort.value](a, b) || order.get(a) - order.get(b));
    gallery.replaceChildren(...sorted);
  });
  filter.form.addEventListener("submit", (e) => e.preventDefault());
})();
