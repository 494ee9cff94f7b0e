// The album: small pictures by day and folder, more of them as the page is scrolled, filtered.
"use strict";

(() => {
  const AHEAD = 1200; // pixels below the window that are kept filled
  const AT_ONCE = 50; // pictures that are added before the browser may draw
  const LOOK_SECONDS = 60; // between two looks for new pictures
  const WORDS = "en-GB"; // the page's own language
  const $ = (id) => document.getElementById(id);
  const album = $("album");
  const weekday = new Intl.DateTimeFormat(WORDS, { weekday: "long" });
  const dayName = new Intl.DateTimeFormat(WORDS, { day: "numeric", month: "long" });
  const monthName = new Intl.DateTimeFormat(WORDS, { month: "long", year: "numeric" });
  const number = new Intl.NumberFormat(WORDS);

  let order = []; // numbers of chunks, the newest first
  let at = 0; // how many of `order` are shown
  let loading = null; // what is being added to the page now
  let generation = 0; // raised when the filter changes: what was asked for before is dropped
  let shown = []; // entries on the page, in their order
  let perDay = {};

  const make = (tag, name, ...content) => {
    const element = document.createElement(tag);
    if (name) element.className = name;
    element.append(...content);
    return element;
  };
  const pictures = (count) => `${number.format(count)} ${count === 1 ? "picture" : "pictures"}`;

  // --- what is wanted ----------------------------------------------------------------------------------------

  const filter = () => ({
    find: $("find").value.trim().toLocaleLowerCase(), folder: $("folder").value, flag: $("flag").value,
    model: $("model").value, month: $("month").value,
  });
  const narrowed = ({ find, folder, flag, model }) => Boolean(find || folder || flag || model);

  function fill(select, values, word, least) {
    for (const value of values) {
      const option = make("option", "", word(value));
      option.value = value;
      select.append(option);
    }
    select.parentElement.hidden = values.length < least;
  }

  function clear() {
    for (const id of ["find", "folder", "flag", "model", "month"]) $(id).value = "";
    restart();
  }

  // --- filling the page --------------------------------------------------------------------------------------

  function restart() {
    generation += 1;
    album.textContent = "";
    $("notice").hidden = true;
    shown = [];
    at = 0;
    loading = null;
    const wanted = filter();
    for (const select of document.querySelectorAll(".choice select")) {
      select.parentElement.classList.toggle("chosen", Boolean(select.value));
    }
    $("unfold").classList.toggle("chosen", narrowed(wanted));
    order = data.order(wanted);
    count();
    scrollTo(0, 0);
    fillWindow();
  }

  /** Adds chunks while `wanting` says so; the same work is done once, whoever asks. */
  function add(wanting) {
    const mine = generation;
    const wanted = filter();
    loading = loading || (async () => {
      await null; // else `loading` would be cleared before it is set, where there is nothing to do
      if (mine !== generation) return;
      const before = at;
      while (at < order.length && wanting()) {
        data.prefetch(order.slice(at + 1));
        const entries = await data.chunk(order[at]);
        if (mine !== generation) return;
        if (entries === null) { fault(); break; }
        const fitting = entries.filter((entry) => data.fits(entry, wanted));
        for (let first = 0; first < fitting.length; first += AT_ONCE) {
          append(fitting.slice(first, first + AT_ONCE));
          // Let the browser draw what there is before more is added.
          await new Promise((resolve) => setTimeout(resolve));
          if (mine !== generation) return;
        }
        at += 1;
      }
      loading = null;
      ended();
      // Days that are drawn take another height than was set aside for them: perhaps it was not enough.
      if (at > before) requestAnimationFrame(() => requestAnimationFrame(fillWindow));
    })();
    return loading;
  }

  function fillWindow() {
    if ($("notice").hidden) add(() => album.getBoundingClientRect().bottom < innerHeight + AHEAD);
  }

  function ended() {
    $("more").textContent = at < order.length && $("notice").hidden ? "Loading older pictures" : "";
    if (at >= order.length && shown.length === 0) {
      if (narrowed(filter())) notice("Nothing fits", `No picture has all of this: ${told()}.`, "Show all pictures", clear);
      else notice("No pictures yet", "Save a scan into the inbox. A little after its result, both appear here, side by side.");
    }
  }

  function told() {
    const { find, folder, flag, model } = filter();
    return [find && `“${$("find").value.trim()}” in its name`, folder && `the folder ${folder}`,
      flag && `the flag “${flag}”`, model && `the model ${model}`].filter(Boolean).join(", ");
  }

  function fault() {
    notice("Some pictures cannot be listed", "A file of the folder “data” beside this page is missing or damaged. "
      + "It is written again after colorwatch's next start; the results themselves are in the folder above.", "Try again", () => {
      $("notice").hidden = true;
      fillWindow();
    });
  }

  function notice(title, text, deed = "", action = null) {
    $("noticeTitle").textContent = title;
    $("noticeText").textContent = text;
    $("noticeDeed").textContent = deed;
    $("noticeDeed").hidden = !deed;
    $("noticeDeed").onclick = action;
    $("notice").hidden = false;
    $("more").textContent = "";
  }

  /** Says how many pictures fit; with a filter all chunks are looked through for it, while the first are shown. */
  async function count() {
    const all = data.total();
    const wanted = filter();
    if (!narrowed(wanted)) {
      $("count").textContent = all ? pictures(all) : "";
      return;
    }
    const mine = generation;
    let found = 0;
    for (const [place, name] of order.entries()) {
      data.prefetch(order.slice(place + 1));
      const entries = await data.chunk(name);
      if (mine !== generation) return;
      found += (entries || []).filter((entry) => data.fits(entry, wanted)).length;
    }
    $("count").textContent = `${number.format(found)} of ${pictures(all)}`;
  }

  // --- days, folders, cards ----------------------------------------------------------------------------------

  function append(entries) {
    const all = !narrowed(filter());
    for (const entry of entries) {
      let section = album.lastElementChild;
      if (!section || section.dataset.day !== entry.day) {
        section = newDay(entry, all ? perDay[entry.day] : 0);
        album.append(section);
      }
      let group = section.lastElementChild.lastElementChild;
      if (!group || group.dataset.folder !== entry.folder) {
        group = newGroup(entry.folder);
        section.lastElementChild.append(group);
      }
      group.lastElementChild.append(card(entry, shown.length));
      shown.push(entry);
      section.count += 1;
    }
    if (!all) {
      for (const section of album.children) section.querySelector("small").textContent = pictures(section.count);
    }
  }

  function newDay(entry, count) {
    const day = new Date(entry.when * 1000);
    const heading = make("h2", "", make("span", "quiet", `${weekday.format(day)} `), make("b", "", dayName.format(day)),
      make("span", "quiet", ` ${day.getFullYear()}`));
    const section = make("section", "day", make("header", "", heading, make("small", "", count ? pictures(count) : "")),
      make("div", "groups"));
    section.dataset.day = entry.day;
    section.count = 0;
    return section;
  }

  function newGroup(folder) {
    const group = make("div", "group");
    if (folder) group.append(make("h3", "", ...folder.split("/").flatMap((part, i) => i ? [make("i", "", "/"), part] : [part])));
    group.append(make("div", "rows"));
    group.dataset.folder = folder;
    return group;
  }

  function card(entry, place) {
    const button = make("button", "card");
    button.type = "button";
    const ratio = Math.min(2.6, Math.max(0.5, entry.width / Math.max(1, entry.height)));
    button.style.setProperty("--ratio", ratio.toFixed(4));
    const picture = make("span", "pic");
    if (entry.thumb) {
      for (const kind of ["colour", "grey"]) {
        const image = make("img", kind);
        image.loading = "lazy";
        image.decoding = "async";
        image.alt = "";
        image.onerror = () => picture.replaceChildren(none("The small picture is missing"));
        image.src = `${entry.thumb}?${entry.made}`;
        picture.append(image);
      }
      picture.append(make("span", "line"));
    } else {
      picture.append(none("No small picture could be made"));
    }
    const marks = [...entry.flags.map(([word]) => word), ...(entry.pages > 1 ? [`${number.format(entry.pages)} pages`] : [])];
    if (marks.length) picture.append(make("span", "marks", ...marks.map((word) => make("span", "", word))));
    button.append(picture, make("span", "name", entry.name));
    button.title = entry.name;
    button.setAttribute("aria-label", [`${entry.name}, before and after`, ...marks].join(", "));
    button.addEventListener("click", () => viewer.view(place));
    return button;
  }

  function none(words) {
    return make("span", "none", words);
  }

  // The line between before and after follows the mouse over a small picture.
  album.addEventListener("pointermove", (event) => {
    if (event.pointerType !== "mouse") return;
    const picture = event.target.closest(".card")?.firstElementChild;
    if (!picture) return;
    const box = picture.getBoundingClientRect();
    const part = Math.min(1, Math.max(0, (event.clientX - box.left) / box.width));
    picture.style.setProperty("--split", `${(part * 100).toFixed(1)}%`);
  }, { passive: true });
  album.addEventListener("pointerout", (event) => {
    const one = event.target.closest(".card");
    if (one && !one.contains(event.relatedTarget)) one.firstElementChild.style.removeProperty("--split");
  }, { passive: true });

  album.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!step || !event.target.matches(".card")) return;
    const cards = [...album.querySelectorAll(".card")];
    cards[cards.indexOf(event.target) + step]?.focus();
    event.preventDefault();
  });

  viewer.album = {
    entry: (place) => shown[place],
    card: (place) => album.querySelectorAll(".card")[place],
    last: (place) => place >= shown.length - 1 && at >= order.length,
    more: (place) => add(() => shown.length < place + 20),
  };

  // --- light and dark ----------------------------------------------------------------------------------------

  const dark = matchMedia("(prefers-color-scheme: dark)");
  function theme(name) {
    if (name) document.documentElement.dataset.theme = name;
    $("theme").setAttribute("aria-pressed", String((name || (dark.matches ? "dark" : "light")) === "dark"));
  }
  const remembered = (key) => {
    try { return localStorage.getItem(`colorwatch-${key}`); } catch { return null; } // a file's page may be denied it
  };
  const remember = (key, value) => {
    try { localStorage.setItem(`colorwatch-${key}`, value); } catch { /* then for this visit only */ }
  };
  theme(["dark", "light"].find((name) => name === remembered("theme")));
  dark.addEventListener("change", () => theme(document.documentElement.dataset.theme));
  $("theme").addEventListener("click", () => {
    const next = $("theme").getAttribute("aria-pressed") === "true" ? "light" : "dark";
    theme(next);
    remember("theme", next);
  });

  $("sides").addEventListener("change", (event) => {
    album.dataset.side = event.target.value;
  });

  // --- begin -------------------------------------------------------------------------------------------------

  $("filters").addEventListener("submit", (event) => event.preventDefault());
  $("unfold").addEventListener("click", () => {
    const open = document.body.classList.toggle("unfolded");
    $("unfold").setAttribute("aria-expanded", String(open));
  });
  let typing = 0;
  $("find").addEventListener("input", () => { clearTimeout(typing); typing = setTimeout(restart, 200); });
  for (const id of ["folder", "flag", "model", "month"]) $(id).addEventListener("change", restart);
  new IntersectionObserver(fillWindow, { rootMargin: `${AHEAD}px` }).observe($("more"));
  const bar = document.querySelector(".top");
  new ResizeObserver(() => document.body.style.setProperty("--bar", `${bar.offsetHeight}px`)).observe(bar);
  $("fresh").addEventListener("click", () => location.reload());
  setInterval(async () => {
    if (!document.hidden && $("fresh").hidden && await data.changed()) $("fresh").hidden = false;
  }, LOOK_SECONDS * 1000);

  data.open().then((found) => {
    if (!found) {
      notice("The list of pictures cannot be read", "The file “index.js” in the folder “data” beside this page is missing "
        + "or damaged. It is written again with the next scan; the results themselves are in the folder above.",
      "Try again", () => location.reload());
      document.body.classList.add("empty");
      return;
    }
    if (data.title()) { $("title").textContent = data.title(); document.title = data.title(); }
    perDay = data.days();
    fill($("folder"), data.folders(), (name) => name, 1);
    fill($("flag"), data.gather("flags"), (name) => name, 1);
    fill($("model"), data.gather("models"), (name) => name, 2);
    const months = [...new Set(Object.keys(perDay).map((day) => day.slice(0, 7)))].sort().reverse();
    fill($("month"), months, (name) => monthName.format(new Date(`${name}-15T12:00:00`)), 2);
    document.body.classList.toggle("empty", data.total() === 0);
    restart();
  });
})();
