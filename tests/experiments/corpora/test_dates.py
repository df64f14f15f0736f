import hashlib
import re
from datetime import date
from itertools import product

import numpy as np
import pytest
from elsewhere import digest_elsewhere

from rnnjax_experiments.corpora import dates
from rnnjax_experiments.corpora.dates import written_dates

MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
WEEKDAYS = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]


@pytest.fixture(scope="module")
def splits():
    return written_dates()


def read(text):
    """A written date, by rules of our own."""
    text = text.lower()
    if re.fullmatch(r"[\d./]+", text):
        numbers = [int(n) for n in re.findall(r"\d+", text)]
        if "." in text:
            return date(*reversed(numbers))
        if "/" not in text:
            return date(numbers[0] // 10_000, numbers[0] // 100 % 100, numbers[0] % 100)
        return date(*numbers) if numbers[0] > 31 else date(numbers[2], *numbers[:2])
    (month,) = {MONTHS.index(m[:3]) + 1 for m in re.findall("[a-z]+", text) if m[:3] in MONTHS}
    short = re.search(r"'(\d\d)", text)
    year = short and int(short[1]) + (1900 if int(short[1]) >= 50 else 2000)
    rest = re.sub(r"'\d\d", "", text)
    whole = re.search(r"\d{4}", rest)
    year = year or int(whole[0])
    day = int(re.search(r"\d+", re.sub(r"\d{4}", "", rest))[0])
    return date(year, month, day)


def test_dates_mean_what_they_say(splits):
    for part in splits:
        for pair in part[:1000]:
            assert read(pair.source).isoformat() == pair.target, pair
            named = re.match(r"(?:on )?([a-z]{3})[a-z]*,? ", pair.source.lower())
            if named and named[1] in WEEKDAYS:
                assert WEEKDAYS[date.fromisoformat(pair.target).weekday()] == named[1]


@pytest.mark.full
def test_the_seed_and_nothing_else_decides(splits):
    assert written_dates(seed=1).train != splits.train
    here = hashlib.sha256(repr(splits).encode()).hexdigest()
    assert digest_elsewhere("rnnjax_experiments.corpora.dates", "written_dates") == here


def styles_of_training():
    """The styles that training has, of all combinations."""
    rng = np.random.default_rng(0)
    styles = [dates._Style(*each) for each in product(*map(range, (4, 4, 3, 2, 5, 3)))]
    styles = [styles[i] for i in rng.permutation(len(styles))]
    return styles[len(styles) // 5 :]


def test_no_test_text_is_what_a_style_of_training_makes_of_its_date(splits):
    known = styles_of_training()
    for pair in splits.test[:60]:
        day = date.fromisoformat(pair.target)
        assert pair.source not in {dates._made(day, style).source for style in known}
    for pair in splits.dev[:60]:
        day = date.fromisoformat(pair.target)
        written = {dates._made(day, style).source for style in known}
        assert pair.source in written | {form(day) for form in dates._NUMERIC}
