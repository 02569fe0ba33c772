"use strict";
(() => {
  const $ = (id) => document.getElementById(id);
  // An address that names a module in other letters leads to it all the same.
  function findModule() {
    let name = location.hash.slice(1);
    try { name = decodeURIComponent(name); } catch { return; }
    if (!name || $(name)) return;
    const found = [...document.querySelectorAll(".module")].find((m) => m.id.toLowerCase() === name.toLowerCase());
    if (found) location.replace("#" + encodeURIComponent(found.id));
  }
  addEventListener("hashchange", findModule);
  findModule();

  const stage = $("stage");
  if (!stage) return;
  const data = JSON.parse($("data").textContent), views = data.views, g = data.geometry;
  const still = matchMedia("(prefers-reduced-motion: reduce)");
  const sides = { left: { view: views[data.left] }, right: { view: views[data.right] } };
  let zoomX = 1, zoomY = 1, width = 0, height = 0, cut = 0.5, timer = 0, probe = null, asked = 0;

  const hex = (n) => "0x" + n.toString(16);
  const shape = (size) => {
    const lines = Math.max(Math.ceil(size / g.width), 1);
    return g.horizontal ? [lines, g.width] : [g.width, lines];
  };
  // The offset of the byte at a dot, and the dot of a byte, as colorize lays them out.
  function offsetAt(view, x, y) {
    const [w, h] = shape(view.size);
    if (x < 0 || y < 0 || x >= w || y >= h) return -1;
    const off = g.horizontal ? (g.reversed ? y * w + x : x * h + y) : (g.reversed ? h - 1 - y : y) * w + x;
    return off < view.size ? off : -1;
  }
  function dotOf(view, off) {
    const [w, h] = shape(view.size);
    if (g.horizontal && !g.reversed) return [Math.floor(off / h), off % h];
    const y = Math.floor(off / w);
    return [off % w, !g.horizontal && g.reversed ? h - 1 - y : y];
  }
  const find = (runs, at) => runs.find((r) => at >= r[0] && at < r[0] + r[1]);
  function rvaOf(view, off) {
    if (view.memory) return off;
    const s = find(view.sections, off);
    return s && s[2] >= 0 ? s[2] + off - s[0] : -1;
  }
  const sectionOf = (view, off) => (find(view.sections, off) || [0, 0, 0, "between sections"])[3];
  function sourceOf(view, off, rva) {
    if (view.reference) return "the reference file";
    const row = view.rows && find(view.rows, off);
    if (row) return data.texts[row[2]];
    const page = rva >= 0 && find(data.pages, rva);
    return page ? data.texts[page[2]] : find(view.missing, off) ? "missing" : "–";
  }

  // Bytes: from this document where they are in it, else over HTTP by ranges. Those of a reference are the dots of its picture:
  // it has no other file here.
  const blocks = new Map(), block = 4096, pixels = 14 + 40 + 1024; // of a BMP, before its rows
  const remote = location.protocol === "http:" || location.protocol === "https:";
  function fileOffset(view, off) {
    if (!view.reference) return off;
    const [w, h] = shape(view.size), [x, y] = dotOf(view, off);
    return pixels + (h - 1 - y) * (Math.ceil(w / 4) * 4) + x;
  }
  function blockAt(file, from) {
    const key = file + " " + from;
    if (!blocks.has(key)) {
      if (blocks.size > 64) blocks.clear();
      blocks.set(key, fetch(file, { headers: { Range: `bytes=${from}-${from + block - 1}` } })
        .then((r) => r.status === 206 ? r.arrayBuffer() : Promise.reject(new Error(r.status)))
        .then((b) => new Uint8Array(b))
        .catch((e) => { blocks.delete(key); throw e; }));
    }
    return blocks.get(key);
  }
  async function byteAt(view, off) {
    if (find(view.missing, off)) return "not recovered";
    if (view.bytes) {
      view.raw = view.raw || atob(view.bytes);
      return view.raw.charCodeAt(off);
    }
    if (!remote) return "not in this document (memlens serve shows it)";
    const at = fileOffset(view, off), from = at - (at % block);
    try { return (await blockAt(view.reference ? view.picture : view.file, from))[at - from]; } catch { return "cannot be read"; }
  }
  function byteText(v) {
    if (typeof v !== "number") return v;
    const shown = v > 32 && v < 127 ? ` ${String.fromCharCode(v)}` : "";
    return v.toString(16).padStart(2, "0") + shown;
  }

  function show(side, x, y, speak) {
    const view = sides[side].view, off = offsetAt(view, x, y), ask = ++asked;
    if (off < 0) return clear();
    probe = { side, off };
    const rva = rvaOf(view, off), section = sectionOf(view, off), source = sourceOf(view, off, rva);
    $("at-file").textContent = view.label;
    $("at-offset").textContent = hex(off);
    $("at-rva").textContent = rva < 0 ? "not mapped" : hex(rva);
    $("at-section").textContent = section;
    $("at-source").textContent = source;
    $("at-byte").textContent = "…";
    byteAt(view, off).then((v) => {
      if (ask !== asked) return;
      $("at-byte").textContent = byteText(v);
      if (speak) $("spoken").textContent = `${view.label}, offset ${hex(off)}, ${rva < 0 ? "not mapped" : "RVA " + hex(rva)}, section ${section}, byte ${byteText(v)}, source ${source}`;
    });
    const mark = $("probe").style, pad = 3;
    mark.display = "block";
    mark.left = x * zoomX - pad + "px"; mark.top = y * zoomY - pad + "px";
    mark.width = zoomX + 2 * pad + "px"; mark.height = zoomY + 2 * pad + "px";
  }
  function clear() {
    asked++;
    for (const id of ["file", "offset", "rva", "section", "byte", "source"]) $("at-" + id).textContent = "–";
    $("probe").style.display = "none";
  }

  // Hatches what is missing, in the figures' hatching, and marks where sections begin.
  function overlay(view) {
    const [w, h] = shape(view.size), c = document.createElement("canvas");
    if (w * zoomX > 16384 || h * zoomY > 16384 || !view.missing.length) return null;
    c.width = Math.ceil(w * zoomX); c.height = h * zoomY;
    const ctx = c.getContext("2d"), tile = document.createElement("canvas");
    tile.width = tile.height = 8;
    const t = tile.getContext("2d");
    for (let y = 0; y < 8; y++) for (let x = 0; x < 8; x++) {
      t.fillStyle = ((x + y) & 7) < 3 ? "#7c7c7c" : "#d6d6d6";
      t.fillRect(x, y, 1, 1);
    }
    ctx.fillStyle = ctx.createPattern(tile, "repeat");
    for (const [off, len] of view.missing) lines(view, off, len, (x, y, dx, dy) => ctx.fillRect(x * zoomX, y * zoomY, dx * zoomX, dy * zoomY));
    return c;
  }
  // Calls f with the rectangles of dots that a piece of the file covers: part of a line, whole lines, part of a line.
  function lines(view, off, len, f) {
    const [w, h] = shape(view.size), down = g.horizontal && !g.reversed, line = down ? h : w;
    const rect = (first, count, from, to) => {
      if (down) return f(first, from, count, to - from);
      f(from, !g.horizontal && g.reversed ? h - first - count : first, to - from, count);
    };
    let first = Math.floor(off / line), at = off % line;
    while (len > 0) {
      const n = Math.min(len, line - at);
      if (n === line) {
        const count = Math.floor(len / line);
        rect(first, count, 0, line);
        first += count; len -= count * line;
        continue;
      }
      rect(first, 1, at, at + n);
      first++; at = 0; len -= n;
    }
  }

  function layout() {
    let w = 0, h = 0;
    for (const s of Object.values(sides)) {
      const [vw, vh] = shape(s.view.size);
      w = Math.max(w, vw); h = Math.max(h, vh);
    }
    const room = stage.parentElement.clientWidth - 32;
    const whole = $("scale").value === "1" || !g.horizontal;
    zoomX = g.horizontal ? Math.min(16, w > room && !whole ? room / w : Math.max(1, Math.floor(room / w))) : 1;
    zoomY = g.horizontal ? Math.max(1, Math.min(4, Math.floor(512 / h))) : Math.max(1, Math.min(8, Math.floor(512 / h)));
    width = Math.round(w * zoomX); height = h * zoomY;
    stage.classList.toggle("reduced", zoomX < 1);
    stage.style.width = width + "px"; stage.style.height = height + "px";
    for (const id of ["slide", "sides"]) $(id).style.width = Math.min(width, room) + 32 + "px";
    for (const side of ["left", "right"]) fill(side);
    move(cut);
    clear();
  }
  function fill(side) {
    const view = sides[side].view, [w, h] = shape(view.size), layer = $("layer-" + side);
    const img = layer.dataset.view === view.label ? layer.firstChild : new Image();
    if (layer.dataset.view !== view.label) {
      img.alt = `${view.label}: a picture of its bytes`;
      img.decoding = "sync"; // or a blink would show the other one's place empty
      img.draggable = false;
      img.src = view.picture;
      layer.dataset.view = view.label;
    }
    img.style.width = w * zoomX + "px"; img.style.height = h * zoomY + "px";
    layer.replaceChildren(img, ...[overlay(view)].filter(Boolean));
    $("name-" + side).textContent = view.label;
    $(side).value = view.label;
    $("sizes").textContent = `${sides.left.view.size.toLocaleString("en")} and ${sides.right.view.size.toLocaleString("en")} bytes`;
  }
  function ribbons() {
    const view = sides[cut > 0 ? "left" : "right"].view, box = $("ribbons");
    box.replaceChildren();
    if (!g.horizontal || g.reversed) { box.hidden = true; return; }
    for (const [off, len, , name] of view.sections) {
      const from = Math.floor(off / g.width) * zoomX, to = Math.ceil((off + len) / g.width) * zoomX, r = document.createElement("div");
      r.className = "ribbon";
      r.style.left = from + "px"; r.style.width = Math.max(to - from, 1) + "px";
      r.textContent = to - from > 7 * name.length + 6 ? name : "";
      r.title = name;
      box.append(r);
    }
    box.style.width = width + "px";
  }
  // Shows the left picture up to a share of the width, the right one after it.
  function move(share) {
    const was = cut > 0;
    cut = share;
    const x = Math.round(width * share);
    $("layer-left").style.clipPath = `inset(0 ${width - x}px 0 0)`;
    $("layer-right").style.clipPath = `inset(0 0 0 ${x}px)`;
    $("divider").style.left = x + "px";
    $("name-left").classList.toggle("hidden", share === 0);
    $("name-right").classList.toggle("hidden", share === 1);
    if (was !== cut > 0 || !$("ribbons").children.length) ribbons();
  }
  function blink(on) {
    clearInterval(timer);
    timer = 0;
    $("blink").setAttribute("aria-pressed", on);
    if (on) { move(1); timer = setInterval(() => move(cut > 0 ? 0 : 1), 500); } else move($("slider").value / 1000);
  }

  for (const side of ["left", "right"]) {
    $(side).addEventListener("change", () => {
      sides[side].view = views.find((v) => v.label === $(side).value);
      $("ribbons").replaceChildren();
      layout();
    });
  }
  $("scale").addEventListener("change", () => { $("ribbons").replaceChildren(); layout(); });
  $("slider").addEventListener("input", () => { if (timer) blink(false); move($("slider").value / 1000); });
  const label = () => { $("blink").textContent = still.matches ? "Switch" : "Blink"; };
  label();
  still.addEventListener("change", () => { blink(false); label(); });
  $("blink").addEventListener("click", () => {
    if (!still.matches) return blink(!timer);
    move(cut > 0.5 ? 0 : 1);
    $("slider").value = cut * 1000;
  });
  stage.addEventListener("pointermove", (e) => {
    const box = stage.getBoundingClientRect(), x = e.clientX - box.left, y = e.clientY - box.top;
    show(x < cut * width ? "left" : "right", Math.floor(x / zoomX), Math.floor(y / zoomY), false);
  });
  stage.addEventListener("keydown", (e) => {
    const line = g.width, step = { ArrowDown: [1, line], ArrowUp: [-1, -line], ArrowRight: [line, 1], ArrowLeft: [-line, -1], PageDown: [4096, 4096], PageUp: [-4096, -4096] }[e.key];
    if (!step && e.key !== "Home" && e.key !== "End") return;
    e.preventDefault();
    const side = probe ? probe.side : cut > 0 ? "left" : "right", view = sides[side].view;
    let off = probe && $("probe").style.display !== "none" ? probe.off : 0;
    if (step && probe) off += step[g.horizontal ? 0 : 1];
    if (e.key === "Home") off = 0;
    if (e.key === "End") off = view.size - 1;
    off = Math.max(0, Math.min(view.size - 1, off));
    show(side, ...dotOf(view, off), true);
  });
  addEventListener("resize", () => { $("ribbons").replaceChildren(); layout(); });
  layout();
})();
