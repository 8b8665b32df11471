"""How a process proves to a store who it is, and the store to the process; both may change while it runs."""

from __future__ import annotations

import ssl
from pathlib import Path

from streams.providers import Frozen


class LoginError(Exception):
    """Certificates, keys or authorities cannot be used; the message names the setting."""


class Login(Frozen, frozen=True):
    """The settings that stores share; each says what its own mean."""

    username: str = ""
    password: str = ""
    password_file: str = ""
    tls: bool = False
    ca: str = ""
    certificate: str = ""
    key: str = ""
    check_host: bool = True

    def current_password(self) -> str:
        """The password as its file has it now; that of the start while the file cannot be read, or without one."""
        return current(self.password, self.password_file)

    def context(self) -> ssl.SSLContext | None:
        """What encrypts the next connection; None without TLS. Raises LoginError."""
        return self.fresh_context() if self.tls else None

    def fresh_context(self) -> ssl.SSLContext:
        """From the files as they are now. Raises LoginError."""
        try:
            made = ssl.create_default_context(cafile=self.ca or None)
            if self.certificate:
                made.load_cert_chain(self.certificate, self.key or None, "")
        except OSError as error:  # ssl.SSLError too
            group = type(self).__name__.upper()
            raise LoginError(f"LOCKSTEP_{group}__CA, __CERTIFICATE or __KEY: cannot be used: {error}") from error
        made.check_hostname = self.check_host
        return made


def current(value: str, path: str) -> str:
    """A secret as its file has it now, `value` where there is no file or it cannot be read."""
    if not path:
        return value
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return value
