# The first process of the namespaces of a libvirtd of its own: what it mounts is seen in there only, and all that runs in
# there is killed by the kernel when it ends. It ends with its standard input.
set -e
mount --make-rprivate /
# Everything that libvirt, QEMU and ivring keep by themselves, and the sockets of the machine's services: systemd's and
# D-Bus' among them, over which a libvirtd would tell the machine of its domains.
# libvirt moves /dev/shm into the namespace of each QEMU and is confused by one mount on another there.
while umount /dev/shm 2>/dev/null; do :; done
for folder in /run /var/lib /var/cache /var/log /etc/libvirt /etc/ivring /etc/tmpfiles.d /dev/shm; do
    [ ! -d "$folder" ] || mount -t tmpfs -o mode=0755 private "$folder"
done
chmod 1777 /dev/shm
mkdir -p /var/lib/libvirt/images /var/log/libvirt /run/programs
# libvirt's user, who comes with a package that starts services as well.
cp /etc/passwd /etc/group /run
grep -q '^kvm:' /run/group || echo 'kvm:x:64054:' >>/run/group
grep -q '^libvirt-qemu:' /run/group || echo 'libvirt-qemu:x:64055:' >>/run/group
grep -q '^libvirt-qemu:' /run/passwd ||
    echo "libvirt-qemu:x:64055:$(sed -n 's/^kvm:[^:]*:\([0-9]*\):.*/\1/p' /run/group)::/var/lib/libvirt:/bin/false" >>/run/passwd
mount --bind /run/passwd /etc/passwd
mount --bind /run/group /etc/group
# Without virtlogd, without the machine's control groups, without its AppArmor or SELinux. Users and modes of files stay
# as they are on every host: QEMU runs as libvirt's own user.
cat >/etc/libvirt/qemu.conf <<'END'
stdio_handler = "file"
cgroup_controllers = []
security_driver = "none"
END
exec 3<&0 </dev/null
libvirtd >/var/log/libvirt/libvirtd.log 2>&1 3<&- &
echo ready
# Whoever waits reaps what daemons leave behind, which is the first process' duty.
cat <&3 >/dev/null &
wait $!
