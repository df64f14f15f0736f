"""What a recurrent language model has to beat: n-grams and general-purpose compressors."""

from rnnjax.baselines.compression import compression_bits as compression_bits
from rnnjax.baselines.ngram import NGram as NGram
