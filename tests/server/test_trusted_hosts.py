"""Trusted hosts."""

from tests.conftest import Gateway


def test_requests_to_untrusted_hosts_are_refused(gateway: Gateway) -> None:
    """This prevents DNS rebinding: a page cannot reach the server by a host name of its own.

    Probes may be sent to any host, because they use bare addresses.
    """
    hosts = ["api.example.com", "a.internal", "evil.example.com"]
    with gateway.configured(trusted_hosts="api.example.com,*.internal") as strict:
        requested, probed = (
            [
                strict.request("GET", path, None, headers={"host": host}).status_code
                for host in hosts
            ]
            for path in ("/openapi.json", "/livez")
        )

    assert requested == [200, 200, 400]
    assert probed == [200, 200, 200]
