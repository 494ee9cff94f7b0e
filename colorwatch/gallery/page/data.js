// What there is to show. The page reads its data as scripts: one opened from a file may load those, and nothing else.
"use strict";

const data = (() => {
  // As `Entry` in entry.py has them.
  const FIELDS = ["job", "when", "made", "folder", "name", "result", "original", "model", "flags", "pages", "width",
    "height", "thumb", "thumbWidth", "thumbHeight", "view", "viewWidth", "viewHeight"];
  const AHEAD = 3; // chunks that are fetched before they are asked for

  let index = null;
  const chunks = new Map();
  const waiting = new Map();

  window.galleryIndex = (content) => { index = content; };
  window.galleryChunk = (content) => {
    const entries = content.rows.map((row) => Object.fromEntries(FIELDS.map((field, i) => [field, row[i]])));
    // By day, in it by folder, and in each the newest first: days, folders and pictures.
    const newest = new Map();
    const group = (entry) => `${entry.day}/${entry.folder}`;
    for (const entry of entries) {
      entry.day = dayOf(entry.when);
      newest.set(group(entry), Math.max(newest.get(group(entry)) || 0, entry.when));
    }
    entries.sort((one, other) => other.day.localeCompare(one.day) || newest.get(group(other)) - newest.get(group(one))
      || byName(one.folder, other.folder) || other.when - one.when || other.job - one.job);
    chunks.set(content.chunk, entries);
  };

  const byName = new Intl.Collator("en", { numeric: true }).compare;

  function dayOf(when) {
    const day = new Date(when * 1000);
    const two = (number) => String(number).padStart(2, "0");
    return `${day.getFullYear()}-${two(day.getMonth() + 1)}-${two(day.getDate())}`;
  }

  function script(path) {
    return new Promise((resolve) => {
      const element = document.createElement("script");
      element.src = path;
      element.onload = element.onerror = () => { element.remove(); resolve(); };
      document.head.append(element);
    });
  }

  /** Reads the index anew; false where there is none. */
  async function open() {
    index = null;
    await script(`data/index.js?${Date.now()}`);
    return Boolean(index && index.chunks);
  }

  /** Whether there is something else to show than when the page was opened. */
  async function changed() {
    const known = index;
    await script(`data/index.js?${Date.now()}`);
    const found = index;
    index = known;
    const newest = (one) => Object.values(one.chunks).reduce((most, facets) => Math.max(most, facets.made), 0);
    return Boolean(found && found !== known && (total(found) > total(known) || newest(found) > newest(known)));
  }

  function total(one = index) {
    return Object.values(one.chunks).reduce((sum, facets) => sum + facets.n, 0);
  }

  /** The entries of a chunk; null where they cannot be read. */
  function chunk(number) {
    if (chunks.has(number)) return Promise.resolve(chunks.get(number));
    if (!waiting.has(number)) {
      const facets = index.chunks[number];
      const name = String(number).padStart(6, "0");
      waiting.set(number, script(`data/${name}.js?${facets.made}.${facets.n}.${facets.bytes}`).then(() => {
        waiting.delete(number);
        return chunks.get(number) || null;
      }));
    }
    return waiting.get(number);
  }

  function prefetch(numbers) {
    for (const number of numbers.slice(0, AHEAD)) chunk(number);
  }

  const isIn = (folder, wanted) => folder === wanted || folder.startsWith(`${wanted}/`);

  /** The chunks that may hold what is wanted, the newest first. */
  function order(wanted) {
    const may = (facets) => (!wanted.folder || facets.folders.some((folder) => isIn(folder, wanted.folder)))
      && (!wanted.flag || facets.flags.includes(wanted.flag))
      && (!wanted.model || facets.models.includes(wanted.model))
      && (!wanted.month || Object.keys(facets.days).some((day) => day.slice(0, 7) <= wanted.month));
    return Object.keys(index.chunks).map(Number).filter((number) => may(index.chunks[number]))
      .sort((one, other) => index.chunks[other].newest - index.chunks[one].newest || other - one);
  }

  function fits(entry, wanted) {
    return (!wanted.folder || isIn(entry.folder, wanted.folder))
      && (!wanted.flag || entry.flags.some(([word]) => word === wanted.flag))
      && (!wanted.model || entry.model === wanted.model)
      && (!wanted.month || entry.day.slice(0, 7) <= wanted.month)
      && (!wanted.find || `${entry.folder}/${entry.name}`.toLocaleLowerCase().includes(wanted.find));
  }

  /** All values of a facet, in order. */
  function gather(facet) {
    return [...new Set(Object.values(index.chunks).flatMap((facets) => facets[facet]))].filter(Boolean).sort(byName);
  }

  /** All folders, those around them included. */
  function folders() {
    const around = (folder) => folder.split("/").map((_, i, parts) => parts.slice(0, i + 1).join("/"));
    return [...new Set(gather("folders").flatMap(around))].sort(byName);
  }

  /** How many pictures each day has. */
  function days() {
    const found = {};
    for (const facets of Object.values(index.chunks)) {
      for (const [day, number] of Object.entries(facets.days)) found[day] = (found[day] || 0) + number;
    }
    return found;
  }

  return { open, changed, total, chunk, prefetch, order, fits, gather, folders, days, title: () => index.title };
})();
