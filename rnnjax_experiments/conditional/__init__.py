"""Language models conditioned on a class."""
