"""Many runs side by side: what predictions, bounds and observations say together."""
