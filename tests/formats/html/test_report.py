from __future__ import annotations

import base64
import io
import itertools
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from auditor.errors import RunError
from auditor.formats.html import Html
from auditor.result.evidence import Shard, folder, read_shard, write_shard
from auditor.result.record import Finding, Result
from auditor.result.run import Run
from tests.formats.finished import CLASSES, EPS, HOSTILE, write_run
from tests.formats.html.reading import Reading


@pytest.fixture(scope="module")
def html(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The report of the run as it was written."""
    return Html().render(Run(write_run(tmp_path_factory.mktemp("report") / "run")))


@pytest.fixture(scope="module")
def page(html: str) -> Reading:
    return Reading(html)


def reading(run: Run) -> Reading:
    return Reading(Html().render(run))


def test_verdict_reason_and_what_it_rests_on_come_first(page: Reading) -> None:
    text = page.text
    places = [
        text.index(part)
        for part in (
            "✕ Fail",
            "small: robust accuracy under linf 8/255 is too low.",
            "60 samples and 2 audited models, attacked within linf 2/255, linf 8/255, l2 0.5.",
            "96 adversarial examples counted, each checked again",
            "Robust accuracy is an upper bound",
            "Gates, decided on the exact 95% interval",
            "Accuracy, clean and under attack",
        )
    ]
    assert places == sorted(places)


def test_what_limits_the_result_is_said_at_the_top(page: Reading) -> None:
    top = page.text.partition("Accuracy, clean and under attack")[0]
    assert "gave no gradients, so only black-box attacks ran" in top
    assert "l2 0.5: 6 samples not evaluated" in top
    assert "square timed out (the time limit was reached)" in top
    assert "1 sample could not be read and was left out." in top


def test_the_same_run_gives_the_same_bytes(run: Run, tmp_path: Path) -> None:
    again = Run(write_run(tmp_path / "elsewhere"))
    assert Html().render(run) == Html().render(again)


def test_the_page_holds_together(page: Reading) -> None:
    assert len(page.ids) == len(set(page.ids))
    links = [str(link["href"]) for link in page.all("a")]
    assert links
    assert {link.removeprefix("#") for link in links} <= set(page.ids)
    labelled = [value for _, attributes in page.tags if (value := attributes.get("aria-labelledby"))]
    assert set(labelled) <= set(page.ids)
    levels = [int(tag[1]) for tag, _ in page.tags if tag in {"h1", "h2", "h3", "h4", "h5"}]
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))


def test_nothing_is_fetched_and_nothing_runs(page: Reading) -> None:
    assert not page.all("script")
    sources = [attributes.get("src") or "" for attributes in page.all("img")]
    assert sources
    assert all(source.startswith("data:image/png;base64,") for source in sources)
    assert {str(link["href"]) for link in page.all("link")} == {"data:,"}
    assert not any(name.startswith("on") for _, attributes in page.tags for name in attributes)


def test_names_are_text_whatever_they_hold(html: str, page: Reading) -> None:
    assert HOSTILE not in html
    assert not set("\u202e\u202c") & set(html)
    text = page.text
    assert HOSTILE in text
    assert "bold & <b>big</b>" in text
    assert "\\u202egnp.exe" in text
    assert CLASSES[2] in text


def test_every_chart_has_a_title_a_description_and_its_numbers(html: str, page: Reading) -> None:
    charts = [attributes for attributes in page.all("svg") if attributes.get("role") == "img"]
    assert len(charts) == 2 + 2 + 4 + 6
    assert html.count("<desc>") == len(charts)
    assert "Accuracy of small: clean 90.0% (79.9–95.3%); linf 2/255 65.0% (52.4–75.8%)" in html
    assert "apgd-ce: broke 15 of 54. 10,800 passes, 4.5 s" in html


def test_the_cascade_shows_who_stood_and_who_fell(page: Reading) -> None:
    text = page.text
    section = text.partition("small under linf 8/255")[2].partition("Class by class")[0]
    assert "Before any attack 6 of 60 misclassified" in section
    assert "smaller budget broke 15 of 54 no passes 65.0% stand" in section
    assert "square broke 15 of 39 3,900 passes, 4.5 s 40.0% stand" in section


def test_an_attack_can_be_run_again_from_what_the_report_says(page: Reading) -> None:
    text = page.text
    assert "arXiv:2003.01690" in text
    assert f"steps 100 loss {HOSTILE}" in text
    assert f"auditor scan small.onnx --data '{HOSTILE}'" in text
    assert "a" * 64 in text
    assert "d" * 64 in text
    assert "seed 7" in text


def test_the_table_of_attacks_names_those_that_had_nothing_to_do_below_it(page: Reading) -> None:
    section = page.text.partition("small under linf 8/255")[2].partition("Class by class")[0]
    table, told, below = section.partition("Not run: apgd-dlr (nothing was left to attack).")
    assert told
    assert "apgd-dlr" not in table + below
    assert "square ran 39 15" in table


def test_a_reason_stands_below_the_name_of_its_attack(page: Reading) -> None:
    section = page.text.partition("bold & <b>big</b> under l2 0.5")[2]
    assert "square the time limit was reached timed out" in section


def test_a_class_far_below_the_mean_is_pointed_out(page: Reading) -> None:
    text = page.text
    assert "Weakest class: cat, 0.0% robust (12 samples), 40.0 points below the mean." in text
    assert "cat weak 12" in text


def test_what_was_not_evaluated_has_no_robust_accuracy(page: Reading) -> None:
    text = page.text
    assert "not evaluated (at most 60.0%)" in text
    section = text.partition("bold & <b>big</b> under l2 0.5")[2]
    assert "≤" in section.partition("What it was mistaken for")[0]


def test_pictures_show_original_change_and_example(run: Run) -> None:
    page = reading(run)
    images = page.all("img")
    assert len(images) == 2 * 12 * 3
    assert all(image["alt"] and (image["width"], image["height"]) == ("16", "16") for image in images)
    first = [pixels(str(image["src"])) for image in images[:3]]
    number = int(str(images[0]["alt"]).split()[1])
    shards = [read_shard(path) for path in sorted((run.path / "evidence" / "small").glob("*/*"))]
    originals = [s.original[i] for s in shards for i in range(len(s.index)) if s.index[i] == number]
    assert any(np.array_equal(first[0], np.rint(o * 255).transpose(1, 2, 0)) for o in originals)
    change = first[2].astype(int) - first[0].astype(int)
    assert np.array_equal(np.sign(change), np.sign(first[1].astype(int) - 128) * (change != 0))


def pixels(uri: str) -> np.ndarray:
    return np.array(Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))))


def test_without_evidence_there_are_no_pictures_and_a_reason(run: Run) -> None:
    shutil.rmtree(run.path / "evidence")
    page = reading(run)
    assert not page.all("img")
    assert "No pictures. The evidence is not in the run directory." in page.text


def test_samples_that_are_no_images_have_no_pictures(run: Run) -> None:
    for path in (run.path / "evidence").glob("**/*.safetensors"):
        shard = read_shard(path)
        flat = [images.reshape(len(images), -1) for images in (shard.original, shard.adversarial)]
        write_shard(path, Shard(shard.index, shard.label, *flat), eight_bit=True)
    page = reading(run)
    assert not page.all("img")
    assert "No pictures. The samples are not images." in page.text


def test_damaged_evidence_costs_the_pictures_only(run: Run) -> None:
    for path in (run.path / "evidence").glob("**/*.safetensors"):
        path.write_bytes(b"nonsense")
    page = reading(run)
    assert not page.all("img")
    assert "is damaged" in page.text
    assert "65.0%" in page.text


def test_a_missing_table_of_samples_is_an_error_that_says_so(run: Run) -> None:
    (run.path / "samples.csv").unlink()
    with pytest.raises(RunError, match=r"samples\.csv cannot be read"):
        Html().render(run)


def test_models_that_were_not_audited_are_shown_as_such(run: Run, changed: Callable[..., Run]) -> None:
    def blocked(result: Result) -> Result:
        finding = Finding(
            code="AUD001", severity="block", title="The file is empty", detail="0 bytes.", remedy="Export."
        )
        update = {"clean_accuracy": None, "clean_interval": None, "threats": (), "findings": (finding,)}
        models = tuple(model.model_copy(update=update) for model in result.models)
        return result.model_copy(update={"models": models, "gates": (), "verdict": "error", "exit_code": 4})

    (run.path / "samples.csv").write_text("model,norm,eps\n")
    page = reading(changed(blocked))
    assert "! Error" in page.text
    assert "small was not audited; the findings say why." in page.text
    assert "Not audited: no number here speaks for or against this model." in page.text
    assert "0.0%" not in page.text


def test_a_run_without_models_renders(run: Run, changed: Callable[..., Run]) -> None:
    page = reading(changed(lambda result: result.model_copy(update={"models": (), "gates": ()})))
    assert "No model was audited." in page.text


def test_evidence_is_read_where_the_model_name_is_no_file_name(run: Run) -> None:
    assert any(folder(run.path, "bold & <b>big</b>", "linf", EPS).iterdir())
    assert "No pictures" not in reading(run).text
