#!/bin/busybox sh
# The first process of a lab guest. The kernel hands `name=value` words of its command line to it as variables:
#   guest_name     the host name
#   guest_agent    the arguments of ivring-agent; without them the agent is not started
#   guest_qga      "on": QEMU's guest agent is started, for which there must be a virtio-serial port
#   guest_init     "busybox": the first process becomes busybox' init, which reads /etc/inittab
export PATH=/bin HOME=/
if [ $$ = 1 ]; then
    mount -t proc proc /proc
    mount -t sysfs sys /sys
    mount -t devtmpfs dev /dev
    hostname "$guest_name"
    if [ "$guest_init" = busybox ]; then
        # It runs this script as a process of its own, for the lab's shell; SIGQUIT starts it anew.
        mkdir /etc
        printf '::respawn:/init\n::restart:/bin/init\n' >/etc/inittab
        exec init
    fi
fi

# Starts the agent again whenever it ends, but not while /run/hold exists.
respawn() {
    while :; do
        /bin/ivring-agent $guest_agent
        echo "ivring-agent ended with status $?"
        sleep 0.1
        while [ -e /run/hold ]; do
            sleep 0.1
        done
    done
}
[ -z "$guest_agent" ] || respawn &

# A port is named by its device here; what would name it by its purpose needs udev.
start_qga() {
    mkdir -p /usr/local/bin
    for module in virtio_ring virtio virtio_pci_legacy_dev virtio_pci_modern_dev virtio_pci virtio_console; do
        insmod "/lib/modules/$module.ko"
    done
    qemu-ga --method virtio-serial --path /dev/vport*p1 --statedir /run
}
[ -z "$guest_qga" ] || start_qga &

# The shell of the lab: see shell.rs for the protocol.
exec </dev/ttyS1 >/dev/ttyS1
stty raw -echo 115200
echo ready
while :; do
    read -r number seconds length || { sleep 1; continue; }
    head -c "$length" >/run/script
    timeout -s KILL "$seconds" sh /run/script </dev/null >/run/output 2>&1
    status=$?
    # The size is taken once: a process in the background may still be writing.
    size=$(stat -c %s /run/output)
    echo "$number $status $size"
    head -c "$size" /run/output
done
