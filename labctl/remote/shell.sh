# shellcheck shell=sh
# A shell that reads and runs one line after another. Each line runs one command between
# labctl_begin and labctl_end; see labctl/remote/shell.py. background.sh precedes this file.

exec 3>&2 2>/dev/null # this shell's own words, such as "Terminated", are not the command's

labctl_watch /proc/$$/fd/1 /proc/$$/fd/3

labctl_end() { # EXIT_CODE TOKEN
    left=0
    labctl_left && left=1
    # shellcheck disable=SC2154 # background.sh sets it
    printf '\n%s %s %s %s\n' "$2" "$1" "$left" "$labctl_group"
    printf '\n%s\n' "$2" >&3
}

while IFS= read -r line; do eval "$line"; done
