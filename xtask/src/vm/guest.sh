# Makes a machine of the guest in which tests can run: what a distribution's own start would have done.
# usage: guest.sh FOLDER [COMMAND...], with a FOLDER that is shared with the host; COMMAND is run in the end.
out=$1
shift
{
    # Of the boot, everything is told; from now on, the console is for warnings and worse.
    dmesg -n 5
    uname -r >"$out/release"
    mountpoint -q /sys/fs/bpf || mount -t bpf bpf /sys/fs/bpf
    mountpoint -q /sys/fs/cgroup || mount -t cgroup2 cgroup2 /sys/fs/cgroup
    ip link set lo up
    modprobe virtio_net
} >"$out/guest.log" 2>&1
"$@"
dmesg >"$out/kernel.log"
