"""From rows to the trade-off: domain classifiers, brackets of every gap over λ, certificates."""
