"""Text, vocabularies, labelled sentences, and the batches that models are trained on."""

from rnnjax.data.batches import SentenceBatches as SentenceBatches
from rnnjax.data.buckets import Buckets as Buckets
from rnnjax.data.buckets import choose_borders as choose_borders
from rnnjax.data.chunks import Chunks as Chunks
from rnnjax.data.chunks import evaluation_chunks as evaluation_chunks
from rnnjax.data.columns import read_columns as read_columns
from rnnjax.data.conllu import read_conllu as read_conllu
from rnnjax.data.docstrings import docstrings_by_package as docstrings_by_package
from rnnjax.data.encoder import Encoded as Encoded
from rnnjax.data.encoder import Encoder as Encoder
from rnnjax.data.encoder import fit_encoder as fit_encoder
from rnnjax.data.labelled import read_labelled as read_labelled
from rnnjax.data.labelled import split_words as split_words
from rnnjax.data.lexicon import Lexicon as Lexicon
from rnnjax.data.manual import reference_manual as reference_manual
from rnnjax.data.roles import identifier_roles as identifier_roles
from rnnjax.data.sentences import UNLABELLED as UNLABELLED
from rnnjax.data.sentences import Labelled as Labelled
from rnnjax.data.sentences import Splits as Splits
from rnnjax.data.sentences import Tagged as Tagged
from rnnjax.data.text import Corpus as Corpus
from rnnjax.data.text import read_corpus as read_corpus
from rnnjax.data.text import read_text as read_text
from rnnjax.data.vectors import coverage as coverage
from rnnjax.data.vectors import read_vectors as read_vectors
from rnnjax.data.vocabulary import Vocabulary as Vocabulary
