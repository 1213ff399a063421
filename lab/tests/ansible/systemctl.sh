#!/bin/sh
# Stands for systemd: knows which units are enabled, runs the programs that they name, and notes what it is told.
echo "$*" >>/run/told
mkdir -p /run/units /run/systemd/system
for word; do
    case $word in -*) ;; *) unit=$word ;; esac
done
unit=${unit%.service}
file=/etc/systemd/system/$unit.service
process=/run/units/$unit.pid

runs() {
    [ -e "$process" ] && kill -0 "$(cat "$process")" 2>/dev/null
}

start() {
    program=$(cat "$file" "$file".d/*.conf 2>/dev/null | sed -n 's/^ExecStart=\(.\)/\1/p' | tail -n 1)
    # The directory of RuntimeDirectory=.
    mkdir -p "/run/$unit"
    eval "exec $program" </dev/null >>"/var/log/$unit.log" 2>&1 &
    echo $! >"$process"
}

stop() {
    runs || return 0
    kill "$(cat "$process")"
    while runs; do sleep 0.05; done
    rm "$process"
}

case $1 in
    show)
        if [ -e "$file" ]; then echo LoadState=loaded; else echo LoadState=not-found; fi
        if runs; then echo ActiveState=active; else echo ActiveState=inactive; fi
        ;;
    is-active) runs ;;
    is-enabled) if [ -e "/run/units/$unit.enabled" ]; then echo enabled; else echo disabled && exit 1; fi ;;
    enable) : >"/run/units/$unit.enabled" ;;
    disable) rm -f "/run/units/$unit.enabled" ;;
    start) runs || start ;;
    restart) stop && start ;;
    stop) stop ;;
esac
