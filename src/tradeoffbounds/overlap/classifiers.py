"""Calibrated domain classifiers: which source does this text come from, by how many nats?

A *view* is one way of looking at every row: an array of features (n, d), or a list of n texts. Each view
gets a logistic regression of its own; a second logistic regression stacks their out-of-fold scores, and
so calibrates them too. Rows of one group (one prompt) never sit on both sides of a fit.

Results are log-posteriors at *equal* priors, so that differences of columns are log density ratios; the
shares of the sources in the training rows are taken out.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold, cross_val_predict
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

Array = np.ndarray
View = Array | Sequence[str]

OUTER_FOLDS = 5
INNER_FOLDS = 3
#: Hundreds of fits on small matrices: threads inside each cost more than they bring, six times in one trial.
_one_thread = threadpool_limits.wrap(limits=1, user_api="blas")
#: Principal components kept of a feature view, fewer where there are fewer than four rows for each.
COMPONENTS = 64


@dataclass(frozen=True)
class Stack:
    """A featuriser and a logistic regression for each view, under a stacker; classes are 0..k-1."""

    members: Mapping[str, tuple[Pipeline, LogisticRegression]]
    stacker: LogisticRegression
    log_priors: Float[Array, " k"]

    def log_posteriors(self, views: Mapping[str, View]) -> Float[Array, "n k"]:
        """log p(class | row) at equal priors, shape (n, k)."""
        scores = [
            _columns(member.decision_function(featuriser.transform(views[name])))
            for name, (featuriser, member) in self.members.items()
        ]
        return _at_equal_priors(self.stacker.predict_log_proba(np.hstack(scores)), self.log_priors)


@_one_thread
def fit_stack(views: Mapping[str, View], labels: Int[Array, " n"], groups: Int[Array, " n"], *, seed: int) -> Stack:
    """Fit on all rows.

    Args:
        views: name -> features of the n rows.
        labels: source of each row, 0..k-1.
        groups: rows with one number stay together.
    """
    splits = _splits(labels, groups, INNER_FOLDS, seed)
    members, scores = {}, []
    for name, view in views.items():
        # Features know no labels, so one fit on all these rows serves every inner fold.
        featuriser, member = _featuriser(view), _regression(view)
        features = featuriser.fit_transform(view)
        with warnings.catch_warnings():
            # Where sources cannot be told apart the Newton solver says that it hands over to L-BFGS; that is fine.
            warnings.simplefilter("ignore", ConvergenceWarning)
            scores.append(_columns(cross_val_predict(member, features, labels, cv=splits, method="decision_function")))
            members[name] = featuriser, member.fit(features, labels)
    stacker = LogisticRegression(C=1.0).fit(np.hstack(scores), labels)
    return Stack(members, stacker, np.log(np.bincount(labels) / len(labels)))


@_one_thread
def cross_fitted(
    views: Mapping[str, View],
    labels: Int[Array, " n"],
    groups: Int[Array, " n"],
    *,
    seed: int,
    folds: int = OUTER_FOLDS,
) -> Float[Array, "n k"]:
    """Log-posteriors at equal priors of every row, from stacks that never saw its group.

    They are held to ±log n: n rows cannot show a ratio beyond about n.
    """
    result = np.zeros((len(labels), int(labels.max()) + 1))
    for train, test in _splits(labels, groups, folds, seed):
        stack = fit_stack(take(views, train), labels[train], groups[train], seed=seed)
        result[test] = stack.log_posteriors(take(views, test))
    return clip_log_ratios(result, float(np.log(len(labels))))


def clip_log_ratios(log_posteriors: Float[Array, "n k"], limit: float) -> Float[Array, "n k"]:
    """Log-posteriors whose largest log ratio is at most ``limit``."""
    floored = np.maximum(log_posteriors, log_posteriors.max(axis=1, keepdims=True) - limit)
    return floored - np.logaddexp.reduce(floored, axis=1, keepdims=True)


def take(views: Mapping[str, View], index: Int[Array, " m"]) -> dict[str, View]:
    """The rows at ``index`` of every view."""
    return {
        name: view[index] if isinstance(view, np.ndarray) else [view[i] for i in index] for name, view in views.items()
    }


def _featuriser(view: View) -> Pipeline:
    """Text to weighted words; features to at most COMPONENTS whitened ones."""
    if not isinstance(view, np.ndarray):
        return make_pipeline(TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True))
    components = min(COMPONENTS, len(view) // 4)
    if view.shape[1] <= components:
        return make_pipeline(StandardScaler())
    return make_pipeline(StandardScaler(), PCA(components, svd_solver="randomized", random_state=0), StandardScaler())


def _regression(view: View) -> LogisticRegression:
    # A fixed penalty, strong on whitened features. Choosing it by cross-validation made the stack worse on few
    # rows (it overfits the choice) and three times slower; the stacker restores the scale.
    if not isinstance(view, np.ndarray):
        return LogisticRegression(C=1.0, tol=1e-3)
    return LogisticRegression(C=0.01, solver="newton-cholesky")


def _splits(labels: Array, groups: Array, folds: int, seed: int) -> list[tuple[Array, Array]]:
    splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    return list(splitter.split(np.zeros(len(labels)), labels, groups))


def _columns(decision: Any) -> Array:
    """Decision values as columns; two classes give one column."""
    decision = np.asarray(decision)
    return decision[:, None] if decision.ndim == 1 else decision


def _at_equal_priors(log_posteriors: Array, log_priors: Array) -> Array:
    shifted = np.asarray(log_posteriors) - log_priors
    return shifted - np.logaddexp.reduce(shifted, axis=1, keepdims=True)
