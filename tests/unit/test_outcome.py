"""What became of a scan's pages, told by kind."""

from __future__ import annotations

from dataclasses import replace

from colorwatch.colour.onepage import Seen
from colorwatch.colour.outcome import Outcome, spans
from colorwatch.scan import Flag, Place, Rendering
from colorwatch.wire import MAX_BYTES, decode, encode

GREY = Seen("grey", False, "it is black-and-white", {"paper": 0.2})
TEXT = Seen("text", True, "it is a page of text", {"paper": 1.0})
PALE = Seen("grey", False, "it is black-and-white", {"colour": 1.0}, no_colour=True)


def told(*pages: Seen) -> Outcome:
    outcome = Outcome(len(pages))
    for number, seen in enumerate(pages, 1):
        outcome.add(number, 100 * number, 80, seen)
    return outcome


def test_numbers_of_pages_are_told_as_people_write_them() -> None:
    assert spans([1]) == "1"
    assert spans([1, 2, 3, 7, 9, 10]) == "1-3, 7, 9-10"
    assert spans([4, 4, 5]) == "4-5"  # a page of a PDF may hold several pictures


def test_pages_of_one_kind_are_told_together() -> None:
    found = told(GREY, TEXT, GREY, TEXT, GREY).verdicts()
    assert [(each.kind, each.left, each.pages) for each in found] == [
        ("grey", False, "1, 3, 5"),
        ("text", True, "2, 4"),
    ]


def test_a_single_page_is_told_without_a_number() -> None:
    assert told(TEXT).flags() == (Flag("text", "It is a page of text, and was left as it was."),)
    assert told(PALE).flags()[0].sentence.startswith("No colour came out")


def test_several_are_told_with_theirs() -> None:
    assert told(TEXT, GREY, TEXT).flags() == (Flag("text", "Page 1, 3: it is a page of text, and was left as it was."),)
    assert told(GREY, PALE).flags()[0].sentence.startswith("Page 2: no colour came out")


def test_the_size_is_that_of_the_largest() -> None:
    assert (told(GREY, GREY).width, told(GREY, GREY).height) == (200, 80)


def test_a_thousand_pages_fit_into_one_answer() -> None:
    outcome = told(*[(GREY, TEXT, PALE)[number % 3] for number in range(1000)])
    result = Rendering("aa", 1, 2, 3, 4, 5, 6, {}, flags=outcome.flags(), verdicts=outcome.verdicts())
    packet = encode(result)
    assert len(packet) < MAX_BYTES // 8
    assert decode(packet) == result


class TestPrints:
    PLACES = (Place(0.1, 0.1, 0.4, 0.9), Place(0.6, 0.1, 0.9, 0.9))

    def told(self, *pages: Seen, count: int, cut: bool = True) -> tuple[Place, ...]:
        outcome = Outcome(count, cut=cut)
        for number, page in enumerate(pages, 1):
            outcome.add(number, 640, 480, page)
        return outcome.prints()

    def test_of_a_single_page_it_is_told_where_they_lie(self) -> None:
        assert self.told(replace(GREY, prints=self.PLACES), count=1) == self.PLACES
        assert self.told(GREY, count=1) == ()

    def test_of_a_document_nothing_is_told(self) -> None:
        page = replace(GREY, prints=self.PLACES)
        assert self.told(page, page, count=2) == ()
        assert self.told(page, page, count=1) == (), "two pictures on one page"
        assert self.told(page, count=1, cut=False) == ()
