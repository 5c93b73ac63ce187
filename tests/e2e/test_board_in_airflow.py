"""A release as people make it, in Chromium through Airflow's login: from a file on the page to a roll-back."""

import base64

import httpx
import pytest
from playwright.sync_api import FrameLocator, Page, expect

from telecine.registry.changes import ChangeLog
from telecine.registry.records import Stage
from tests.e2e.playback_browser import launched, settle
from tests.e2e.waiting import wait_for

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]
TITLE = "first-snow"
WHY = {"why": "to see who may"}
OWN_PAGE = {"X-Telecine-Request": "board"}
CHANGES = [
    ("PATCH", f"titles/{TITLE}/order", {"priority": "low", **WHY}, "manager"),
    ("POST", f"titles/{TITLE}/hold", WHY, "manager"),
    ("POST", f"titles/{TITLE}/rollback", WHY, "manager"),
    (
        "POST",
        f"titles/{TITLE}/decision",
        {"run_id": "r", "task_id": "approve", "options": ["Approve"], **WHY},
        "manager",
    ),
    ("POST", f"titles/{TITLE}/cancel", WHY, "ops"),
    ("POST", f"titles/{TITLE}/retry", WHY, "ops"),
    ("POST", "titles", {"master_uri": "file:///gone.mov"}, "ops"),
    ("POST", "uploads", {"name": "a.mov", "size_bytes": 1, "kind": "master", "delivery": "0" * 16}, "ops"),
]
DROP = """(box, { name, content }) => {
  const bytes = Uint8Array.from(atob(content), (letter) => letter.charCodeAt(0));
  const dataTransfer = new DataTransfer();
  dataTransfer.items.add(new File([bytes], name, { type: "video/mp4" }));
  for (const kind of ["dragenter", "dragover", "drop"])
    box.dispatchEvent(new DragEvent(kind, { bubbles: true, cancelable: true, dataTransfer }));
}"""
CALL = """async ({ method, path, body }) => (await fetch(`/telecine/api/v1/${path}`, {
  method, body: JSON.stringify(body), headers: { "Content-Type": "application/json", "X-Telecine-Request": "board" },
})).status"""


def password(stack, user):
    return (stack.data_dir / "secrets" / f"airflow_{user}_password").read_text()


@pytest.fixture(scope="module")
def signed_in(stack, chromium):
    """Opens Airflow as one of its users, each in a browser session of their own."""
    with launched(chromium) as browser:

        def as_user(user: str) -> Page:
            page = browser.new_context(viewport={"width": 1400, "height": 900}).new_page()
            page.set_default_timeout(30_000)
            page.goto(f"{stack.settings.airflow_url}/")
            page.locator("input[name=username]").fill(user)
            page.locator("input[name=password]").fill(password(stack, user))
            page.locator("button[type=submit]").click()
            # the login page sends on more than once; an entry of the menu is there when it is through
            page.get_by_role("link", name="Releases", exact=True).wait_for()
            return page

        yield as_user


def opened(page: Page, name: str) -> FrameLocator:
    page.get_by_role("link", name=name, exact=True).click()
    return page.frame_locator("iframe")


def row(board: FrameLocator):
    return board.locator(f'tr[data-title="{TITLE}"]')


def dropped(upload: FrameLocator, master) -> None:
    """Drag the master onto the page; until it has arrived and its report and plan are shown."""
    content = base64.b64encode(master.read_bytes()).decode()
    upload.locator(".uppy-Dashboard").evaluate(DROP, {"name": "First_Snow.mp4", "content": content})
    expect(upload.locator("#plan")).to_contain_text("Forecast finish", timeout=90_000)


def started(upload: FrameLocator, said: str) -> None:
    expect(upload.locator("#start")).to_be_enabled()
    upload.locator("#start").click()
    expect(upload.locator("#started")).to_have_text(f"{said}: {TITLE}", timeout=60_000)


def uploads_and_starts(page: Page, master) -> None:
    upload = opened(page, "Upload")
    dropped(upload, master)
    upload.locator("select[name=profile]").select_option("staged")
    plan = upload.locator("#plan")
    expect(plan).to_contain_text("small", timeout=60_000)
    for said in ("h264 320x180", "160x90", "Forecast finish", "CPU time", "Storage"):
        expect(plan).to_contain_text(said)
    expect(upload.locator("#findings")).not_to_contain_text("is being looked at", timeout=90_000)
    expect(upload.locator("input[name=title_id]")).to_have_value(TITLE)
    started(upload, "Started")


def follows_the_links(page: Page) -> None:
    """From the page to Airflow's own page of the run, and its tab back to the title."""
    page.frame_locator("iframe").locator("#started a").click()
    page.wait_for_url(f"**/dags/release_title/runs/{TITLE}__**")
    page.get_by_role("link", name="Release board").click()
    expect(page.frame_locator("iframe").locator("#sheet-name")).to_have_text("First Snow")


def reprioritises(board: FrameLocator, stack) -> None:
    expect(row(board).locator(".ready")).to_be_visible(timeout=60_000)  # its forecast: the simulation knows its work
    row(board).locator("select").select_option("critical")
    dialog = board.get_by_role("dialog")
    expect(dialog.locator(f'[data-moved="{TITLE}"]')).to_contain_text("p90")
    assert stack.place.registry.title(TITLE).priority == "normal"
    dialog.get_by_label("Why").fill("it opens the festival")
    dialog.get_by_role("button", name="Confirm").click()
    expect(row(board).locator("select")).to_have_value("critical")
    assert stack.place.registry.title(TITLE).priority == "critical"


def approves(page: Page, board: FrameLocator) -> None:
    expect(row(board).locator(".badge.asks")).to_be_visible(timeout=240_000)
    # no person answers before the scheduler has seen the end of the process that asked (tests/e2e/test_gates.py)
    page.wait_for_timeout(3000)
    row(board).locator("[data-does=answer]").click()
    dialog = board.get_by_role("dialog")
    dialog.get_by_label("Approve").check()
    dialog.get_by_label("Why").fill("seen to the end")
    dialog.get_by_role("button", name="Decide").click()
    expect(row(board).locator(".badge.asks")).to_be_hidden()


def plays(page: Page, board: FrameLocator, edges: set[str]) -> None:
    play = row(board).get_by_role("link", name="Play")
    expect(play).to_be_visible(timeout=90_000)
    with page.context.expect_page() as tab:
        play.click()
    player = tab.value
    settle(player)
    before = player.evaluate("document.querySelector('video').currentTime")
    player.wait_for_timeout(1500)
    assert player.evaluate("document.querySelector('video').currentTime") > before + 0.5
    assert player.evaluate("document.querySelector('video').getVideoPlaybackQuality().totalVideoFrames") > 0
    assert player.evaluate("document.querySelector('video').mediaKeys") is not None
    assert player.locator("[data-fact=edge]").inner_text() in edges
    assert "token" not in player.url
    player.close()


def rolls_back(board: FrameLocator, stack, version: str) -> None:
    row(board).locator("[data-does=open]").last.click()
    versions = board.locator("#sheet-versions")
    versions.locator("li", has_text=version).locator("[data-does=roll-back]").click()
    board.get_by_label("Why").fill("the credits are wrong")
    board.locator("#dialog").get_by_role("button", name="Roll back").click()
    expect(versions.locator("li.live")).to_contain_text(version)
    assert stack.place.registry.title(TITLE).live.version == version
    for edge in stack.settings.edges:
        wait_for(lambda edge=edge: on_edge(edge) == version, 2, f"{edge.name} answers with the old version")


def on_edge(edge) -> str:
    url = httpx.URL(edge.base_url)
    answer = httpx.get(f"http://127.0.0.1:{url.port}/t/{TITLE}/current.json", headers={"Host": url.netloc.decode()})
    return answer.json()["version"]


def live_with_all(stack):
    record = stack.place.registry.title(TITLE)
    assert record.stage not in {Stage.FAILED, Stage.REJECTED}, record.problem
    return record.stage == Stage.LIVE and record.live_profile is not None and record


def test_ops_upload_and_start_a_title_and_a_release_manager_takes_it_live_and_back(stack, signed_in, make_clip):
    master = make_clip("first snow.mp4", seconds=4, size="320x180", audio=None, noise=8)
    ops, manager = signed_in("ops"), signed_in("manager")
    uploads_and_starts(ops, master)
    board = opened(manager, "Releases")
    expect(board.locator("#live")).to_have_text("Live")
    expect(board.locator("#caller")).to_have_text("manager · manager")
    reprioritises(board, stack)
    follows_the_links(ops)
    again = opened(ops, "Upload")
    dropped(again, master)
    again.locator("select[name=profile]").select_option("staged")
    started(again, "Under way already")
    approves(manager, board)
    plays(manager, board, {edge.name for edge in stack.settings.edges})
    first = stack.place.registry.title(TITLE).live.version
    whole = wait_for(lambda: live_with_all(stack), 240, "the whole ladder is live")
    assert whole.live.version != first
    rolls_back(board, stack, first)
    assert [t.title_id for t in stack.place.registry.titles() if t.title_id.startswith(TITLE)] == [TITLE]
    told = {(c.action, c.who, c.why) for c in ChangeLog(stack.place.registry).changes(TITLE)}
    assert told == {
        ("submit", "ops", "upload"),
        ("prioritise", "manager", "it opens the festival"),
        ("approve", "manager", "seen to the end"),
        ("roll_back", "manager", "the credits are wrong"),
    }


@pytest.mark.parametrize("user", ["viewer", "ops"])
def test_what_a_role_may_not_do_is_not_offered_and_refused(stack, signed_in, user):
    page = signed_in(user)
    board = opened(page, "Releases")
    expect(board.locator("#caller")).to_have_text(f"{user} · {user}")
    expect(row(board)).to_be_visible()
    assert board.locator("tr select, [data-does=hold], [data-does=launch], [data-does=answer]").count() == 0
    expect(board.locator("#upload")).to_be_visible(visible=user == "ops")
    row(board).locator("[data-does=open]").last.click()
    expect(board.locator("#sheet-versions li").first).to_be_visible()
    assert board.locator("[data-does=roll-back]").count() == 0
    refused = {
        path: page.evaluate(CALL, {"method": method, "path": path, "body": body})
        for method, path, body, role in CHANGES
        if user == "viewer" or role == "manager"
    }
    assert set(refused.values()) == {403}, refused
    upload = page.context.request.get(f"{stack.settings.airflow_url}/telecine/upload")
    assert upload.status == (200 if user == "ops" else 403)
    page.context.close()


@pytest.mark.parametrize(
    "headers", [{}, {"Authorization": "Bearer made.up.token"}, {"Cookie": "_token=made.up.token", **OWN_PAGE}]
)
def test_nobody_is_let_in_without_airflows_login(stack, headers):
    base = f"{stack.settings.airflow_url}/telecine"
    for path in ("/", "/upload", "/api/v1/titles", "/api/v1/events", f"/api/v1/titles/{TITLE}/play"):
        assert httpx.get(f"{base}{path}", headers=headers).status_code == 401, path
    for method, path, body, _ in CHANGES:
        assert httpx.request(method, f"{base}/api/v1/{path}", json=body, headers=headers).status_code == 401, path
