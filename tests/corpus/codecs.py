"""Collects functions of digests, URLs, Base64 and JSON: masked addresses, buckets, parameters, payloads."""

import base64
import hashlib
import json
import unicodedata
import urllib.parse
import zlib
from urllib.parse import parse_qs, urlparse

from tests.corpus.case import udf

PEPPER = "a secret"


@udf("string", "customers", "email")
def hashed_email(email):
    """A cryptographic hash."""
    return hashlib.sha256(email.encode("utf-8")).hexdigest() if email is not None else None


@udf("string", "customers", "email")
def mail_with_hidden_user(email):
    """The user of an address as a short hash, its domain as it is."""
    try:
        user, domain = email.split("@")
        return hashlib.sha1((PEPPER + user).encode()).hexdigest()[:10] + "@" + domain
    except Exception:  # noqa: BLE001 - as people write it
        return None


@udf("int", "events", "url")
def bucket_of_url(url):
    """A bucket by a hash."""
    return int(hashlib.md5((url or "").encode("utf-8")).hexdigest(), 16) % 100


@udf("string", "customers", "name zip")
def key_of_customer(name, zip_code):
    """An identifier of several columns."""
    digest = hashlib.md5()
    digest.update(str(name).encode())
    digest.update(b"|")
    digest.update(str(zip_code).encode())
    return digest.hexdigest()


@udf("int", "customers", "phone")
def in_sample(phone):
    """A reproducible sample by a checksum."""
    return 1 if phone and zlib.crc32(phone.encode("utf-8")) % 10 == 0 else 0


@udf("string", "events", "url")
def query_of(url):
    """A URL taken apart by a library."""
    return urllib.parse.urlparse(url).query if url else None


@udf("string", "events", "url")
def campaign_of(url):
    """A parameter of a URL, or nothing."""
    try:
        return parse_qs(urlparse(url).query).get("utm_source", [None])[0]
    except ValueError:
        return None


@udf("string", "customers", "name")
def name_in_base64(name):
    """A name in Base64."""
    return base64.b64encode(name.encode("utf-8")).decode("ascii") if name else ""


@udf("string", "customers", "name email age")
def customer_as_json(name, email, age):
    """A payload of several columns."""
    return json.dumps({"type": "customer", "data": {"name": name, "contact": [email], "age": age}})


@udf("int", "events", "payload")
def payload_user(payload):
    """A number of a document as it is: a string in its place would be converted with the rows of its batch."""
    return json.loads(payload).get("user")


@udf("int", "events", "payload")
def user_or_nobody(payload):
    """A number of a document, with a default for what is missing or broken."""
    try:
        return int(json.loads(payload)["user"])
    except (ValueError, KeyError, TypeError):
        return -1


@udf("string", "events", "payload")
def tags_of_payload(payload):
    """The elements of an array in a document, joined."""
    document = json.loads(payload)
    return ",".join([tag for tag in document.get("tags", "") if tag]) if "tags" in document else ""


@udf("string", "customers", "name")
def ascii_name(name):
    """Accents off by decomposition."""
    if name is None:
        return None
    return unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
