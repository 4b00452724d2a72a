"""Audit: what a model answers to harmful prompts and to BBQ, category by category, judged and counted."""
