"""Unit tests of the plan of a copy."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bench.transfer.peers.content import Generated
from ingester.errors import (
    FileTooLarge,
    FileUnavailable,
    TransferFailed,
    ZoomUnreachable,
)
from ingester.transfer.multipart import Bucket
from ingester.transfer.parts import MIB, part_bytes, parts_of
from ingester.transfer.plan import AlreadyThere, Copy, Plan, Target, plan_of
from tests.unit.transfer.copying import METADATA, Copying, key_of
from tests.unit.transfer.memory_source import VERSION, Break, MemoryFile

SMALL = Generated("small", 1000)
LARGE = Generated("large", 11 * MIB)
"""A file of three parts, which no test sends completely."""


def copy_of(source: MemoryFile, **changes: Any) -> Copy:
    return Copy("talk", source, lambda name: Target(key_of(name), METADATA), **changes)


def planned(source: MemoryFile, bucket: Bucket, *, overwrite: bool = False, **changes: Any) -> Plan:
    plan = plan_of(copy_of(source, **changes), bucket, overwrite=overwrite)
    assert isinstance(plan, Plan)
    return plan


def staged(bucket: Bucket, source: MemoryFile) -> Plan:
    """Copy a file of one part without the engine, and return the plan."""
    plan = planned(source, bucket)
    [part] = plan.missing
    bucket.send(plan.upload, part, source.content.views(0, part.length))
    bucket.complete(plan.upload)
    return plan


class TestOpening:
    def test_plan_requests_and_reads_the_first_byte(self, bucket: Bucket) -> None:
        # A connection can be reused only if the answer's body is read.
        source = MemoryFile(LARGE)
        plan = planned(source, bucket)
        assert source.requested == [(0, 0)]
        assert source.bodies[0].longest_read == 1
        assert source.bodies[0].is_closed
        assert plan.body is None
        assert plan.missing == parts_of(LARGE.size)
        assert plan.version.size == LARGE.size
        assert plan.upload.stored == {}

    def test_key_of_an_object_contains_the_name_that_the_source_returns(
        self, bucket: Bucket
    ) -> None:
        plan = planned(MemoryFile(SMALL), bucket)
        assert plan.upload.destination.key == key_of("talk.mp4")
        assert plan.upload.destination.metadata == METADATA

    def test_destination_names_the_version_of_the_source_and_the_size_of_parts(
        self, bucket: Bucket
    ) -> None:
        source = planned(MemoryFile(SMALL), bucket).upload.destination.source
        assert source == {
            "etag": VERSION.etag,
            "last_modified": VERSION.last_modified,
            "size": SMALL.size,
            "part": part_bytes(SMALL.size),
        }

    def test_plan_is_made_when_the_first_byte_cannot_be_read(self, bucket: Bucket) -> None:
        source = MemoryFile(SMALL, script=[Break(0)])
        assert planned(source, bucket).missing == parts_of(SMALL.size)
        assert source.bodies[0].is_closed

    def test_plan_keeps_the_body_open_when_the_source_has_no_ranges(self, bucket: Bucket) -> None:
        source = MemoryFile(SMALL, has_ranges=False)
        plan = planned(source, bucket)
        assert plan.body is source.bodies[0]
        assert not source.bodies[0].is_closed
        assert plan.missing == ()
        assert plan.upload.destination.source["part"] is None


class TestSize:
    @pytest.mark.parametrize("expected_size", [SMALL.size - 1, SMALL.size + 1])
    def test_transfer_failed_is_raised_when_the_size_is_not_the_expected_size(
        self, copying: Copying, bucket: Bucket, expected_size: int
    ) -> None:
        source = MemoryFile(SMALL)
        with pytest.raises(TransferFailed, match=f"1000 bytes .* stated {expected_size}"):
            planned(source, bucket, expected_size=expected_size)
        assert source.bodies[0].is_closed
        assert copying.begun() == []

    def test_file_too_large_is_raised_when_the_size_exceeds_the_limit(
        self, copying: Copying, bucket: Bucket
    ) -> None:
        source = MemoryFile(SMALL)
        with pytest.raises(FileTooLarge, match="has 1000 bytes"):
            planned(source, bucket, most_bytes=999)
        assert source.bodies[0].is_closed
        assert copying.begun() == []
        assert isinstance(planned(MemoryFile(SMALL), bucket, most_bytes=1000), Plan)

    def test_plan_is_made_when_the_size_is_the_expected_size(self, bucket: Bucket) -> None:
        plan = planned(MemoryFile(SMALL), bucket, expected_size=SMALL.size)
        assert plan.missing == parts_of(SMALL.size)

    def test_plan_is_made_when_the_source_does_not_say_its_size(self, bucket: Bucket) -> None:
        source = MemoryFile(SMALL, has_ranges=False, is_sized=False)
        assert planned(source, bucket, expected_size=5).body is source.bodies[0]


class TestStored:
    def test_copy_needs_no_plan_when_s3_has_the_object_in_the_same_version(
        self, copying: Copying, bucket: Bucket
    ) -> None:
        staged(bucket, MemoryFile(SMALL))
        source = MemoryFile(SMALL)
        plan = plan_of(copy_of(source), bucket, overwrite=False)
        assert plan == AlreadyThere(key_of("talk.mp4"), SMALL.size)
        assert source.bodies[0].is_closed
        assert copying.begun() == []

    def test_copy_needs_no_plan_when_s3_has_the_object_of_a_source_without_ranges(
        self, bucket: Bucket
    ) -> None:
        plan = planned(MemoryFile(SMALL, has_ranges=False), bucket)
        bucket.send(plan.upload, parts_of(SMALL.size)[0], SMALL.views(0, SMALL.size))
        bucket.complete(plan.upload)
        source = MemoryFile(SMALL, has_ranges=False)
        assert isinstance(plan_of(copy_of(source), bucket, overwrite=False), AlreadyThere)
        assert source.bodies[0].is_closed

    def test_plan_with_overwrite_copies_every_part_again(self, bucket: Bucket) -> None:
        staged(bucket, MemoryFile(SMALL))
        assert planned(MemoryFile(SMALL), bucket, overwrite=True).missing == parts_of(SMALL.size)

    def test_all_parts_are_missing_when_the_object_has_another_version(
        self, bucket: Bucket
    ) -> None:
        staged(bucket, MemoryFile(SMALL))
        source = MemoryFile(SMALL, version=replace(VERSION, etag='"v2"'))
        assert planned(source, bucket).missing == parts_of(SMALL.size)

    def test_parts_are_not_missing_when_an_unfinished_upload_has_them(
        self, copying: Copying, bucket: Bucket
    ) -> None:
        first, second, third = parts_of(LARGE.size)
        before = planned(MemoryFile(LARGE), bucket)
        bucket.mark(before.upload)
        bucket.send(before.upload, second, LARGE.views(second.first, second.length))
        plan = planned(MemoryFile(LARGE), bucket)
        assert plan.upload.upload_id == before.upload.upload_id
        assert plan.missing == (first, third)
        assert len(copying.begun()) == 1

    def test_part_is_missing_when_the_stored_part_has_another_length(self, bucket: Bucket) -> None:
        before = planned(MemoryFile(LARGE), bucket)
        bucket.mark(before.upload)
        bucket.send(before.upload, replace(parts_of(LARGE.size)[1], last=5 * MIB), [b"x"])
        assert planned(MemoryFile(LARGE), bucket).missing == parts_of(LARGE.size)

    @pytest.mark.parametrize(
        "version", [replace(VERSION, etag='"v2"'), replace(VERSION, last_modified="Tue")]
    )
    def test_unfinished_upload_is_removed_when_it_has_another_version(
        self, copying: Copying, bucket: Bucket, version: Any
    ) -> None:
        before = planned(MemoryFile(LARGE), bucket)
        bucket.mark(before.upload)
        bucket.send(before.upload, parts_of(LARGE.size)[1], LARGE.views(5 * MIB, 5 * MIB))
        plan = planned(MemoryFile(LARGE, version=version), bucket)
        assert plan.missing == parts_of(LARGE.size)
        assert copying.begun() == [[]]

    def test_unfinished_upload_and_object_are_not_reused_when_the_size_is_unknown(
        self, copying: Copying, bucket: Bucket
    ) -> None:
        # Without a size, another version can't be recognized.
        unsized = MemoryFile(SMALL, has_ranges=False, is_sized=False)
        bucket.mark(planned(unsized, bucket).upload)
        upload = planned(unsized, bucket).upload
        assert copying.begun() == [[]]
        bucket.send(upload, parts_of(SMALL.size)[0], SMALL.views(0, SMALL.size))
        bucket.complete(upload)
        assert planned(unsized, bucket).body is unsized.bodies[-1]


class TestFailures:
    @pytest.mark.parametrize("error", [FileUnavailable("No."), ZoomUnreachable("No.")])
    def test_error_of_the_source_is_raised_before_any_request_to_s3(
        self, copying: Copying, bucket: Bucket, error: Exception
    ) -> None:
        with pytest.raises(type(error)):
            planned(MemoryFile(SMALL, script=[error]), bucket)
        assert copying.s3.stats().operations == {}

    def test_body_of_the_source_is_closed_when_the_plan_fails(self, bucket: Bucket) -> None:
        def target_of(_: str) -> Target:
            raise ValueError("no such view")

        source = MemoryFile(SMALL, has_ranges=False)
        with pytest.raises(ValueError, match="no such view"):
            plan_of(Copy("talk", source, target_of), bucket, overwrite=False)
        assert source.bodies[0].is_closed
