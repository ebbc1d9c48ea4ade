"""Who may ask Opencast what, and that only a real "no" counts as one (section 8, 1-2)."""

from __future__ import annotations

import pytest

from tests.unit.functions.uploader.harness import SERIES, Kit


class TestIsItThere:
    def test_nothing_is_ingested_when_the_user_may_not_read_events(self, kit: Kit) -> None:
        """Opencast answers 404 to a user who may not read an event that is there."""
        kit.has_event()
        kit.sign_in_as("blind")
        assert not kit.take(kit.message())
        assert kit.posts == 0
        state, reason = kit.outcome
        assert state == "UPLOADER_FAILED"
        assert "ROLE_ADMIN" in reason
        assert kit.posts_of == {}

    def test_reason_names_the_role_that_a_capture_agent_lacks(self, kit: Kit) -> None:
        kit.sign_in_as("agent")
        assert not kit.take(kit.message())
        assert kit.posts == 0
        assert "ROLE_ADMIN" in kit.outcome[1]
        assert "403" in kit.outcome[1]

    @pytest.mark.parametrize(
        ("kind", "status"),
        [("status", 500), ("status", 503), ("status", 403), ("status", 401), ("status", 400)],
    )
    def test_nothing_is_ingested_when_the_question_for_the_event_fails(
        self, kit: Kit, kind: str, status: int
    ) -> None:
        kit.fail(kind, path="/api/events/", status=status, times=None)
        assert not kit.take(kit.message())
        assert kit.posts == 0
        assert kit.outcome[0] == "UPLOADER_FAILED"

    @pytest.mark.parametrize("path", ["/api/events/", "/api/info/", "/series/"])
    @pytest.mark.parametrize("kind", ["maintenance", "close"])
    def test_nothing_is_ingested_when_a_page_or_no_answer_comes_for_the_event(
        self, kit: Kit, kind: str, path: str
    ) -> None:
        kit.fail(kind, path=path, times=None)
        assert not kit.take(kit.message())
        assert kit.posts == 0
        assert kit.outcome[1].startswith("Unable to reach Opencast. ")

    @pytest.mark.parametrize("path", ["/api/events/", "/series/"])
    def test_nothing_is_ingested_when_a_proxy_answers_404_for_the_event(
        self, kit: Kit, path: str
    ) -> None:
        """As while Opencast restarts: its own 404 is no page."""
        kit.take(kit.message(uuid="other==", zip_id="another"))
        posts = kit.posts
        if path == "/api/events/":
            kit.has_event()
        kit.fail("status", path=path, status=404)
        assert not kit.take(kit.message())
        assert kit.posts == posts
        assert kit.outcome[1].startswith("Unable to reach Opencast. ")
        assert kit.dead() == []

    def test_nothing_is_ingested_when_the_users_roles_can_not_be_read(self, kit: Kit) -> None:
        kit.fail("status", path="/api/info/", status=403)
        assert not kit.take(kit.message())
        assert kit.posts == 0
        assert "External API" in kit.outcome[1]

    def test_roles_are_read_once_a_container(self, kit: Kit) -> None:
        kit.fail("status", status=400)
        kit.take(kit.message())
        kit.take(kit.message())
        assert kit.asked("/api/events/") > kit.asked("/api/info/me/roles") == 1

    def test_role_is_noticed_when_it_is_given_later(self, kit: Kit) -> None:
        kit.fail("maintenance", path="/api/info/", times=1)
        assert not kit.take(kit.message())
        assert kit.take(kit.message(), receive_count=2)


class TestSigningIn:
    def test_digest_challenge_is_asked_for_once(self, kit: Kit) -> None:
        kit.take(kit.message())
        challenged = [one for one in kit.opencast.requests if one.status == 401]
        assert len(challenged) == 1
        assert kit.opencast.ingests[0].user == "zip"

    def test_request_is_repeated_when_the_digests_nonce_has_expired(self, kit: Kit) -> None:
        kit.take(kit.message(uuid="first==", zip_id="another"))
        kit.time.ahead = 301
        assert kit.take(kit.message())
        assert len(kit.opencast.ingests) == 2

    def test_whole_form_is_sent_again_when_the_nonce_has_expired_before_the_post(
        self, kit: Kit
    ) -> None:
        """The form is sent again, whole."""

        def wait() -> None:
            kit.time.ahead = 301

        kit.when_answered("/series/", wait)
        assert kit.take(kit.message())
        assert kit.outcome == ("SENT_TO_OPENCAST", "")
        statuses = [one.status for one in kit.opencast.requests if one.method == "POST"]
        assert statuses == [401, 200]

    def test_users_of_the_database_sign_in_by_basic_authentication(self, kit: Kit) -> None:
        kit.sign_in_as("database")
        kit.settings["opencast_auth"] = "basic"
        assert kit.take(kit.message())
        assert kit.outcome == ("SENT_TO_OPENCAST", "")
        assert kit.opencast.ingests[0].user == "database"
        assert all(one.status != 401 for one in kit.opencast.requests)

    @pytest.mark.parametrize("auth", ["digest", "basic"])
    def test_message_is_retried_when_the_password_is_wrong(self, kit: Kit, auth: str) -> None:
        kit.password = "wrong"
        kit.settings["opencast_auth"] = auth
        assert not kit.take(kit.message())
        assert "OPENCAST_API_USER" in kit.outcome[1]
        assert "wrong" not in kit.outcome[1]
        assert kit.posts == 0


class TestTheSeries:
    def test_message_is_given_up_when_opencast_has_no_such_series(self, kit: Kit) -> None:
        message = kit.message(opencast_series_id="20269999999")
        assert kit.take(message)
        assert kit.outcome == ("UPLOADER_FAILED", "Invalid Opencast series id.")
        (dead,) = kit.dead()
        assert dead["body"] == message
        assert dead["reason"] == "Invalid Opencast series id."
        assert dead["group"] == message["uuid"]
        assert kit.posts == 0

    def test_series_id_can_not_change_the_address(self, kit: Kit) -> None:
        assert kit.take(kit.message(opencast_series_id=f"../series/{SERIES}.json?x="))
        assert kit.outcome == ("UPLOADER_FAILED", "Invalid Opencast series id.")

    @pytest.mark.parametrize("status", [500, 403, 401])
    def test_message_is_retried_when_the_question_for_the_series_fails(
        self, kit: Kit, status: int
    ) -> None:
        kit.fail("status", path="/series/", status=status, times=9)
        assert not kit.take(kit.message())
        assert kit.outcome[0] == "UPLOADER_FAILED"
        assert "next try at" in kit.outcome[1]
        assert kit.dead() == []
