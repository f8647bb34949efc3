"""How a classifier stands up to attacks: the subjects, the samples, the run, its records, and what it writes."""
