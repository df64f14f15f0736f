"""What the tests of the labelling script share: small made-up files."""

import random

WORDS = {"DET": ["the", "a"], "NOUN": ["dog", "cat", "bird", "fish"], "VERB": ["sees", "hears"]}
ORDER = ("DET", "NOUN", "VERB", "DET", "NOUN")
NAMES = {"PER": ["Ada", "Bo", "Ada Bo"], "LOC": ["Oslo", "New Oslo", "Rome"]}


def conllu(sentences, seed):
    draw, lines = random.Random(seed), []
    for number in range(sentences):
        lines.append(f"# sent_id = {number}")
        tags = ORDER[: draw.choice([2, 3, 5])]
        for i, tag in enumerate(tags, 1):
            word = draw.choice(WORDS[tag])
            tag = "X" if draw.random() < 0.1 else tag  # so that something goes wrong
            lines.append("\t".join([str(i), word, "_", tag, tag.lower(), "_", "0", *"___"]))
        lines.append("")
    return "\n".join(lines) + "\n"


def names(sentences, seed, scheme="IOB1"):
    """Sentences of two names each, some right after another of their kind."""
    draw, lines = random.Random(seed), ["-DOCSTART- -X- O", ""]
    for _ in range(sentences):
        kinds = [draw.choice(["PER", "LOC"]) for _ in range(2)]
        between = draw.choice([["met"], []])
        previous = None
        for part in (kinds[0], *between, kinds[1]):
            if part not in NAMES:
                lines.append(f"{part} VB O")
            else:
                touches = previous == part
                for i, word in enumerate(draw.choice(NAMES[part]).split()):
                    begins = not i and (touches or scheme == "IOB2")
                    lines.append(f"{word} NN {'B' if begins else 'I'}-{part}")
            previous = part
        lines.append("")
    return "\n".join(lines) + "\n"
