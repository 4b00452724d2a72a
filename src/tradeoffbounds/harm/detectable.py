"""How large a change has to be to be found: what could not have been seen with so few pairs.

The smallest change that is significant with 80% power if it is the only one: of a family of k p-values adjusted to
the false discovery rate the smallest is then compared with alpha / k, which is the ``alpha`` that callers give here.
"""

from __future__ import annotations

import numpy as np
from scipy import optimize, stats

#: How likely a change of the detectable size is found.
POWER = 0.8


def detectable_rate(pairs: int, changed: int, alpha: float) -> float | None:
    """The smallest change of a rate that McNemar's exact test finds with 80% power; None where there is none.

    With a share c of pairs that change, of which (c + d) / 2c one way, the power to see a change d is

        sum over m of Bin(m; n, c) P(Bin(m, (c + d) / 2c) >= m - k_m),    k_m = max{k: P(Bin(m, 1/2) <= k) <= alpha / 2}

    which is solved for d (exact power of McNemar's test: Duffy, Biometrics 1984; its normal approximation: Connor,
    Biometrics 1987). c is the share of pairs seen to change, or d where that is more.
    """
    churn = changed / pairs
    m = np.arange(pairs + 1)
    most_against = stats.binom.ppf(alpha / 2, m, 0.5)
    most_against -= stats.binom.cdf(most_against, m, 0.5) > alpha / 2

    def lacking(difference: float) -> float:
        share = max(churn, difference)
        way = min(1.0, (share + difference) / (2 * share))
        found = stats.binom.cdf(most_against, m, 1 - way)
        return float(stats.binom.pmf(m, pairs, share) @ found) - POWER

    if lacking(1.0) < 0:
        return None
    return float(optimize.brentq(lacking, 1e-9, 1.0, xtol=1e-6))


def detectable_score(error: float, clusters: int, alpha: float, widest: float) -> float | None:
    """The smallest change found with 80% power, (t_(1 - alpha/2) + t_0.8) standard errors (Bloom, Eval. Rev. 1995).

    None where it is beyond ``widest``, or where not even a change in every cluster brings the permutation test below
    ``alpha``.

    Args:
        error: bootstrap standard error of the change; t has ``clusters`` - 1 degrees of freedom.
    """
    if 2 * 0.5**clusters > alpha:
        return None
    found = error * float(stats.t.ppf([1 - alpha / 2, POWER], clusters - 1).sum())
    return found if found <= widest else None
