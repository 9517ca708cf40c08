"""COMMANDS: every command of IMAP, by name. Each is declared in the one file that its module name says."""

from doocot.imap import (
    append,
    capability,
    copy,
    create,
    delete,
    expunge,
    fetch,
    idle,
    login,
    namespace,
    rename,
    search,
    select,
    state,
    status,
    store,
    subscribe,
)
from doocot.imap import list as list_
from doocot.imap.command import table

COMMANDS = table(
    (
        capability.capability,
        state.noop,
        state.check,
        state.logout,
        state.starttls,
        state.identify,
        state.enable,
        login.login,
        login.authenticate,
        select.select,
        select.examine,
        select.unselect,
        create.create,
        delete.delete,
        rename.rename,
        subscribe.subscribe,
        subscribe.unsubscribe,
        list_.list_,
        list_.lsub,
        namespace.namespace,
        status.status,
        fetch.fetch,
        search.search,
        store.store,
        expunge.expunge,
        expunge.uid_expunge,
        expunge.close,
        idle.idle,
        append.append,
        copy.copy,
        copy.move,
    )
)
