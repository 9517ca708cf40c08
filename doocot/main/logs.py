"""Which log a process writes to, from the settings."""

from doocot.config.settings import Settings
from doocot.events.log import LogSettings


def log_settings(settings: Settings, owner: tuple[int, int] = (-1, -1)) -> LogSettings:
    """The log part of the settings; new files are given to `owner`."""
    return LogSettings(
        settings.log_path,
        settings.info_log_path,
        settings.debug_log_path,
        settings.log_timestamp,
        settings.syslog_facility,
        settings.mail_debug,
        owner,
    )
