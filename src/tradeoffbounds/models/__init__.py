"""Language models behind torch and transformers: loading, hidden states, Fisher scores, sampling, likelihoods."""
