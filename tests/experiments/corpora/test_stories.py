from collections import Counter

from rnnjax_experiments.corpora.stories import _PEOPLE, TESTED, TRAINED, stories

SMALL = {"train": 300, "dev": 40, "of_each": 20}


def answer(question):
    """The answer, found with rules of our own: what the last fact about it says."""
    text, asked = " ".join(question.story), " ".join(question.question)
    last = ""
    for fact in text.split(" . "):
        fact = fact.removesuffix(" .")
        who = next(name for name in _PEOPLE if fact.startswith(name))
        verb, _, rest = fact.removeprefix(f"{who} ").partition(" the ")
        thing, _, other = rest.partition(" to ")
        moved = verb in ("went to", "walked to", "hurried to", "came to")
        if asked == f"Where is {who} ?" and moved:
            last = rest
        if asked == f"What did {who} take last ?" and not moved and verb != "gave":
            last = thing
        if asked == f"Who has the {thing} ?" and not moved:
            last = other or who
    return last


def test_answers_are_what_the_story_says():
    splits = stories(**SMALL)
    assert list(map(len, splits)) == [300, 40, 20 * len(TESTED)]
    for part in splits:
        assert all(each.answer_text == answer(each) for each in part)
    kinds = Counter(each.question[0] for each in splits.train)
    assert set(kinds) == {"Where", "Who", "What"}
    assert min(kinds.values()) > 50


def test_the_test_split_has_longer_stories_and_none_that_is_known():
    splits = stories(**SMALL)
    counts = [Counter(each.story.count(".") for each in part) for part in splits]
    assert set(counts[0]) == set(range(1, TRAINED + 1))
    assert counts[2] == dict.fromkeys(TESTED, 20)
    known = {each[:2] for each in splits.train}
    assert not any(each[:2] in known for part in splits[1:] for each in part)
    assert stories(**SMALL) == splits
    assert stories(**SMALL, seed=1) != splits
