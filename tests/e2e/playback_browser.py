"""Watches a player page as a viewer would: a real headless Chromium, real decoding."""

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright

from playback.player.pages import PLAYER_LIBRARY

__all__ = ["Browsed", "browsing", "find_browser", "launched", "missing_for_browser_tests", "settle", "watch"]

_BROWSERS = ("chromium", "chromium-browser", "google-chrome")
_QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--mute-audio",
    "--autoplay-policy=no-user-gesture-required",
)
_SETTLED = "['playing', 'ended', 'failed', 'signed-out'].includes(window.telecine?.state)"
_SEEN = """() => {
  const video = document.querySelector('video');
  const facts = Object.fromEntries(
    [...document.querySelectorAll('[data-fact]')].map((el) => [el.dataset.fact, el.textContent]));
  const shown = !document.getElementById('message').hidden;
  return {
    state: window.telecine.state,
    reason: window.telecine.error?.reason ?? null,
    message: shown ? document.getElementById('message').innerText : '',
    detail: window.telecine.error?.detail ?? '',
    position_s: video.currentTime,
    duration_s: video.duration || 0,
    decoded_frames: video.getVideoPlaybackQuality().totalVideoFrames,
    width: video.videoWidth,
    height: video.videoHeight,
    encrypted: video.mediaKeys !== null,
    facts,
    address: location.href,
  };
}"""


def find_browser() -> str | None:
    """Path of a Chromium on this machine, None when there is none."""
    return next((path for name in _BROWSERS if (path := shutil.which(name))), None)


def missing_for_browser_tests() -> str | None:
    """Why browser tests cannot run here and what to install; None when they can."""
    if find_browser() is None:
        return f"no browser found (looked for {', '.join(_BROWSERS)}): install Debian's package chromium"
    if not PLAYER_LIBRARY.is_file():
        return "shaka-player is not installed: run 'make install'"
    return None


def watch(page_url: str, executable: str, *, seconds: float = 3, screenshot: Path | None = None) -> dict[str, Any]:
    """Open a player page, wait until it plays or says why not, and report what a viewer gets.

    Beside what ``_SEEN`` reads at the end: ``advanced_s``, media seconds that passed while it was watched for
    ``seconds``; ``console``, what the page complained of; ``requests``, every address the page asked for.
    """
    with browsing(executable) as browsed:
        page = browsed.page
        page.goto(page_url)
        settle(page)
        started_s = page.evaluate("document.querySelector('video').currentTime")
        page.wait_for_timeout(seconds * 1000)
        seen: dict[str, Any] = page.evaluate(_SEEN)
        if screenshot is not None:
            page.screenshot(path=screenshot)
        page.goto("about:blank")  # leave as a viewer does, so that the page ends its session
        page.wait_for_timeout(300)
    advanced_s = seen["position_s"] - started_s
    return {**seen, "advanced_s": advanced_s, "console": browsed.console, "requests": browsed.requests}


@dataclass
class Browsed:
    """A page of a browser, what it complained of, every address it asked for."""

    page: Page
    console: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)


@contextmanager
def launched(executable: str) -> Iterator[Browser]:
    """A browser with a memory of its own, closed at the end. One at a time in a thread (Playwright)."""
    with tempfile.TemporaryDirectory() as home, sync_playwright() as driver:
        # a home of its own: the browser would leave crash settings in the caller's
        env = {**os.environ, "HOME": home}
        browser = driver.chromium.launch(executable_path=executable, args=list(_QUIET), env=env)
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def browsing(executable: str) -> Iterator[Browsed]:
    """A browser with an empty page."""
    with launched(executable) as browser:
        browsed = Browsed(browser.new_page(viewport={"width": 1360, "height": 760}))
        page, console, requests = browsed.page, browsed.console, browsed.requests
        page.on("console", lambda line: console.append(line.text) if line.type == "error" else None)
        page.on("pageerror", lambda error: console.append(str(error)))
        page.on("request", lambda request: requests.append(request.url))
        yield browsed


def settle(page: Page, timeout_s: float = 30) -> None:
    """Until the page plays or says why not; a page that hangs is left as it is, for the report."""
    deadline = time.monotonic() + timeout_s
    # asked again and again from here: the page's own policy forbids the browser to evaluate a condition by itself
    while not page.evaluate(_SETTLED) and time.monotonic() < deadline:
        page.wait_for_timeout(100)
