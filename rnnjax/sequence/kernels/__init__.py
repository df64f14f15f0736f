"""The implementations of a sequence; `rnnjax.sequence.unroll` chooses among them."""
