"""From results to people: the JSON record, and from it alone tables, the verdict and figures."""
