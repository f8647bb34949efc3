"""How well images that are not of the training data's kind are told from those that are."""
