"""The door writes lm-eval's layout where it is asked to, and nowhere else."""

from __future__ import annotations

import json

from tradeoffbounds import audit


def test_the_folder_is_written_when_asked_for(options, tmp_path):
    plain = audit(options(tmp_path / "plain", fairness="none"))
    assert not (plain.folder / "lm-eval").exists()
    asked = audit(options(tmp_path / "asked", fairness="none", lm_eval=True))
    (path,) = (asked.folder / "lm-eval").glob("*/results_*.json")
    results = json.loads(path.read_text("utf-8"))["results"]
    overall = asked.record["harm"]["overall"]["rate"]
    assert results["tradeoffbounds_harm_asked"]["harmfulness_rate,keyword"] == overall["value"]
    assert len(results) == 3
