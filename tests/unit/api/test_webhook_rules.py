"""Where webhooks may go: what an address says, and what it leads to."""

import pytest

from stenogram.api.durable_streams.subscriptions.signing_keys import SigningKeys
from stenogram.api.durable_streams.subscriptions.webhook_rules import WebhookRules
from stenogram.domain.errors import ConfigurationError, Invalid

RULES = WebhookRules(
    ["https://worker.example.com/hooks", "https://any.example.com:*", "http://127.0.0.1:9000/", "http://[::1]:*/"],
    ["10.1.0.0/16", "fd00::/8"],
)


@pytest.mark.parametrize(
    "url",
    [
        "https://worker.example.com/hooks",
        "https://worker.example.com/hooks/",
        "https://worker.example.com/hooks/a?key=1",
        "https://WORKER.example.com:443/hooks",
        "https://any.example.com:8443/",
        "https://any.example.com",
        "http://127.0.0.1:9000/a",
        "http://[::1]:7/",
    ],
)
def test_what_is_named_is_allowed(url: str) -> None:
    RULES.check(url)


@pytest.mark.parametrize(
    "url",
    [
        "http://worker.example.com/hooks",
        "https://worker.example.com/",
        "https://worker.example.com/hooksmith",
        "https://worker.example.com/hooks/../admin",
        "https://worker.example.com/hooks/%2e%2e/admin",
        "https://worker.example.com/hooks/..%2fadmin",
        "https://worker.example.com/hooks/..%5cadmin",
        "https://worker.example.com/hooks/..\\admin",
        "https://worker.example.com/hooks/..;a/admin",
        "https://worker.example.com/hooks/%252e%252e/admin",
        "https://worker.example.com/hooks%2fadmin",
        "https://worker.example.com:8443/hooks",
        "https://worker.example.com.evil.example/hooks",
        "https://worker.example.com@evil.example/hooks",
        "https://user:password@worker.example.com/hooks",
        "https://evil.example/https://worker.example.com/hooks",
        "https://worker.example.com/hooks#a",
        "http://127.0.0.1:9001/",
        "http://2130706433:9000/",
        "http://127.1:9000/",
        "http://0x7f000001:9000/",
        "http://localhost:9000/",
        "http://169.254.169.254/latest/meta-data",
        "file:///etc/passwd",
        "ftp://worker.example.com/hooks",
        "//worker.example.com/hooks",
        "https://",
        "https://[::1",
        "",
        "\x00",
        "https://worker.example.com:99999/hooks",
    ],
)
def test_what_is_not_named_is_not(url: str) -> None:
    with pytest.raises(Invalid) as refused:
        RULES.check(url)
    assert refused.value.extra["error"] == {"code": "WEBHOOK_URL_REJECTED"}


def test_without_any_nothing_is() -> None:
    with pytest.raises(Invalid):
        WebhookRules([], []).check("https://worker.example.com/hooks")


@pytest.mark.parametrize(
    "address", ["93.184.216.34", "2606:2800:220:1:248:1893:25c8:1946", "10.1.2.3", "fd00::1", "::ffff:93.184.216.34"]
)
def test_a_name_may_lead_to_what_is_public_or_allowed(address: str) -> None:
    assert RULES.is_open("worker.example.com", address)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.2.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "224.0.0.1",
        "255.255.255.255",
        "::1",
        "::",
        "fe80::1%eth0",
        "fc00::1",
        "ff02::1",
        "::ffff:127.0.0.1",
        "::ffff:169.254.169.254",
        "2002:7f00:1::",
        "64:ff9b::7f00:1",
        "64:ff9b::a9fe:a9fe",
        "64:ff9b:1::a9fe:a9fe",
        "::127.0.0.1",
        "::ffff:0:127.0.0.1",
        "fec0::1",
        "4000::1",
        "nonsense",
    ],
)
def test_a_name_leads_to_nothing_else(address: str) -> None:
    assert not RULES.is_open("worker.example.com", address)


def test_a_number_that_is_named_is_meant() -> None:
    assert RULES.is_open("127.0.0.1", "127.0.0.1")
    assert not RULES.is_open("127.0.0.1", "127.0.0.2")
    assert RULES.is_open("::1", "::1")
    assert RULES.is_open("localhost", "::1")
    assert not RULES.is_open("localhost", "10.2.0.1")


@pytest.mark.parametrize(
    "address", ["worker.example.com", "*", "ftp://a", "https://", "https://u@a", "https://a?b", "https://a#b"]
)
def test_settings_that_say_nothing_are_refused(address: str) -> None:
    with pytest.raises(ConfigurationError, match="STENOGRAM_WEBHOOKS"):
        WebhookRules([address], [])


def test_networks_that_are_none_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="STENOGRAM_WEBHOOK_NETWORKS"):
        WebhookRules([], ["10.0.0.1/8"])


@pytest.mark.parametrize("pem", ["", "x", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----"])
def test_keys_that_are_none_are_refused_without_being_told(pem: str) -> None:
    with pytest.raises(ConfigurationError, match="STENOGRAM_WEBHOOK_KEYS") as refused:
        SigningKeys([pem])
    assert not pem or pem == "x" or pem not in str(refused.value)
