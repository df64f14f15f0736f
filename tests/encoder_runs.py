"""What the tests of the scripts for encoders share: small texts in two languages, a small run."""

import random

# Of a language each: a determiner, a noun, a verb, and what a sentence is when it is said.
WORDS = {
    "en": (["the", "a"], ["dog", "cat", "bird"], {"sings": "good", "bites": "bad"}),
    "nl": (["de", "een"], ["hond", "kat", "vogel"], {"zingt": "good", "bijt": "bad"}),
}
TINY = (
    *("--vocab-size", "80", "--hidden-size", "8", "--layers", "1", "--heads", "2"),
    *("--feedforward-size", "16", "--max-length", "24", "--dropout", "0"),
    *("--tokens", "128", "--shapes", "2", "--steps", "60", "--evaluations", "3"),
    *("--learning-rate", "0.02", "--positions", "learned"),
)


def said(sentences, language, seed):
    """Sentences and their labels; those of two languages with one seed are translations."""
    draw, found = random.Random(seed), []
    determiners, nouns, verbs = WORDS[language]
    for _ in range(sentences):
        words = [draw.choice(determiners), draw.choice(nouns), draw.choice(list(verbs))]
        found.append((" ".join(words) + " .", verbs[words[2]]))
    return found


def lines_of(sentences, language="en", seed=0):
    """A text: sentences alone, a number in each so that they differ."""
    said_ones = said(sentences, language, seed)
    return "".join(f"{text} {i}\n" for i, (text, _) in enumerate(said_ones))


def labelled(sentences, language="en", seed=0):
    return "".join(f"{text}\t{label}\n" for text, label in said(sentences, language, seed))


def tagged(sentences, seed=0):
    blocks = []
    for text, _ in said(sentences, "en", seed):
        tags = ("DET", "NOUN", "VERB", "PUNCT")
        rows = zip(text.split(), tags, strict=True)
        blocks.append("".join(f"{word}\t{tag}\n" for word, tag in rows))
    return "\n".join(blocks)


def paired(sentences, language="en", seed=0):
    """Two sentences and whether their verbs are the same, under a line of names, in two splits."""
    ones, others = said(sentences, language, seed), said(sentences, language, f"{seed}+")
    rows = ["split\tfirst\tsecond\tlabel"]
    for i, ((one, a), (other, b)) in enumerate(zip(ones, others, strict=True)):
        split = "TEST" if i % 4 == 0 else "TRAIN"
        rows.append(f"{split}\t{one}\t{other}\t{'same' if a == b else 'other'}")
    return "\n".join(rows) + "\n"
