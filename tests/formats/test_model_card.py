from __future__ import annotations

from collections.abc import Callable

import yaml
from huggingface_hub import ModelCard as Card

from auditor.formats.markdown import Markdown
from auditor.formats.model_card import ModelCard
from auditor.result.record import Result
from auditor.result.run import Run

Changed = Callable[[Callable[[Result], Result]], Run]


def alone(result: Result) -> Result:
    """The first model, which the hub's own reader takes for the card's."""
    return result.model_copy(update={"models": result.models[:1]})


def test_the_hub_reads_the_accuracies_as_they_were_measured(changed: Changed) -> None:
    run = changed(alone)
    card = Card(ModelCard().render(run))
    model = run.result.models[0]
    assert card.data.model_name == model.name
    told = {result.metric_name: result.metric_value for result in card.data.eval_results}
    assert told["Accuracy"] == model.clean_accuracy
    for threat in model.threats:
        if threat.robust_accuracy is not None:
            assert threat.robust_accuracy in [round(value, 6) for value in told.values()]
    assert {result.metric_type for result in card.data.eval_results} == {"accuracy", "robust_accuracy"}
    assert all(not result.verified for result in card.data.eval_results)
    assert card.data.eval_results[0].task_type == "image-classification"


def test_hostile_names_stay_text_and_several_models_are_all_told(run: Run) -> None:
    index = yaml.safe_load(ModelCard().render(run).split("---\n")[1])["model-index"]
    assert [entry["name"] for entry in index] == [model.name for model in run.result.models]
    assert index[0]["results"][0]["dataset"]["name"] == "data/<images>"


def test_what_is_not_known_is_left_out(changed: Changed) -> None:
    def unknown(result: Result) -> Result:
        threats = [threat.model_copy(update={"robust_accuracy": None}) for threat in result.models[0].threats]
        model = result.models[0].model_copy(update={"threats": tuple(threats)})
        return result.model_copy(update={"models": (model,)})

    card = Card(ModelCard().render(changed(unknown)))
    assert [result.metric_type for result in card.data.eval_results] == ["accuracy"]


def test_doubt_goes_along_with_the_number(changed: Changed) -> None:
    run = changed(lambda result: alone(result).model_copy(update={"verdict": "inconclusive"}))
    names = [result.metric_name for result in Card(ModelCard().render(run)).data.eval_results]
    assert all(name.endswith("(inconclusive)") for name in names if name.startswith("Robust"))


def test_the_text_is_the_summary(run: Run) -> None:
    assert ModelCard().render(run).endswith("\n---\n\n" + Markdown().render(run))
