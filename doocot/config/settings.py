"""Every setting outside of sections: name, type, default, sentence and status, declared once, in doveconf's order.

Names, types and defaults are those of Dovecot 2.3.19, the names that begin with `doocot_` are ours. `inert` marks what
is accepted but has no meaning in this server (`doocot config check` names it), `hidden` what `config -a` leaves out.
"""
# ruff: noqa: RUF009 - content() declares a field, it does not compute a default.

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from doocot.config.kinds import (
    Content,
    content,
    enum,
    interval,
    milliseconds,
    port,
    size,
    string,
    uint,
    words,
    yes_no,
)
from doocot.config.sections import EventExporter, Metric, Namespace, PassDb, Service, UserDb

_EMPTY: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Settings:
    """What is in force for one connection or one user: see `doocot.config.effective`."""

    plugin: Mapping[str, str] = field(default_factory=lambda: _EMPTY)
    dicts: Mapping[str, str] = field(default_factory=lambda: _EMPTY)
    passdbs: tuple[PassDb, ...] = ()
    userdbs: tuple[UserDb, ...] = ()
    namespaces: tuple[Namespace, ...] = ()
    services: tuple[Service, ...] = ()
    metrics: tuple[Metric, ...] = ()
    event_exporters: tuple[EventExporter, ...] = ()
    auth_anonymous_username: str = string("anonymous", "The user name given to logins by ANONYMOUS.")
    auth_cache_negative_ttl: int = interval("1 hours", "How long a failed look-up stays in the authentication cache.")
    auth_cache_size: int = size("0", "Memory for the authentication cache; 0 turns it off.")
    auth_cache_ttl: int = interval("1 hours", "How long a successful look-up stays in the authentication cache.")
    auth_cache_verify_password_with_worker: bool = yes_no(
        "no", "Verify cached passwords in a worker process.", inert=True
    )
    auth_debug: bool = yes_no("no", "Log every step of authentication.")
    auth_debug_passwords: bool = yes_no("no", "Log passwords and schemes when they do not match.")
    auth_default_realm: str = string("", "The realm for user names without one.")
    auth_failure_delay: int = interval("2 secs", "How long the answer to a failed login is held back.")
    auth_gssapi_hostname: str = string(
        "", "The host name in the Kerberos principal; $ALL takes any entry of the keytab."
    )
    auth_krb5_keytab: str = string("", "The Kerberos keytab file.")
    auth_master_user_separator: str = string("", "The character between user and master user in a login name.")
    auth_mechanisms: tuple[str, ...] = words("plain", "The SASL mechanisms that are offered.")
    auth_policy_check_after_auth: bool = yes_no("yes", "Ask the policy server after the password was verified.")
    auth_policy_check_before_auth: bool = yes_no("yes", "Ask the policy server before the password is verified.")
    auth_policy_hash_mech: str = string("sha256", "The digest in which a password is reported to the policy server.")
    auth_policy_hash_nonce: str = string("", "The secret mixed into that digest.")
    auth_policy_hash_truncate: int = uint(12, "How many bits of that digest are reported.")
    auth_policy_log_only: bool = yes_no("no", "Log what the policy server says without obeying it.")
    auth_policy_reject_on_fail: bool = yes_no("no", "Refuse logins while the policy server cannot be reached.")
    auth_policy_report_after_auth: bool = yes_no("yes", "Report the outcome of each login to the policy server.")
    auth_policy_request_attributes: str = string(
        "login=%{requested_username} pwhash=%{hashed_password} remote=%{rip} device_id=%{client_id} "
        "protocol=%s session_id=%{session}",
        "What a policy request tells of a login.",
    )
    auth_policy_server_api_header: str = string("", "An HTTP header with the key of the policy server.")
    auth_policy_server_timeout_msecs: int = uint(2000, "How long to wait for the policy server, in milliseconds.")
    auth_policy_server_url: str = string("", "The URL of the policy server; empty turns it off.")
    auth_proxy_self: tuple[str, ...] = words(
        "", "Addresses that are this server, so that a login is not proxied to itself."
    )
    auth_realms: tuple[str, ...] = words("", "The realms that DIGEST-MD5 offers.")
    auth_socket_path: str = string("auth-userdb", "The socket of the user database for other programs.")
    auth_ssl_require_client_cert: bool = yes_no("no", "Refuse logins without a valid client certificate.")
    auth_ssl_username_from_cert: bool = yes_no("no", "Take the user name from the client certificate.")
    auth_stats: bool = yes_no("no", "Add authentication statistics to events.", inert=True)
    auth_use_winbind: bool = yes_no("no", "Use Samba's winbind for NTLM and GSS-SPNEGO.", inert=True)
    auth_username_chars: str = string(
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ01234567890.-_@",
        "The characters allowed in user names; empty allows all.",
    )
    auth_username_format: str = string("%Lu", "How a user name is rewritten before it is looked up.")
    auth_username_translation: str = string(
        "", "Pairs of characters: the first is replaced by the second in user names."
    )
    auth_verbose: bool = yes_no("no", "Log why a login failed.")
    auth_verbose_passwords: str = string("no", "Log tried passwords: no, plain or sha1, with :N cut to N characters.")
    auth_winbind_helper_path: str = string("/usr/bin/ntlm_auth", "Samba's ntlm_auth program.", inert=True)
    auth_worker_max_count: int = uint(30, "How many blocking look-ups and hash computations run at once.")
    base_dir: str = string("/run/doocot", "The folder of sockets and other run-time files.")
    config_cache_size: int = size("1 M", "Memory for cached configuration answers.", inert=True)
    debug_log_path: str = string("", "The file of debug lines; empty means info_log_path.")
    default_client_limit: int = uint(1000, "Connections of one process, where a service does not say.", inert=True)
    default_idle_kill: int = interval(
        "1 mins", "How long an idle process lives, where a service does not say.", inert=True
    )
    default_internal_group: str = string("dovecot", "The group of sockets between the server's processes.")
    default_internal_user: str = string("dovecot", "The unprivileged user of the server's processes.")
    default_login_user: str = string("dovenull", "The user of processes that hold connections before login.")
    default_process_limit: int = uint(100, "Processes of a service, where it does not say.", inert=True)
    default_vsz_limit: int = size("256 M", "Address space of a process, where a service does not say.", inert=True)
    deliver_log_format: str = string("msgid=%m: %$", "The log line of a delivery.")
    dict_db_config: str = string("", "The Berkeley DB environment of db dictionaries.", inert=True)
    director_flush_socket: str = string("", "The socket of a program that runs when a user moves.")
    director_mail_servers: str = string("", "The backends that users are spread over, each with an optional @tag.")
    director_max_parallel_kicks: int = uint(100, "How many users are disconnected at once.")
    director_max_parallel_moves: int = uint(100, "How many users move at once.")
    director_output_buffer_size: int = size("10 M", "Unsent bytes of a director connection.", inert=True)
    director_ping_idle_timeout: int = interval("30 secs", "How soon an idle director answers a ping.")
    director_ping_max_timeout: int = interval("1 mins", "How soon a busy director answers a ping.")
    director_servers: str = string("", "The directors of the ring.")
    director_user_expire: int = interval("15 mins", "How long a user keeps his backend after the last connection.")
    director_user_kick_delay: int = interval("2 secs", "How long to wait after a user was disconnected.")
    director_username_hash: str = string("%Lu", "The part of the user name that chooses the backend.")
    disable_plaintext_auth: bool = yes_no("yes", "Refuse clear-text passwords on connections without TLS.")
    doocot_append_limit: int = size("256 M", "The largest message that is taken (IMAP APPEND, LMTP); 0 has no limit.")
    doocot_batch_sync: bool = yes_no(
        "yes",
        "Put new messages and their rows on disk with one syncfs where that is quick, for all that arrive together.",
    )
    doocot_gmail_extensions: bool = yes_no("no", "Offer X-GM-EXT-1 in IMAP: labels as keywords, ids, X-GM-RAW.")
    doocot_header_sets: int = uint(16, "Header sets of a mailbox that are kept ready for FETCH.")
    doocot_imap_message_limit: int = uint(
        0,
        "Messages that one FETCH, SEARCH, STORE, COPY, MOVE or APPEND may work on, told as MESSAGELIMIT; 0 has no "
        "limit. RFC 9738 asks for 1000 or more.",
    )
    doocot_imap_save_limit: int = uint(
        0,
        "Messages that one COPY or APPEND may save, told as SAVELIMIT, where doocot_imap_message_limit is 0; 0 has no "
        "limit.",
    )
    doocot_metadata_max_entries: int = uint(1000, "Entries of METADATA of one mailbox, and of the server.")
    doocot_metadata_max_size: int = size("64 k", "The longest value of an entry of METADATA.")
    doocot_metadata_max_total: int = size("16 M", "Octets of all METADATA of a user.")
    doocot_workers: int = uint(0, "Workers for clients, 0 is one for each core; LMTP has as many again.")
    dotlock_use_excl: bool = yes_no("yes", "Create dot locks with O_EXCL instead of a hard link.")
    doveadm_allowed_commands: tuple[str, ...] = words("", "The admin commands that clients may give; empty allows all.")
    doveadm_api_key: str = string("", "The key of the admin HTTP interface.")
    doveadm_http_rawlog_dir: str = string("", "Where admin HTTP requests are recorded.")
    doveadm_password: str = string("", "The password of the admin interface.")
    doveadm_port: int = port(0, "The port of other servers' admin interface.")
    doveadm_socket_path: str = string("doveadm-server", "The socket or host:port of the admin interface.")
    doveadm_ssl: str = enum("no ssl starttls", "TLS towards other servers' admin interface.")
    doveadm_username: str = string("doveadm", "The user name of the admin interface.")
    doveadm_worker_count: int = uint(0, "Workers of an admin command over all users.", inert=True)
    dsync_alt_char: str = string("_", "The character that replaces a separator in synchronised mailbox names.")
    dsync_commit_msgs_interval: int = uint(100, "Messages of one synchronisation transaction.", inert=True)
    dsync_features: tuple[str, ...] = words("", "Optional behaviour of synchronisation.")
    dsync_hashed_headers: tuple[str, ...] = words(
        "Date Message-ID", "The headers that tell messages apart in synchronisation."
    )
    dsync_remote_cmd: str = string(
        "ssh -l%{login} %{host} doveadm dsync-server -u%u -U",
        "The command that reaches the other side of a synchronisation.",
    )
    first_valid_gid: int = uint(1, "The lowest primary group of a user.")
    first_valid_uid: int = uint(500, "The lowest uid of a user.")
    haproxy_timeout: int = interval("3 secs", "How long to wait for the PROXY header.")
    haproxy_trusted_networks: tuple[str, ...] = words("", "The networks from which a PROXY header is believed.")
    hostname: str = string("", "The name of this server in greetings and headers; empty asks the system.")
    imap_capability: str = string("", "The CAPABILITY line; with a leading + words that are added to it.")
    imap_client_workarounds: tuple[str, ...] = words("", "Known faults of IMAP clients that are tolerated.")
    imap_fetch_failure: str = enum("disconnect-immediately disconnect-after no-after", "What follows a failing FETCH.")
    imap_hibernate_timeout: int = interval("0", "When an idle connection moves to a smaller process.", inert=True)
    imap_id_log: str = string("", "The fields of a client's ID that are logged.")
    imap_id_retain: bool = yes_no("no", "Keep the client's ID for %{client_id}.")
    imap_id_send: str = string("name *", "The fields of the server's ID.")
    imap_idle_notify_interval: int = interval("2 mins", "How often an idling client is told that the server is there.")
    imap_literal_minus: bool = yes_no("no", "Offer LITERAL- instead of LITERAL+.")
    imap_logout_format: str = string(
        "in=%i out=%o deleted=%{deleted} expunged=%{expunged} trashed=%{trashed} hdr_count=%{fetch_hdr_count} "
        "hdr_bytes=%{fetch_hdr_bytes} body_count=%{fetch_body_count} body_bytes=%{fetch_body_bytes}",
        "The log line of an IMAP logout.",
    )
    imap_max_line_length: int = size("64 k", "The longest IMAP command line.")
    imap_metadata: bool = yes_no("yes", "Offer METADATA.")
    imap_urlauth_host: str = string("", "The host name in URLAUTH addresses; * takes any.")
    imap_urlauth_logout_format: str = string("in=%i out=%o", "The log line of a URLAUTH logout.")
    imap_urlauth_port: int = port(143, "The port in URLAUTH addresses.")
    imap_urlauth_stream_user: str = string("", "The user whose URLAUTH addresses may be streamed.", hidden=True)
    imap_urlauth_submit_user: str = string(
        "", "The user that submission servers fetch URLAUTH addresses as.", hidden=True
    )
    imapc_cmd_timeout: int = interval("5 mins", "How long to wait for a remote IMAP server.")
    imapc_connection_retry_count: int = uint(1, "How often a lost remote connection is tried again.")
    imapc_connection_retry_interval: int = milliseconds("1 secs", "How long to wait before it is tried again.")
    imapc_features: tuple[str, ...] = words("", "What the remote IMAP server can be trusted with.")
    imapc_host: str = string("", "The remote IMAP server.")
    imapc_list_prefix: str = string("", "The mailbox of the remote server that is shown as the root.")
    imapc_master_user: str = string("", "The master user of the remote server.")
    imapc_max_idle_time: int = interval("29 mins", "How often an idle remote connection is used.")
    imapc_max_line_length: int = size("0", "The longest line of the remote server; 0 has no limit.")
    imapc_password: str = string("", "The password for the remote server.")
    imapc_port: int = port(143, "The port of the remote server.")
    imapc_rawlog_dir: str = string("", "Where remote sessions are recorded.")
    imapc_sasl_mechanisms: tuple[str, ...] = words("", "The mechanisms tried at the remote server.")
    imapc_ssl: str = enum("no imaps starttls", "TLS towards the remote server.")
    imapc_ssl_verify: bool = yes_no("yes", "Verify the certificate of the remote server.")
    imapc_user: str = string("", "The user name at the remote server.")
    import_environment: str = string(
        "TZ CORE_OUTOFMEM CORE_ERROR LISTEN_PID LISTEN_FDS NOTIFY_SOCKET",
        "Environment variables that processes keep.",
        inert=True,
    )
    info_log_path: str = string("", "The file of information lines; empty means log_path.")
    instance_name: str = string("doocot", "The name of this server among several on one machine.")
    last_valid_gid: int = uint(0, "The highest primary group of a user; 0 has no limit.")
    last_valid_uid: int = uint(0, "The highest uid of a user; 0 has no limit.")
    lda_mailbox_autocreate: bool = yes_no("no", "Create the mailbox of a delivery when it is missing.")
    lda_mailbox_autosubscribe: bool = yes_no("no", "Subscribe to mailboxes that a delivery creates.")
    lda_original_recipient_header: str = string("", "The header that names the original recipient.")
    libexec_dir: str = string("/usr/lib/dovecot", "The folder of Dovecot's programs.", inert=True)
    listen: tuple[str, ...] = words("*, ::", "The addresses to listen on.")
    lmtp_add_received_header: bool = yes_no("yes", "Add a Received header to messages from LMTP.")
    lmtp_client_workarounds: tuple[str, ...] = words("", "Known faults of LMTP clients that are tolerated.")
    lmtp_hdr_delivery_address: str = enum("final none original", "The address in Delivered-To.")
    lmtp_proxy: bool = yes_no("no", "Hand messages on when the password database says proxy.")
    lmtp_proxy_rawlog_dir: str = string("", "Where proxied LMTP sessions are recorded.")
    lmtp_rawlog_dir: str = string("", "Where LMTP sessions are recorded.")
    lmtp_rcpt_check_quota: bool = yes_no("no", "Check the quota at RCPT TO, not only at the end of DATA.")
    lmtp_save_to_detail_mailbox: bool = yes_no("no", "Deliver user+detail to the mailbox of that name.")
    lmtp_user_concurrency_limit: int = uint(0, "Deliveries to one user at once; 0 has no limit.")
    lmtp_verbose_replies: bool = yes_no("no", "Say more about failures to the LMTP client.")
    lock_method: str = enum("fcntl flock dotlock", "How index files are locked.")
    log_core_filter: str = string("", "The events at which a process dumps core.", inert=True)
    log_debug: str = string("", "The events that are logged as debug lines.")
    log_path: str = string("syslog", "The log file, syslog, or /dev/stderr.")
    log_timestamp: str = string("%b %d %H:%M:%S ", "The time before each line of a log file.")
    login_access_sockets: str = string("", "Sockets asked whether an address may connect.")
    login_greeting: str = string("Doocot ready.", "The text of the greeting.")
    login_log_format: str = string("%$: %s", "The log line of a login: %$ is the text, %s the elements.")
    login_log_format_elements: str = string(
        "user=<%u> method=%m rip=%r lip=%l mpid=%e %c session=<%{session}>",
        "The elements of that line; empty ones are left out.",
    )
    login_plugin_dir: str = string("/usr/lib/dovecot/modules/login", "The folder of login plugins.", inert=True)
    login_plugins: tuple[str, ...] = words("", "The login plugins.", inert=True)
    login_proxy_max_disconnect_delay: int = interval(
        "0", "Over how long proxied clients are dropped when a backend goes."
    )
    login_proxy_max_reconnects: int = uint(3, "How often a failing backend connection is tried again.")
    login_proxy_notify_path: str = string("proxy-notify", "The socket that proxy logins are told to.", inert=True)
    login_proxy_rawlog_dir: str = string("", "Where proxied sessions are recorded.")
    login_proxy_timeout: int = milliseconds("30 secs", "How long to wait for a backend.")
    login_source_ips: str = string("", "The local addresses of connections to backends.")
    login_trusted_networks: tuple[str, ...] = words(
        "", "Networks that count as secure and may forward client addresses."
    )
    mail_access_groups: tuple[str, ...] = words("", "Further groups of mail processes.")
    mail_always_cache_fields: tuple[str, ...] = words("", "Message fields that are cached from the start.", inert=True)
    mail_attachment_detection_options: tuple[str, ...] = words("", "How messages with attachments get $HasAttachment.")
    mail_attachment_dir: str = string("", "Where large attachments are kept apart; empty keeps them in place.")
    mail_attachment_fs: str = string("sis posix", "How attachments kept apart are written.")
    mail_attachment_hash: str = string("%{sha1}", "The name of an attachment kept apart.")
    mail_attachment_min_size: int = size("128 k", "The smallest attachment kept apart.")
    mail_attribute_dict: str = string("", "The dictionary of METADATA.", inert=True)
    mail_cache_fields: tuple[str, ...] = words("flags", "Message fields that are cached in new mailboxes.", inert=True)
    mail_cache_max_size: int = size("1 G", "The largest cache file.", inert=True, hidden=True)
    mail_cache_min_mail_count: int = uint(0, "Messages of a mailbox before it is cached.", inert=True, hidden=True)
    mail_cache_purge_continued_percentage: int = uint(
        200, "Continued records before a cache file is purged.", inert=True, hidden=True
    )
    mail_cache_purge_delete_percentage: int = uint(
        20, "Deleted records before a cache file is purged.", inert=True, hidden=True
    )
    mail_cache_purge_header_continue_count: int = uint(
        4, "Continued headers before a cache file is purged.", inert=True, hidden=True
    )
    mail_cache_purge_min_size: int = size("32 k", "The smallest cache file that is purged.", inert=True, hidden=True)
    mail_cache_record_max_size: int = size("64 k", "The largest record of a cache file.", inert=True, hidden=True)
    mail_cache_unaccessed_field_drop: int = interval(
        "30 days", "When a field that nobody asks for leaves the cache.", inert=True, hidden=True
    )
    mail_chroot: str = string("", "The root folder of mail processes.", inert=True)
    mail_debug: bool = yes_no("no", "Log what is done with mailboxes.")
    mail_fsync: str = enum("optimized never always", "When message files are forced to disk.")
    mail_full_filesystem_access: bool = yes_no("no", "Let clients name any path as a mailbox.")
    mail_gid: str = string("", "The group of mail files, where the user database does not say.")
    mail_home: str = string("", "The home folder, where the user database does not say.")
    mail_index_log2_max_age: int = interval("2 days", "How long the second index log is kept.", inert=True, hidden=True)
    mail_index_log_rotate_max_size: int = size(
        "1 M", "The size at which an index log is rotated.", inert=True, hidden=True
    )
    mail_index_log_rotate_min_age: int = interval(
        "5 mins", "The age below which an index log is not rotated.", inert=True, hidden=True
    )
    mail_index_log_rotate_min_size: int = size(
        "32 k", "The size below which an index log is not rotated.", inert=True, hidden=True
    )
    mail_index_rewrite_max_log_bytes: int = size(
        "128 k", "Unread log bytes at which the index is rewritten.", inert=True, hidden=True
    )
    mail_index_rewrite_min_log_bytes: int = size(
        "8 k", "Unread log bytes below which it is not.", inert=True, hidden=True
    )
    mail_location: str = string("", "Where a user's mail is: format:path:KEY=value; empty looks for it.")
    mail_log_prefix: str = string("%s(%u)<%{pid}><%{session}>: ", "What begins each log line of a session.")
    mail_max_keyword_length: int = uint(50, "The longest keyword.")
    mail_max_lock_timeout: int = interval("0", "The longest wait for any lock; 0 has no limit.")
    mail_max_userip_connections: int = uint(10, "Connections of one user from one address.")
    mail_never_cache_fields: tuple[str, ...] = words(
        "imap.envelope", "Message fields that are never cached.", inert=True
    )
    mail_nfs_index: bool = yes_no("no", "Index files are on NFS.")
    mail_nfs_storage: bool = yes_no("no", "Mail files are on NFS.")
    mail_plugin_dir: str = string("/usr/lib/dovecot/modules", "The folder of Dovecot's plugins.", inert=True)
    mail_plugins: tuple[str, ...] = words("", "The features that are switched on.")
    mail_prefetch_count: int = uint(0, "Messages that are opened ahead.", inert=True)
    mail_privileged_group: str = string("", "The group for making lock files in the mail spool.")
    mail_save_crlf: bool = yes_no("no", "Save messages with CRLF.")
    mail_server_admin: str = string("", "The URI of the administrator, for METADATA.")
    mail_server_comment: str = string("", "The comment of the server, for METADATA.")
    mail_shared_explicit_inbox: bool = yes_no("no", "Show a shared INBOX as shared/user/INBOX.")
    mail_sort_max_read_count: int = uint(0, "Messages that SORT may open; 0 has no limit.", inert=True)
    mail_temp_dir: str = string("/tmp", "The folder of large temporary files.")
    mail_temp_scan_interval: int = interval("1 weeks", "How often left temporary files are looked for.")
    mail_uid: str = string("", "The owner of mail files, where the user database does not say.")
    mail_vsize_bg_after_count: int = uint(
        0, "Missing sizes above which they are computed in the background.", inert=True
    )
    mailbox_idle_check_interval: int = interval(
        "30 secs", "How often an idle mailbox is looked at without notification."
    )
    mailbox_list_index: bool = yes_no("yes", "Keep the state of mailboxes in a list index.", inert=True)
    mailbox_list_index_include_inbox: bool = yes_no("no", "Keep the state of INBOX in the list index too.", inert=True)
    mailbox_list_index_very_dirty_syncs: bool = yes_no(
        "no", "Believe the list index without a look at the mailboxes.", inert=True
    )
    maildir_broken_filename_sizes: bool = yes_no("no", "Distrust the S= sizes in file names.")
    maildir_copy_with_hardlinks: bool = yes_no("yes", "Copy messages by hard links.")
    maildir_empty_new: bool = yes_no("no", "Move messages out of new/ even in read-only sessions.")
    maildir_stat_dirs: bool = yes_no("no", "Ask for the type of each entry before it counts as a mailbox.")
    maildir_very_dirty_syncs: bool = yes_no("no", "Do not look for changes of other programs in cur/.")
    managesieve_client_workarounds: tuple[str, ...] = words(
        "", "Known faults of ManageSieve clients that are tolerated."
    )
    managesieve_implementation_string: str = string("Doocot Sieve", "The IMPLEMENTATION capability.")
    managesieve_logout_format: str = string("bytes=%i/%o", "The log line of a ManageSieve logout.")
    managesieve_max_compile_errors: int = uint(5, "How many errors of a script are reported.")
    managesieve_max_line_length: int = size("64 k", "The longest ManageSieve command line.")
    managesieve_notify_capability: str = string("", "The NOTIFY capability; empty lists what there is.")
    managesieve_sieve_capability: str = string("", "The SIEVE capability; empty lists what there is.")
    master_user_separator: str = string("", "The old name of auth_master_user_separator.", inert=True)
    mbox_dirty_syncs: bool = yes_no("yes", "Do not reread a whole mbox that only grew.")
    mbox_dotlock_change_timeout: int = interval("2 mins", "When an unchanged dot lock counts as left over.")
    mbox_lazy_writes: bool = yes_no("yes", "Write flags of an mbox when it is closed.")
    mbox_lock_timeout: int = interval("5 mins", "How long to wait for an mbox lock.")
    mbox_md5: str = enum("apop3d all", "The headers that tell mbox messages apart.")
    mbox_min_index_size: int = size("0", "The smallest mbox that has index files.", inert=True)
    mbox_read_locks: tuple[str, ...] = words("fcntl", "The locks of reading an mbox, in order.")
    mbox_very_dirty_syncs: bool = yes_no("no", "Do not reread an mbox at SELECT either.")
    mbox_write_locks: tuple[str, ...] = words("fcntl dotlock", "The locks of writing an mbox, in order.")
    mdbox_preallocate_space: bool = yes_no("no", "Reserve the space of a mdbox file.", inert=True)
    mdbox_rotate_interval: int = interval("0", "The age at which a mdbox file is full.", inert=True)
    mdbox_rotate_size: int = size("10 M", "The size at which a mdbox file is full.", inert=True)
    mmap_disable: bool = yes_no("no", "Do not map index files into memory.")
    old_stats_carbon_interval: int = interval("30 secs", "How often statistics go to a Carbon server.", inert=True)
    old_stats_carbon_name: str = string("", "The name of this host at the Carbon server.", inert=True)
    old_stats_carbon_server: str = string("", "The Carbon server.", inert=True)
    old_stats_command_min_time: int = interval("1 mins", "How long statistics of a command are kept.", inert=True)
    old_stats_domain_min_time: int = interval("12 hours", "How long statistics of a domain are kept.", inert=True)
    old_stats_ip_min_time: int = interval("12 hours", "How long statistics of an address are kept.", inert=True)
    old_stats_memory_limit: int = size("16 M", "Memory for statistics.", inert=True)
    old_stats_session_min_time: int = interval("15 mins", "How long statistics of a session are kept.", inert=True)
    old_stats_user_min_time: int = interval("1 hours", "How long statistics of a user are kept.", inert=True)
    pop3_client_workarounds: tuple[str, ...] = words("", "Known faults of POP3 clients that are tolerated.")
    pop3_delete_type: str = enum("default expunge flag", "What DELE does to a message.")
    pop3_deleted_flag: str = string("", "The keyword that hides a message from POP3.")
    pop3_enable_last: bool = yes_no("no", "Offer the old LAST command.")
    pop3_fast_size_lookups: bool = yes_no("no", "Let LIST use sizes on disk.")
    pop3_lock_session: bool = yes_no("no", "Lock the mailbox for the whole session.")
    pop3_logout_format: str = string("top=%t/%p, retr=%r/%b, del=%d/%m, size=%s", "The log line of a POP3 logout.")
    pop3_no_flag_updates: bool = yes_no("no", "Do not set \\Seen on messages that are read.")
    pop3_reuse_xuidl: bool = yes_no("no", "Use the X-UIDL header as UIDL.")
    pop3_save_uidl: bool = yes_no("no", "Keep UIDLs once they were told.")
    pop3_uidl_duplicates: str = enum("allow rename", "What happens when two messages have one UIDL.")
    pop3_uidl_format: str = string("%08Xu%08Xv", "The form of a UIDL.")
    pop3c_features: tuple[str, ...] = words("", "What the remote POP3 server can be trusted with.")
    pop3c_host: str = string("", "The remote POP3 server.")
    pop3c_master_user: str = string("", "The master user of the remote POP3 server.")
    pop3c_password: str = string("", "The password for the remote POP3 server.")
    pop3c_port: int = port(110, "The port of the remote POP3 server.")
    pop3c_quick_received_date: bool = yes_no("no", "Take the time of download as INTERNALDATE.")
    pop3c_rawlog_dir: str = string("", "Where remote POP3 sessions are recorded.")
    pop3c_ssl: str = enum("no pop3s starttls", "TLS towards the remote POP3 server.")
    pop3c_ssl_verify: bool = yes_no("yes", "Verify the certificate of the remote POP3 server.")
    pop3c_user: str = string("%u", "The user name at the remote POP3 server.")
    postmaster_address: str = string("postmaster@%{if;%d;ne;;%d;%{hostname}}", "The sender of rejections.")
    process_shutdown_filter: str = string("", "The events after which a process ends.", inert=True)
    protocols: tuple[str, ...] = words("", "The protocols to serve; empty serves imap and lmtp.")
    quota_full_tempfail: bool = yes_no("no", "Refuse a delivery over quota for now, not for good.")
    rawlog_dir: str = string("", "Where sessions are recorded, when the folder exists.")
    recipient_delimiter: str = string("+", "The characters between user and detail of an address.")
    rejection_reason: str = string("Your message to <%t> was automatically rejected:%n%r", "The text of a rejection.")
    rejection_subject: str = string("Rejected: %s", "The subject of a rejection.")
    replication_dsync_parameters: str = string("-d -N -l 30 -U", "The parameters of a replication.", inert=True)
    replication_full_sync_interval: int = interval("1 days", "How often replication compares everything.")
    replication_max_conns: int = uint(10, "How many users are replicated at once.")
    replicator_host: str = string("replicator", "The host or socket of the replicator.", inert=True)
    replicator_port: int = port(0, "The port of the replicator.", inert=True)
    sendmail_path: str = string("/usr/sbin/sendmail", "The program that sends mail.")
    shutdown_clients: bool = yes_no("yes", "Disconnect clients when the server is stopped.")
    ssl: str = enum("yes no required", "TLS: offered, not offered, or needed before login.")
    ssl_alt_cert: Content = content("A second certificate, with a key of another kind.")
    ssl_alt_key: Content = content("The key of the second certificate.")
    ssl_ca: Content = content("The authorities that client certificates are verified with.")
    ssl_cert: Content = content("The certificate, with its chain.")
    ssl_cert_username_field: str = string("commonName", "The field of a client certificate that is the user name.")
    ssl_cipher_list: str = string(
        "ALL:!kRSA:!SRP:!kDHd:!DSS:!aNULL:!eNULL:!EXPORT:!DES:!3DES:!MD5:!PSK:!RC4:!ADH:!LOW@STRENGTH",
        "The ciphers up to TLS 1.2.",
    )
    ssl_cipher_suites: str = string("", "The cipher suites of TLS 1.3; empty takes the library's.")
    ssl_client_ca_dir: str = string("", "The folder of authorities for outgoing connections.")
    ssl_client_ca_file: str = string("", "The file of authorities for outgoing connections.")
    ssl_client_cert: Content = content("The certificate shown in outgoing connections.")
    ssl_client_key: Content = content("The key of that certificate.")
    ssl_client_require_valid_cert: bool = yes_no("yes", "Verify the certificate in outgoing connections.")
    ssl_crypto_device: str = string("", "The OpenSSL engine.", inert=True)
    ssl_curve_list: str = string("", "The elliptic curves; empty takes the library's.")
    ssl_dh: Content = content("The Diffie-Hellman parameters.")
    ssl_key: Content = content("The key of the certificate.")
    ssl_key_password: str = string("", "The pass phrase of the key.")
    ssl_min_protocol: str = string("TLSv1.2", "The lowest TLS version.")
    ssl_options: tuple[str, ...] = words("", "Further options: no_ticket, compression, no_compression.")
    ssl_prefer_server_ciphers: bool = yes_no("no", "Let the server's order of ciphers win.")
    ssl_require_crl: bool = yes_no("yes", "Refuse client certificates without a revocation list.")
    ssl_verify_client_cert: bool = yes_no("no", "Ask clients for a certificate and verify it.")
    state_dir: str = string("/var/lib/doocot", "The folder of files that last.")
    stats_http_rawlog_dir: str = string("", "Where requests for statistics are recorded.")
    stats_writer_socket_path: str = string("stats-writer", "The socket that statistics go to.", inert=True)
    submission_backend_capabilities: str = string("", "The capabilities of the relay; empty asks it.", hidden=True)
    submission_client_workarounds: tuple[str, ...] = words("", "Known faults of submission clients that are tolerated.")
    submission_host: str = string("", "The mail relay of earlier versions, host:port.")
    submission_logout_format: str = string("in=%i out=%o", "The log line of a submission logout.")
    submission_max_mail_size: int = size("0", "The largest message; 0 takes the relay's limit.")
    submission_max_recipients: int = uint(0, "Recipients of a message; 0 has no limit.")
    submission_relay_command_timeout: int = milliseconds("5 mins", "How long to wait for the relay's answers.")
    submission_relay_connect_timeout: int = milliseconds("30 secs", "How long to wait for the relay's greeting.")
    submission_relay_host: str = string("", "The relay that messages are handed to.")
    submission_relay_master_user: str = string("", "The master user of the relay.")
    submission_relay_max_idle_time: int = interval("29 mins", "How often an idle relay connection is used.")
    submission_relay_password: str = string("", "The password for the relay.")
    submission_relay_port: int = port(25, "The port of the relay.")
    submission_relay_rawlog_dir: str = string("", "Where relay sessions are recorded.")
    submission_relay_ssl: str = enum("no smtps starttls", "TLS towards the relay.")
    submission_relay_ssl_verify: bool = yes_no("yes", "Verify the certificate of the relay.")
    submission_relay_trusted: bool = yes_no("no", "The relay takes XCLIENT from us.")
    submission_relay_user: str = string("", "The user name at the relay.")
    submission_ssl: str = enum("no smtps starttls", "TLS towards submission_host.")
    submission_timeout: int = interval("30 secs", "How long to wait for submission_host.")
    syslog_facility: str = string("mail", "The syslog facility.")
    valid_chroot_dirs: str = string("", "Folders that may be a user's root.", inert=True)
    verbose_proctitle: bool = yes_no("no", "Show user and address in the process list.")
    verbose_ssl: bool = yes_no("no", "Log TLS errors.")
    version_ignore: bool = yes_no("no", "Accept processes of another version.", inert=True)
