"""The report in a real browser."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from auditor.formats.html import Html
from auditor.result.run import Run
from auditor.result.transfer import TransferResult
from tests.formats.beyond import write_beyond
from tests.formats.finished import MODELS, write_run
from tests.formats.transferred import matrix, result

sync_api = pytest.importorskip("playwright.sync_api")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")

pytestmark = [pytest.mark.browser, pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")]

A4 = 688
"""Width of an A4 page between the report's margins, in CSS pixels."""

VIEWS: dict[str, dict[str, Any]] = {
    "light": {"viewport": {"width": 1280, "height": 900}, "color_scheme": "light"},
    "dark": {"viewport": {"width": 1280, "height": 900}, "color_scheme": "dark"},
    "phone": {"viewport": {"width": 360, "height": 740}, "color_scheme": "light"},
    "no scripts": {"viewport": {"width": 1280, "height": 900}, "java_script_enabled": False},
}


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(write_run(tmp_path_factory.mktemp("browser") / "run"))


@pytest.fixture(scope="module")
def short_report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One model: axe needs seconds for every thousand elements."""
    return written(write_run(tmp_path_factory.mktemp("browser") / "run", MODELS[1:]))


@pytest.fixture(scope="module")
def beyond_report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Smallest changes, rendered threats, a patch, a pattern, a goal; two models."""
    return written(write_beyond(tmp_path_factory.mktemp("browser") / "run"))


@pytest.fixture(scope="module")
def short_beyond_report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(write_beyond(tmp_path_factory.mktemp("browser") / "run", ("soft",)))


@pytest.fixture(scope="module")
def transfer_report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve models with long names, and a group of them."""
    names = [f"{kind}-network-{i}-of-a-team.onnx" for i in range(4) for kind in ("resnet", "vit", "mlp")]
    rates = {(a, b): 0.97 if a == b else 0.6 if a[:3] == b[:3] else 0.12 for a in names for b in names}
    group = {(f"{names[0]}+{names[1]}", name): 0.7 for name in names}
    made = matrix(rates | group, groups={f"{names[0]}+{names[1]}": (names[0], names[1])})
    return written(with_transfer(tmp_path_factory.mktemp("browser") / "run", result(made, matrix(rates, attack="pgd"))))


@pytest.fixture(scope="module")
def short_transfer_report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rates = {("small", "small"): 0.9, ("small", "big"): 0.4, ("big", "small"): 0.02, ("big", "big"): 0.9}
    return written(with_transfer(tmp_path_factory.mktemp("browser") / "run", result(matrix(rates, direct=40))))


@pytest.fixture(params=["report", "beyond_report", "transfer_report"])
def any_report(request: pytest.FixtureRequest) -> Path:
    path: Path = request.getfixturevalue(request.param)
    return path


@pytest.fixture(params=["short_report", "short_beyond_report", "short_transfer_report"])
def any_short_report(request: pytest.FixtureRequest) -> Path:
    path: Path = request.getfixturevalue(request.param)
    return path


def written(run: Path) -> Path:
    path = run / "report.html"
    path.write_text(Html().render(Run(run)), encoding="utf-8")
    return path


def with_transfer(path: Path, record: TransferResult) -> Path:
    run = write_run(path, MODELS[1:])
    changed = Run(run).result.model_copy(update={"transfer": record})
    (run / "result.json").write_text(changed.to_json(), encoding="utf-8")
    return run


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(params=VIEWS)
def view(request: pytest.FixtureRequest, browser: Any) -> Iterator[Any]:
    context = browser.new_context(**VIEWS[request.param])
    yield context.new_page()
    context.close()


def opened(page: Any, report: Path) -> list[str]:
    """Open the report; returns what the console said and what was requested besides the file itself."""
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: said.append(request.url))
    page.goto(report.as_uri())
    page.wait_for_load_state("networkidle")
    return [line for line in said if line != report.as_uri() and not line.startswith("data:")]


def unfold(page: Any) -> None:
    """Open every `details`."""
    page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")


def test_it_renders_in_silence_and_asks_nobody(view: Any, report: Path) -> None:
    assert opened(view, report) == []
    assert view.get_by_role("heading", name="Fail").is_visible()
    assert view.get_by_role("img", name="Accuracy of small", exact=True).first.is_visible()


@pytest.mark.parametrize(
    ("width", "medium"), [(360, "screen"), (768, "screen"), (1280, "screen"), (A4, "print")], ids=str
)
def test_nothing_stands_out_to_the_side(browser: Any, any_report: Path, width: int, medium: str) -> None:
    page = browser.new_page(viewport={"width": width, "height": 740})
    page.emulate_media(media=medium)
    opened(page, any_report)
    unfold(page)
    root = "document.documentElement"
    assert page.evaluate(f"{root}.scrollWidth") <= page.evaluate(f"{root}.clientWidth")
    page.close()


def test_no_table_of_attacks_scrolls_on_a_screen(browser: Any, any_report: Path) -> None:
    page = browser.new_page(viewport={"width": 1100, "height": 740})
    opened(page, any_report)
    unfold(page)
    wider = "all => all.map(each => each.parentElement).filter(each => each.scrollWidth > each.clientWidth).length"
    assert page.locator("table.attacks").count() > 1
    assert page.locator("table.attacks").evaluate_all(wider) == 0
    page.close()


def test_the_outline_lies_on_the_patch(browser: Any, beyond_report: Path) -> None:
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    opened(page, beyond_report)
    outline = page.locator(".shown svg rect").last
    image = outline.locator("xpath=ancestor::span").locator("img")
    box, whole = (each.evaluate("each => each.getBoundingClientRect().toJSON()") for each in (outline, image))
    scale = whole["width"] / 16
    assert box["left"] - whole["left"] == pytest.approx(7 * scale, abs=1.5)
    assert box["top"] - whole["top"] == pytest.approx(5 * scale, abs=1.5)
    assert box["width"] == pytest.approx(3 * scale, abs=2.5)
    page.close()


@pytest.mark.parametrize("name", ["light", "phone"])
def test_no_text_of_a_chart_covers_another(browser: Any, any_report: Path, name: str) -> None:
    context = browser.new_context(**VIEWS[name])
    page = context.new_page()
    opened(page, any_report)
    overlaps = page.evaluate(
        """() => [...document.querySelectorAll('svg.chart')].flatMap(chart => {
            const box = each => [each.textContent, each.getBoundingClientRect()];
            const texts = [...chart.querySelectorAll('text')].map(box);
            return texts.flatMap(([a, p], i) => texts.slice(i + 1)
                .filter(([b, q]) => p.width && q.width && p.left < q.right - 1 && q.left < p.right - 1
                                    && p.top < q.bottom - 3 && q.top < p.bottom - 3)
                .map(([b]) => a + ' | ' + b));
        })"""
    )
    assert overlaps == []
    context.close()


@pytest.mark.parametrize(
    ("name", "rules"),
    [("phone", ["wcag2a", "wcag2aa", "wcag21aa", "wcag22aa", "best-practice"]), ("dark", ["wcag2aa"])],
)
def test_axe_finds_no_barrier(browser: Any, any_short_report: Path, name: str, rules: list[str]) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    context = browser.new_context(**VIEWS[name])
    page = context.new_page()
    opened(page, any_short_report)
    unfold(page)
    results = axe.Axe().run(page, options={"runOnly": rules, "resultTypes": ["violations"]})
    assert "color-contrast" in {rule["id"] for rule in results.response["passes"]}
    assert results.violations_count == 0, results.generate_report()
    context.close()


def test_the_keyboard_reaches_the_report_in_one_step(browser: Any, report: Path) -> None:
    page = browser.new_page()
    opened(page, report)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the report"
    page.keyboard.press("Enter")
    assert page.evaluate("location.hash") == "#main"
    page.close()


def test_print_unfolds_what_the_screen_folds(browser: Any, report: Path) -> None:
    page = browser.new_page()
    opened(page, report)
    settings = page.get_by_text("confidence", exact=True)
    height = "each => each.getBoundingClientRect().height"
    assert settings.evaluate(height) == 0
    page.emulate_media(media="print")
    assert settings.evaluate(height) > 0
    page.close()
