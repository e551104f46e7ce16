"""Who a request comes from, and which voices that person may see.

Two ways in: a token, exchanged for a cookie; or the header of a proxy that has signed the person in, believed only
where the connection itself comes from the proxy's address.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import ipaddress
import re
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from voicemill.core import untrusted
from voicemill.core.display import display
from voicemill.core.errors import InputError
from voicemill.core.json_values import is_list, is_object

COOKIE = "voicemill_reviewer"
SESSION_SECONDS = 12 * 3600
SHORTEST_TOKEN = 16
"""Characters; a shorter one, such as what a full disk leaves of a file, is nobody's."""
_DIGEST = re.compile(r"[0-9a-f]{64}")
_HINT = "see docs/how-to/proofreading.md"


@dataclass(frozen=True)
class Reviewer:
    """A person.

    Attributes:
        name: As it stands in the log of changes; for a proxy's header, what the header says.
        voices: Speakers whose transcripts they may see; `*` and `?` stand for any characters and any one.
        token_sha256: Of their token, in hex; None where they come through the proxy only.
    """

    name: str
    voices: tuple[str, ...] = ("*",)
    token_sha256: str | None = None

    def may_see(self, speaker: str) -> bool:
        """Return whether a voice was given to them."""
        return any(fnmatchcase(speaker, pattern) for pattern in self.voices)

    @property
    def sees_all(self) -> bool:
        """Whether every voice was given to them, whatever it is called."""
        return "*" in self.voices


# What `printf %s "$TOKEN" | sha256sum` and `echo` give where the variable is not set. Cookies are signed with the
# digest, so that one that everybody knows would let everybody in.
_OF_NOTHING = frozenset(hashlib.sha256(nothing).hexdigest() for nothing in (b"", b"\n", b"\r\n"))


def token_digest(token: str) -> str:
    """SHA-256 of a token, in hex: what is kept of it."""
    return hashlib.sha256(token.encode(errors="surrogatepass")).hexdigest()


@dataclass(frozen=True)
class Access:
    """Who may come in.

    Attributes:
        reviewers: Everybody, by name.
        proxy_header: Header in which the proxy says who it has signed in; None takes nobody's word.
        proxies: Networks that the proxy's connections come from.
    """

    reviewers: Mapping[str, Reviewer]
    proxy_header: str | None = None
    proxies: tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...] = field(default=())

    def identify(self, headers: Mapping[str, str], cookies: Mapping[str, str], peer: str | None) -> Reviewer | None:
        """Return the person that a request comes from.

        Args:
            headers: Of the request; names in lower case.
            cookies: Of the request.
            peer: Address at the other end of the connection; never one that a header tells.
        """
        if self.proxy_header and self._is_proxy(peer):
            name = headers.get(self.proxy_header.lower())
            if name:
                return self.reviewers.get(name)
        return self._by_cookie(cookies.get(COOKIE, ""))

    def sign_in(self, token: str) -> tuple[Reviewer, str] | None:
        """Return the person of a token, and the cookie's value that stands for it; None if it is nobody's."""
        if len(token) < SHORTEST_TOKEN:
            return None
        digest = token_digest(token)
        found = None
        for reviewer in self.reviewers.values():
            # All are compared, so that the time taken tells nothing.
            if reviewer.token_sha256 and hmac.compare_digest(reviewer.token_sha256, digest):
                found = reviewer
        return (found, _cookie(found, int(time.time()) + SESSION_SECONDS)) if found else None

    def _by_cookie(self, cookie: str) -> Reviewer | None:
        try:
            encoded, expiry, _signature = cookie.split(".")
            name = base64.urlsafe_b64decode(encoded).decode()
            until = int(expiry)
        except ValueError:
            return None
        reviewer = self.reviewers.get(name)
        if reviewer is None or reviewer.token_sha256 is None or until < time.time():
            return None
        return reviewer if hmac.compare_digest(cookie.encode(), _cookie(reviewer, until).encode()) else None

    def _is_proxy(self, peer: str | None) -> bool:
        try:
            address = ipaddress.ip_address(peer or "")
        except ValueError:
            return False
        return any(address in network for network in self.proxies)


def _cookie(reviewer: Reviewer, until: int) -> str:
    # Signed with the token's digest: valid in every replica and after a restart, and no longer than the token is.
    assert reviewer.token_sha256
    encoded = base64.urlsafe_b64encode(reviewer.name.encode()).decode()
    signature = hmac.digest(bytes.fromhex(reviewer.token_sha256), f"{encoded}.{until}".encode(), "sha256").hex()
    return f"{encoded}.{until}.{signature}"


def networks(texts: Iterable[str]) -> tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]:
    """Networks from `10.0.0.0/8` or single addresses.

    Raises:
        InputError: naming what is not a network.
    """
    try:
        return tuple(ipaddress.ip_network(text) for text in texts)
    except ValueError as error:
        raise InputError(f"{error}; write an address, or a network like 10.42.0.0/16") from error


def read_reviewers(path: Path) -> dict[str, Reviewer]:
    """Read the file of reviewers.

    reviewers:
      - name: anna
        token: ...            # or token-sha256: its digest in hex; neither for one who comes through the proxy
        voices: [lj, "npc-*"]

    Raises:
        InputError: The file says something else, or a token is too short.
    """
    content = untrusted.read_yaml(path, dict[str, Any], hint=_HINT)
    entries = content.get("reviewers")
    if not is_list(entries) or not all(map(is_object, entries)):
        raise InputError(f"{display(path)} has no list of reviewers; {_HINT}")
    found = [_reviewer(entry) for entry in entries]
    names = [reviewer.name for reviewer in found]
    if len(set(names)) < len(names):
        raise InputError(f"{path} names a reviewer twice")
    return {reviewer.name: reviewer for reviewer in found}


def _reviewer(entry: dict[str, Any]) -> Reviewer:
    unknown = entry.keys() - {"name", "token", "token-sha256", "voices"}
    name, voices = entry.get("name"), entry.get("voices")
    are_texts = is_list(voices) and all(isinstance(voice, str | int) for voice in voices)
    if unknown or not are_texts or not isinstance(name, str | int) or not str(name):
        raise InputError(f"reviewer {display(name)}: name, voices (a list), token or token-sha256 can be given")
    token, digest = entry.get("token"), entry.get("token-sha256")
    if token is not None:
        if len(str(token).strip()) < SHORTEST_TOKEN:
            raise InputError(f"reviewer {display(name)}: a token has {SHORTEST_TOKEN} characters or more")
        digest = token_digest(str(token))
    if digest is not None and not (isinstance(digest, str) and _DIGEST.fullmatch(digest)):
        raise InputError(f"reviewer {display(name)}: token-sha256 is 64 digits of hex in lower case")
    if digest in _OF_NOTHING:
        raise InputError(f"reviewer {display(name)}: token-sha256 is the digest of an empty token; was it set?")
    return Reviewer(str(name), tuple(map(str, voices or ())), digest)
