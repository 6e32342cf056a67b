"""The management API over real HTTP."""

import shutil
import socket
import ssl
import subprocess
from pathlib import Path

import httpx
import pytest

from paceline.app.keys import KeyOrder, create_key
from paceline.app.places import Places
from paceline.app.wiring import Workshop
from paceline.errors import Code, SetupError
from paceline.records.access import Purpose
from paceline.web.api import build_api
from paceline.web.server import serving

pytestmark = pytest.mark.enable_socket

OPENSSL = shutil.which("openssl")


@pytest.fixture
def shop(tmp_path: Path) -> Workshop:
    return Workshop(Places(data=tmp_path, cache=tmp_path))


def test_it_answers_admins_until_the_exit(shop: Workshop) -> None:
    order = KeyOrder(name="ops", purpose=Purpose.ADMIN)
    secret = create_key(order, shop.store.access, shop.clock).secret
    with serving(build_api(shop, metrics=str), host="127.0.0.1", port=0) as port:
        url = f"http://127.0.0.1:{port}"
        with httpx.Client(timeout=60.0) as client:
            assert client.get(f"{url}/healthz").status_code == 200
            assert client.get(f"{url}/api/keys").status_code == 401
            known = {"authorization": f"Bearer {secret}"}
            keys = client.get(f"{url}/api/keys", headers=known)
        assert [key["name"] for key in keys.json()["keys"]] == ["ops"]
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{url}/healthz")
    shop.store.close()


@pytest.mark.skipif(OPENSSL is None, reason="makes its certificate with openssl")
def test_it_speaks_tls_and_only_that_with_a_certificate(shop: Workshop, tmp_path: Path) -> None:
    cert = tmp_path / "cert.pem"
    argv = [str(OPENSSL), "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    argv += ["-keyout", str(cert), "-out", str(cert), "-subj", "/CN=localhost"]
    argv += ["-addext", "subjectAltName=DNS:localhost"]
    subprocess.run(argv, check=True, capture_output=True)
    api = build_api(shop, metrics=str)
    with serving(api, host="127.0.0.1", port=0, tls_cert=cert) as port:
        trusted = ssl.create_default_context(cafile=cert)
        answer = httpx.get(f"https://localhost:{port}/healthz", verify=trusted, timeout=60.0)
        assert answer.status_code == 200
        with pytest.raises(httpx.HTTPError):
            httpx.get(f"http://localhost:{port}/healthz", timeout=60.0)
    cert.write_text("no certificate")
    with pytest.raises(SetupError) as caught:
        serving(api, host="127.0.0.1", port=0, tls_cert=cert).__enter__()
    assert "--tls-cert" in caught.value.fix
    shop.store.close()


def test_a_port_that_is_taken_is_one_clear_error(shop: Workshop) -> None:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        server = serving(build_api(shop, metrics=str), host="127.0.0.1", port=port)
        with pytest.raises(SetupError) as caught:
            server.__enter__()
    assert caught.value.code is Code.PORT_IN_USE
    assert "--admin-port" in caught.value.fix
