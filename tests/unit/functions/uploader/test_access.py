"""The uploader's access to Opencast, such as authentication and missing roles."""

from __future__ import annotations

import pytest

from tests.unit.functions.uploader.harness import Harness


class TestIsItThere:
    def test_nothing_is_ingested_when_the_user_may_not_read_events(self, harness: Harness) -> None:
        # Opencast answers 404 to a user who may not read an event that is there.
        harness.has_event()
        harness.sign_in_as("blind")
        assert not harness.take(harness.message())
        assert harness.posts == 0
        state, reason = harness.outcome
        assert state == "UPLOADER_FAILED"
        assert "ROLE_ADMIN" in reason
        assert harness.posts_of == {}

    def test_reason_in_the_row_names_the_role_that_a_capture_agent_lacks(
        self, harness: Harness
    ) -> None:
        harness.sign_in_as("agent")
        assert not harness.take(harness.message())
        assert harness.posts == 0
        assert "ROLE_ADMIN" in harness.outcome[1]
        assert "403" in harness.outcome[1]

    @pytest.mark.parametrize(
        ("kind", "status"),
        [("status", 500), ("status", 503), ("status", 403), ("status", 401), ("status", 400)],
    )
    def test_nothing_is_ingested_when_the_query_for_the_event_fails(
        self, harness: Harness, kind: str, status: int
    ) -> None:
        harness.fail(kind, path="/api/events/", status=status, times=None)
        assert not harness.take(harness.message())
        assert harness.posts == 0
        assert harness.outcome[0] == "UPLOADER_FAILED"

    @pytest.mark.parametrize("path", ["/api/events/", "/api/info/", "/series/"])
    @pytest.mark.parametrize("kind", ["maintenance", "close"])
    def test_nothing_is_ingested_when_opencast_answers_with_a_maintenance_page_or_not_at_all(
        self, harness: Harness, kind: str, path: str
    ) -> None:
        harness.fail(kind, path=path, times=None)
        assert not harness.take(harness.message())
        assert harness.posts == 0
        assert harness.outcome[1].startswith("Unable to reach Opencast. ")

    @pytest.mark.parametrize("path", ["/api/events/", "/series/"])
    def test_nothing_is_ingested_when_a_proxy_answers_404_for_the_event_or_the_series(
        self, harness: Harness, path: str
    ) -> None:
        # A proxy answers with a page while Opencast restarts. Opencast's own 404 has no page.
        harness.take(harness.message(uuid="other==", zip_id="another"))
        posts = harness.posts
        if path == "/api/events/":
            harness.has_event()
        harness.fail("status", path=path, status=404)
        assert not harness.take(harness.message())
        assert harness.posts == posts
        assert harness.outcome[1].startswith("Unable to reach Opencast. ")
        assert harness.dead() == []

    def test_nothing_is_ingested_when_the_roles_of_the_user_cannot_be_read(
        self, harness: Harness
    ) -> None:
        harness.fail("status", path="/api/info/", status=403)
        assert not harness.take(harness.message())
        assert harness.posts == 0
        assert "External API" in harness.outcome[1]

    def test_roles_of_the_opencast_user_are_read_once_in_a_container(
        self, harness: Harness
    ) -> None:
        harness.fail("status", status=400)
        harness.take(harness.message())
        harness.take(harness.message())
        assert harness.asked("/api/events/") > harness.asked("/api/info/me/roles") == 1

    def test_recording_is_ingested_at_the_second_attempt_when_the_first_cannot_read_roles(
        self, harness: Harness
    ) -> None:
        harness.fail("maintenance", path="/api/info/", times=1)
        assert not harness.take(harness.message())
        assert harness.take(harness.message(), receive_count=2)


class TestSigningIn:
    def test_uploader_gets_only_one_digest_challenge_for_a_message(self, harness: Harness) -> None:
        harness.take(harness.message())
        challenged = [request for request in harness.opencast.requests if request.status == 401]
        assert len(challenged) == 1
        assert harness.opencast.ingests[0].user == "zip"

    def test_request_to_opencast_is_repeated_when_the_nonce_has_expired(
        self, harness: Harness
    ) -> None:
        harness.take(harness.message(uuid="first==", zip_id="another"))
        harness.time.ahead = 301
        assert harness.take(harness.message())
        assert len(harness.opencast.ingests) == 2

    def test_whole_form_is_sent_again_when_the_nonce_has_expired_before_the_post(
        self, harness: Harness
    ) -> None:

        def wait() -> None:
            harness.time.ahead = 301

        harness.when_answered("/series/", wait)
        assert harness.take(harness.message())
        assert harness.outcome == ("SENT_TO_OPENCAST", "")
        statuses = [
            request.status for request in harness.opencast.requests if request.method == "POST"
        ]
        assert statuses == [401, 200]

    def test_uploader_signs_in_by_basic_authentication_when_opencast_auth_is_basic(
        self, harness: Harness
    ) -> None:
        harness.sign_in_as("database")
        harness.settings["opencast_auth"] = "basic"
        assert harness.take(harness.message())
        assert harness.outcome == ("SENT_TO_OPENCAST", "")
        assert harness.opencast.ingests[0].user == "database"
        assert all(request.status != 401 for request in harness.opencast.requests)

    @pytest.mark.parametrize("auth", ["digest", "basic"])
    def test_message_is_retried_when_the_password_is_wrong(
        self, harness: Harness, auth: str
    ) -> None:
        harness.password = "wrong"
        harness.settings["opencast_auth"] = auth
        assert not harness.take(harness.message())
        assert "OPENCAST_API_USER" in harness.outcome[1]
        assert "wrong" not in harness.outcome[1]
        assert harness.posts == 0


class TestTheSeries:
    def test_message_goes_to_the_dlq_when_opencast_does_not_have_the_series(
        self, harness: Harness
    ) -> None:
        message = harness.message(opencast_series_id="20269999999")
        assert harness.take(message)
        assert harness.outcome == ("UPLOADER_FAILED", "Invalid Opencast series id.")
        (dead,) = harness.dead()
        assert dead["body"] == message
        assert dead["reason"] == "Invalid Opencast series id."
        assert dead["group"] == message["uuid"]
        assert harness.posts == 0

    @pytest.mark.parametrize("status", [500, 403, 401])
    def test_message_is_retried_when_the_query_for_the_series_fails(
        self, harness: Harness, status: int
    ) -> None:
        harness.fail("status", path="/series/", status=status, times=9)
        assert not harness.take(harness.message())
        assert harness.outcome[0] == "UPLOADER_FAILED"
        assert "next try at" in harness.outcome[1]
        assert harness.dead() == []
