"""docs/sleep.html: made by its script from traces, and what a browser shows is what they recorded.

The tests in a browser need a Chromium of the system and playwright (``pip install ".[browser]"``).
"""

import base64
import importlib.util
import re
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs/sleep.html"
SEED, GATE = 1, "negative"
LETTERS = "ABCD"


def script():
    """docs/make_sleep_page.py, which is in no package."""
    spec = importlib.util.spec_from_file_location(
        "make_sleep_page", ROOT / "docs/make_sleep_page.py"
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


make = script()


@pytest.fixture(scope="module")
def text():
    return PAGE.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def data(text):
    return make.data_of(text)


@pytest.fixture(scope="module")
def learnt():
    return make.learn(SEED)


@pytest.fixture(scope="module")
def trace(learnt):
    return make.trace_of(learnt, GATE)


@pytest.fixture(scope="module")
def tables(trace):
    """The tables of the trace, of all layers, each made once."""
    return SimpleNamespace(
        membranes=trace.membranes(), spikes=trace.spikes(), changes=trace.changes()
    )


def test_the_page_is_small_and_needs_nothing_else(text):
    assert PAGE.stat().st_size < 1_000_000
    code = text.replace("http://www.w3.org/2000/svg", "")
    assert re.findall(r"https?://[^\"' <]+", code) == ["https://doi.org/10.1038/s41467-022-34938-7"]
    assert not re.search(
        r"\bsrc=|@import|url\(|fetch\(|<link(?! rel=\"icon\" href=\"data:,\")", code
    )


def test_the_page_is_made_of_its_parts(text, data):
    assert make.page(data) == text


def test_all_else_on_the_page_is_what_the_script_has_now(data):
    """The constants, the gates and the sizes."""
    now = make.page_data(seeds=())
    assert now.pop("seeds") == []
    shown = {name: value for name, value in data.items() if name not in ("seeds", "more")}
    assert shown == make.data_of(make.page(now))
    assert [one["seed"] for one in data["seeds"]] == [*make.SEEDS]
    assert not {*range(10, 16)} & {*make.SEEDS, *make.MORE_SEEDS}  # the constants were chosen there
    assert data["more"]["n"] == len(make.MORE_SEEDS)


def numbers(packed, dtype):
    return np.frombuffer(base64.b64decode(packed), dtype).astype(int)


def assert_same_sleep(shown, now):
    """Spikes are the same; rounding, which depends on the processor, may move a last digit."""
    for layer, again in zip(shown["layers"], now["layers"], strict=True):
        assert layer["spikes"] == again["spikes"]
        for name, dtype in (("membrane", "<i4"), ("impulse", "<i4"), ("after", "<i2")):
            one, other = (numbers(packed[name], dtype) for packed in (layer, again))
            assert one.shape == other.shape and np.abs(one - other).max() <= 1
    assert np.abs(np.subtract(shown["accuracy"], now["accuracy"])).max() < 0.011
    assert shown["answers"] == now["answers"]
    assert shown["onlyDec"] == pytest.approx(now["onlyDec"], abs=0.011)


def test_the_sleep_of_a_seed_is_what_the_library_makes_now(data, learnt):
    shown = data["seeds"][make.SEEDS.index(SEED)]
    now, spikes = make.packed_trace(learnt, GATE)
    assert shown["input"] == spikes
    assert_same_sleep(shown["sleeps"][GATE], now)
    assert shown["weights"] == [make.packed(W, "int16", make.W_UNIT) for W in learnt.net.weights]
    assert shown["homeostasis"] == pytest.approx(make.without_sleep(learnt), abs=0.011)


@pytest.mark.long
def test_all_of_the_page_is_what_the_library_makes_now(data):
    for shown in data["seeds"]:
        now = make.packed_seed(shown["seed"])
        assert [*shown["sleeps"]] == [*now["sleeps"]]
        for gate, sleep in now["sleeps"].items():
            assert_same_sleep(shown["sleeps"][gate], sleep)
        for name in ("images", "weights", "input", "afterFirst"):
            assert shown[name] == now[name]


@pytest.mark.long
def test_the_means_over_more_seeds(data):
    now = make.over_more_seeds()
    for name in ("before", "homeostasis"):
        assert np.allclose(data["more"][name], now[name], atol=0.005)
    for name in ("sleeps", "onlyDec"):
        for gate, values in now[name].items():
            assert np.allclose(data["more"][name][gate], values, atol=0.005)


def test_numbers_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="must fit int16 in units of 0.001, got 40000"):
        make.packed([40.0], "int16", 1e-3)
    assert numbers(make.packed([-0.5, 0.25], "int16", 1e-2), "<i2").tolist() == [-50, 25]


def test_rows_after_are_those_of_the_trace(trace, tables, learnt):
    """The last row of each neuron is what it has after the sleep."""
    for layer in (1, 2):
        rows = make.rows_after(trace, learnt.net.weights[layer - 1], layer)
        fired = tables.membranes.query(f"spike and layer == {layer}")["neuron"].to_numpy()
        assert len(rows) == len(fired) > 0
        for neuron in set(fired):
            last = rows[np.flatnonzero(fired == neuron)[-1]]
            assert np.array_equal(last, trace.result.weights[layer - 1][neuron])


# In a browser.


@pytest.fixture(scope="module")
def chromium():
    """A headless Chromium of the system."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright")
    names = ("chromium", "chromium-browser", "google-chrome")
    path = next(filter(None, map(shutil.which, names)), None)
    if path is None:
        pytest.skip("needs a Chromium of the system: apt-get install chromium")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path)
        yield browser
        browser.close()


@pytest.fixture
def opened(chromium):
    """``opened(hash, **options of the context)`` is the page, which must not complain or load."""
    contexts, complaints, requests = [], [], []

    def open_page(state="", **options):
        context = chromium.new_context(**({"reduced_motion": "reduce"} | options))
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda request: requests.append(request.url))
        page.goto(PAGE.as_uri() + state)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []
    assert {url.split("#")[0] for url in requests} == {PAGE.as_uri()}


def shown_state(page):
    return page.eval_on_selector("#net", "net => ({...net.dataset})")


def at_step(page, k):
    return page.wait_for_selector(f"#net[data-k='{k}'][data-phase='4']", state="attached")


def all_units(page, name):
    """A data attribute of the hidden units, and of the outputs."""
    units = page.eval_on_selector_all(".unit", "units => units.map(unit => ({...unit.dataset}))")
    layers = {"h": [], "o": []}
    for unit in units:
        layers[unit["unit"][0]].append(float(unit[name]))
    return layers["h"], layers["o"]


def assert_shows(page, tables, k):
    """Membranes, and which neurons fire, after k steps."""
    then = tables.membranes[tables.membranes["step"] == k - 1]
    for layer, v, s in zip(
        (1, 2), all_units(page, "membrane"), all_units(page, "spike"), strict=True
    ):
        of_layer = then[then["layer"] == layer]
        assert v == pytest.approx(of_layer["membrane"].to_list(), abs=1.01e-3)
        assert s == of_layer["spike"].to_list()
    pixels = page.eval_on_selector_all(".pixel", "pixels => pixels.map(p => +p.dataset.spike)")
    assert np.flatnonzero(pixels).tolist() == fired_at(tables, k, 0)


def fired_at(tables, k, layer):
    spikes = tables.spikes
    return spikes[(spikes["step"] == k - 1) & (spikes["layer"] == layer)]["neuron"].to_list()


def assert_shows_weights(page, tables, learnt, k, layer, neuron):
    """The weights of a unit after k steps, and why they moved in the last of them."""
    page.select_option("#unit", f"h{neuron}" if layer == 1 else f"o{neuron}")
    cells = page.eval_on_selector_all("#unit-map [data-w]", "all => all.map(c => ({...c.dataset}))")
    W = learnt.net.weights[layer - 1][neuron].copy()
    changes = tables.changes
    changes = changes[(changes["layer"] == layer) & (changes["neuron"] == neuron)]
    for pre, after in changes[changes["step"] < k][["pre", "after"]].to_numpy():
        W[int(pre)] = after
    assert [float(cell["w"]) for cell in cells] == pytest.approx(W.tolist(), abs=1.01e-4)
    now = changes[changes["step"] == k - 1]
    moved = now[now["change"].abs() > 1.5e-4]  # what is less may be rounded to nothing
    assert len(moved)
    for pre, cause, change in zip(moved["pre"], moved["cause"], moved["change"], strict=True):
        assert cells[pre]["cause"] == cause
        assert float(cells[pre]["change"]) == pytest.approx(change, abs=1.01e-4)
    n_pre = len(fired_at(tables, k, layer - 1))
    assert page.text_content("#unit-reason .grow") == str(n_pre)
    assert page.text_content("#unit-reason .shrink") == str(len(W) - n_pre)


def test_the_page_shows_what_the_trace_recorded(opened, trace, tables, learnt):
    page = opened(f"#seed={SEED}&gate={GATE}&step=0&unit=h0&speed=4")
    state = shown_state(page)
    assert (state["seed"], state["gate"], state["k"]) == (str(SEED), GATE, "0")
    for k in range(1, 26):
        page.keyboard.press("ArrowRight")
        at_step(page, k)
        assert_shows(page, tables, k)
    for layer in (1, 2):
        fired = tables.membranes.query(f"spike and layer == {layer}")[["step", "neuron"]]
        for step, neuron in fired.to_numpy()[[0, len(fired) // 2, -1]].tolist():
            page.fill("#slider", str(step + 1))
            at_step(page, step + 1)
            assert_shows(page, tables, step + 1)
            assert_shows_weights(page, tables, learnt, step + 1, layer, neuron)
            assert "a spike, then v = 0" in page.text_content("#unit-equation")
    page.fill("#slider", "300")
    old, new = learnt.accuracies(trace.result.net)
    chart = page.eval_on_selector("#chart", "chart => ({...chart.dataset})")
    assert (float(chart["old"]), float(chart["new"])) == pytest.approx((old, new), abs=0.011)


@pytest.mark.parametrize("gate", make.GATES)
def test_each_gate_and_seed_can_be_chosen(opened, data, gate):
    page = opened("#seed=0&gate=logistic&step=300&unit=h0&speed=4")
    for shown in data["seeds"]:
        page.select_option("#seed", str(shown["seed"]))
        page.select_option("#gate", gate)
        state = shown_state(page)
        assert (state["seed"], state["gate"], state["k"]) == (str(shown["seed"]), gate, "300")
        old, new = shown["sleeps"][gate]["accuracy"][-1]
        assert f"old {100 * old:.1f} %" in page.text_content("#chart")
        assert f"new {100 * new:.1f} %" in page.text_content("#chart")
        text = page.text_content("article[data-scene=whole]")
        assert f"{100 * old:.1f} %" in text and f"{100 * new:.1f} %" in text


def test_the_text_has_the_numbers_of_the_first_spike(opened, tables):
    page = opened(f"#seed={SEED}&gate={GATE}&step=0&unit=h0&speed=4")
    first = tables.membranes.query("spike and layer == 1").iloc[0]
    pre = fired_at(tables, first["step"] + 1, 0)
    text = page.text_content("article[data-scene=spike]")
    assert f"Step {first['step'] + 1}: hidden unit {first['neuron']}" in text
    assert f"= {first['membrane']:.3f} ≥ β = 5" in text
    assert f"Here {len(pre)} inputs fired" in page.text_content("article[data-scene=rule]")
    text = page.inner_text("main")
    assert "undefined" not in text and "NaN" not in text


def test_the_verdict_is_that_of_the_data(opened, data):
    """What the text says of the controls holds."""
    more = data["more"]
    old = {gate: pair[0][0] for gate, pair in more["sleeps"].items()}
    assert more["homeostasis"][0][0] > max(old.values()) > more["before"][0][0]
    assert more["homeostasis"][1][0] < min(pair[1][0] for pair in more["sleeps"].values())
    for gate, mean in old.items():
        assert more["onlyDec"][gate][0][0] >= mean
    assert max(sleep["accuracy"][-1][0] for sleep in data["seeds"][1]["sleeps"].values()) < 0.05
    page = opened()
    text = page.text_content("article[data-scene=doubt]")
    assert f"{100 * more['homeostasis'][0][0]:.0f} % with homeostasis." in text
    assert f"{100 * max(old.values()):.0f} % after the best" in text


def test_keys(opened):
    page = opened("#seed=0&gate=logistic&step=20&unit=h0&speed=60")
    for key, k in (
        *(("ArrowRight", 21), ("ArrowLeft", 20), ("Shift+ArrowRight", 30)),
        *(
            ("Shift+ArrowLeft", 20),
            ("Home", 0),
            ("ArrowLeft", 0),
            ("End", 300),
            ("ArrowRight", 300),
        ),
    ):
        page.keyboard.press(key)
        at_step(page, k)
    page.keyboard.press("g")
    assert shown_state(page)["gate"] == "negative"
    page.keyboard.press("s")
    assert shown_state(page)["seed"] == "1"
    page.keyboard.press("-")
    assert page.input_value("#speed") == "15"
    page.keyboard.press("+")
    page.keyboard.press("Home")
    page.keyboard.press(" ")
    assert page.text_content("#play") == "Pause"
    page.wait_for_function("+document.querySelector('#net').dataset.k > 3")
    page.keyboard.press(" ")
    assert page.text_content("#play") == "Play"
    k = shown_state(page)["k"]
    page.wait_for_timeout(150)
    assert shown_state(page)["k"] == k
    page.focus("#slider")  # which the keys of the page move, too
    page.keyboard.press("Home")
    page.keyboard.press("Shift+ArrowRight")
    at_step(page, 10)
    page.keyboard.press(" ")
    assert page.text_content("#play") == "Pause"
    page.keyboard.press(" ")
    page.focus(".unit[data-unit=o2]")
    page.keyboard.press("Enter")
    assert page.text_content("#unit-name") == "Output C"


def test_the_address_holds_the_state(opened):
    page = opened("#seed=2&gate=negative&step=41&unit=o1&speed=15")
    state = shown_state(page)
    assert (state["seed"], state["gate"], state["k"]) == ("2", "negative", "41")
    assert (page.input_value("#unit"), page.input_value("#speed")) == ("o1", "15")
    page.click("#forward")
    at_step(page, 42)
    address = PAGE.as_uri() + "#seed=2&gate=negative&step=42&unit=o1&speed=15"
    page.wait_for_url(address)
    again = opened("#" + address.split("#")[1])
    assert shown_state(again) == shown_state(page)
    # What is none of the page's is taken for its defaults, or cut off.
    odd = opened("#seed=99&gate=none&step=9999&unit=x&speed=7")
    state = shown_state(odd)
    assert (state["seed"], state["gate"], state["k"]) == ("0", "additive", "300")
    for name in ("constructor", "toString", "__proto__"):  # what every object of JavaScript has
        assert opened(f"#step=5&unit={name}").text_content("#unit-name") == "Hidden unit 0"
    state = shown_state(opened("#seed=2&gate=negative"))  # a part is enough
    assert (state["seed"], state["gate"], state["k"]) == ("2", "negative", "0")


def test_a_reload_and_the_way_back_keep_the_state(opened):
    page = opened(viewport={"width": 1280, "height": 800})
    scroll_to(page, "input")
    page.keyboard.press("Shift+ArrowRight")
    page.wait_for_url("**step=11**")
    page.reload()
    page.wait_for_selector("article[data-scene=play].on")
    page.wait_for_timeout(200)  # a story that wants another step would show it now
    at_step(page, 11)
    page.evaluate("location.hash = '#seed=2&gate=negative&step=7'")
    at_step(page, 7)
    page.go_back()
    at_step(page, 11)
    assert shown_state(page)["seed"] == "0"


def test_another_seed_or_gate_in_the_story_is_shown_where_its_text_speaks_of(opened):
    page = opened(viewport={"width": 1280, "height": 800})
    scroll_to(page, "spike")
    steps = {shown_state(page)["k"]}
    for key in "sgs":
        page.keyboard.press(key)
        steps.add(shown_state(page)["k"])
        assert shown_state(page)["k"] == page.text_content("[data-fill=spikeStep]")
    assert len(steps) > 1
    page.keyboard.press("End")  # a step that the reader chose stays
    page.keyboard.press("s")
    assert shown_state(page)["k"] == "300"


def test_the_weight_that_is_read_is_that_of_the_step(opened):
    page = opened("#seed=0&gate=additive&step=15&unit=o3&speed=4")
    page.hover("#unit-map [data-w] >> nth=0")
    for key in ("ArrowRight", "s", "ArrowLeft"):
        page.keyboard.press(key)
        w = page.get_attribute("#unit-map [data-w] >> nth=0", "data-w").replace("-", "−")
        assert f"w = {w}" in page.text_content("#weight-readout")
    page.mouse.move(0, 0)
    page.select_option("#unit", "h0")
    assert "Point at a weight" in page.text_content("#weight-readout")


def scroll_to(page, scene):
    page.eval_on_selector(
        f"article[data-scene={scene}]",
        "a => a.scrollIntoView({block: 'center', behavior: 'instant'})",
    )
    page.wait_for_selector(f"article[data-scene={scene}].on")


def test_scrolling_tells_the_story(opened, data):
    """Without a click, and with reduced motion nothing plays by itself."""
    page = opened(viewport={"width": 1280, "height": 800})
    seen = {}
    for scene in ("learn", "input", "fill", "spike", "rule", "gate", "output", "whole", "doubt"):
        scroll_to(page, scene)
        assert page.text_content("#play") == "Play"
        seen[scene] = shown_state(page)
    assert (seen["learn"]["k"], seen["input"]["k"], seen["input"]["phase"]) == ("0", "1", "1")
    assert int(seen["fill"]["k"]) + 1 == int(seen["spike"]["k"]) == int(seen["rule"]["k"])
    assert (seen["spike"]["phase"], seen["rule"]["phase"]) == ("3", "4")
    assert seen["whole"]["k"] == seen["doubt"]["k"] == "300"
    page.keyboard.press("Home")
    scroll_to(page, "play")  # leaves what the reader chose
    assert shown_state(page)["k"] == "0"


def test_with_motion_the_sleep_plays_by_itself(opened):
    page = opened(reduced_motion="no-preference", viewport={"width": 1280, "height": 800})
    scroll_to(page, "whole")
    page.wait_for_function("+document.querySelector('#net').dataset.k > 0")
    assert page.text_content("#play") == "Pause"
    scroll_to(page, "doubt")
    at_step(page, 300)
    assert page.text_content("#play") == "Play"
    page.select_option("#speed", "1")
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")  # phase by phase
    assert shown_state(page)["phase"] in "123"
    page.keyboard.press(" ")  # plays on from a step that is on its way
    assert page.text_content("#play") == "Pause"
    page.wait_for_function("+document.querySelector('#net').dataset.k > 1")


@pytest.mark.parametrize(
    ("width", "height"),
    [(320, 844), (390, 844), (768, 844), (1280, 844), (390, 664), (320, 568), (700, 520)],
)
def test_nothing_is_wider_than_the_screen(opened, width, height):
    page = opened(viewport={"width": width, "height": height}, is_mobile=width < 700)
    for scene in ("learn", "rule", "doubt", "play"):
        scroll_to(page, scene)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        stage = page.eval_on_selector(
            ".stage", "s => Math.min(s.clientHeight, s.getBoundingClientRect().bottom)"
        )
        # There is room to read.
        assert stage <= height * (1 if width > 860 else 0.7 if height > 600 else 0.75)
    table, room, gates = page.evaluate(
        "[document.querySelector('.scroll').scrollWidth, document.querySelector('.scroll')"
        ".clientWidth, document.querySelector('#gates').clientWidth]"
    )
    assert table <= room and gates <= 620


def test_controls_have_names(opened):
    page = opened()
    unnamed = page.eval_on_selector_all(
        "button, input, select, [role=button], svg[role=img]",
        "all => all.filter(e => !e.ariaLabel && !e.textContent.trim() && !e.labels?.length).length",
    )
    assert unnamed == 0
    assert page.eval_on_selector_all("h1", "all => all.length") == 1
