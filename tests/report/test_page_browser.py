"""The page in headless Chromium: sorting, filtering, a run's view, keyboard, print, dark; nothing leaves it."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from fabricated import fabricate
from markupsafe import Markup
from pages import page_of

from bench.report.write import write_index

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright, which drives a browser, is not installed")
if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
HOSTILE = ("<script>alert(1)</script>", '"><img src=x onerror=alert(2)>')
FAILED = {("small_cnn", "arcface", 0.1, 1): f"broke {HOSTILE[1]}"}
MISSING = [("small_cnn", "arcface", 1.0, 0)]
TABLE = Markup("""<table class="sortable"><thead>
<tr><th rowspan="2">margin</th><th colspan="2">LFW</th></tr><tr><th>accuracy</th><th>n</th></tr></thead><tbody>
<tr><th scope="rowgroup" colspan="3">backbone small</th></tr>
<tr><td>arc10</td><td data-value="9.5">9.5 ± 1</td><td data-value="3">3</td></tr>
<tr><td>arc9</td><td data-value="">–</td><td data-value="0">0</td></tr>
<tr><td>Arc2</td><td data-value="10.25">10.25 ± 2</td><td data-value="3">3</td></tr>
<tr><td>cos</td><td data-value="-1">−1</td><td data-value="1">1</td></tr></tbody></table>""")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    path = next(filter(None, map(shutil.which, NAMES)), None)
    if path is None:
        pytest.skip("no browser is installed here")
    with sync_api.sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-dev-shm-usage"])
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page whose suite has hostile names, one whose results are a table of another's making, and the index."""
    root = tmp_path_factory.mktemp("pages")
    shape: dict[str, Any] = {"backbones": ("small_cnn",), "strengths": (0.0, 0.1, 1.0), "epochs": 4}
    store = fabricate(
        root / "store", margins=("arcface", *HOSTILE), failed=FAILED, missing=MISSING, **shape,
        plan={"title": HOSTILE[1], "warnings": [HOSTILE[0]], "command": f"bench run {HOSTILE[0]}"},
    )  # fmt: skip
    run = next(run["run"] for run in store.plan("made_up")["runs"])
    store.log_path(run).write_text(HOSTILE[0])
    store.append_event(run, {"kind": "warning", "text": HOSTILE[1]})
    (root / "page.html").write_text(page_of(store))
    (root / "table.html").write_text(page_of(store, table=TABLE))
    (root / "index.html").write_bytes(write_index(store).read_bytes())
    return root


@pytest.fixture
def open_page(browser: Browser, folder: Path) -> Iterator[Any]:
    """Opens a page of the folder; in the end nothing was asked of anybody, told to the console or popped up."""
    contexts, trouble = [], list[str]()

    def opened(name: str = "page.html", **options: Any) -> Page:
        contexts.append(browser.new_context(**options))
        page = contexts[-1].new_page()
        page.on("console", lambda message: trouble.append(f"console: {message.text}"))
        page.on("pageerror", lambda error: trouble.append(f"error: {error}"))
        page.on("dialog", lambda dialog: (trouble.append("dialog"), dialog.dismiss()))
        page.on("request", lambda request: re.match(r"data:|file:", request.url) or trouble.append(request.url))
        page.goto((folder / name).as_uri())
        return page

    yield opened
    for context in contexts:
        context.close()
    assert trouble == []


def column(page: Page, table: str, number: int) -> list[str]:
    return page.locator(f"{table} tbody tr:visible > :nth-child({number})").all_inner_texts()


def test_numbers_sort_as_numbers_and_what_has_none_is_last(open_page: Any) -> None:
    page = open_page("table.html")
    table = "#results table"
    heads = page.locator(f"{table} th[aria-sort]")
    assert heads.all_inner_texts() == ["margin", "accuracy", "n"]
    accuracy = page.get_by_role("button", name="accuracy", exact=True)
    original = column(page, table, 2)
    accuracy.click()
    assert column(page, table, 2) == ["−1", "9.5 ± 1", "10.25 ± 2", "–"]
    assert heads.nth(1).get_attribute("aria-sort") == "ascending"
    accuracy.click()
    assert column(page, table, 2) == ["10.25 ± 2", "9.5 ± 1", "−1", "–"]
    accuracy.click()
    assert column(page, table, 2) == original
    assert heads.nth(1).get_attribute("aria-sort") == "none"


def test_words_sort_by_the_numbers_in_them_and_equal_ones_stay(open_page: Any) -> None:
    page = open_page("table.html")
    results = page.locator("#results")
    results.get_by_role("button", name="margin").click()
    assert column(page, "#results table", 1)[1:] == ["Arc2", "arc9", "arc10", "cos"]
    results.get_by_role("button", name="n", exact=True).click()
    assert column(page, "#results table", 1)[1:] == ["arc9", "cos", "arc10", "Arc2"]
    assert results.locator("th[aria-sort=ascending]").count() == 1


def test_the_heading_of_a_group_stays_above_it_and_goes_with_it(open_page: Any) -> None:
    page = open_page("table.html")
    results = page.locator("#results")
    heading = "backbone small"
    results.get_by_role("button", name="margin").click()
    assert results.locator("tbody tr").first.inner_text() == heading
    box = results.get_by_label("Filter rows")
    box.fill("small arc9")
    assert column(page, "#results table", 1) == [heading, "arc9"]
    assert results.locator("[role=status]").inner_text() == "1 of 4 rows with “small arc9”"
    box.fill("nothing")
    assert column(page, "#results table", 1) == []


def test_failed_runs_are_last_in_both_directions(open_page: Any) -> None:
    page = open_page()
    head = page.locator("#runs").get_by_role("button", name="LFW accuracy")
    for key in ("lowest first", "highest first"):
        head.click()
        shown = column(page, "#runs table", 8)
        assert shown[-2:] == ["–", "–"]
        numbers = [float(text) for text in shown[:-2]]
        assert numbers == sorted(numbers, reverse=key == "highest first")
        assert len(numbers) == 16


def test_the_filter_keeps_rows_with_every_word_and_says_how_many(open_page: Any) -> None:
    page = open_page()
    box = page.locator("#runs").get_by_label("Filter rows")
    told = page.locator("#runs [role=status]")
    assert told.inner_text() == "18 rows"
    box.fill("ARCFACE  failed")
    assert told.inner_text() == "1 of 18 rows with “ARCFACE failed”"
    assert column(page, "#runs table", 6)[0].endswith("failed")
    page.locator("#runs").get_by_role("button", name="seed").click()
    assert len(column(page, "#runs table", 1)) == 1
    box.fill("nothing like this")
    assert column(page, "#runs table", 1) == []
    box.press("Escape")
    assert len(column(page, "#runs table", 1)) == 18


def test_a_run_opens_shows_itself_and_closes_by_keyboard(open_page: Any) -> None:
    page = open_page()
    link = page.locator("#runs tbody a").nth(3)
    link.focus()
    link.press("Enter")
    view = page.locator("#run-view")
    view.wait_for(state="visible")
    assert page.evaluate("document.activeElement.id") == "run-title"
    assert view.locator("h2").inner_text() == "arcface, λ 0.1"
    for part in ("Where it failed", "Outcome", "Environment"):
        assert view.get_by_role("heading", name=part).count() == 0
    assert HOSTILE[1] in view.locator(".warning").inner_text()
    view.get_by_role("button", name="Previous").press("Enter")
    assert view.locator("h2").inner_text() == "arcface, λ 0.1"
    assert "seed 0" in view.inner_text()
    assert view.locator(".curves svg").count() == 5
    assert view.locator("svg").first.get_attribute("aria-label").startswith("loss: ")
    key = page.evaluate("location.hash.slice(5)")
    assert f"python -m bench verify-run {key}" in view.inner_text()
    page.keyboard.press("Escape")
    view.wait_for(state="hidden")
    assert page.evaluate("document.activeElement === document.querySelectorAll('#runs tbody a')[3]")
    assert page.evaluate("location.hash") == ""
    link.click()  # again, though the address was the same before
    view.wait_for(state="visible")
    view.get_by_role("button", name="Close").click()
    view.wait_for(state="hidden")


def test_an_address_opens_its_run_and_a_wrong_one_opens_nothing(open_page: Any) -> None:
    page = open_page()
    key = page.locator("#runs tbody tr").first.get_attribute("id")
    page.goto(f"{page.url}#{key}")
    page.locator("#run-view").wait_for(state="visible")
    page.go_back()
    page.locator("#run-view").wait_for(state="hidden")
    page.goto(f"{page.url}#run-constructor")
    assert page.locator("#run-view").is_hidden()


def test_hostile_names_are_text(open_page: Any) -> None:
    """The fixture sees to it that no dialog popped up."""
    page = open_page()
    assert page.locator("h1").inner_text() == HOSTILE[1]
    assert page.title() == HOSTILE[1]
    assert HOSTILE[0] in page.locator("#runs").inner_text()
    page.locator("#runs tbody a").first.click()
    assert HOSTILE[0] in page.locator("#run-view").inner_text()
    assert f"warning: {HOSTILE[1]}" in page.locator("#run-view").inner_text()
    page.keyboard.press("Escape")
    assert page.locator("img[src=x]").count() == 0
    page.locator("#runs").get_by_label("Filter rows").fill(HOSTILE[0])
    assert HOSTILE[0] in page.locator("#runs [role=status]").inner_text()


def test_the_first_key_leads_past_the_contents(open_page: Any) -> None:
    page = open_page()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the report"
    assert page.locator(".skip").bounding_box()["x"] >= 0
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    page.locator("#runs th button").first.focus()
    page.keyboard.press("Space")
    assert page.locator("#runs th").first.get_attribute("aria-sort") == "ascending"


def test_a_figure_grows_and_shrinks_and_its_files_can_be_had(open_page: Any) -> None:
    page = open_page()
    figure = page.locator("#figure-square")
    small = figure.locator("img").bounding_box()["width"]
    figure.locator(".plate").click()
    assert figure.locator("img").bounding_box()["width"] > 2 * small
    assert figure.get_by_role("link", name="Close").is_visible()
    page.keyboard.press("Escape")
    assert figure.locator("img").bounding_box()["width"] == small
    links = {link.inner_text(): link.get_attribute("href") for link in figure.locator(".files a:visible").all()}
    assert set(links) == {"PNG", "PDF", "CSV"}
    assert all(address.startswith("data:") for address in links.values())
    with page.expect_download() as download:
        figure.get_by_role("link", name="CSV").click()
    assert download.value.suggested_filename == "made_up-square.csv"
    assert Path(download.value.path()).read_text() == "x,y\n1,2\n"


def test_without_scripts_all_is_there_to_read(open_page: Any) -> None:
    page = open_page(java_script_enabled=False)
    assert page.locator("#runs tbody tr").count() == 18
    assert page.locator("#summary li").count() > 3
    page.locator(".plate").click()
    assert page.locator("#figure-square").get_by_role("link", name="Close").is_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_its_ground(open_page: Any, scheme: str) -> None:
    page = open_page(color_scheme=scheme)
    page.locator("#runs tbody a").first.click()
    found = page.evaluate("""() => {
      const rgb = (text) => text.match(/[\\d.]+/g).map(Number);
      const light = ([r, g, b]) => [r, g, b].map((v) => v / 255)
        .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
        .reduce((sum, v, at) => sum + v * [0.2126, 0.7152, 0.0722][at], 0);
      const ground = (node) => {
        for (let at = node; at; at = at.parentElement) {
          const colour = rgb(getComputedStyle(at).backgroundColor);
          if (colour.length < 4 || colour[3] > 0) return colour;
        }
        return [255, 255, 255];
      };
      const ratios = [...document.querySelectorAll("body *:not(script, style, svg *)")]
        .filter((node) => node.checkVisibility() && [...node.childNodes].some((c) => c.nodeType === 3 && c.data.trim()))
        .map((node) => {
          const [a, b] = [light(rgb(getComputedStyle(node).color)), light(ground(node))];
          return [(Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05), node.className || node.tagName];
        });
      const least = ratios.sort((a, b) => a[0] - b[0])[0];
      return { least, paper: light(ground(document.body)), count: ratios.length };
    }""")
    assert found["count"] > 100
    assert found["least"][0] >= 4.5, found["least"]
    assert (found["paper"] < 0.05) == (scheme == "dark")


@pytest.mark.parametrize("width", [390, 1024, 1600])
@pytest.mark.parametrize("name", ["page.html", "index.html"])
def test_no_page_is_wider_than_the_window(open_page: Any, width: int, name: str) -> None:
    page = open_page(name, viewport={"width": width, "height": 800})
    measure = "document.documentElement.scrollWidth"
    assert page.evaluate(measure) <= width
    if name == "page.html":
        page.locator("#runs tbody a").first.click()
        box = page.locator("#run-view").bounding_box()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= width
        assert page.evaluate("document.getElementById('run-view').scrollWidth") <= width


def test_print_is_on_white_without_controls_and_cuts_nothing(open_page: Any) -> None:
    page = open_page(color_scheme="dark")
    page.emulate_media(media="print", color_scheme="dark")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.evaluate("getComputedStyle(document.body).color") == "rgb(0, 0, 0)"
    for control in ("nav", ".filter", ".command button", ".files", "#downloads", ".skip"):
        assert page.locator(control).first.is_hidden(), control
    cut = "[...document.querySelectorAll('.wide')].filter((box) => getComputedStyle(box).overflow !== 'visible').length"
    assert page.evaluate(cut) == 0
    assert len(column(page, "#runs table", 1)) == 18
    assert page.pdf().startswith(b"%PDF")


def test_what_is_narrowed_is_printed_with_the_words_that_narrowed_it(open_page: Any) -> None:
    page = open_page()
    page.locator("#runs").get_by_label("Filter rows").fill("failed")
    page.emulate_media(media="print")
    assert page.locator("#runs [role=status]").is_visible()
    assert page.locator("#runs .filter input").is_hidden()


def test_the_index_sorts_too(open_page: Any) -> None:
    page = open_page("index.html")
    page.get_by_role("button", name="done").click()
    assert page.locator("th[aria-sort=ascending]").inner_text() == "done"
