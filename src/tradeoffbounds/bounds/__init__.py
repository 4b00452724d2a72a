"""The mathematics alone: no model, no torch, no data set. Natural logarithms throughout.

| statement | where |
|---|---|
| Proposition 0, the pointwise optimum, and the excess δ + κ | `finite` |
| Theorem 1, paper and refined, and the exact signed decomposition | `theorem1` |
| Theorem 2, paper (a) and refined (b) to (d), and its proxy side | `theorem2` |
| Theorem 3 (Case II), paper and refined, capability side, drift, largest radius | `theorem3` |
| the constants of Theorem 3, proved where logits are linear in what is trained | `linear_softmax` |
| Theorem 4, one conditional mutual information | `theorem4` |
| the classifier bound, whole and for each gap | `classifier_bound` |
| divergences, exact on zeros and disjoint supports | `divergences` |
| confidence limits of means and rates | `confidence` |
| what every number carries | `bound` |
| every theorem on a finite problem, beside what it bounds | `finite_bounds` |
| Case I trained by gradient descent to the closed form | `softmax_policy` |

A line ``Coq: File.theorem`` in a docstring names what proves the statement, in proofs/coq/.
"""
