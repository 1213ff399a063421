#!/bin/sh
# An ivring-vm-config for tests: notes how it is called in $ANSWERS/log, and answers `host check` by $ANSWERS/host.*,
# `status` by $ANSWERS/status.*, `status -- DOMAIN` by $ANSWERS/status-DOMAIN.*: .json goes to standard output, .err to
# standard error, .code is the exit code. Without any it knows no domain.
echo "$*" >>"$ANSWERS/log"
for last; do :; done
case "$*" in
    "host check "*) answer=host ;;
    "status "*" -- "*) answer=status-$last ;;
    *) answer=status ;;
esac
cat "$ANSWERS/$answer.json" 2>/dev/null
cat "$ANSWERS/$answer.err" >&2 2>/dev/null
exit "$(cat "$ANSWERS/$answer.code" 2>/dev/null || echo 4)"
