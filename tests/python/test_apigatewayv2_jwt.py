"""API Gateway v2: routes that want a token, with an issuer on loopback.

What is checked: https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-jwt-authorizer.html
"""

import base64
import json

import pytest
import rsa

from support import unique
from test_apigatewayv2_plane import ECHO, Endpoint, Http, function


def encoded(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def number(value):
    return encoded(value.to_bytes((value.bit_length() + 7) // 8, "big"))


class Issuer(Endpoint):
    """An issuer: its configuration, its key and its tokens."""

    def __init__(self):
        super().__init__()
        self.issuer = f"{self.address}/realm"
        self.documents["/realm/.well-known/openid-configuration"] = {"issuer": self.issuer, "jwks_uri": f"{self.address}/keys"}
        self.documents["/keys"] = {"keys": []}
        self.key = self.add("one")

    def add(self, kid):
        public, private = rsa.newkeys(2048)
        self.documents["/keys"]["keys"].append({"kty": "RSA", "use": "sig", "kid": kid, "alg": "RS256",
                                                "n": number(public.n), "e": number(public.e)})
        return private

    def token(self, now, key=None, header=None, digest="SHA-256", **claims):
        header = {"alg": "RS256", "kid": "one", "typ": "JWT", **(header or {})}
        claims = {"iss": self.issuer, "aud": "app", "sub": "me", "iat": now, "nbf": now, "exp": now + 300, **claims}
        claims = {name: value for name, value in claims.items() if value is not None}
        signed = f"{encoded(json.dumps(header).encode())}.{encoded(json.dumps(claims).encode())}"
        return f"{signed}.{encoded(rsa.sign(signed.encode(), key or self.key, digest))}"


@pytest.fixture(scope="module")
def issuer():
    issuer = Issuer()
    yield issuer
    issuer.server.shutdown()


@pytest.fixture(scope="module")
def api(server, issuer):
    api = Http(server)
    made = api.client.create_authorizer(
        ApiId=api.id, Name=unique("jwt"), AuthorizerType="JWT", IdentitySource=["$request.header.Authorization"],
        JwtConfiguration={"Issuer": issuer.issuer, "Audience": ["app", "other"]})
    target = api.integration(function(server, ECHO))
    guard = {"AuthorizationType": "JWT", "AuthorizerId": made["AuthorizerId"]}
    api.route("GET /a", target, **guard)
    api.route("GET /scoped", target, AuthorizationScopes=["read", "write"], **guard)
    api.route("GET /one", api.integration(api.client.get_integration(ApiId=api.id, IntegrationId=target)["IntegrationUri"],
                                          PayloadFormatVersion="1.0"), **guard)
    return api


@pytest.fixture
def now(server):
    return int(server.now().timestamp())


def ask(api, token, path="/a"):
    return api.call(path, headers={"Authorization": token} if token else {})


def test_good_tokens(api, issuer, now):
    token = issuer.token(now, groups=["a", "b"], n=7, ok=True)
    for given in (token, f"Bearer {token}", f"bearer {token}"):
        answer = ask(api, given)
        assert answer.status == 200, (answer.body, answer.headers)
    jwt = answer.json["requestContext"]["authorizer"]["jwt"]
    assert jwt["claims"]["sub"] == "me" and jwt["claims"]["groups"] == "[a b]" and jwt["claims"]["n"] == "7"
    assert (jwt["claims"]["ok"], jwt["claims"]["exp"], jwt["scopes"]) == ("true", str(now + 300), None)
    assert ask(api, issuer.token(now), "/one").json["requestContext"]["authorizer"]["claims"]["sub"] == "me"
    assert ask(api, issuer.token(now, aud=["x", "other"])).status == 200
    assert ask(api, issuer.token(now, aud=None, client_id="app")).status == 200
    assert ask(api, issuer.token(now, header={"alg": "RS512"}, digest="SHA-512")).status == 200


def test_tokens_that_are_refused(api, issuer, now):
    _, stranger = rsa.newkeys(2048)
    good = issuer.token(now)
    head, claims, signature = good.split(".")
    none = f"{encoded(json.dumps({'alg': 'none', 'kid': 'one'}).encode())}.{claims}."
    for token in (
            "nonsense", "a.b.c", none, f"{head}.{claims}.", f"{head}.{encoded(b'{}')}.{signature}",
            issuer.token(now, key=stranger), issuer.token(now, header={"kid": "two"}), issuer.token(now, header={"kid": None}),
            issuer.token(now, header={"alg": "HS256"}), issuer.token(now, header={"alg": "RS384"}),
            issuer.token(now, iss="http://localhost/"), issuer.token(now, aud="none"), issuer.token(now, aud="none", client_id="app"),
            issuer.token(now, aud=None), issuer.token(now, exp=now - 1), issuer.token(now, exp=None),
            issuer.token(now, nbf=now + 200), issuer.token(now, iat=now + 200)):
        answer = ask(api, token)
        assert (answer.status, answer.json) == (401, {"message": "Unauthorized"}), token
        assert answer.headers["www-authenticate"].startswith('Bearer scope="" error="invalid_token" error_description="')
    # https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-troubleshooting-jwt.html
    said = ask(api, issuer.token(now, aud="none")).headers["www-authenticate"]
    assert said == 'Bearer scope="" error="invalid_token" error_description="the token does not have a valid audience"'
    missing = ask(api, None)
    assert (missing.status, missing.headers["www-authenticate"]) == (401, "Bearer")


def test_scopes(api, issuer, now):
    for claims in ({"scope": "other read"}, {"scp": ["write"]}):
        answer = ask(api, issuer.token(now, **claims), "/scoped")
        assert answer.status == 200, answer.body
    assert answer.json["requestContext"]["authorizer"]["jwt"]["scopes"] == ["write"]
    for claims in ({}, {"scope": "other"}, {"scope": "readwrite"}):
        answer = ask(api, issuer.token(now, **claims), "/scoped")
        assert (answer.status, answer.json) == (403, {"message": "Forbidden"})
        assert 'error="insufficient_scope"' in answer.headers["www-authenticate"]


def test_keys_are_kept_for_two_hours(own):
    issuer, api = Issuer(), Http(own)
    made = api.client.create_authorizer(
        ApiId=api.id, Name="j", AuthorizerType="JWT", IdentitySource=["$request.querystring.token"],
        JwtConfiguration={"Issuer": issuer.issuer, "Audience": ["app"]})
    api.route("GET /a", issuer.address + "/other", AuthorizationType="JWT", AuthorizerId=made["AuthorizerId"])

    def status(**more):
        token = issuer.token(int(own.now().timestamp()), **more)
        return api.call(f"/a?token={token}").status

    assert [status(), status()] == [200, 200]
    assert issuer.asked.count("/keys") == 1
    second = issuer.add("two")
    assert status(key=second, header={"kid": "two"}) == 401
    own.advance(2 * 60 * 60 + 1)
    assert status(key=second, header={"kid": "two"}) == 200
    assert issuer.asked.count("/keys") == 2
    issuer.server.shutdown()


def test_an_issuer_that_cannot_be_reached(server, now, issuer):
    api = Http(server)
    made = api.client.create_authorizer(
        ApiId=api.id, Name="j", AuthorizerType="JWT", IdentitySource=["$request.header.Authorization"],
        JwtConfiguration={"Issuer": "http://127.0.0.1:1/", "Audience": ["app"]})
    api.route("GET /a", issuer.address, AuthorizationType="JWT", AuthorizerId=made["AuthorizerId"])
    answer = ask(api, issuer.token(now, iss="http://127.0.0.1:1/"))
    assert (answer.status, answer.json) == (401, {"message": "Unauthorized"})
