"""A gallery of 20,000 pictures: what the next picture costs, and how soon the page shows something.

    python tests/trials/twenty_thousand.py [--pictures N] [--keep FOLDER]

Thumbnails are noise of a photograph's size in bytes. The page is opened from its file by a Chromium that was started
afresh, so that nothing is cached; the first view is there when the pictures inside the window have been decoded.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import cv2
import numpy as np
from playwright.sync_api import sync_playwright

from colorwatch.gallery import Entry, Gallery
from colorwatch.gallery.pages import CHUNK
from colorwatch.scan import Flag
from waiting import eventually

SIDES = (267, 400)
FOLDERS = 150
A_DAY = 45  # pictures
QUIET = ("gpu", "quic", "background-networking", "component-update", "sync")
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)

IN_VIEW = """async () => {
    const seen = () => [...document.querySelectorAll('.card img.colour')].filter((image) => {
        const box = image.getBoundingClientRect();
        return box.top < innerHeight && box.bottom > 0;
    });
    while (!seen().length || !seen().every((image) => image.complete && image.naturalWidth)) {
        await new Promise((resolve) => requestAnimationFrame(resolve));
    }
    await Promise.all(seen().map((image) => image.decode()));
    return performance.now();
}"""

DEEPER = """() => {
    scrollTo(0, document.body.scrollHeight);
    return document.querySelectorAll('.card').length;
}"""


def entry(gallery: Gallery, job: int, name: str = "") -> Entry:
    when = 1_700_000_000 + job * 86_400 // A_DAY
    flags = (Flag("blank page", "Page 2 is blank, and was left as it is."),) if job % 50 == 0 else ()
    place = f"Negatives/Roll {job // (20_000 // FOLDERS):03d}"
    name = name or f"scan {job:05d}.jpg"
    links = (f"../{place}/{name}", f"../../inbox/{place}/{name}")
    thumb = gallery.picture_name("thumbs", job)
    return Entry(job, when, when, place, name, *links, "compact", flags, 1, 6000, 4000, thumb, *SIDES[::-1])


def build(outbox: str, pictures: int) -> Gallery:
    """Twenty different thumbnails, each under many names."""
    gallery = Gallery(outbox, "Scans")
    gallery.ready("the ledger")
    rng = np.random.default_rng(1)
    kinds = []
    for number in range(20):
        soft = cv2.resize(rng.integers(0, 255, (24, 36, 3), np.uint8), SIDES[::-1], interpolation=cv2.INTER_CUBIC)
        noisy = np.clip(soft.astype(int) + rng.normal(0, 14, soft.shape), 0, 255).astype(np.uint8)
        kinds.append(os.path.join(outbox, f"{number}.jpg"))
        cv2.imwrite(kinds[-1], np.hstack((noisy, noisy)), [cv2.IMWRITE_JPEG_QUALITY, 82])
    for job in range(pictures):
        path = Path(gallery.root, gallery.picture_name("thumbs", job))
        path.parent.mkdir(parents=True, exist_ok=True)
        os.link(kinds[job % len(kinds)], path)
    for first in range(0, pictures, CHUNK):
        gallery.write_chunk(first // CHUNK, [entry(gallery, job) for job in range(first, min(first + CHUNK, pictures))])
    gallery.show(entry(gallery, pictures - 1))
    return gallery


def one_more(gallery: Gallery, pictures: int) -> dict[str, float]:
    """Milliseconds for a picture that is added or replaced, as a folder's thread does it."""
    spent, own = [], time.process_time()
    for number in range(50):
        job = pictures - 1 - number * 37 % pictures
        begun = time.perf_counter()
        gallery.ready("the ledger")
        gallery.show(entry(gallery, job, f"again {number}.jpg"))
        spent.append(1000 * (time.perf_counter() - begun))
    own = 1000 * (time.process_time() - own) / len(spent)
    begun = time.perf_counter()
    again = Gallery(os.path.dirname(gallery.root), "Scans")
    again.ready("the ledger")
    started = 1000 * (time.perf_counter() - begun)
    return {"median": statistics.median(spent), "most": max(spent), "of it own work": own, "after a start": started}


def first_view(page_file: str) -> dict[str, float]:
    """Milliseconds from the navigation on, and what is asked for until then."""
    with sync_playwright() as api, tempfile.TemporaryDirectory() as profile:
        arguments = ["--no-sandbox", "--no-first-run", *(f"--disable-{name}" for name in QUIET)]
        size = {"width": 1360, "height": 900}
        browser = api.chromium.launch_persistent_context(
            profile, executable_path=CHROMIUM, args=arguments, viewport=size, headless=True
        )
        page = browser.pages[0]
        page.goto("about:blank")
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        tools = browser.new_cdp_session(page)
        tools.send("Performance.enable", {"timeDomain": "threadTicks"})
        page.goto(f"file://{page_file}", wait_until="commit")
        view = page.evaluate(IN_VIEW)
        until = len(asked)
        measured = {item["name"]: item["value"] for item in tools.send("Performance.getMetrics")["metrics"]}
        begun = time.perf_counter()
        page.locator("#flag").select_option("blank page")
        eventually(lambda: page.evaluate("document.querySelector('#count').textContent").startswith("400 of"), 60)
        filtered = 1000 * (time.perf_counter() - begun)
        page.locator("#flag").select_option("")
        page.wait_for_selector(".card")
        begun = time.perf_counter()
        eventually(lambda: page.evaluate(DEEPER) >= 5000, 120)
        scrolled = 1000 * (time.perf_counter() - begun)
        browser.close()
    own = 1000 * measured["TaskDuration"]
    seen = {"first view": view, "of it the page's own work": own, "requests": until}
    return {**seen, "a filter over all": filtered, "scrolled to 5,000": scrolled}


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--pictures", type=int, default=20_000)
    parser.add_argument("--keep", default="")
    options = parser.parse_args()
    folder = options.keep or tempfile.mkdtemp(prefix="colorwatch-gallery-")
    os.makedirs(folder, exist_ok=True)
    try:
        gallery = build(folder, options.pictures)
        found = {"one more (ms)": one_more(gallery, options.pictures)}
        found["page (ms)"] = first_view(os.path.join(gallery.root, "index.html"))
        sizes = [os.path.getsize(os.path.join(gallery.root, "data", name)) for name in ("index.js", "000050.js")]
        found["bytes"] = dict(zip(("index", "chunk"), map(float, sizes), strict=True))
        print(json.dumps(found, indent=2))
    finally:
        if not options.keep:
            shutil.rmtree(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
