"""The release board in a real Chromium, on a real registry, as the right and as the wrong role."""

import httpx
import pytest
from playwright.sync_api import expect

from tests.e2e.board_stand import furnished, served
from tests.e2e.playback_browser import find_browser, launched
from tests.e2e.playback_stand import free_port
from tests.e2e.waiting import wait_for
from tests.unit.board_fakes import add

pytestmark = [pytest.mark.server, pytest.mark.skipif(find_browser() is None, reason="no Chromium is installed")]


@pytest.fixture(scope="module")
def browser():
    with launched(find_browser()) as found:
        yield found


@pytest.fixture(scope="module")
def stand(tmp_path_factory):
    place, pipeline = furnished(tmp_path_factory.mktemp("board"))
    with served(place, pipeline) as (url, app):
        yield place, pipeline, url, app


@pytest.fixture
def open_as(browser, stand):
    """Opens the board as a role; fails where the page complained of anything."""
    complaints, contexts = [], []

    def opened(role, path="/", width=1280):
        context = browser.new_context(viewport={"width": width, "height": 760}, timezone_id="Europe/Paris")
        context.add_cookies([{"name": "caller", "value": f"kim:{role}", "url": stand[2]}])
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda line: complaints.append(line.text) if line.type == "error" else None)
        page.goto(f"{stand[2]}{path}")
        page.wait_for_selector("tr[data-title]", state="attached")
        return page

    yield opened
    for context in contexts:
        context.close()
    # refusals are what some tests are about, and a title may have no poster frame
    assert [line for line in complaints if "Failed to load resource" not in line] == []


def row(page, title):
    return page.locator(f'tr[data-title="{title}"]')


def test_a_class_is_changed_in_place_with_the_what_if_shown_first(open_as, stand):
    place, page = stand[0], open_as("manager")
    row(page, "winter").locator("select").select_option("critical")
    dialog = page.get_by_role("dialog")
    expect(dialog.locator('[data-moved="winter"]')).to_contain_text("earlier")
    expect(dialog.locator('[data-moved="snow"]')).to_contain_text("30 min later")
    assert place.registry.title("winter").priority == "low"
    dialog.get_by_role("button", name="Confirm").click()
    assert place.registry.title("winter").priority == "low"  # no reason was given
    dialog.get_by_label("Why").fill("the orchard burns")
    dialog.get_by_role("button", name="Confirm").click()
    expect(row(page, "winter").locator("select")).to_have_value("critical")
    expect(page.locator("tbody tr").first).to_have_attribute("data-title", "winter")
    assert place.registry.title("winter").priority == "critical"


def test_a_launch_time_is_given_in_a_zone(open_as, stand):
    place, page = stand[0], open_as("manager")
    row(page, "tin-drum").locator("[data-does=launch]").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Launch").fill("2040-07-01T20:00")
    dialog.get_by_label("Time zone").select_option("America/New_York")
    dialog.get_by_label("Why").fill("the premiere")
    dialog.get_by_role("button", name="Confirm").click()
    expect(row(page, "tin-drum")).to_contain_text("2 Jul 2040, 02:00 CEST")
    assert place.registry.title("tin-drum").launch_at.isoformat() == "2040-07-02T00:00:00+00:00"


def test_another_persons_change_shows_without_a_reload(open_as, stand):
    page = open_as("viewer")
    headers = {"x-caller": "lee:manager"}
    httpx.post(f"{stand[2]}/api/v1/titles/snow/hold", json={"why": "waits"}, headers=headers).raise_for_status()
    expect(row(page, "snow").get_by_text("held")).to_be_visible(timeout=4000)
    httpx.post(f"{stand[2]}/api/v1/titles/snow/resume", json={"why": "on"}, headers=headers).raise_for_status()
    expect(row(page, "snow").get_by_text("held")).to_be_hidden(timeout=4000)


def test_a_viewer_is_offered_nothing_and_refused_by_the_server(open_as, stand):
    page = open_as("viewer")
    offered = "[data-does=hold], [data-does=retry], [data-does=answer], [data-does=launch], tr select"
    assert page.locator(offered).count() == 0
    page.keyboard.press("ArrowDown")
    for key in "chxta":
        page.keyboard.press(key)
    assert page.get_by_role("dialog").count() == 0
    refused = page.evaluate(
        """async () => (await fetch('api/v1/titles/snow/order', {method: 'PATCH', body: '{"priority":"low","why":"x"}',
        headers: {'Content-Type': 'application/json', 'X-Telecine-Request': 'board'}})).status"""
    )
    assert refused == 403
    assert stand[0].registry.title("snow").priority == "high"


def test_ops_retry_and_cancel_but_do_not_reorder(open_as, stand):
    page = open_as("ops")
    assert page.locator("tr select, [data-does=hold]").count() == 0
    row(page, "broken").locator("[data-does=retry]").click()
    page.get_by_label("Why").fill("the disk was full")
    page.get_by_role("dialog").get_by_role("button", name="Try again").click()
    expect(row(page, "broken").locator(".stage")).to_have_text("encode", ignore_case=True)
    assert ("retry", "broken") in stand[1].done


def test_a_question_is_decided_on_the_board(open_as, stand):
    page = open_as("manager")
    expect(row(page, "tin-drum").get_by_text("waits for a person")).to_be_visible()
    row(page, "tin-drum").locator("[data-does=answer]").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("Black from 0:05 to 0:09")
    expect(dialog.get_by_role("link")).to_have_attribute(
        "href", "/evidence/tin-drum/v1.html"
    )  # no other address is one
    expect(dialog).to_contain_text("[elsewhere](//example.net/x) <b>no markup</b>")
    dialog.get_by_label("Approve").check()
    dialog.get_by_label("Why").fill("it is meant")
    page.context.add_cookies([{"name": "_token", "value": "of-kim", "url": stand[2]}])
    dialog.get_by_role("button", name="Decide").click()
    expect(row(page, "tin-drum").get_by_text("waits for a person")).to_be_hidden()
    assert ("answer", "of-kim", "source_qc", ("Approve",), {"why": "it is meant"}) in stand[1].done


def test_a_version_is_rolled_back_and_the_audit_tells_of_changes(open_as, stand):
    page = open_as("manager")
    row(page, "harbour").locator(".row-actions [data-does=open]").click()
    page.locator("[data-does=roll-back]").click()
    page.get_by_label("Why").fill("the sound is off")
    page.locator("#dialog").get_by_role("button", name="Roll back").click()
    expect(page.locator("#sheet-versions li.live")).to_contain_text("v1a2b3c4d5e6f708")
    assert stand[0].registry.title("harbour").live.version == "v1a2b3c4d5e6f708"


def test_the_whole_board_works_from_the_keyboard(open_as, stand):
    page = open_as("manager")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_contain_text("change class or launch time")
    page.keyboard.press("Escape")
    page.keyboard.press("/")
    page.keyboard.type("night")
    expect(page.locator("tbody tr")).to_have_count(1)
    page.keyboard.press("Escape")
    page.keyboard.press("ArrowDown")
    assert page.evaluate("document.activeElement.dataset.title") == "night-train"
    page.keyboard.press("h")
    page.keyboard.type("rest")
    expect(page.get_by_role("button", name="Hold", exact=True).last).to_be_enabled()
    page.keyboard.press("Enter")
    expect(row(page, "night-train").get_by_text("held")).to_be_visible()
    assert stand[0].registry.title("night-train").held
    assert page.evaluate("document.activeElement.dataset.title") == "night-train"


def test_titles_are_sorted_and_filtered(open_as):
    page = open_as("viewer")
    page.get_by_role("button", name="Title").click()
    names = page.locator("tbody .name").all_inner_texts()
    assert names == sorted(names, key=str.lower)
    page.get_by_label("Stage").select_option("live")
    expect(page.locator("tbody tr")).to_have_count(1)


def test_the_tab_of_a_run_shows_its_title_alone(open_as):
    page = open_as("viewer", "/?run=harbour__2030-01-01T00-00-00-000000")
    expect(page.locator("tbody tr")).to_have_count(1)
    expect(page.locator("#sheet")).to_contain_text("Harbour Lights")


def test_the_board_has_the_light_of_the_page_around_it(open_as, stand):
    page = open_as("viewer")
    expect(page.locator("body")).to_have_css("background-color", "rgb(245, 247, 250)")
    page.goto(f"{stand[2]}/api/v1/me")  # any page of this origin that may hold a frame
    page.evaluate(
        """document.body.replaceChildren(Object.assign(document.createElement("iframe"), { src: "../../" }));
        document.documentElement.className = "dark";"""
    )
    framed = page.frame_locator("iframe").locator("body")
    expect(framed).to_have_css("background-color", "rgb(13, 17, 23)")
    page.evaluate("document.documentElement.className = 'light'")
    expect(framed).to_have_css("background-color", "rgb(245, 247, 250)")


@pytest.mark.parametrize("width", [1280, 800])
def test_nothing_is_cut_off(open_as, width):
    page = open_as("manager", width=width)
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_a_cut_stream_is_told_and_comes_back_with_what_changed_meanwhile(browser, tmp_path):
    place, pipeline = furnished(tmp_path)
    port = free_port()
    context = browser.new_context()
    with served(place, pipeline, port) as (url, _):
        context.add_cookies([{"name": "caller", "value": "kim:viewer", "url": url}])
        page = context.new_page()
        page.goto(url)
        expect(row(page, "winter")).to_be_visible()
    expect(page.locator("#live")).to_have_text("Connection lost, trying again")
    expect(row(page, "winter")).to_be_visible()
    add(place, "new", "The Newcomer")
    with served(place, pipeline, port):
        expect(row(page, "new")).to_be_visible(timeout=15_000)
        expect(page.locator("#live")).to_have_text("Live")
        context.close()


def test_what_does_not_answer_is_told_and_what_is_shown_stays(open_as, stand):
    place, pipeline = stand[0], stand[1]
    page = open_as("viewer")
    pipeline.away = "Airflow does not answer."
    expect(page.locator("#trouble")).to_have_text("Airflow does not answer.", timeout=8000)
    assert page.locator("tbody tr").count() == len(place.registry.titles())
    pipeline.away = ""
    expect(page.locator("#trouble")).to_be_hidden(timeout=8000)


def test_a_stream_ends_when_its_browser_leaves(open_as, stand):
    page, watch = open_as("viewer"), stand[3].state.board_watch
    assert watch.followers >= 1
    before = watch.followers
    page.close()
    wait_for(lambda: watch.followers < before, 5, "the stream ends")
