"""A lab's own certificate authority, and certificates for the TLS services of its nodes.

This is the one module that imports `cryptography`, which paramiko needs too.
"""

from __future__ import annotations

import datetime
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

AUTHORITY_DAYS = 3650
LEAF_DAYS = 397
"""The longest term that browsers accept; see the CA/Browser Forum's baseline requirements."""
RENEW_DAYS = 60
"""A certificate that ends sooner is renewed, so that none expires during a term."""
_BACKDATED = datetime.timedelta(days=1)
"""A node's clock may be slow, as after a suspend, and then a new certificate is not valid yet."""


@dataclass(frozen=True, slots=True)
class Issued:
    """A certificate and its private key, both as PEM."""

    certificate: str
    key: str

    @property
    def pem(self) -> str:
        """Both in one text, for one file."""
        return self.key + self.certificate

    @classmethod
    def read(cls, pem: str) -> Issued:
        """Return the certificate and key that `pem` joined."""
        key, mark, certificate = pem.partition("-----BEGIN CERTIFICATE-----")
        return cls(mark + certificate, key)


def authority(name: str, now: datetime.datetime) -> Issued:
    """Return a new certificate authority.

    Parameters:
        name: its name, for people.
        now: time of issue, with its zone.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name[:64])])
    usage = x509.KeyUsage(
        digital_signature=False,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=True,
        crl_sign=True,
        encipher_only=False,
        decipher_only=False,
    )
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    made = (
        _builder(subject, subject, key, now, AUTHORITY_DAYS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(identifier, critical=False)
        .sign(key, hashes.SHA256())
    )
    return _issued(made, key)


def leaf(
    by: Issued, names: Sequence[str], addresses: Sequence[str], now: datetime.datetime
) -> Issued:
    """Return a new certificate for a server.

    Parameters:
        by: the authority that signs it.
        names: DNS names of the server; the first one is the subject.
        addresses: IPv4 addresses of the server.
        now: time of issue, with its zone.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    signer = serialization.load_pem_private_key(by.key.encode(), None)
    assert isinstance(signer, ec.EllipticCurvePrivateKey), "`authority` made it"
    issuer = x509.load_pem_x509_certificate(by.certificate.encode())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0][:64])])
    issuer_id = x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key())
    made = (
        _builder(subject, issuer.subject, key, now, LEAF_DAYS)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName(_names(names, addresses)), critical=False)
        .add_extension(issuer_id, critical=False)
        .sign(signer, hashes.SHA256())
    )
    return _issued(made, key)


def matches(issued: Issued) -> bool:
    """Return whether the key belongs to the certificate.

    Raises:
        ValueError: one of them cannot be read.
    """
    certificate = x509.load_pem_x509_certificate(issued.certificate.encode())
    try:
        key = serialization.load_pem_private_key(issued.key.encode(), None)
    except (TypeError, UnsupportedAlgorithm) as error:  # TypeError: it is encrypted
        raise ValueError(str(error)) from error
    return key.public_key() == certificate.public_key()


def begun(issued: Issued, now: datetime.datetime) -> bool:
    """Return whether a certificate's time of validity has begun."""
    return x509.load_pem_x509_certificate(issued.certificate.encode()).not_valid_before_utc <= now


def ended(issued: Issued, now: datetime.datetime) -> bool:
    """Return whether a certificate's time of validity has ended."""
    return x509.load_pem_x509_certificate(issued.certificate.encode()).not_valid_after_utc < now


def lasts(issued: Issued, now: datetime.datetime, days: int = RENEW_DAYS) -> bool:
    """Return True if a certificate is valid now and for the next `days` days."""
    certificate = x509.load_pem_x509_certificate(issued.certificate.encode())
    end = now + datetime.timedelta(days=days)
    return certificate.not_valid_before_utc <= now and end < certificate.not_valid_after_utc


def fits(issued: Issued, by: Issued, names: Sequence[str], addresses: Sequence[str]) -> bool:
    """Return True if this authority signed the certificate for exactly these names."""
    certificate = x509.load_pem_x509_certificate(issued.certificate.encode())
    try:
        certificate.verify_directly_issued_by(
            x509.load_pem_x509_certificate(by.certificate.encode())
        )
        seen = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (InvalidSignature, ValueError, TypeError, x509.ExtensionNotFound):
        return False
    return list(seen) == _names(names, addresses)


def _names(names: Sequence[str], addresses: Sequence[str]) -> list[x509.GeneralName]:
    dns: list[x509.GeneralName] = [x509.DNSName(name) for name in names]
    return dns + [x509.IPAddress(ipaddress.IPv4Address(address)) for address in addresses]


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    now: datetime.datetime,
    days: int,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BACKDATED)
        .not_valid_after(now + datetime.timedelta(days=days))
    )


def _issued(certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> Issued:
    return Issued(
        certificate.public_bytes(serialization.Encoding.PEM).decode(),
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ).decode(),
    )
