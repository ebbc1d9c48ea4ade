"""Whatever is asked of Google, there is an answer."""

import json
from typing import Any

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.neighbours.sheets_account import GRANT, ServiceAccount, TokenProblem, Tokens
from local.neighbours.sheets_book import Book, RangeProblem, find
from local.neighbours.sheets_fields import MaskProblem, masked, read_mask
from tests.local.clock import Clock

RANGES = st.lists(st.sampled_from([*"AZ19$:!' ", "Fall", "ZZZ", "1000", "''"]), max_size=7).map(
    "".join
)
MASKS = st.lists(st.sampled_from([*"ab.,/()* "]), max_size=10).map("".join)
CLAIMS = st.none() | st.integers() | st.text(max_size=5) | st.lists(st.text(max_size=3), max_size=2)


@given(RANGES)
def test_ranges(text: str) -> None:
    book = Book("d")
    book.put("Fall", [["a", "b"], [], ["c"]])
    try:
        area = find(text, book)
    except RangeProblem:
        return
    assert area.tab.title == "Fall"
    by_rows = area.values("FORMATTED_VALUE", "SERIAL_NUMBER", by_columns=False)
    by_columns = area.values("FORMATTED_VALUE", "SERIAL_NUMBER", by_columns=True)
    cells = {(r, c, v) for r, row in enumerate(by_rows) for c, v in enumerate(row) if v != ""}
    assert cells == {
        (r, c, v) for c, column in enumerate(by_columns) for r, v in enumerate(column) if v != ""
    }
    assert all(row[-1] != "" for row in by_rows if row)
    assert not by_rows or by_rows[-1]
    again = find(str(area), book)
    assert again.values("FORMATTED_VALUE", "SERIAL_NUMBER", by_columns=False) == by_rows


@given(MASKS)
def test_masks(text: str) -> None:
    try:
        mask = read_mask(text)
    except MaskProblem:
        return
    assert isinstance(masked({"a": [{"b": 1}], "b": {"a": 2}}, mask), dict)


@given(claims=st.dictionaries(st.sampled_from(["iss", "aud", "scope", "iat", "exp"]), CLAIMS))
def test_claims(account: ServiceAccount, claims: dict[str, Any]) -> None:
    assertion = jwt.encode({"iss": account.email}, account.key, algorithm="RS256")
    whole = {"iss": account.email, "iat": 1_795_000_000, "exp": 1_795_000_060, **claims}
    head, _, _ = assertion.split(".")
    body = jwt.utils.base64url_encode(json.dumps(whole).encode()).decode()
    signer = jwt.algorithms.RSAAlgorithm(jwt.algorithms.RSAAlgorithm.SHA256)
    signature = jwt.utils.base64url_encode(signer.sign(f"{head}.{body}".encode(), account.key))
    form = {"grant_type": GRANT, "assertion": f"{head}.{body}.{signature.decode()}"}
    with pytest.raises(TokenProblem):
        Tokens(account, Clock()).issue(form, "https://127.0.0.1/token")
