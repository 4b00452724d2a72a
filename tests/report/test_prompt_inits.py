"""Fine-tunes that differ in what their virtual tokens start from, in figures, tables and sentences."""

import pytest

from tradeoffbounds.report.tuned_methods_figure import tuned_methods_figure
from tradeoffbounds.report.validate_figures import build_validate_figures
from tradeoffbounds.report.validate_reading import method_text, run_text, sweeps
from tradeoffbounds.report.validate_tables import validate_tables
from tradeoffbounds.report.validate_verdict import validate_verdict

from .drawn import drawn, words
from .validate_records import record, run

pytestmark = pytest.mark.filterwarnings("error::UserWarning")
OWN = "text:Be kind to all $1 and $2 of them."
INITS = ("vocabulary", "random", "safety-text", OWN)


def started(prompt_init, **changed):
    made = run(method="prompt-tuning", **changed)
    return made | {"config": made["config"] | {"prompt_init": prompt_init}}


@pytest.fixture
def several():
    free = [started(each, gaps={"safety_gap": 2.0 + place}) for place, each in enumerate(INITS)]
    return record(run(), *free, *(started(each, penalty=1.0) for each in INITS))


def test_a_run_is_called_by_its_start_where_it_has_one(several):
    assert method_text(run(method="prompt-tuning")["config"]) == "prompt-tuning SFT"
    assert method_text(started("random")["config"]) == "prompt-tuning (random) SFT"
    assert "prompt-tuning (“Be kind to all $1 and $2 …”) SFT" in run_text(started(OWN)["config"] and started(OWN))
    said = " ".join(validate_verdict(several))
    assert "prompt-tuning (vocabulary) SFT 2, prompt-tuning (random) SFT 2" in said
    (table,) = (each for each in validate_tables(several) if str(each.title).startswith("Runs"))
    (column,) = (each for each in table.columns if each.header == "method")
    assert list(column.cells)[:3] == ["lora", "prompt-tuning (vocabulary)", "prompt-tuning (random)"]


def test_runs_are_compared_with_those_that_start_alike(several):
    found = sweeps(several["runs"], "penalty")
    assert [sweep.setting["prompt_init"] for sweep in found] == list(INITS)
    for sweep in found:
        (free,) = sweep.without
        assert free["config"]["prompt_init"] == sweep.setting["prompt_init"]


def test_every_start_has_a_colour_and_a_penalty_figure_of_its_own(several):
    figures = build_validate_figures(several)
    assert set(figures) == {
        "observed", "tuned_methods", "penalty", "penalty_prompt-tuning_random_sft",
        "penalty_prompt-tuning_safety-text_sft", "penalty_prompt-tuning_text-4_sft",
    }  # fmt: skip
    assert "prompt-tuning (random) SFT on gsm8k" in words(figures["penalty_prompt-tuning_random_sft"])
    figure = tuned_methods_figure(several)
    assert len({line.get_color() for line in drawn(figure.axes[0], "run sft")}) == 5
    assert "lora SFT costs" in words(figure) or "prompt-tuning (" in words(figure)
    figure.draw_without_rendering()
    legend, whole = figure.legends[0].get_window_extent(), figure.bbox
    assert whole.x0 <= legend.x0 and legend.x1 <= whole.x1
