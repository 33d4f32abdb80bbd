"""Conditional requests: entity tags, `If-None-Match` and 304."""

from tests.conftest import Gateway
from tests.server.requests import QUERY, REST, both_apis, count_in, get_count, session


@both_apis
def test_a_client_with_the_current_representation_gets_304(gateway: Gateway, path: str) -> None:
    """When the data changes it gets 200, with another entity tag."""
    gateway.load([session(1)])
    token = gateway.token("org-1")
    first = get_count(gateway, path, token)
    etag = first.headers["etag"]
    in_a_list = get_count(gateway, path, token, f'"other", {etag}')
    weak = get_count(gateway, path, token, f"W/{etag}")
    wildcard = get_count(gateway, path, token, "*")
    other = get_count(gateway, path, token, '"other"')
    gateway.load([session(2)])
    changed = get_count(gateway, path, token, etag)

    for response in (in_a_list, weak, wildcard):
        assert (response.status_code, response.content) == (304, b"")
        assert response.headers["etag"] == etag
        assert response.headers["cache-control"] == "private, no-cache"
        assert response.headers["vary"] == "Authorization, Accept"
    assert other.status_code == 200
    assert (changed.status_code, count_in(changed)) == (200, 2)
    assert changed.headers["etag"] != etag


def test_a_post_and_an_error_never_get_304(gateway: Gateway) -> None:
    """They have no entity tag, and browsers must not store them."""
    headers = {"if-none-match": "*"}
    posted = gateway.request(
        "POST", "/graphql", gateway.token("org-1"), json={"query": QUERY}, headers=headers
    )
    refused = get_count(gateway, REST, gateway.token("org-2"), "*")

    assert (posted.status_code, refused.status_code) == (200, 403)
    for response in (posted, refused):
        assert response.headers["cache-control"] == "no-store"
        assert "etag" not in response.headers
