"""Tests of the base class of stand-ins, with control paths, faults, and a program's main loop."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping

import pytest
import requests

from local.authority import Authority
from local.neighbours.faults import BaseFault, FaultQueue
from local.neighbours.https_server import Answer, Request, text_answer
from local.neighbours.stand_in import Route, StandIn
from local.processes import ROOT
from tests.neighbours import CONTROL, CONTROL_TOKEN, client_session, served


class Echo(StandIn):
    """A stand-in that echoes the request's path. All control paths but `result` fail."""

    def answer(self, request: Request) -> Answer:
        return text_answer(200, "text/plain", request.path.encode())

    def control(self) -> Mapping[tuple[str, str], Route]:
        def fail(error: Exception) -> Route:
            def route(_: Request) -> object:
                raise error

            return route

        return {
            ("GET", "result"): lambda _: {"some": (1, 2)},
            ("POST", "unknown"): fail(KeyError("no user x")),
            ("POST", "wrong"): fail(ValueError("no place y")),
            ("POST", "silent"): fail(requests.ConnectionError("refused")),
        }


@pytest.fixture
def echo(tls: Authority) -> Iterator[Echo]:
    with Echo(tls, control_token=CONTROL_TOKEN) as made:
        yield made


@pytest.fixture
def session(tls: Authority) -> Iterator[requests.Session]:
    with client_session(tls) as made:
        yield made


def test_stand_in_gives_the_answer_of_the_neighbour_outside_of_control_paths(
    echo: Echo, session: requests.Session
) -> None:
    assert session.get(f"{echo.url}/some/path", timeout=5).text == "/some/path"


def test_control_path_answers_with_its_result_as_json(
    echo: Echo, session: requests.Session
) -> None:
    answer = session.get(f"{echo.url}/_control/result", headers=CONTROL, timeout=5)
    assert (answer.status_code, answer.json()) == (200, {"some": [1, 2]})


@pytest.mark.parametrize(
    ("path", "status", "sentence"),
    [
        ("unknown", 404, "not found: no user x"),
        ("wrong", 400, "/_control/wrong: no place y"),
        ("silent", 502, "the endpoint did not answer: refused"),
        ("nothing", 404, "no POST /_control/nothing here"),
    ],
)
def test_control_path_answers_with_a_sentence_when_it_fails(
    echo: Echo, session: requests.Session, path: str, status: int, sentence: str
) -> None:
    answer = session.post(f"{echo.url}/_control/{path}", headers=CONTROL, timeout=5)
    assert (answer.status_code, answer.json()) == (status, {"message": sentence})


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"Authorization": CONTROL_TOKEN}, 401),
        ({"Authorization": f"Bearer {CONTROL_TOKEN}x"}, 401),
        ({"Authorization": f"bearer {CONTROL_TOKEN}"}, 401),
        ({"Authorization": "Bearer "}, 401),
        ({"Authorization": "Basic Y29udHJvbDo="}, 401),
        ({"Authorization": "Bearer ü".encode()}, 401),
        ({"Cookie": f"token={CONTROL_TOKEN}"}, 401),
        ({**CONTROL, "Origin": "https://evil.example"}, 403),
        ({**CONTROL, "Origin": "null"}, 403),
        ({**CONTROL, "Origin": "https://127.0.0.1:1"}, 403),
        ({**CONTROL, "Host": "evil.example"}, 403),
        ({**CONTROL, "Host": "127.0.0.1.evil.example"}, 403),
        ({**CONTROL, "Host": ""}, 403),
    ],
    ids=str,
)
def test_control_request_is_refused_when_token_host_or_origin_is_wrong(
    echo: Echo, session: requests.Session, headers: Mapping[str, str], status: int
) -> None:
    for path in ("result", "nothing"):
        answer = session.get(f"{echo.url}/_control/{path}", headers=headers, timeout=5)
        assert answer.status_code == status
        assert set(answer.json()) == {"message"}
        assert "Access-Control-Allow-Origin" not in answer.headers


def test_control_request_is_served_when_it_comes_from_a_page_of_the_stand_in(
    echo: Echo, session: requests.Session
) -> None:
    url = echo.url.replace("127.0.0.1", "localhost")
    answer = session.get(f"{url}/_control/result", headers={**CONTROL, "Origin": url}, timeout=5)
    assert answer.status_code == 200


@pytest.mark.parametrize("given", ["", "Bearer", "Bearer "])
def test_control_paths_refuse_every_request_when_the_stand_in_has_no_token(
    tls: Authority, session: requests.Session, given: str
) -> None:
    with Echo(tls) as open_to_nobody:
        url = f"{open_to_nobody.url}/_control/result"
        assert session.get(url, headers={"Authorization": given}, timeout=5).status_code == 401


def test_preflight_request_to_a_control_path_is_refused(
    echo: Echo, session: requests.Session
) -> None:
    asked = {
        "Origin": "https://evil.example",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization",
    }
    answer = session.options(f"{echo.url}/_control/result", headers=asked, timeout=5)
    assert answer.status_code >= 400
    assert "Access-Control-Allow-Origin" not in answer.headers


def test_stand_in_cannot_be_started_when_it_is_running(echo: Echo) -> None:
    with pytest.raises(RuntimeError, match="stop"):
        echo.start()


def test_stand_in_is_unreachable_on_kept_connections_when_it_was_stopped(
    echo: Echo, session: requests.Session
) -> None:
    url = echo.url
    assert session.get(url, timeout=5).status_code == 200
    echo.stop()
    with pytest.raises(requests.ConnectionError):
        session.get(url, timeout=5)


def test_silent_client_of_a_stand_in_does_not_block_other_clients(
    echo: Echo, session: requests.Session
) -> None:
    port = int(echo.url.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port)):
        assert session.get(echo.url, timeout=5).status_code == 200


def test_answer_counts_no_bytes_of_a_body_when_the_client_closes_the_connection(
    tls: Authority, session: requests.Session
) -> None:
    size, counted = 20_000_000, list[int]()
    answer = Answer(200, body=bytes(size), sent=counted.append)
    with served(lambda _: answer, tls) as port:
        session.get(f"https://127.0.0.1:{port}/", stream=True, timeout=5).close()
        # The end of the block waits for the thread that sends the answer.
    assert counted == [size, -size]


def test_program_of_a_stand_in_ends_with_one_line_when_its_port_is_taken(
    echo: Echo, tls: Authority
) -> None:
    port = echo.url.rpartition(":")[2]
    options = ["--tls-dir", str(tls.certificate.parent), "--port", port]
    done = subprocess.run(
        [sys.executable, "-m", "local.neighbours.slack", *options],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=10,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert "choose another --port" in done.stderr


def test_queued_faults_happen_in_order_after_their_skipped_requests() -> None:
    faults = FaultQueue[BaseFault]()
    first, second = BaseFault(skip=1), BaseFault(times=2)
    faults.add(first)
    faults.add(second)
    taken = [faults.take(lambda _: True) for _ in range(4)]
    assert [fault and fault.times for fault in taken] == [2, 1, 1, None]
    assert faults.pending() == ()


def test_fault_does_not_count_requests_that_it_does_not_match() -> None:
    faults = FaultQueue[BaseFault]()
    faults.add(BaseFault(skip=1))
    assert faults.take(lambda _: False) is None
    assert faults.pending() == (BaseFault(skip=1),)


def test_fault_happens_exactly_as_often_as_set_when_many_threads_ask_for_faults() -> None:
    faults = FaultQueue[BaseFault]()
    faults.add(BaseFault(times=50))
    taken: list[BaseFault | None] = []

    def ask() -> None:
        taken.extend(faults.take(lambda _: True) for _ in range(20))

    threads = [threading.Thread(target=ask) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len([fault for fault in taken if fault]) == 50
