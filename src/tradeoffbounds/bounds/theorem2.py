"""Theorem 2: the capability gap G_f(P_λ), and by the same comparators the proxy gap Ĝ_s(P_λ).

Source: (a) is Theorem 2 of arXiv:2503.20807; (b), (c), (d) are ours. O is supp D̂ ∩ supp D_f. ``slack``
is δ + κ >= 0, the excess of the trained policy's objective over that of P_λ, in nats; it is a ``Bound``
because it is measured more often than known, and a measured slack leaves no certificate.
"""

from __future__ import annotations

from tradeoffbounds.bounds.bound import Bound, exact, tightest

#: δ + κ = 0: the policy is P_λ itself.
NO_SLACK = exact(0.0)


def paper(penalty: float, proxy_divergence: Bound, slack: Bound = NO_SLACK) -> Bound:
    r"""(a) G_f(P) <= λ Σ_{x∈O} D̂(x) KL(μ̂(x)|μ_f(x)) + δ + κ; comparator: μ_f on supp D_f, else μ̂.

    Args:
        penalty: λ > 0.
        proxy_divergence: Σ_O D̂ KL(μ̂|μ_f), nats.

    Coq: Theorem2.theorem2_a
    """
    return _plus_slack(proxy_divergence * penalty, slack).named("theorem 2 (a), paper", "A2", side="upper")


def proxy_comparator(capability_divergence: Bound, slack: Bound = NO_SLACK) -> Bound:
    r"""(b) G_f(P) <= Σ_{x∈O} D_f(x) KL(μ_f(x)|μ̂(x)) + δ + κ; comparator: μ̂ on supp D̂, else μ_f.

    Coq: Theorem2.theorem2_b
    """
    return _plus_slack(capability_divergence, slack).named("theorem 2 (b)", "A2", side="upper")


def prompts_alone(prompt_cost: Bound) -> Bound:
    r"""(c) G_f(P_λ) <= E_{x~D_f}[ log 1/w(x) ] = E_{D_f} log(1 + λ D̂/D_f).

    It needs no responses and is at most log(1+λ). It holds at P_λ itself and takes no slack: a policy
    with excess δ + κ may trade proxy gap for capability gap beyond it.

    Coq: Theorem2.theorem2_c, ClassifierBound.prompts_alone_cap
    """
    return prompt_cost.named("theorem 2 (c)", "A2", side="upper")


def trade_off_value(minimum: Bound, slack: Bound = NO_SLACK) -> Bound:
    r"""(d) G_f(P) <= (1+λ) I(Z; Y | X) + δ + κ, the value of Theorem 4 with λ Ĝ_s >= 0 dropped.

    Coq: Theorem2.theorem2_d, Theorem4.theorem4
    """
    return _plus_slack(minimum, slack).named("theorem 2 (d)", "A2", side="upper")


def refined(
    penalty: float,
    proxy_divergence: Bound | None,
    capability_divergence: Bound | None,
    prompt_cost: Bound,
    minimum: Bound,
    slack: Bound = NO_SLACK,
) -> Bound:
    """G_f(P) <= min{(a), (b), (c), (d)}; (c) takes part only without slack (see :func:`prompts_alone`).

    A divergence is None where it is known only from below: (a) or (b) would then flatter the minimum.

    Coq: Theorem2.theorem2_refined, Theorem2.theorem2_refined_slack
    """
    variants = [trade_off_value(minimum, slack)]
    if proxy_divergence is not None:
        variants.append(paper(penalty, proxy_divergence, slack))
    if capability_divergence is not None:
        variants.append(proxy_comparator(capability_divergence, slack))
    if slack == NO_SLACK:
        variants.append(prompts_alone(prompt_cost))
    return tightest(variants, "theorem 2, refined")


def proxy_gap(penalty: float, proxy_divergence: Bound, capability_divergence: Bound, prompt_cost: Bound) -> Bound:
    r"""Ĝ_s(P_λ) <= min{ (1/λ) Σ_O D_f KL(μ_f|μ̂), Σ_O D̂ KL(μ̂|μ_f), E_{x~D̂} log 1/(1-w(x)) }.

    Args:
        prompt_cost: E_{D̂}[log 1/(1-w)], nats; at most D_f(O)/λ and at most log(1 + 1/λ).

    Coq: Theorem2.theorem2_proxy_side
    """
    return tightest(
        [
            (capability_divergence * (1 / penalty)).named("theorem 2, proxy side (b)", "A2", side="upper"),
            proxy_divergence.named("theorem 2, proxy side (a)", "A2", side="upper"),
            prompt_cost.named("theorem 2, proxy side (c)", "A2", side="upper"),
        ],
        "theorem 2, proxy side",
    )


def _plus_slack(bound: Bound, slack: Bound) -> Bound:
    if slack.value < 0:
        raise ValueError(f"`slack` is an excess over a minimum, hence >= 0; got {slack.value}")
    return bound + slack
