"""What each number of the page means, in plain words."""

from __future__ import annotations

KINDS = {
    "certified": "proved, given the assumptions; where rows were sampled, at the stated confidence",
    "measured": "observed on a model or on rows, with sampling error only",
    "estimated": "computed from samples or a search; not proved, and it can be wrong in either direction",
    "predicted": "foretold by the theory before any training, not yet observed",
}
SIDES = {
    "upper": "upper bound: the true number is at most this",
    "lower": "lower bound: the true number is at least this",
    "value": "the number itself, not a bound on it",
}

_BEST = "at P_λ, the policy that makes G_f + λ Ĝ_s smallest; a real training ends above it by δ + κ"
GAPS = {
    "safety_gap": "Safety gap G_s: how far the fine-tuned model is from the original alignment data, as an expected "
    "KL divergence. 0 means that nothing of the alignment was lost",
    "proxy_gap": "Proxy gap Ĝ_s: how far it is from the proxy safety data that the penalty holds it to",
    "capability_gap": "Capability gap G_f: how far it is from the fine-tuning data. 0 means that all of it was learnt",
    "total": "Total G_f + λ Ĝ_s: both losses together, which the penalised training minimises",
}
GAP_NAMES = {
    "safety_gap": "Safety gap",
    "proxy_gap": "Proxy gap",
    "capability_gap": "Capability gap",
    "total": "Total",
    "interference": "Interference",
    "drift": "Safety drift",
}
_OBSERVED = "measured on held-out rows after the fine-tune; what counts as 0 is said under Gaps"

MEANINGS = {
    **{f"predicted.{name}": f"{text}; here {_BEST}." for name, text in GAPS.items()},
    **{
        f"exact.{name}": f"{text}; here {_BEST}, from the likelihoods of sources that are models."
        for name, text in GAPS.items()
    },
    **{f"lower.{name}": f"{text}. Lower end of Theorem 4's bracket {_BEST}." for name, text in GAPS.items()},
    **{f"upper.{name}": f"{text}. Upper end of Theorem 4's bracket {_BEST}." for name, text in GAPS.items()},
    **{
        f"certificate.{name}": f"{text}. Certificate: a proved upper limit {_BEST}; it holds for each λ by itself, not "
        "for all of them at once."
        for name, text in GAPS.items()
    },
    **{f"observed.{name}": f"{text}; {_OBSERVED}." for name, text in GAPS.items()},
    "observed.interference": "Interference: what training on both sources together costs beyond training on each "
    f"alone; {_OBSERVED}.",
    "observed.distance": "How far the trained parameters moved from the start: a Euclidean norm over all trained "
    "numbers.",
    "predicted.interference": "Interference, predicted before the first step: what training on both sources together "
    "costs beyond training on each alone.",
    "predicted.drift": "By how much the fine-tune moves the safety gap, predicted from derivatives at the start.",
    "theorem1.paper": "Theorem 1 (arXiv:2503.20807), the paper's form: the safety gap is at most the proxy gap "
    "plus what the shift of prompts and of answers from alignment to proxy adds. Its constants B and C are the "
    "largest log-ratios seen.",
    "theorem1.term": "A summand of Theorem 1, or a constant behind one.",
    "theorem1.refined": "Theorem 1, refined: the safety gap is at most how differently the proxy answers plus what "
    "prompt overlap costs. How differently it answers is known only from below.",
    "theorem2.paper": "Theorem 2 (arXiv:2503.20807), the paper's form: the capability gap is at most λ times how "
    "differently proxy and capability data answer prompts that both may ask. That divergence is known only from below.",
    "theorem2.refined": "Theorem 2, refined: the smallest of several upper bounds on the capability gap.",
    "classifier_bound": "Classifier bound on the total: the held-out log-loss of a classifier that tells the "
    "sources apart by their prompts.",
    "certificate": "Certificate: the classifier bound's upper confidence limit, valid for every sample size.",
    "interference.bound": "The bound on the total, read as one on interference: what training together costs beyond "
    "training apart.",
    "theorem3.paper": "Theorem 3 (arXiv:2503.20807), the paper's form: start + L_s ε bounds the safety gap "
    "anywhere in the ball of radius ε.",
    "theorem3.refined": "Theorem 3, refined: start + gradient norm × ε + ½ S_s ε² bounds the safety gap anywhere "
    "in the ball.",
    "theorem3.certified": "Theorem 3 with constants that are proved, for the one method that has them.",
    "capability.bound": "Bound on the capability gap of the best point in the ball; a run need not find that point.",
    "gain.at_least": "Gain: what the best point of the ball improves the capability loss by, at least.",
    "gain.at_most": "Gain: what the best point of the ball improves the capability loss by, at most.",
    "drift": "Drift: what a step of length ε down the capability gradient is predicted to do to the safety gap.",
    "safest_drift": "Safest drift: the same for the part of that step that avoids the safety gradient and its top "
    "curvatures.",
    "sharing_cost": "Sharing cost: what training both losses through shared parameters in this ball is predicted "
    "to cost beyond the information cost that no parametrisation avoids.",
    "L_s": "L_s: the largest norm of the safety gap's gradient in the ball. The largest found is a lower end; the "
    "estimate extrapolates from it.",
    "S_s": "S_s: the largest curvature of the safety gap in the ball. The largest found is a lower end; the estimate "
    "extrapolates from it.",
    "L_f_prime": "L'_f: the largest curvature of the capability gap in the ball. The largest found is a lower end; the "
    "estimate extrapolates from it.",
    "grad_norm": "Norm of the gradient at the start, over the rows used.",
    "offset": "What the adapter changes before any step, against the aligned model whose gaps count as 0.",
    "cost": "Cost: the adapter's start plus the drift predicted for the step that reaches the common gain.",
    "reach": "Reach: the most that this method is predicted to gain within the largest radius.",
    "overlap": "How alike the sources are, before any λ is chosen.",
    "pilot": "KL(μ|μ̂), how differently the proxy answers, by two briefly tuned adapters.",
    "pilot.refined": "Theorem 1, refined, with the pilot's divergence in the place of the classifiers'.",
    "slack": "δ + κ: by how much the trained policy's total exceeds the best trade-off's, and its parts.",
    "spearman": "Rank correlation of predicted and observed numbers over the runs: 1 is the same order, 0 none.",
    "preference": "log(aligned / trained) on responses to safety prompts.",
    "outcome": "What the fine-tune did against its start, by the same prompts, items or rows before and after.",
    "rate": "Harmfulness rate: the share of judged answers that the judge calls harmful. Lower is safer.",
    "accuracy": "BBQ accuracy: the share of right answers; in ambiguous contexts “unknown” is right. Higher is better.",
    "bias": "BBQ bias score: above 0 with the stereotype, below 0 against it. Nearer 0 is better.",
    "rests_on": "A number that this advice rests on.",
    "layers": "How far one layer's part of the parameters moves the safety gap.",
}

TERMS = {
    "nats per response": "Unit of every gap: natural logarithms of probability ratios, summed over a response. A "
    "gap of 0.1 means that a response has, in the geometric mean, lost 9.5% of its probability.",
    "λ, the penalty": "The weight on the loss over proxy safety data during the fine-tune (Case I).",
    "ε, the radius": "How far the adapter's parameters may move from their start, as a Euclidean norm (Case II).",
    "P_λ": "The best possible policy at that λ: w μ_f + (1-w) μ̂, where w = D_f / (D_f + λ D̂) at each prompt.",
    "D, μ; D̂, μ̂; D_f, μ_f": "Prompts and responses of the alignment, the proxy and the capability data.",
    "δ + κ": "What a real training adds to the best trade-off: what it leaves to learn, and what shared parameters "
    "cost.",
    "known without data": "The bound that holds for any two data sets; a bound no better than that is vacuous.",
    "tight, loose, far": "A bound up to 2 times, up to 10 times, or more than 10 times the observed gap.",
    "violated": "The observed gap is beyond the bound; “in doubt” where the sampling interval reaches back over it.",
}
CITATIONS = (
    "Chen, Shen, Das and Chen, Fundamental Safety-Capability Trade-offs in Fine-tuning Large Language Models, "
    "arXiv:2503.20807",
    "Taraghi et al., Efficiency vs. Alignment, arXiv:2511.00382",
)
