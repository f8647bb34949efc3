"""Reading robustness reports: tables in the paper's form, tests of pairs of models, entries for others."""
