"""Train small models to imitate large ones."""
