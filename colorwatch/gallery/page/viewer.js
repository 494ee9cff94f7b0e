// One picture in the whole window, before and after on either side of a line.
"use strict";

const viewer = (() => {
  const SHOWN = /\.(jpe?g|jpe|jfif|png|webp|avif|gif|bmp)$/i; // what browsers show of results and originals
  const LARGEST = 2; // times its own size that a small picture is enlarged
  const WORDS = "en-GB";
  const $ = (id) => document.getElementById(id);
  const dialog = $("viewer"), stage = $("stage"), handle = $("handle");
  const timeName = new Intl.DateTimeFormat(WORDS, { dateStyle: "long", timeStyle: "short" });
  const number = new Intl.NumberFormat(WORDS);
  const self = { view, album: null }; // the album says what it is itself

  let viewed = -1, shown = null, split = 50, box = { x: 0, y: 0, w: 1, h: 1 };

  // --- which picture -----------------------------------------------------------------------------------------

  function view(place) {
    const entry = self.album.entry(place);
    if (!entry) return;
    viewed = place;
    shown = entry;
    tell(entry);
    picture(entry);
    if (!dialog.open) {
      history.pushState({ viewer: true }, ""); // so that a phone's way back leads to the album
      dialog.showModal();
    }
    handle.focus({ preventScroll: true });
    layOut();
    setSplit(50);
    turn();
    if (!self.album.entry(place + 5)) self.album.more(place).then(turn);
  }

  function turn() {
    $("previous").disabled = viewed <= 0;
    $("next").disabled = self.album.last(viewed);
  }

  function tell(entry) {
    $("viewed").textContent = entry.name;
    const megapixels = entry.width * entry.height / 1e6;
    const size = `${number.format(entry.width)}\u00a0×\u00a0${number.format(entry.height)}`
      + (megapixels >= 1 ? `\u00a0(${megapixels.toFixed(megapixels < 10 ? 1 : 0)}\u00a0megapixels)` : "");
    const facts = [entry.folder, timeName.format(new Date(entry.when * 1000)), size,
      entry.pages > 1 ? `${number.format(entry.pages)}\u00a0pages` : "", entry.model && `model\u00a0${entry.model}`];
    $("facts").textContent = facts.filter(Boolean).join("\u00a0\u00a0·\u2002");
    $("remarks").replaceChildren(...entry.flags.map(([word, sentence]) => remark(sentence, word)));
    if (!entry.original) $("remarks").append(remark("Its original is not where this page could show it."));
    link($("openResult"), entry.result);
    link($("openOriginal"), entry.original);
  }

  function remark(sentence, word = "") {
    const item = document.createElement("li");
    if (word) {
      const mark = document.createElement("b");
      mark.textContent = word;
      item.append(mark, " ");
    }
    item.append(sentence);
    return item;
  }

  function link(element, href) {
    element.hidden = !href;
    if (href) element.setAttribute("href", href); else element.removeAttribute("href");
  }

  // --- its two sides -----------------------------------------------------------------------------------------

  function picture(entry) {
    const thumb = entry.thumb && `${entry.thumb}?${entry.made}`;
    const result = SHOWN.test(entry.result) ? `${entry.result}?${entry.made}` : "";
    const original = SHOWN.test(entry.original) ? entry.original : "";
    const view = entry.view && `${entry.view}?${entry.made}`;
    layer($("after"), thumb, view || result, Boolean(view), `${entry.name}, coloured`, () => missing("result"));
    // The lightness of a result is that of its scan: its grey stands in for a scan that no browser shows.
    const before = view || original || result;
    layer($("before"), thumb, before, Boolean(view), `${entry.name}, as it was scanned`, () => {
      if (original) missing("original");
    });
    $("before").classList.toggle("greyed", before === result && !original && !view);
  }

  function missing(what) {
    if ($("remarks").textContent.includes("only the small picture")) return;
    $("remarks").append(remark(`Its ${what} is not there any more, or cannot be read: only the small picture is left.`));
    link(what === "result" ? $("openResult") : $("openOriginal"), "");
  }

  function layer(element, thumb, full, both, words, failed) {
    const [small, large] = element.querySelectorAll("img");
    source(small, thumb, "", () => {});
    source(large, full, words, failed);
    large.classList.toggle("both", both);
  }

  function source(image, address, words, failed) {
    const mine = shown;
    image.hidden = true;
    image.onload = () => { image.hidden = false; };
    image.onerror = () => { image.hidden = true; if (mine === shown) failed(); };
    image.alt = words;
    if (address) image.src = address; else image.removeAttribute("src");
  }

  // --- the line between them ---------------------------------------------------------------------------------

  function layOut() {
    if (!shown || !dialog.open) return;
    const room = stage.getBoundingClientRect();
    const style = getComputedStyle(stage);
    const wide = room.width - 2 * parseFloat(style.paddingLeft), high = room.height - 2 * parseFloat(style.paddingTop);
    const scale = Math.min(wide / shown.width, high / shown.height, LARGEST);
    box = { w: Math.round(shown.width * scale), h: Math.round(shown.height * scale) };
    box.x = Math.round((room.width - box.w) / 2);
    box.y = Math.round((room.height - box.h) / 2);
    for (const [name, value] of Object.entries(box)) stage.style.setProperty(`--${name}`, `${value}px`);
    setSplit(split);
  }

  function setSplit(percent) {
    split = Math.min(100, Math.max(0, percent));
    stage.style.setProperty("--split", `${split}%`);
    stage.style.setProperty("--at", `${box.w * split / 100}px`);
    stage.classList.toggle("no-before", split < 12);
    stage.classList.toggle("no-after", split > 88);
    handle.setAttribute("aria-valuenow", String(Math.round(split)));
    handle.setAttribute("aria-valuetext", `${Math.round(split)} percent before, ${100 - Math.round(split)} percent after`);
  }

  function follow(event) {
    setSplit((event.clientX - stage.getBoundingClientRect().left - box.x) / box.w * 100);
  }

  stage.addEventListener("pointerdown", (event) => {
    if (event.button !== 0 || !event.isPrimary) return;
    stage.setPointerCapture(event.pointerId);
    follow(event);
    handle.focus({ preventScroll: true });
    event.preventDefault();
  });
  stage.addEventListener("pointermove", (event) => {
    if (stage.hasPointerCapture(event.pointerId)) follow(event);
  });
  stage.addEventListener("dblclick", () => setSplit(50));
  handle.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const step = event.shiftKey ? 10 : 2;
    const to = { ArrowLeft: split - step, ArrowDown: split - step, ArrowRight: split + step, ArrowUp: split + step,
      Home: 0, End: 100, PageDown: split - 25, PageUp: split + 25 }[event.key];
    if (to === undefined) return;
    setSplit(to);
    event.preventDefault();
    event.stopPropagation();
  });

  // --- coming and going --------------------------------------------------------------------------------------

  dialog.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (["n", "N", "ArrowRight"].includes(event.key)) view(viewed + 1);
    else if (["p", "P", "ArrowLeft"].includes(event.key)) view(viewed - 1);
  });
  dialog.addEventListener("close", () => {
    const card = self.album.card(viewed);
    viewed = -1;
    shown = null;
    for (const image of stage.querySelectorAll("img")) { image.onerror = null; image.removeAttribute("src"); }
    if (history.state?.viewer) history.back();
    if (card) { card.scrollIntoView({ block: "nearest" }); card.focus({ preventScroll: true }); }
  });
  history.scrollRestoration = "manual";
  addEventListener("popstate", () => { if (dialog.open) dialog.close(); });
  $("previous").addEventListener("click", () => view(viewed - 1));
  $("next").addEventListener("click", () => view(viewed + 1));
  $("close").addEventListener("click", () => dialog.close());
  addEventListener("resize", layOut);

  return self;
})();
