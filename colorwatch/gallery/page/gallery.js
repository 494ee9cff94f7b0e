// The page reads its data as scripts: a page opened from a file may load those, and nothing else.
"use strict";

(() => {
  const FIELDS = ["job", "when", "folder", "name", "result", "original", "model", "flags", "width", "height",
    "thumb", "thumbWidth", "thumbHeight"];
  const SHOWN = /\.(jpe?g|jfif|png|webp)$/i;  // what a browser can show of results and originals
  const FLAGS = { "no-colour": "no colour came out", "stuck": "original could not be cleared", "redone": "coloured again" };
  const AHEAD = 1200;  // pixels below the window that are kept filled
  const FEW = 40;  // pictures of a month that stand under one heading, not under their days'
  const $ = (id) => document.getElementById(id);
  const album = $("album");
  const language = navigator.language || "en";
  const dayName = new Intl.DateTimeFormat(language, { weekday: "long", day: "numeric", month: "long", year: "numeric" });
  const monthName = new Intl.DateTimeFormat(language, { month: "long", year: "numeric" });
  const timeName = new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "short" });
  const number = new Intl.NumberFormat(language);

  let index = { title: "", chunks: {} };
  let order = [];          // numbers of chunks, the newest first
  let at = 0;              // how many of `order` are shown
  let loading = false;
  let generation = 0;      // raised when the filter changes: what was asked for before is dropped
  let shown = [];          // entries on the page, in their order
  const perMonth = {};     // pictures in each month, counted when first asked for
  const chunks = new Map();
  const waiting = new Map();

  // --- data ------------------------------------------------------------------------------------------------

  window.galleryIndex = (content) => { index = content; };
  window.galleryChunk = (content) => {
    const rows = content.rows.map((row) => Object.fromEntries(FIELDS.map((field, i) => [field, row[i]])));
    chunks.set(content.chunk, rows);
  };

  function script(path) {
    return new Promise((resolve) => {
      const element = document.createElement("script");
      element.src = path;
      element.onload = element.onerror = () => { element.remove(); resolve(); };
      document.head.append(element);
    });
  }

  function chunk(number) {
    if (chunks.has(number)) return Promise.resolve(chunks.get(number));
    if (!waiting.has(number)) {
      const name = String(number).padStart(6, "0");
      waiting.set(number, script(`data/${name}.js?${index.chunks[number].newest}.${index.changed}`).then(() => {
        waiting.delete(number);
        return chunks.get(number) || [];
      }));
    }
    return waiting.get(number);
  }

  // --- filters ---------------------------------------------------------------------------------------------

  const filter = () => ({
    find: $("find").value.trim().toLocaleLowerCase(), folder: $("folder").value, flag: $("flag").value,
    model: $("model").value, month: $("month").value,
  });

  const month = (when) => {
    const day = new Date(when * 1000);
    return `${day.getFullYear()}-${String(day.getMonth() + 1).padStart(2, "0")}`;
  };

  function mayHold(facets, wanted) {
    return (!wanted.folder || facets.folders.includes(wanted.folder))
      && (!wanted.flag || facets.flags.includes(wanted.flag))
      && (!wanted.model || facets.models.includes(wanted.model))
      && (!wanted.month || Object.keys(facets.months).some((name) => name <= wanted.month));
  }

  function fits(entry, wanted) {
    return (!wanted.folder || entry.folder === wanted.folder)
      && (!wanted.flag || entry.flags.includes(wanted.flag))
      && (!wanted.model || entry.model === wanted.model)
      && (!wanted.month || month(entry.when) <= wanted.month)
      && (!wanted.find || entry.name.toLocaleLowerCase().includes(wanted.find));
  }

  function fill(select, values, word) {
    for (const value of values) {
      const option = document.createElement("option");
      option.value = value;
      option.textContent = word(value);
      select.append(option);
    }
    select.closest("label").hidden = values.length === 0 || (select.id !== "flag" && values.length < 2);
  }

  function gather(facet) {
    return [...new Set(Object.values(index.chunks).flatMap((facets) => facets[facet]))].sort();
  }

  // --- the album -------------------------------------------------------------------------------------------

  function restart() {
    generation += 1;
    album.textContent = "";
    shown = [];
    at = 0;
    loading = false;
    const wanted = filter();
    order = Object.keys(index.chunks).map(Number).filter((name) => mayHold(index.chunks[name], wanted))
      .sort((one, other) => index.chunks[other].newest - index.chunks[one].newest || other - one);
    count();
    fillWindow();
  }

  async function fillWindow() {
    if (loading) return;
    loading = true;
    const mine = generation;
    const wanted = filter();
    while (at < order.length && album.getBoundingClientRect().bottom < innerHeight + AHEAD) {
      const rows = await chunk(order[at]);
      if (mine !== generation) return;
      at += 1;
      const fitting = rows.filter((entry) => fits(entry, wanted));
      append(fitting);
      count();
      // Let the browser draw what there is before more is added.
      await new Promise((resolve) => setTimeout(resolve));
      if (mine !== generation) return;
    }
    loading = false;
    const empty = at >= order.length && shown.length === 0;
    $("more").textContent = at < order.length ? "…" : empty ? "No picture fits." : "";
  }

  function count() {
    const all = Object.values(index.chunks).reduce((sum, facets) => sum + facets.n, 0);
    const wanted = filter();
    const filtered = Object.values(wanted).some(Boolean);
    const pictures = (n) => `${number.format(n)} ${n === 1 ? "picture" : "pictures"}`;
    $("count").textContent = !filtered ? pictures(all)
      : at < order.length ? `${number.format(shown.length)} and perhaps more of ${pictures(all)}`
      : `${number.format(shown.length)} of ${pictures(all)}`;
  }

  function append(entries) {
    for (const entry of entries) {
      const heading = headingOf(entry);
      let section = album.lastElementChild;
      if (!section || section.dataset.heading !== heading) section = newSection(heading);
      section.lastElementChild.append(card(entry, shown.length));
      shown.push(entry);
      section.pictures += 1;
    }
    for (const section of album.children) {
      section.querySelector("small").textContent = number.format(section.pictures);
    }
  }

  function headingOf(entry) {
    const name = month(entry.when);
    if (!(name in perMonth)) {
      perMonth[name] = Object.values(index.chunks).reduce((sum, facets) => sum + (facets.months[name] || 0), 0);
    }
    const { find, folder, flag, model } = filter();
    const all = !(find || folder || flag || model);
    const format = all && perMonth[name] > FEW ? dayName : monthName;
    return format.format(new Date(entry.when * 1000));
  }

  function newSection(words) {
    const section = document.createElement("section");
    section.className = "day";
    section.dataset.heading = words;
    section.pictures = 0;
    const heading = document.createElement("h2");
    heading.append(words, document.createElement("small"));
    const rows = document.createElement("div");
    rows.className = "rows";
    section.append(heading, rows);
    album.append(section);
    return section;
  }

  function card(entry, place) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "card";
    const ratio = Math.min(2.6, Math.max(0.45, entry.width / Math.max(1, entry.height)));
    const height = innerWidth < 640 ? 130 : 190;
    button.style.setProperty("--ratio", `${ratio}`);
    button.style.setProperty("--grow", `${ratio}`);
    button.style.setProperty("--basis", `${Math.round(ratio * height)}px`);
    const picture = document.createElement("span");
    picture.className = "pic";
    if (entry.thumb) {
      for (const kind of ["colour", "grey"]) {
        const image = document.createElement("img");
        image.className = kind;
        image.loading = "lazy";
        image.decoding = "async";
        image.alt = "";
        image.src = entry.thumb;
        picture.append(image);
      }
    } else {
      const none = document.createElement("span");
      none.className = "none";
      none.textContent = "no preview";
      picture.append(none);
    }
    if (entry.flags.length) {
      const flags = document.createElement("span");
      flags.className = "flags";
      for (const flag of entry.flags) {
        const chip = document.createElement("span");
        chip.textContent = FLAGS[flag] || flag;
        flags.append(chip);
      }
      picture.append(flags);
    }
    const name = document.createElement("span");
    name.className = "name";
    name.textContent = entry.name;
    button.append(picture, name);
    button.title = entry.name;
    button.setAttribute("aria-label", `${entry.name}, before and after`);
    button.addEventListener("click", () => view(place));
    return button;
  }

  // --- one picture -----------------------------------------------------------------------------------------

  const viewer = $("viewer"), stage = $("stage"), handle = $("handle");
  let viewed = -1, split = 50, box = { x: 0, y: 0, w: 1, h: 1 };

  function view(place) {
    const entry = shown[place];
    if (!entry) return;
    viewed = place;
    $("viewed").textContent = entry.name;
    const megapixels = entry.width * entry.height / 1e6;
    const facts = [timeName.format(new Date(entry.when * 1000)), entry.folder,
      `${number.format(entry.width)} × ${number.format(entry.height)}${megapixels >= 1 ? `, ${megapixels.toFixed(1)} MP` : ""}`,
      entry.model, ...entry.flags.map((flag) => FLAGS[flag] || flag)];
    $("facts").textContent = facts.filter(Boolean).join(" · ");
    anchor($("openResult"), entry.result);
    anchor($("openOriginal"), entry.original);
    $("previous").disabled = place === 0;
    $("next").disabled = place >= shown.length - 1 && at >= order.length;
    const ownGrey = entry.original && SHOWN.test(entry.original);
    layer($("afterThumb"), entry.thumb, "");
    layer($("beforeThumb"), entry.thumb, "");
    layer($("afterFull"), SHOWN.test(entry.result) ? entry.result : "", `${entry.name}, coloured`);
    // The lightness of a result is that of its scan, so its grey rendering stands in for a scan no browser shows.
    layer($("beforeFull"), ownGrey ? entry.original : SHOWN.test(entry.result) ? entry.result : "", `${entry.name}, as it was scanned`);
    $("beforeFull").classList.toggle("grey-of-colour", !ownGrey);
    if (!viewer.open) viewer.showModal();
    layOut();
    setSplit(50);
    if (place > shown.length - 5) more();
  }

  async function more() {
    if (at >= order.length || loading) return;
    loading = true;
    const mine = generation, wanted = filter();
    const before = shown.length;
    while (at < order.length && shown.length < before + 20) {
      const rows = await chunk(order[at]);
      if (mine !== generation) return;
      at += 1;
      append(rows.filter((entry) => fits(entry, wanted)));
    }
    loading = false;
    count();
    $("next").disabled = viewed >= shown.length - 1 && at >= order.length;
  }

  function anchor(element, href) {
    element.hidden = !href;
    if (href) element.setAttribute("href", href); else element.removeAttribute("href");
  }

  function layer(image, source, words) {
    image.hidden = true;
    image.onload = () => { image.hidden = false; };
    image.onerror = () => { image.hidden = true; };
    image.alt = words;
    if (source) image.src = source; else image.removeAttribute("src");
  }

  function layOut() {
    const entry = shown[viewed];
    if (!entry || !viewer.open) return;
    const room = stage.getBoundingClientRect();
    const scale = Math.min(room.width / entry.width, room.height / entry.height);
    box = { w: Math.round(entry.width * scale), h: Math.round(entry.height * scale) };
    box.x = Math.round((room.width - box.w) / 2);
    box.y = Math.round((room.height - box.h) / 2);
    for (const [name, value] of Object.entries(box)) stage.style.setProperty(`--${name}`, `${value}px`);
    setSplit(split);
  }

  function setSplit(percent) {
    split = Math.min(100, Math.max(0, percent));
    stage.style.setProperty("--split", `${split}%`);
    stage.style.setProperty("--at", `${box.w * split / 100}px`);
    handle.setAttribute("aria-valuenow", String(Math.round(split)));
    handle.setAttribute("aria-valuetext", `${Math.round(split)} percent grey`);
  }

  function follow(event) {
    setSplit((event.clientX - stage.getBoundingClientRect().left - box.x) / box.w * 100);
  }

  stage.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    stage.setPointerCapture(event.pointerId);
    follow(event);
    handle.focus({ preventScroll: true });
    event.preventDefault();
  });
  stage.addEventListener("pointermove", (event) => {
    if (stage.hasPointerCapture(event.pointerId)) follow(event);
  });
  handle.addEventListener("keydown", (event) => {
    const step = event.shiftKey ? 10 : 2;
    const to = { ArrowLeft: split - step, ArrowDown: split - step, ArrowRight: split + step, ArrowUp: split + step,
      Home: 0, End: 100, PageDown: split - 25, PageUp: split + 25 }[event.key];
    if (to === undefined) return;
    setSplit(to);
    event.preventDefault();
    event.stopPropagation();
  });
  viewer.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "n" || event.key === "ArrowRight") view(viewed + 1);
    else if (event.key === "p" || event.key === "ArrowLeft") view(viewed - 1);
  });
  viewer.addEventListener("close", () => {
    const card = album.querySelectorAll(".card")[viewed];
    if (card) { card.scrollIntoView({ block: "nearest" }); card.focus(); }
    viewed = -1;
  });
  $("previous").addEventListener("click", () => view(viewed - 1));
  $("next").addEventListener("click", () => view(viewed + 1));
  $("close").addEventListener("click", () => viewer.close());
  addEventListener("resize", layOut);

  // --- light and dark --------------------------------------------------------------------------------------

  const dark = matchMedia("(prefers-color-scheme: dark)");
  function theme(name) {
    if (name) document.documentElement.dataset.theme = name;
    const now = name || (dark.matches ? "dark" : "light");
    $("theme").setAttribute("aria-pressed", String(now === "dark"));
  }
  let kept = null;
  try { kept = localStorage.getItem("colorwatch-theme"); } catch { /* a file's page may be denied its storage */ }
  theme(kept === "dark" || kept === "light" ? kept : null);
  $("theme").addEventListener("click", () => {
    const next = $("theme").getAttribute("aria-pressed") === "true" ? "light" : "dark";
    theme(next);
    try { localStorage.setItem("colorwatch-theme", next); } catch { /* then for this visit only */ }
  });

  // --- begin -----------------------------------------------------------------------------------------------

  $("filters").addEventListener("submit", (event) => event.preventDefault());
  let typing = 0;
  $("find").addEventListener("input", () => { clearTimeout(typing); typing = setTimeout(restart, 200); });
  for (const id of ["folder", "flag", "model", "month"]) $(id).addEventListener("change", restart);
  addEventListener("scroll", () => requestAnimationFrame(fillWindow), { passive: true });
  addEventListener("resize", () => requestAnimationFrame(fillWindow));

  script(`data/index.js?${Date.now()}`).then(() => {
    if (index.title) { $("title").textContent = index.title; document.title = index.title; }
    fill($("folder"), gather("folders"), (name) => name);
    fill($("flag"), gather("flags"), (name) => FLAGS[name] || name);
    fill($("model"), gather("models"), (name) => name);
    const months = [...new Set(Object.values(index.chunks).flatMap((facets) => Object.keys(facets.months)))].sort().reverse();
    fill($("month"), months, (name) => monthName.format(new Date(`${name}-15T12:00:00`)));
    if (Object.keys(index.chunks).length === 0) $("more").textContent = "Nothing has been coloured yet.";
    restart();
  });
})();
