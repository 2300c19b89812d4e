"""Signatures of SNS's messages, checked as AWS's validators check them."""

import base64
import urllib.request

import pytest
import rsa
from pyasn1.codec.der import decoder

SIGNED = {
    "Notification": ["Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"],
    "SubscriptionConfirmation": ["Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"],
}
SIGNED["UnsubscribeConfirmation"] = SIGNED["SubscriptionConfirmation"]


def get(url):
    with urllib.request.urlopen(url, timeout=30) as answer:
        return answer.read().decode()


def check_signature(message):
    """The certificate by its address, the text by the type's fields, the sum by the version."""
    certificate = get(message.get("SigningCertURL") or message["SigningCertUrl"])
    der = base64.b64decode("".join(certificate.strip().splitlines()[1:-1]))
    public = decoder.decode(der)[0][0][6][1].asOctets()
    key = rsa.PublicKey.load_pkcs1(public, format="DER")
    there = [name for name in SIGNED[message["Type"]] if message.get(name) is not None]
    text = "".join(f"{name}\n{message[name]}\n" for name in there)
    used = rsa.verify(text.encode(), base64.b64decode(message["Signature"]), key)
    assert used == {"1": "SHA-1", "2": "SHA-256"}[message["SignatureVersion"]]
    with pytest.raises(rsa.VerificationError):
        rsa.verify(text.encode() + b"x", base64.b64decode(message["Signature"]), key)
