"""The page in a browser: it draws, a click answers, regions, links, keys and narrow screens work."""

import shutil

import numpy as np
import pytest

from explored_galaxy import make_checked, make_page

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(BROWSER is None, reason="no Chromium here; make browser-packages installs it"),
]


@pytest.fixture(scope="module")
def browser():
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as tools:
        running = tools.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        yield running
        running.close()


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    return f"file://{make_page(tmp_path_factory.mktemp('page') / 'explorer.html')}"


@pytest.fixture
def opened(browser):
    """A function that opens an address; at the end nothing may have failed in the page."""
    contexts, errors = [], []

    def open_page(address, width=1300, height=900, **options):
        context = browser.new_context(viewport={"width": width, "height": height}, offline=True, **options)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda line: errors.append(line.text) if line.type == "error" else None)
        page.goto(address)
        page.wait_for_selector("html[data-ready=yes]")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert errors == []


def click_map(page, x=0.55, y=0.5, number=0):
    box = page.query_selector(f"#map{number}").bounding_box()
    page.mouse.click(box["x"] + x * box["width"], box["y"] + y * box["height"])


def painted(page, selector):
    """Number of different colours of a canvas."""
    return page.evaluate(
        """(selector) => {
            const canvas = document.querySelector(selector);
            const data = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
            const seen = new Set();
            for (let i = 0; i < data.length; i += 4) seen.add((data[i] << 16) | (data[i + 1] << 8) | data[i + 2]);
            return seen.size;
        }""",
        selector,
    )


def test_a_click_opens_the_bin_under_it(opened, address):
    page = opened(address)
    assert painted(page, "#map0") > 20
    click_map(page)
    page.wait_for_selector("#panel pre")
    title = page.inner_text("#panel h2")
    assert title.startswith("Bin ")
    assert f"bin={title.split()[1]}&" in page.url
    assert page.locator("#panel canvas.plot").count() == 6
    assert painted(page, "#panel canvas.plot") > 5
    assert "mass-weighted log age" in page.inner_text("#panel table")
    assert "nothing found wrong" in page.inner_text("#panel")
    page.click("text=next bin")
    page.wait_for_function(
        f"document.querySelector('#panel h2').textContent === 'Bin {int(title.split()[1]) + 1}'"
    )


def test_a_click_is_answered_within_a_tenth_of_a_second(opened, address, capsys):
    page = opened(address)
    ms = []
    # the best of some: what the page itself needs, not what else this machine is doing
    while len(ms) < 10 or (min(ms) >= 100 and len(ms) < 60):
        k = len(ms) % 14
        click_map(page, 0.35 + 0.02 * k, 0.4 + 0.015 * k)
        page.wait_for_function(f"performance.getEntriesByName('answer').length === {len(ms) + 1}")
        ms = page.evaluate("performance.getEntriesByName('answer').map((one) => one.duration)")
    with capsys.disabled():
        print(
            f"\nfrom click to painted picture: {min(ms):.0f} ms at best, {np.median(ms):.0f} ms in the median"
        )
    assert min(ms) < 100


def test_flags_are_said_in_words_with_what_to_do(opened, address):
    page = opened(f"{address}#bin=5")
    page.wait_for_selector("#panel ul.flags li")
    text = page.inner_text("#panel")
    assert "not to be used" in text
    assert "unlike any mock" in text
    assert "Leave the bin out." in text


def test_a_link_brings_the_view_back(opened, address):
    page = opened(address)
    page.select_option("#quantity1", "a_v_p84")
    page.select_option("#colours1", "magma")
    page.click("#zoom-in")
    click_map(page, 0.45, 0.45)
    page.wait_for_selector("#panel pre")
    page.evaluate("document.querySelector('.map:nth-child(2) .to').value = 600")
    page.dispatch_event(".map:nth-child(2) .to", "input")
    again = opened(page.url)
    again.wait_for_selector("#panel pre")
    assert again.inner_text("#panel h2") == page.inner_text("#panel h2")
    assert again.input_value("#quantity1") == "a_v_p84"
    assert again.input_value("#colours1") == "magma"
    assert again.inner_text(".map:nth-child(2) .high") == page.inner_text(".map:nth-child(2) .high")
    assert again.url == page.url


def test_both_maps_move_together(opened, address):
    page = opened(address)
    before = page.evaluate("document.querySelector('#map1').toDataURL()")
    box = page.query_selector("#map0").bounding_box()
    page.mouse.move(box["x"] + 50, box["y"] + 50)
    page.mouse.wheel(0, -300)
    page.wait_for_function("location.hash.includes('view=')")
    assert page.evaluate("document.querySelector('#map1').toDataURL()") != before


def test_a_region_is_the_sum_of_its_bins(opened, address):
    page = opened(address)
    page.click("#tool-region")
    box = page.query_selector("#map0").bounding_box()
    middle = (box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.move(middle[0] - 20, middle[1] - 20)
    page.mouse.down()
    page.mouse.move(middle[0] + 30, middle[1] + 30, steps=4)
    page.mouse.up()
    page.wait_for_selector("#panel pre")
    assert page.inner_text("#panel h2").startswith("Region of ")
    n = int(page.inner_text("#panel h2").split()[2])
    assert n > 4
    assert page.locator("#panel canvas.plot").count() == 4
    again = opened(page.url)
    again.wait_for_selector("#panel pre")
    assert again.inner_text("#panel h2") == f"Region of {n} bins"


def test_the_python_of_a_region_runs(opened, tmp_path, monkeypatch, capsys):
    spectra, answer = make_checked(6)[:2]
    page = opened(f"file://{make_page(tmp_path / 'p.html', side=6)}#region=3-5.9")
    page.wait_for_selector("#panel pre")
    spectra.write(tmp_path / f"results/galaxies/{spectra.galaxy}/spectra.h5")
    monkeypatch.chdir(tmp_path)
    code = page.inner_text("#panel pre")
    assert "[*range(3, 6), 9]" in code
    # A model made by hand answered these; the one that comes with the program is there.
    exec(code.replace(f'load("{answer.meta["model"]}")', 'load("flow")'), {})
    assert "log age, mass-weighted" in capsys.readouterr().out


def test_what_is_seen_is_drawn_again_for_paper_and_at_another_width(opened, address):
    page = opened(f"{address}#bin=20", color_scheme="dark")
    page.wait_for_selector("#panel pre")
    page.locator("#panel canvas.plot").first.focus()
    page.keyboard.press("+")
    zoomed = page.locator("#panel canvas.plot").first.get_attribute("aria-label")
    ink = "getComputedStyle(document.body).color"
    dark = page.evaluate(ink)
    page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    page.wait_for_selector("#panel pre")
    assert page.evaluate(ink) == "rgb(26, 26, 26)" != dark
    assert page.locator("#panel canvas.plot").first.get_attribute("aria-label") == zoomed
    page.evaluate("window.dispatchEvent(new Event('afterprint'))")
    assert page.evaluate(ink) == dark
    page.set_viewport_size({"width": 700, "height": 900})
    page.wait_for_function("document.querySelector('#panel canvas.plot').clientWidth <= 700")
    ratio = "(c => c.width / c.clientWidth / devicePixelRatio)(document.querySelector('#panel canvas.plot'))"
    page.wait_for_function(f"Math.abs({ratio} - 1) < 0.01")


def test_keys_move_open_and_tell(opened, address):
    page = opened(address)
    page.focus("#map0")
    page.keyboard.press("ArrowRight")
    assert page.inner_text("#said").startswith("bin ")
    page.keyboard.press("Enter")
    page.wait_for_selector("#panel pre")
    assert "mass-weighted" in page.get_attribute("#map0", "aria-label")


def test_a_region_is_chosen_by_keys(opened, address):
    page = opened(address)
    page.click("#tool-region")
    page.focus("#map0")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Enter")
    for key in ("ArrowRight", "ArrowRight", "ArrowUp", "Enter"):
        page.keyboard.press(key)
    page.wait_for_selector("#panel pre")
    assert page.inner_text("#panel h2") == "Region of 6 bins"


def test_keys_step_from_bin_to_bin_and_zoom_the_spectrum(opened, address):
    page = opened(f"{address}#bin=20")
    page.wait_for_selector("#panel pre")
    page.focus("#panel [data-step='1']")
    for n in (21, 22):
        page.keyboard.press("Enter")
        page.wait_for_function(f"document.querySelector('#panel h2').textContent === 'Bin {n}'")
    assert page.evaluate("document.activeElement.dataset.step") == "1"
    spectrum = page.locator("#panel canvas.plot").first
    whole = spectrum.get_attribute("aria-label")
    spectrum.focus()
    page.keyboard.press("+")
    page.keyboard.press("ArrowRight")
    near = page.evaluate("document.activeElement.getAttribute('aria-label')")
    assert near.startswith("Spectrum from ")
    assert near != whole
    page.keyboard.press("0")
    assert page.evaluate("document.activeElement.getAttribute('aria-label')") == whole


def test_ppxf_stands_beside_the_network(opened, tmp_path):
    page = opened(f"file://{make_page(tmp_path / 'p.html', side=6, compared=True)}#bin=14")
    page.wait_for_selector("#panel pre")
    assert page.inner_text("#panel thead").split()[-2:] == ["pPXF", "unit"]
    row = page.inner_text("#panel tr:has-text('mass-weighted log age')").split("\t")
    assert float(row[3]) == pytest.approx(float(row[1]) + 0.1, abs=0.011)
    assert "in the histories: pPXF" in page.inner_text("#panel")
    failed = opened(f"file://{tmp_path / 'p.html'}#bin=9")
    failed.wait_for_selector("#panel pre")
    assert "pPXF" not in failed.inner_text("#panel")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_shows_it_without_scrolling_sideways(opened, address, scheme):
    page = opened(f"{address}#bin=0", 390, 800, color_scheme=scheme)
    page.wait_for_selector("#panel pre")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    foot = page.inner_text("#foot")
    assert "code_sha256 abcd1234" in foot
    assert "/a/place" not in foot


def test_a_damaged_page_says_so(browser, tmp_path):
    path = make_page(tmp_path / "explorer.html", side=3)
    broken = tmp_path / "broken.html"
    broken.write_text(path.read_text().replace('id="columns">e', 'id="columns">!'))
    page = browser.new_page()
    page.goto(f"file://{broken}")
    page.wait_for_selector("html[data-ready=failed]")
    assert "cannot be shown" in page.inner_text("#panel")
