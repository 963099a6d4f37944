"""Adds to moto what its own documentation says is missing: `MessageType: DIGEST` of `Sign` and `Verify`.

Everything else of the answer is moto's. Without it, moto hashes a digest once more.
"""

import threading

from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from moto.kms import responses, utils

_call = threading.local()


def _remembering(name):
    original = getattr(responses.KmsResponse, name)

    def method(self):
        _call.is_digest = self._get_param("MessageType") == "DIGEST"
        try:
            return original(self)
        finally:
            _call.is_digest = False

    setattr(responses.KmsResponse, name, method)


def _prehashed(algorithm):
    return Prehashed(algorithm) if getattr(_call, "is_digest", False) else algorithm


def install():
    _remembering("sign")
    _remembering("verify")
    rsa_name = "_RSAPrivateKey__padding_and_hash_algorithm"
    rsa = getattr(utils.RSAPrivateKey, rsa_name)

    def padding_and_hash(self, signing_algorithm):
        padding, algorithm = rsa(self, signing_algorithm)
        return padding, _prehashed(algorithm)

    setattr(utils.RSAPrivateKey, rsa_name, padding_and_hash)
    ecdsa_name = "_ECDSAPrivateKey__hash_algorithm"
    ecdsa = getattr(utils.ECDSAPrivateKey, ecdsa_name)
    setattr(utils.ECDSAPrivateKey, ecdsa_name, lambda self, name: _prehashed(ecdsa(self, name)))
