"""From a request's bytes to images that a model takes."""
