"""The upload page in a real Chromium: a file cut midway goes on after a reload, is checked, and its plan is shown."""

import os
import re

import pytest
from playwright.sync_api import expect

from board.uploads.pages import library_installed
from tests.contract.test_uploads import MIB, board_on
from tests.e2e.playback_browser import launched

pytestmark = pytest.mark.server
PART = re.compile(r"partNumber=(\d+)")


@pytest.fixture(scope="module")
def board(s3_server, tmp_path_factory, module_program, free_ports, until):
    folder = tmp_path_factory.mktemp("page")
    prices = {"TELECINE_PRICE_CPU_HOUR": "0.04", "TELECINE_PRICE_GB_MONTH": "0.023"}
    return board_on(s3_server, folder, module_program, free_ports, until, prices)


@pytest.fixture
def page(chromium, board):
    if not library_installed():
        pytest.skip("Uppy is not installed: run 'make install'")
    with launched(chromium) as browser:
        context = browser.new_context(viewport={"width": 1360, "height": 1000})
        context.add_cookies([{"name": "caller", "value": "olga:ops", "url": board.origin}])
        page = context.new_page()
        page.complaints = []
        page.on("console", lambda line: page.complaints.append(line.text) if line.type == "error" else None)
        page.on("pageerror", lambda error: page.complaints.append(str(error)))
        yield page


@pytest.fixture
def master(make_clip, tmp_path):
    """A small film made large by a box that players skip (ISO/IEC 14496-12, 8.1.2)."""
    content = make_clip("page.mp4", seconds=3, size="320x180").read_bytes()
    padding = 21 * MIB - len(content)
    path = tmp_path / "Night_Train.mp4"
    path.write_bytes(content + padding.to_bytes(4, "big") + b"free" + os.urandom(padding - 8))
    return path


def choose(page, *paths):
    page.locator("input.uppy-Dashboard-input").first.set_input_files([str(path) for path in paths])


def sent_parts(page, *, let=None):
    """Numbers of the parts that the page sends from now on; those not in ``let`` never arrive."""
    numbers = []

    def seen(route):
        number = int(PART.search(route.request.url)[1])
        if let is None or number in let:
            numbers.append(number)
            route.continue_()

    page.route("**/masters/**", seen)
    return numbers


def test_an_upload_cut_midway_goes_on_after_a_reload_and_its_plan_is_shown(page, board, master, until):
    page.goto(f"{board.origin}/upload")
    expect(page.locator("#none")).to_be_visible()
    first = sent_parts(page, let={1, 3})
    choose(page, master)
    until(lambda: sorted(first) == [1, 3] or page.wait_for_timeout(100))
    until(lambda: len(board.parts("Night_Train.mp4")) == 2 or page.wait_for_timeout(100))
    page.reload()
    page.unroute_all(behavior="ignoreErrors")  # after the reload: what hangs would be let go otherwise
    expect(page.locator("#uploads")).to_contain_text("choose the same file again to go on")

    rest = sent_parts(page)
    choose(page, master)
    expect(page.locator("#uploads tr[data-state=ready]")).to_have_count(1, timeout=60_000)
    assert sorted(rest) == [2, 4, 5]
    assert page.locator("#uploads tr").count() == 1

    page.locator("select[name=profile]").select_option("proxy")
    expect(page.locator("#plan")).to_contain_text("Forecast finish", timeout=60_000)
    expect(page.locator("#plan")).to_contain_text("h264 320x180")
    expect(page.locator("#plan")).to_contain_text("Cost of storage")
    expect(page.locator("input[name=title_id]")).to_have_value("night-train")
    expect(page.locator("input[name=name]")).to_have_value("Night Train")
    expect(page.locator("#start")).to_be_enabled()
    expect(page.locator("#findings")).not_to_contain_text("is being looked at", timeout=60_000)
    assert page.complaints == []


def test_a_file_that_is_no_master_shows_the_reason_and_cannot_be_started(page, board, tmp_path):
    broken = tmp_path / "broken.mov"
    broken.write_bytes(os.urandom(50_000))
    page.goto(f"{board.origin}/upload")
    choose(page, broken)
    expect(page.locator("#plan .reject")).to_contain_text("broken.mov", timeout=60_000)
    expect(page.locator("#start")).to_be_disabled()


def test_a_file_of_an_unknown_kind_is_refused_in_one_sentence(page, board, tmp_path):
    (tmp_path / "notes.exe").write_bytes(b"x")
    page.goto(f"{board.origin}/upload")
    choose(page, tmp_path / "notes.exe")
    expect(page.locator("#problem")).to_contain_text("notes.exe has the ending '.exe'")


def test_the_page_is_for_those_who_may_upload(page, board):
    for caller, status in (("vera:viewer", 403), ("", 401), ("mia:manager", 200)):
        page.context.clear_cookies()
        page.context.add_cookies([{"name": "caller", "value": caller, "url": board.origin}])
        assert page.goto(f"{board.origin}/upload").status == status, caller
