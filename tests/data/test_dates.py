import hashlib
import re
from datetime import date

import pytest
from elsewhere import digest_elsewhere

from rnnjax.data import written_dates

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


def style(text):
    """A date without what it says: its form."""

    def form(match):
        case = "".join("A" if letter.isupper() else "a" for letter in match[1][:2])
        return case + "+" * bool(match[2])

    text = re.sub(r"(\d)(st|nd|rd|th)", r"\1th", re.sub(r"(\d)(ST|ND|RD|TH)", r"\1TH", text))
    text = re.sub(r"\d+(?=th|TH)", "9", text)
    for names in (MONTHS, WEEKDAYS):
        text = re.sub(rf"\b({'|'.join(names)})([a-z]*)", form, text, flags=re.IGNORECASE)
    return re.sub(r"\d\d(\d\d)?", lambda m: "9" * len(m[0]), text)


def test_dates_mean_what_they_say(splits):
    for part in splits:
        for pair in part[:1000]:
            assert read(pair.source).isoformat() == pair.target, pair
            named = re.match(r"(?:on )?([a-z]{3})[a-z]*,? ", pair.source.lower())
            if named and named[1] in WEEKDAYS:
                assert WEEKDAYS[date.fromisoformat(pair.target).weekday()] == named[1]


def test_the_seed_and_nothing_else_decides(splits):
    assert written_dates(seed=1).train != splits.train
    here = hashlib.sha256(repr(splits).encode()).hexdigest()
    assert digest_elsewhere("rnnjax.data.dates", "written_dates") == here


def test_forms_of_the_test_are_combined_as_never_before(splits):
    # Where the form shows: plain days may look padded, and May is as long as its short form.
    told = [
        [
            style(text)
            for text, _ in part
            if re.search(r"\dth|\dst|\dnd|\drd", text.lower()) and " may" not in f" {text.lower()}"
        ]
        for part in splits
    ]
    known = set(told[0])
    assert set(told[1]) <= known
    assert len(told[2]) > 100
    assert not known & set(told[2])
