"""The release board inside Airflow's UI: through its own login, as each of its users."""

import os

import httpx
import pytest
from playwright.sync_api import expect, sync_playwright

from pipeline.airflow_api import AirflowApi
from tests.e2e.waiting import wait_for

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]
QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--no-first-run",
)


@pytest.fixture(scope="module")
def title(stack):
    """A title that ended: its run is there to be looked at, and nothing is encoded for it."""
    conf = {"master_uri": "file:///gone.mov", "title_id": "shown", "name": "shown"}
    AirflowApi(stack.settings).trigger("shown__1", conf)
    wait_for(lambda: "shown" in {found.title_id for found in stack.place.registry.titles()}, 60, "the title is there")
    return "shown"


def password(stack, user):
    return (stack.data_dir / "secrets" / f"airflow_{user}_password").read_text()


def token(stack, user):
    wanted = {"username": user, "password": password(stack, user)}
    answer = httpx.post(f"{stack.settings.airflow_url}/auth/token", json=wanted)
    return answer.raise_for_status().json()["access_token"]


@pytest.fixture
def page(stack, chromium, tmp_path):
    with sync_playwright() as driver:
        env = {**os.environ, "HOME": str(tmp_path)}
        browser = driver.chromium.launch(executable_path=chromium, args=list(QUIET), env=env)
        opened = browser.new_page(viewport={"width": 1400, "height": 850})
        opened.set_default_timeout(30_000)
        yield opened
        browser.close()


def log_in(page, stack, user):
    page.goto(f"{stack.settings.airflow_url}/")
    page.locator("input[name=username]").fill(user)
    page.locator("input[name=password]").fill(password(stack, user))
    page.locator("button[type=submit]").click()
    page.wait_for_url(f"{stack.settings.airflow_url}/**")


def test_a_release_manager_finds_the_board_in_airflow_and_on_the_run(stack, page, title):
    log_in(page, stack, "manager")
    page.get_by_role("link", name="Releases").click()
    board = page.frame_locator("iframe")
    expect(board.locator(f'tr[data-title="{title}"]')).to_be_visible()
    expect(board.locator("#caller")).to_have_text("manager · manager")
    expect(board.locator("#live")).to_have_text("Live")
    board.locator(f'tr[data-title="{title}"] .row-actions [data-does=open]').click()
    board.get_by_role("link", name="DAG run").click()
    page.wait_for_url("**/dags/release_title/runs/shown__1**")
    page.get_by_role("link", name="Release board").click()
    expect(page.frame_locator("iframe").locator("#sheet-name")).to_have_text(title)


def test_each_user_of_airflow_has_the_role_it_is_named_for(stack, title):
    base = f"{stack.settings.airflow_url}/telecine/api/v1"
    change = {"held": True, "why": "to see who may"}
    answers = {}
    for user in ("viewer", "ops", "manager"):
        headers = {"Authorization": f"Bearer {token(stack, user)}"}
        assert httpx.get(f"{base}/me", headers=headers).json()["caller"] == {"name": user, "role": user}
        answers[user] = httpx.patch(f"{base}/titles/unknown/order", json=change, headers=headers).status_code
    assert answers == {"viewer": 403, "ops": 403, "manager": 404}


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer made.up.token"}, {"Cookie": "_token=made.up.token"}])
def test_nobody_is_let_in_without_airflows_login(stack, headers):
    base = f"{stack.settings.airflow_url}/telecine"
    for path in ("/", "/api/v1/titles", "/api/v1/events"):
        assert httpx.get(f"{base}{path}", headers=headers).status_code == 401, path
