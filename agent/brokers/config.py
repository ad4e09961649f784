"""Where the broker is and how a gate proves itself to it.

Secrets are named by file, never held: this may be shown and logged whole.
"""

from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator


class BrokerConfig(BaseModel):
    """A connection to an MQTT broker.

    Args:
        driver: which client, see agent.brokers.BROKERS.
        host, port: the broker; 8883 is usual with TLS.
        version: of MQTT; every broker speaks 3.1.1, and 5 adds reasons to refusals.
        username, password_file: the file holds the password alone, on one line; it is read
            at each attempt to connect, so that a corrected one is used without a restart.
        tls_ca: the authority that signed the broker's certificate (PEM); its presence turns TLS on.
        tls_cert, tls_key: this gate's own certificate and key (PEM), for brokers that ask for one.
        keepalive_s: a link that broke without a word is noticed within twice this by the gate, 1.5 times by
            the broker, which then publishes the last will.
        connect_timeout_s: for the TCP connection, and again for the broker's answer.
        retry_first_s, retry_most_s: the wait between attempts starts at the one and doubles up to the other.
        max_frame_bytes: an incoming packet that announces more ends the connection unread.
        max_unanswered: publishes that may await the broker's answer; beyond that publish() says no, so
            that nothing piles up in front of a slow link.
        answer_within_s: a broker that answers none of them for so long is left, and connected to anew.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    driver: Literal["paho"] = "paho"
    host: str = Field(min_length=1, max_length=253)
    port: int = Field(default=1883, ge=1, le=65535)
    version: Literal["3.1.1", "5"] = "3.1.1"
    username: str | None = Field(default=None, min_length=1, max_length=128)
    password_file: Path | None = None
    tls_ca: Path | None = None
    tls_cert: Path | None = None
    tls_key: Path | None = None
    keepalive_s: int = Field(default=15, ge=5, le=600)
    connect_timeout_s: float = Field(default=5.0, ge=0.1, le=60)
    retry_first_s: float = Field(default=0.5, ge=0.01, le=60)
    retry_most_s: float = Field(default=8.0, ge=0.01, le=3600)
    max_frame_bytes: int = Field(default=1024 * 1024, ge=4096, le=16 * 1024 * 1024)
    max_unanswered: int = Field(default=40, ge=4, le=1000)
    answer_within_s: float = Field(default=30.0, ge=0.1, le=600)

    @model_validator(mode="after")
    def _together(self) -> Self:
        """Some settings mean nothing without others."""
        if self.password_file and not self.username:
            raise ValueError("password_file is set without username; set both or neither")
        if (self.tls_cert is None) != (self.tls_key is None):
            raise ValueError("only one of tls_cert and tls_key is set; set both or neither")
        if self.tls_cert and not self.tls_ca:
            raise ValueError(
                "tls_cert is set without tls_ca; name the authority that signed the broker's own"
            )
        if self.retry_most_s < self.retry_first_s:
            raise ValueError(
                f"retry_most_s is {self.retry_most_s}, less than retry_first_s ({self.retry_first_s})"
            )
        return self
