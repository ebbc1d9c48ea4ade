"""Fixtures for the tests of downloads, taken from the tests of transfers."""

from tests.unit.transfer.conftest import (
    _s3,
    _web,
    _zoom,
    boto,
    bucket,
    client,
    copying,
    http,
    s3,
    web,
    zoom,
)

FIXTURES = (_s3, _web, _zoom, boto, bucket, client, copying, http, s3, web, zoom)
