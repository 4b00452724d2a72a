"""What the theory says of every run before it is trained, from the training rows: Case I and Case II."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, get_args

from tradeoffbounds.bounds.bound import Bound
from tradeoffbounds.comparison.compare import Foretold, Gaps, case_one_foretold, case_two_foretold
from tradeoffbounds.finetune.gather import Gathered
from tradeoffbounds.finetune.material import Material
from tradeoffbounds.finetune.plan import Run
from tradeoffbounds.finetune.rows import Text
from tradeoffbounds.models.adapter_config import Method
from tradeoffbounds.models.prompt_init import CONCERNED, VOCABULARY
from tradeoffbounds.overlap.case_one import CaseOne, case_one
from tradeoffbounds.overlap.features import Reader
from tradeoffbounds.report.progress import Reporter
from tradeoffbounds.sources.chat import Rendered

if TYPE_CHECKING:
    from tradeoffbounds.curvature.case_two import CaseTwo
    from tradeoffbounds.curvature.methods import Methods, Settings

#: (proxy, capability), by name.
Sources = tuple[str, str]
#: A response shorter than this, cut for Case II, tells too little to stay.
_SHORTEST = 4


@dataclass(frozen=True)
class Foresight:
    """Predictions by pair of sources.

    Attributes:
        case_two: only where curvature was asked for, and of the methods that Case II covers.
        other_prompts: prompt tuning from each further initialisation of the sweep, by its name.
    """

    case_one: dict[Sources, CaseOne]
    case_two: dict[Sources, Methods]
    other_prompts: dict[tuple[Sources, str], Methods] = field(default_factory=dict)

    def of(self, run: Run, start: Gaps, confidence: float) -> Foretold:
        """Of one run; nothing is said of an unconstrained one."""
        pair = (run.proxy, run.capability)
        curved = self._curved(pair, run)
        if run.penalty is not None:
            row = next(row for penalty, row in self.case_one[pair].penalties if penalty == run.penalty)
            shared = () if curved is None else curved.sharing
            cost = next((each.cost for each in shared if each.penalty == run.penalty), None)
            return case_one_foretold(row, cost)
        if run.radius is not None and curved is not None:
            ball = next((ball for ball in curved.radii if ball.radius == run.radius), None)
            if ball is not None:  # in a ball of radius 0 there is nothing to bound
                return case_two_foretold(ball, start, confidence)
        return Foretold({}, {})

    def _curved(self, pair: Sources, run: Run) -> CaseTwo | None:
        methods = self.other_prompts.get((pair, run.prompt_init or VOCABULARY), self.case_two.get(pair))
        results = [] if methods is None else methods.results
        return next((each for each in results if each.method == run.method), None)


def foresee_penalties(
    runs: Iterable[Run], gathered: Gathered, reader: Reader, *, confidence: float, seed: int, say: Reporter
) -> dict[Sources, CaseOne]:
    """Case I of every pair of sources that a penalty joins, from the training rows alone."""
    found: dict[Sources, CaseOne] = {}
    penalties: dict[Sources, set[float]] = {}
    for run in runs:
        if run.penalty is not None:
            penalties.setdefault((run.proxy, run.capability), set()).add(run.penalty)
    for pair, values in penalties.items():
        labels = labels_of(pair)
        (alignment, proxy, capability), _ = reader.read([gathered.sources[label] for label in labels.values()])
        found[pair] = case_one(
            alignment, proxy, capability, sorted(values), same_source=_same(gathered, pair),
            likelihoods=gathered.likelihoods(labels), confidence=confidence, seed=seed, progress=say.step,
        )  # fmt: skip
    return found


def foresee_balls(
    runs: Sequence[Run], gathered: Gathered, case_one: dict[Sources, CaseOne], settings: Settings, say: Reporter
) -> Foresight:
    """Case II of every pair of sources beside their Case I, at θ_s of the first seed."""
    from tradeoffbounds.curvature.methods import rows_read, run_methods

    inits = prompt_inits(runs)
    found = Foresight(case_one, {})
    for pair in dict.fromkeys((run.proxy, run.capability) for run in runs):
        texts = {role: curved_texts(gathered, label, *rows_read(settings)) for role, label in labels_of(pair).items()}
        information: list[tuple[float, Bound]] = case_one[pair].predicted_totals if pair in case_one else []
        for place, prompt_init in enumerate(inits):
            peft: tuple[Method, ...] = settings.peft if place == 0 else (CONCERNED,)
            methods = run_methods(
                texts, information, replace(settings, peft=peft, prompt_init=prompt_init),
                same_source=_same(gathered, pair), progress=say.step,
            )  # fmt: skip
            if place == 0:
                found.case_two[pair] = methods
            else:
                found.other_prompts[pair, prompt_init] = methods
    return found


def prompt_inits(runs: Iterable[Run]) -> list[str]:
    """How virtual tokens of prompt tuning start in these runs, each way once; the default where there are none."""
    found = dict.fromkeys(run.prompt_init or VOCABULARY for run in runs if run.method == CONCERNED)
    return list(found) or [VOCABULARY]


def curved_texts(gathered: Gathered, label: str, rows: int, length: int) -> list[Rendered]:
    """The training rows that Case II looks at, cut to its length: they are in random order already."""
    texts = gathered.material[label].train
    return [_cut(text, length) for text in texts if length - len(text.prefix) >= _SHORTEST][:rows]


def probe_rows(gathered: Gathered, curvature: str, max_tokens: int) -> Material:
    """The safety rows whose gradient is followed along a training: those of Case II, computed or not.

    Args:
        curvature: its budget, ``quick`` or ``full``.
    """
    from tradeoffbounds.curvature.case_two import BUDGETS

    budget = BUDGETS[curvature]
    texts = curved_texts(gathered, "alignment", budget.rows, min(budget.tokens, max_tokens))
    cut = (Text(tuple(each.ids[: each.response_span[0]]), tuple(each.ids[each.response_span[0] :])) for each in texts)
    return Material("probe", tuple(cut), (), ())


def covered(methods: Iterable[str]) -> tuple[Method, ...]:
    """Those methods whose curvature can be had: every one but full fine-tuning."""
    return tuple(method for method in get_args(Method) if method in set(methods))


def labels_of(pair: Sources) -> dict[str, str]:
    """Role -> label."""
    return {"alignment": "alignment", "proxy": f"proxy: {pair[0]}", "capability": f"capability: {pair[1]}"}


def _same(gathered: Gathered, pair: Sources) -> bool:
    return gathered.sources["alignment"].sha256 == gathered.sources[f"proxy: {pair[0]}"].sha256


def _cut(text: Text, length: int) -> Rendered:
    ids: list[Any] = [*text.prefix, *text.response]
    start = len(text.prefix)
    return Rendered(ids[:length], (0, start), (start, min(len(ids), length)), truncated=len(ids) > length)
