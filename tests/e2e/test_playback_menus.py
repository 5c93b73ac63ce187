"""The player page's menus in a real browser: subtitles, audio, thumbnails, chapters, and what it remembers."""

import time
from dataclasses import dataclass
from uuid import uuid4

import pytest

from packagers.work import package
from playback.tokens import user_token
from telecine.keystore import SealedKeyStore, load_or_create_master_key
from telecine.settings import Settings
from telecine.storage.local import LocalStore
from telecine.text import Accessories, Chapter
from tests.e2e.playback_browser import browsing, find_browser, missing_for_browser_tests, settle
from tests.e2e.playback_stand import free_port, static_edge
from tests.e2e.test_playback_player import TITLE, TOKEN_KEY, Installation, Stand, edge, go_live, standing
from tests.media.packagers_clips import DURATION, text_track
from tests.media.players import full_bench, full_request

_MISSING = missing_for_browser_tests()
pytestmark = [pytest.mark.media, pytest.mark.server, pytest.mark.skipif(_MISSING is not None, reason=str(_MISSING))]

WORDS = {
    ("en", "subtitles"): "Hello there",
    ("en", "captions"): "(door slams) Hello there",
    ("fr", "subtitles"): "Bonjour",
    ("fr", "forced"): "Sortie",
}
CHAPTERS = (Chapter(start=0, title="Opening"), Chapter(start=2, title="The end"))
FORMS = ["dash", "hls"]
SHOWN = "document.getElementById('captions-area').innerText"


@dataclass
class Viewer:
    """Who watches the title in one browser."""

    stand: Stand
    page: object
    user: str

    def open(self, form: str, user: str | None = None) -> None:
        self.page.goto(self.stand.page(token=user_token(user or self.user, TOKEN_KEY, 600), format=form))
        settle(self.page)
        self.page.evaluate("document.querySelector('video').loop = true")

    def options(self, menu: str) -> list[str]:
        return self.page.evaluate(f"[...document.getElementById('{menu}').options].map((one) => one.text)")

    def chosen(self, menu: str) -> str:
        return self.page.evaluate(f"document.getElementById('{menu}').selectedOptions[0].text")

    def until(self, holds: str) -> None:
        """Until a condition of the page holds, asked from here as its policy forbids eval."""
        deadline = time.monotonic() + 20
        while not self.page.evaluate(holds):
            assert time.monotonic() < deadline, (holds, self.page.evaluate(SHOWN))
            self.page.wait_for_timeout(100)


@pytest.fixture(scope="module")
def installation(tmp_path_factory) -> Installation:
    """A title with two languages of sound, four texts, thumbnails and chapters, made by the real packaging."""
    root, data = tmp_path_factory.mktemp("origin"), tmp_path_factory.mktemp("data")
    settings = Settings(data_dir=data, token_key=TOKEN_KEY, playback_url=f"http://localhost:{free_port()}")
    bench = full_bench(tmp_path_factory.mktemp("bench"), "cbcs")
    keys = SealedKeyStore(LocalStore(data / "keys"), load_or_create_master_key(settings.kek_file))
    assignment = keys.assign(TITLE, sorted({one.label for one in bench.renditions.renditions}))
    texts = tuple(
        text_track(bench.store, f"1\n00:00:00,000 --> 00:00:05,000\n{words}\n", language, kind)
        for (language, kind), words in WORDS.items()
    )
    asked = full_request(bench).model_copy(
        update={
            "title_id": TITLE,
            "keys": assignment,
            "licence_url": f"{settings.playback_url}/v1/licenses/clearkey",
            "accessories": Accessories(texts=texts, chapters=CHAPTERS, duration=DURATION),
        }
    )
    made = package(asked, keys, bench.store, bench.work_dir)
    for entry in made.inventory.entries:
        file = root / "p" / TITLE / made.version / entry.path
        file.parent.mkdir(parents=True, exist_ok=True)
        bench.store.get_file(made.prefix + entry.path, file)
    go_live(settings, assignment.kids, made.version)
    return Installation(settings, root)


@pytest.fixture(scope="module")
def stand(tmp_path_factory, installation):
    with (
        static_edge(installation.root) as served,
        standing(tmp_path_factory.mktemp("stand"), installation, (edge("edge-a", served.server_port),)) as up,
    ):
        yield up


@pytest.fixture
def viewer(stand):
    """Somebody the service has never seen, with a browser of their own."""
    with browsing(find_browser()) as browsed:
        yield Viewer(stand, browsed.page, user=f"ada-{uuid4().hex}")
        assert browsed.console == []


@pytest.mark.parametrize("form", FORMS)
def test_turning_on_a_subtitle_shows_its_words(viewer, form):
    viewer.open(form)
    assert viewer.options("subtitles") == ["Off", "English", "English SDH", "français", "français (forced)"]
    assert viewer.chosen("subtitles") == "Off"
    assert viewer.page.evaluate(SHOWN) == ""
    for name, words in (("English SDH", "(door slams)"), ("français", "Bonjour"), ("français (forced)", "Sortie")):
        viewer.page.select_option("#subtitles", label=name)
        viewer.until(f"{SHOWN}.includes('{words}')")
    viewer.page.select_option("#subtitles", label="Off")
    viewer.until(f"{SHOWN} === ''")


@pytest.mark.parametrize("form", FORMS)
def test_the_audio_menu_names_languages_and_switches(viewer, form):
    viewer.open(form)
    names = viewer.options("audio")
    assert len(names) == 2
    assert sum("fran" in name.lower() or "fr" in name.lower() for name in names) == 1, names
    other = next(name for name in names if "fr" in name.lower())
    viewer.page.select_option("#audio", label=other)
    viewer.until("window.telecine.player.getAudioTracks().find((one) => one.active).language === 'fr'")
    assert viewer.chosen("audio") == other


def test_the_keyboard_turns_subtitles_on_in_the_language_heard_and_off(viewer):
    viewer.open("dash")
    viewer.page.keyboard.press("c")
    viewer.until(f"{SHOWN}.includes('Hello there')")
    assert viewer.chosen("subtitles") == "English"
    viewer.page.keyboard.press("c")
    viewer.until(f"{SHOWN} === ''")
    viewer.page.focus("#subtitles")
    viewer.page.keyboard.press("ArrowDown")
    viewer.page.keyboard.press("ArrowDown")
    viewer.until(f"{SHOWN}.includes('(door slams)')")


def test_choices_are_remembered_for_the_same_viewer_and_nobody_else(viewer):
    viewer.open("dash")
    viewer.page.select_option("#subtitles", label="français")
    viewer.until(f"{SHOWN}.includes('Bonjour')")
    viewer.open("hls")
    viewer.until(f"{SHOWN}.includes('Bonjour')")
    assert viewer.chosen("subtitles") == "français"
    viewer.open("dash", user="grace")
    assert viewer.chosen("subtitles") == "Off"


@pytest.mark.parametrize("form", FORMS)
def test_the_seek_bar_shows_the_picture_and_the_chapter_at_the_pointer(viewer, form):
    viewer.open(form)
    bar = viewer.page.locator("#seek").bounding_box()
    viewer.page.mouse.move(bar["x"] + bar["width"] * 0.7, bar["y"] + bar["height"] / 2)
    viewer.until("document.getElementById('preview-picture').dataset.start === '3'")
    assert viewer.page.evaluate("document.getElementById('preview').innerText").split() == ["The", "end", "0:03"]
    colours = viewer.page.evaluate(
        "(() => { const c = document.getElementById('preview-picture');"
        " const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;"
        " return new Set(Array.from({ length: d.length / 4 }, (_, n) => d.slice(4 * n, 4 * n + 3).join())).size; })()"
    )
    assert colours > 100  # a picture of the test card


def test_chapters_are_marked_and_entered_by_menu_and_key(viewer):
    viewer.open("dash")
    assert viewer.options("chapter") == ["Opening", "The end"]
    assert viewer.page.evaluate("document.querySelectorAll('#marks span').length") == 1
    viewer.page.evaluate("document.querySelector('video').pause()")
    viewer.page.select_option("#chapter", label="The end")
    assert viewer.page.evaluate("document.querySelector('video').currentTime") == pytest.approx(2, abs=0.05)
    viewer.page.evaluate("document.activeElement.blur()")
    viewer.page.keyboard.press("p")
    assert viewer.page.evaluate("document.querySelector('video').currentTime") == 0
    viewer.page.keyboard.press("n")
    assert viewer.page.evaluate("document.querySelector('video').currentTime") == pytest.approx(2, abs=0.05)
