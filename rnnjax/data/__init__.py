"""Text, vocabularies and the chunks that models are trained and evaluated on."""

from rnnjax.data.chunks import Chunks as Chunks
from rnnjax.data.chunks import evaluation_chunks as evaluation_chunks
from rnnjax.data.manual import reference_manual as reference_manual
from rnnjax.data.text import Corpus as Corpus
from rnnjax.data.text import read_corpus as read_corpus
from rnnjax.data.text import read_text as read_text
from rnnjax.data.vocabulary import Vocabulary as Vocabulary
