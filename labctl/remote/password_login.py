"""Logins with a password, for hosts that accept no key of the user yet."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import paramiko

from labctl.messages import msg

_METHODS = frozenset({"password", "keyboard-interactive"})


class OtherMethods(paramiko.AuthenticationException):
    """A password alone is not what the host wants.

    Parameters:
        methods: OpenSSH's names of what it accepts.
        questions: what it asked, if it asked for more than a password.
    """

    def __init__(self, methods: Sequence[str], questions: Sequence[str] = ()) -> None:
        super().__init__(", ".join(questions or methods))
        self.methods = methods
        self.questions = questions


class PasswordLogin:
    """Logs in with a password, by `password`, or by `keyboard-interactive` with one question.

    It sends the password once, because hosts lock accounts after a few wrong ones. paramiko takes
    it as an `auth_strategy`.

    Parameters:
        user: the login name.
        password: of this user.

    `sent` is true once a host got the password.
    """

    def __init__(self, user: str, password: str) -> None:
        self._user = user
        self._password = password
        self._questions: list[str] = []
        self.sent = False

    def authenticate(self, transport: Any) -> list[str]:
        """Log in; the host's key must have been checked.

        Raises:
            OtherMethods: the host accepts no passwords, or wants more than one.
            AuthenticationException: it refused the password.
        """
        try:
            return list(transport.auth_none(self._user))
        except paramiko.BadAuthenticationType as error:
            methods = list(error.allowed_types)
        if not _METHODS & set(methods):
            raise OtherMethods(methods)
        if "password" in methods:
            self.sent = True
            further = transport.auth_password(self._user, self._password, fallback=False)
        else:
            further = self._answer_questions(transport, methods)
        if further:
            raise OtherMethods(list(further))
        return []

    def _answer_questions(self, transport: Any, methods: list[str]) -> list[str]:
        try:
            return list(transport.auth_interactive(self._user, self._answer))
        except paramiko.SSHException as error:
            if len(self._questions) > 1 or not self.sent:
                raise OtherMethods(methods, self._questions) from error
            raise

    def _answer(
        self, title: str, instructions: str, questions: Sequence[tuple[str, bool]]
    ) -> list[str]:
        """Answer the first question if its answer is hidden; others are about something else."""
        self._questions += [text.strip() for text, _ in questions]
        if not questions:
            return []
        if self.sent or len(questions) > 1 or questions[0][1]:
            raise paramiko.SSHException(msg("it asks for more than a password"))
        self.sent = True
        return [self._password]
