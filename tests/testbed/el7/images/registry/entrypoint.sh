#!/bin/sh
# As the real image's: the settings' file is the argument.
exec /bin/registry serve "$@"
