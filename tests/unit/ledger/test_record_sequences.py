"""What holds for the ledger's record whatever happens to it, in whatever order."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime, timedelta
from itertools import count

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from ingester import timestamps
from ingester.ledger import record as ledger
from ingester.ledger.record import End, Ingest, Outcome, Post, Record
from ingester.status.row import Asked

BEGIN = datetime(2026, 10, 14, 18, 30, tzinfo=UTC)
MEDIA_PACKAGES = ("mp-1", "mp-2")
ZIP_IDS = ("z1", "z2")
FILES = st.sets(st.sampled_from("abcd"))


class Posts(RuleBasedStateMachine):
    """POSTs of two media packages, whose answers come at any time, in any order, or never.

    Of each media package the test remembers the POSTs itself, since it was taken last.
    """

    def __init__(self) -> None:
        super().__init__()
        self.record = Record(uuid="u==")
        self.now = BEGIN
        self.attempts = count()
        self.posted: dict[str, dict[str, Outcome]] = defaultdict(dict)
        self.shown: set[str] = set()

    def _is_over(self, media_package: str) -> bool:
        outcomes = self.posted[media_package].values()
        return media_package in self.shown or Outcome.TAKEN in outcomes

    @rule(media_package=st.sampled_from(MEDIA_PACKAGES), zip_id=st.sampled_from(ZIP_IDS))
    def claim(self, media_package: str, zip_id: str) -> None:
        if self._is_over(media_package):
            # It was deleted in Opencast, and somebody asks for it again.
            self.posted[media_package] = {}
            self.shown.discard(media_package)
        attempt = str(next(self.attempts))
        self.now += timedelta(minutes=1)
        post = Post(attempt=attempt, at=timestamps.write(self.now))
        made = Ingest(zip_id=zip_id, series="S", files={"f": "a file"}, posts=(post,))
        self.record = ledger.with_claim(self.record, media_package, made)
        self.posted[media_package][attempt] = Outcome.UNKNOWN

    @rule(
        data=st.data(),
        media_package=st.sampled_from(MEDIA_PACKAGES),
        outcome=st.sampled_from([Outcome.TAKEN, Outcome.REFUSED]),
    )
    def answer(self, data: st.DataObject, media_package: str, outcome: Outcome) -> None:
        open_ones = [
            attempt
            for attempt, known in self.posted[media_package].items()
            if known is Outcome.UNKNOWN
        ]
        if not open_ones:
            return
        attempt = data.draw(st.sampled_from(open_ones))
        self.record = ledger.with_answer(self.record, media_package, attempt, outcome)
        self.posted[media_package][attempt] = outcome

    @rule(media_package=st.sampled_from(MEDIA_PACKAGES))
    def show(self, media_package: str) -> None:
        if media_package in self.record.ingests:
            self.record = ledger.with_shown(self.record, media_package)
            self.shown.add(media_package)

    @rule(zip_id=st.sampled_from(ZIP_IDS), files=FILES, end=st.sampled_from(End))
    def other_things_happen(self, zip_id: str, files: set[str], end: End) -> None:
        record = ledger.with_files(self.record, dict.fromkeys(files, "a file"), self.now)
        record = ledger.with_request(record, zip_id, Asked(), self.now)
        record = ledger.with_sent(record, zip_id, files)
        self.record = ledger.with_end(record, zip_id, end)

    @invariant()
    def only_what_was_refused_altogether_is_forgotten(self) -> None:
        for media_package, posts in self.posted.items():
            is_refused = all(outcome is Outcome.REFUSED for outcome in posts.values())
            is_forgotten = media_package not in self.record.ingests
            assert is_forgotten is (is_refused and media_package not in self.shown)

    @invariant()
    def every_outcome_is_remembered(self) -> None:
        for media_package, known in self.record.ingests.items():
            expected = self.posted[media_package]
            found = {post.attempt: post.outcome for post in known.posts}
            # A media package that was forgotten begins anew.
            assert found.items() <= expected.items()
            others = [expected[one] for one in expected.keys() - found.keys()]
            assert set(others) <= {Outcome.REFUSED}
            assert known.is_taken is self._is_over(media_package)

    @invariant()
    def record_survives_the_table(self) -> None:
        written = msgspec.to_builtins(self.record)
        assert msgspec.convert(written, Record) == self.record


TestPosts = Posts.TestCase
TestPosts.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)


@given(st.lists(st.tuples(st.sampled_from(ZIP_IDS), FILES, st.booleans()), max_size=20))
def test_file_is_never_forgotten(steps: list[tuple[str, set[str], bool]]) -> None:
    record = Record(uuid="u==")
    seen: set[str] = set()
    for zip_id, files, is_sent in steps:
        names = dict.fromkeys(files, "a file")
        record = ledger.with_files(record, names, BEGIN)
        record = ledger.with_request(record, zip_id, Asked(), BEGIN)
        if is_sent:
            record = ledger.with_sent(record, zip_id, files)
            assert ledger.is_duplicate(record, zip_id, files)
        else:
            assert not ledger.is_duplicate(record, zip_id, files)
        seen |= files
        assert set(record.files) == seen


@given(FILES, FILES, FILES, FILES, st.integers(0, 48))
def test_each_file_is_listed_left_out_ingested_waited_for_or_given_up(
    named: set[str], listed: set[str], left_out: set[str], ingested: set[str], hours: int
) -> None:
    record = ledger.with_files(Record(uuid="u=="), dict.fromkeys(named, "a file"), BEGIN)
    record = ledger.without(record, left_out)
    if ingested:
        post = Post(attempt="a", at=timestamps.write(BEGIN))
        files = dict.fromkeys(ingested, "a file")
        made = Ingest(zip_id="z", series="S", files=files, posts=(post,))
        record = ledger.with_claim(record, "mp", made)
    now = BEGIN + timedelta(hours=hours)
    awaited = set(ledger.files_to_wait_for(record, listed, now))
    given_up = set(ledger.files_given_up(record, listed))
    assert given_up == named - listed - left_out - ingested
    assert awaited == (given_up if hours < 24 else set())
    assert set(ledger.not_listed(record, listed)) == named - listed - left_out
