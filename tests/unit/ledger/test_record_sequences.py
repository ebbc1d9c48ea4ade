"""Property tests of the ledger's record: invariants under any sequence of changes."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime, timedelta
from itertools import count

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from ingester import timestamps
from ingester.ledger.record import (
    End,
    IngestRecord,
    Outcome,
    Post,
    Record,
    files_to_wait_for,
    is_duplicate,
    missing_files,
    unlisted_files,
    with_answer,
    with_claim,
    with_end,
    with_files,
    with_left_out,
    with_request,
    with_sent,
    with_shown,
)
from ingester.status.row import RequestOptions

BEGIN = datetime(2026, 10, 14, 18, 30, tzinfo=UTC)
MEDIA_PACKAGES = ("mp-1", "mp-2")
ZIP_IDS = ("z1", "z2")
FILES = st.sets(st.sampled_from("abcd"))


class Posts(RuleBasedStateMachine):
    """POSTs of two media packages, whose answers come at any time, in any order, or never.

    The state machine keeps its own list of the POSTs of each media package. A claim of a media
    package that Opencast has taken starts a new list.
    """

    def __init__(self) -> None:
        super().__init__()
        self.record = Record(uuid="u==")
        self.now = BEGIN
        self.attempts = count()
        self.posted: dict[str, dict[str, Outcome]] = defaultdict(dict)
        self.files: dict[str, set[str]] = {}
        """The files of each POST, by attempt."""
        self.shown: set[str] = set()

    def _is_taken(self, media_package: str) -> bool:
        outcomes = self.posted[media_package].values()
        return media_package in self.shown or Outcome.TAKEN in outcomes

    @rule(
        media_package=st.sampled_from(MEDIA_PACKAGES),
        zip_id=st.sampled_from(ZIP_IDS),
        files=FILES,
    )
    def claim(self, media_package: str, zip_id: str, files: set[str]) -> None:
        if self._is_taken(media_package):
            # The event was deleted in Opencast, and somebody requests the recording again.
            self.posted[media_package] = {}
            self.shown.discard(media_package)
        attempt = str(next(self.attempts))
        self.now += timedelta(minutes=1)
        post = Post(attempt=attempt, at=timestamps.write(self.now))
        named = dict.fromkeys(files, "a file")
        claim = IngestRecord(zip_id=zip_id, series="S", files=named, posts=(post,))
        self.record = with_claim(self.record, media_package, claim)
        self.posted[media_package][attempt] = Outcome.UNKNOWN
        self.files[attempt] = files

    @rule(
        data=st.data(),
        media_package=st.sampled_from(MEDIA_PACKAGES),
        outcome=st.sampled_from([Outcome.TAKEN, Outcome.REFUSED]),
        workflow=st.sampled_from(["", "1603"]),
    )
    def answer(
        self, data: st.DataObject, media_package: str, outcome: Outcome, workflow: str
    ) -> None:
        posts = self.posted[media_package]
        unanswered = [attempt for attempt, known in posts.items() if known is Outcome.UNKNOWN]
        if not unanswered:
            return
        attempt = data.draw(st.sampled_from(unanswered))
        self.record = with_answer(self.record, media_package, attempt, outcome, workflow)
        posts[attempt] = outcome
        if outcome is Outcome.TAKEN and not workflow:
            # After a 409, any of the unanswered POSTs may have started the workflow.
            posts.update(dict.fromkeys(unanswered, Outcome.TAKEN))

    @rule(media_package=st.sampled_from(MEDIA_PACKAGES))
    def show(self, media_package: str) -> None:
        if media_package in self.record.ingests:
            self.record = with_shown(self.record, media_package)
            self.shown.add(media_package)

    @rule(zip_id=st.sampled_from(ZIP_IDS), files=FILES, end=st.sampled_from(End))
    def request_and_end(self, zip_id: str, files: set[str], end: End) -> None:
        record = with_files(self.record, dict.fromkeys(files, "a file"), self.now)
        record = with_request(record, zip_id, RequestOptions(), self.now)
        record = with_sent(record, zip_id, files)
        self.record = with_end(record, zip_id, end)

    @invariant()
    def ingest_record_is_removed_only_when_all_posts_were_refused(self) -> None:
        for media_package, posts in self.posted.items():
            is_refused = all(outcome is Outcome.REFUSED for outcome in posts.values())
            is_removed = media_package not in self.record.ingests
            assert is_removed is (is_refused and media_package not in self.shown)

    @invariant()
    def every_outcome_is_remembered(self) -> None:
        for media_package, known in self.record.ingests.items():
            expected = self.posted[media_package]
            outcomes = {post.attempt: post.outcome for post in known.posts}
            # The next ingest record doesn't contain the POSTs of a removed ingest record.
            assert outcomes.items() <= expected.items()
            removed = [expected[attempt] for attempt in expected.keys() - outcomes.keys()]
            assert set(removed) <= {Outcome.REFUSED}
            assert known.is_taken is self._is_taken(media_package)

    @invariant()
    def certain_files_were_in_every_post_that_may_have_made_the_event(self) -> None:
        for media_package, known in self.record.ingests.items():
            outcomes = {post.attempt: post.outcome for post in known.posts}
            taken = {each for each, outcome in outcomes.items() if outcome is Outcome.TAKEN}
            unknown = {each for each, outcome in outcomes.items() if outcome is Outcome.UNKNOWN}
            possible = [self.files[attempt] for attempt in taken or unknown]
            if possible:
                assert set(known.certain_files) == set.intersection(*possible), media_package

    @invariant()
    def record_is_the_same_after_encoding_and_decoding(self) -> None:
        written = msgspec.to_builtins(self.record)
        assert msgspec.convert(written, Record) == self.record


TestPosts = Posts.TestCase
TestPosts.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)


@given(st.lists(st.tuples(st.sampled_from(ZIP_IDS), FILES, st.booleans()), max_size=20))
def test_record_keeps_every_file_whatever_is_requested_and_sent(
    steps: list[tuple[str, set[str], bool]],
) -> None:
    record = Record(uuid="u==")
    seen: set[str] = set()
    for zip_id, files, is_sent in steps:
        names = dict.fromkeys(files, "a file")
        record = with_files(record, names, BEGIN)
        record = with_request(record, zip_id, RequestOptions(), BEGIN)
        if is_sent:
            record = with_sent(record, zip_id, files)
            assert is_duplicate(record, zip_id, files)
        else:
            assert not is_duplicate(record, zip_id, files)
        seen |= files
        assert set(record.files) == seen


@given(FILES, FILES, FILES, FILES, st.integers(0, 48))
def test_named_file_is_missing_when_it_is_neither_listed_nor_left_out_nor_ingested(
    named: set[str], listed: set[str], left_out: set[str], ingested: set[str], hours: int
) -> None:
    record = with_files(Record(uuid="u=="), dict.fromkeys(named, "a file"), BEGIN)
    record = with_left_out(record, left_out)
    if ingested:
        post = Post(attempt="a", at=timestamps.write(BEGIN))
        files = dict.fromkeys(ingested, "a file")
        claim = IngestRecord(zip_id="z", series="S", files=files, posts=(post,))
        record = with_claim(record, "mp", claim)
    now = BEGIN + timedelta(hours=hours)
    missing = missing_files(record, listed, may_ingest_again=False)
    assert set(missing) == named - listed - left_out - ingested
    again = missing_files(record, listed, may_ingest_again=True)
    assert set(again) == named - listed - left_out
    awaited = set(files_to_wait_for(missing, record, now))
    assert awaited == (set(missing) if hours < 24 else set())
    assert set(unlisted_files(record, listed)) == named - listed - left_out
