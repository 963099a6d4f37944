"""Verifies tokens with PyJWT and joserfc. One request a line on stdin, one answer a line on stdout, both JSON.

How old a token is, is not looked at: the tokens are from a time that only the test lives in. So that caches grow old all the
same, each request says by how many seconds the clock has moved on.
"""

import json
import sys
import time
import urllib.request

import jwt
from joserfc import jwt as joserfc_jwt
from joserfc.jwk import KeySet

moved_on = 0.0
real_monotonic = time.monotonic
time.monotonic = lambda: real_monotonic() + moved_on

clients = {}


def with_pyjwt(request):
    url = request["url"]
    client = clients.setdefault(url, jwt.PyJWKClient(url))
    key = client.get_signing_key_from_jwt(request["token"])
    return jwt.decode(
        request["token"],
        key,
        algorithms=[request["alg"]],
        audience=request["audience"],
        issuer=request["issuer"],
        options={"verify_exp": False, "verify_iat": False},
    )


def with_joserfc(request):
    with urllib.request.urlopen(request["url"]) as response:
        keys = KeySet.import_key_set(json.load(response))
    claims = joserfc_jwt.decode(request["token"], keys, algorithms=[request["alg"]]).claims
    if claims["iss"] != request["issuer"] or claims["aud"] != request["audience"]:
        raise ValueError("issuer or audience")
    return claims


for line in sys.stdin:
    request = json.loads(line)
    moved_on = request["movedOn"]
    try:
        verify = with_pyjwt if request["client"] == "PyJWT" else with_joserfc
        answer = {"sub": verify(request)["sub"]}
    except Exception as error:
        answer = {"error": f"{type(error).__name__}: {error}"}
    print(json.dumps(answer), flush=True)
