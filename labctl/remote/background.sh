# shellcheck shell=sh disable=SC3013
# Finds out, without starting a program, whether a command left a process behind that could write
# into the output of the next one. See labctl/remote/shell.py and labctl/remote/exchange.py.

labctl_watch() { # STREAM...: the outputs of this shell that commands inherit
    labctl_streams=$*
    read -r labctl_stat </proc/$$/stat
    # shellcheck disable=SC2086 # the fields behind the program's name: state, parent, group, session
    set -- ${labctl_stat##*) }
    # shellcheck disable=SC2034 # shell.sh prints the group
    labctl_group=$3 labctl_session=$4
}

labctl_begin() {
    read -r _ _ _ _ labctl_first </proc/loadavg
}

# Whether a process is still there that began since labctl_begin and has one of the outputs open.
# New processes have higher numbers. A doubtful case counts as yes.
labctl_left() {
    read -r _ _ _ _ labctl_last </proc/loadavg || return 0
    [ "$labctl_last" -ge "$labctl_first" ] || return 0
    [ "$labctl_last" -le "$((labctl_first + 1000))" ] || return 0
    labctl_pid=$labctl_first
    while [ "$labctl_pid" -lt "$labctl_last" ]; do
        labctl_pid=$((labctl_pid + 1))
        read -r labctl_stat </proc/$labctl_pid/stat || continue
        # shellcheck disable=SC2086
        set -- ${labctl_stat##*) }
        [ "$1" != Z ] || continue
        [ "$4" != "$labctl_session" ] || return 0
        # A session of its own, as from setsid.
        if [ ! -r /proc/$labctl_pid/fd ]; then
            # A daemon of another user's; its outputs cannot be seen.
            [ "$2" != 1 ] || [ ! -e /proc/$labctl_pid/fd ] || return 0
            continue
        fi
        for labctl_fd in /proc/"$labctl_pid"/fd/*; do
            for labctl_stream in $labctl_streams; do
                [ ! "$labctl_fd" -ef "$labctl_stream" ] || return 0
            done
        done
    done
    return 1
} 2>/dev/null # about processes that are gone meanwhile
