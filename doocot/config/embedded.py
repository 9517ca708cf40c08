"""The configuration that is used when there is no file: one folder, an accounts file, Maildirs, TLS where possible."""

import os

EMBEDDED_PATH = "(embedded default)"
# Ports of someone who may not bind the standard ones.
_HIGH_PORTS = {"imap": 1143, "imaps": 1993, "lmtp": 1024}
_PORTS = {"imap": 143, "imaps": 993, "lmtp": 24}


def state_folder() -> str:
    """Where the embedded default keeps everything: /var/lib/doocot for root, else the XDG state folder."""
    if os.geteuid() == 0:
        return "/var/lib/doocot"
    base = os.environ.get("XDG_STATE_HOME") or os.path.expanduser("~/.local/state")
    return os.path.join(base, "doocot")


def embedded_text(state: str | None = None, privileged: bool | None = None) -> str:
    """The embedded default in the grammar of dovecot.conf, for a state folder."""
    folder = state if state is not None else state_folder()
    root = os.geteuid() == 0 if privileged is None else privileged
    ports = _PORTS if root else _HIGH_PORTS
    return f"""\
protocols = imap lmtp
listen = 127.0.0.1, ::1
base_dir = {folder}/run
state_dir = {folder}
first_valid_uid = 0
mail_home = {folder}/mail/%u
mail_location = maildir:~/Maildir
ssl_cert = <{folder}/tls/cert.pem
ssl_key = <{folder}/tls/key.pem
auth_mechanisms = plain login
namespace inbox {{
  inbox = yes
  separator = /
  mailbox Drafts {{
    auto = subscribe
    special_use = \\Drafts
  }}
  mailbox Junk {{
    auto = subscribe
    special_use = \\Junk
  }}
  mailbox Sent {{
    auto = subscribe
    special_use = \\Sent
  }}
  mailbox Trash {{
    auto = subscribe
    special_use = \\Trash
  }}
}}
passdb {{
  driver = passwd-file
  args = {folder}/users
}}
userdb {{
  driver = passwd-file
  args = {folder}/users
}}
service imap-login {{
  inet_listener imap {{
    port = {ports["imap"]}
  }}
  inet_listener imaps {{
    port = {ports["imaps"]}
  }}
}}
service lmtp {{
  inet_listener lmtp {{
    port = {ports["lmtp"]}
  }}
}}
"""
