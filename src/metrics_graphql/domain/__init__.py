"""Sessions, measures, periods, the question and the answer. Knows the standard library only."""
