import pytest

from paceline.app.endpoint_url import endpoint_url
from paceline.errors import SpecError


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("http://host", "http://host"),
        ("https://host:8443/base/", "https://host:8443/base"),
        ("http://[::1]:8000", "http://[::1]:8000"),
        ("localhost:8000", "http://localhost:8000"),
        (" HTTP://host:1\n", "http://host:1"),
        ("gpu-box:8000", "http://gpu-box:8000"),
        ("10.0.0.7", "http://10.0.0.7"),
        ("http://host:1/v1", "http://host:1"),
        ("http://host:1/v1/", "http://host:1"),
        ("http://host:1/base/v1/chat/completions", "http://host:1/base"),
        ("http://host:1/v1/embeddings/", "http://host:1"),
    ],
)
def test_an_address_is_taken_as_people_type_it(text: str, url: str) -> None:
    assert endpoint_url(text) == url
    assert endpoint_url(url) == url


@pytest.mark.parametrize(
    ("text", "why", "fix"),
    [
        ("notaurl", "neither http:// nor a port", "http://notaurl:8000"),
        ("htp://host:21", "htp://", "http://host:8000"),
        ("https://", "no host", "http://127.0.0.1:8000"),
        ("http://user@/v1", "no host", "http://"),
        ("", "no host", "http://127.0.0.1:8000"),
        ("http://host:99999", "0-65535", "http://host:8000"),
        ("host:http", "Port could not be cast", "http://host:8000"),
    ],
)
def test_what_is_no_url_is_refused_with_what_to_type(text: str, why: str, fix: str) -> None:
    with pytest.raises(SpecError) as caught:
        endpoint_url(text)
    assert repr(text) in caught.value.what
    assert why in caught.value.why
    assert fix in caught.value.fix
