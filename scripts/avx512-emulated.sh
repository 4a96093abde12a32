#!/usr/bin/env bash
# Runs a program on an emulated processor with AVX-512, for machines without it.
#
#     scripts/avx512-emulated.sh [--limit SECONDS] [--with PATH]... [--model NAME] PROGRAM [ARGUMENT]...
#
# Bochs emulates an Intel processor, which boots a Linux kernel with an in-memory file system that contains
# busybox, the program, the libraries that ldd lists for it, and each file or folder given by --with.
# Paths and the current folder are the same as on this machine, and so are the variables STRIATE_*,
# PROPTEST_* and RUST_*. This script prints the program's output and exits with its exit code.
#
#     --limit SECONDS   time limit, including booting; exit code 124 (600)
#     --with PATH       a file or folder that the program reads
#     --model NAME      the processor, from the list of `bochs --help cpu` (corei7_skylake_x; corei7_icelake_u
#                       does not boot)
#
# As cargo's runner, it boots once per test binary:
#
#     CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUNNER="$PWD/scripts/avx512-emulated.sh --limit 3600" \
#         cargo test --package striate-kernels --tests
#
# Booting takes half a minute, and programs run hundreds of times slower than on a real processor;
# STRIATE_ISA=avx512 and a small PROPTEST_CASES keep the time of the kernel tests acceptable.
# For Debian: missing packages are installed with apt-get; the kernel is only downloaded and unpacked,
# into $XDG_CACHE_HOME/striate/avx512.
set -euo pipefail

limit=600
model=corei7_skylake_x
with=()
while [ $# -gt 0 ]; do
    case $1 in
        --limit) limit=$2; shift 2 ;;
        --with) with+=("$(realpath "$2")"); shift 2 ;;
        --model) model=$2; shift 2 ;;
        -*) echo "$0: unknown option $1" >&2; exit 2 ;;
        *) break ;;
    esac
done
[ $# -gt 0 ] || { sed -n '2,/^set/s/^# \{0,1\}//p' "$0" >&2; exit 2; }
program=$(realpath "$(command -v "$1")")
shift

# The tools, and a small kernel for virtual machines with a built-in serial port.
packages=(bochs bochs-term bochsbios vgabios busybox-static cpio grub-common grub-pc-bin mtools xorriso)
if ! dpkg --status "${packages[@]}" > /dev/null 2>&1; then
    root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }
    root apt-get -qq update >&2
    root apt-get -qq install -y --no-install-recommends "${packages[@]}" >&2
fi
cache=${XDG_CACHE_HOME:-$HOME/.cache}/striate/avx512
if [ ! -e "$cache/vmlinuz" ]; then
    mkdir -p "$cache/package"
    package=$(apt-cache depends linux-image-cloud-amd64 | sed -n 's/.*Depends: //p')
    (cd "$cache/package" && apt-get -qq download "$package" >&2 && dpkg --extract ./*.deb .)
    mv "$cache"/package/boot/vmlinuz-* "$cache/vmlinuz"
    rm -r "$cache/package"
fi

work=$(mktemp --directory)
emulator=
# Bochs ignores SIGTERM.
clean() { [ -z "$emulator" ] || kill -KILL "$emulator" 2> /dev/null && wait "$emulator" 2> /dev/null || true; rm -rf "$work"; }
trap clean EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# The file system.
root="$work/root"
mkdir -p "$root"/{bin,dev,proc,sys,tmp} "$root$PWD" "$work/disk/boot/grub"
cp "$(command -v busybox)" "$root/bin/busybox"
readarray -t libraries < <(ldd "$program" 2> /dev/null | grep -o '/[^ ]*' || true)
for path in "$program" "${libraries[@]}" "${with[@]}"; do
    mkdir -p "$root$(dirname "$path")"
    cp --recursive --dereference "$path" "$root$(dirname "$path")/"
done
# Smaller to load; symbols for backtraces remain. A failure to strip does no harm.
strip --strip-debug "$root$program" 2> /dev/null || true

# Control characters that delimit the program's output on the serial port.
begin=$'\002'
end=$'\003'

# The init process runs the program and reports its exit code. The kernel may disable vector
# instructions, so it checks for them first.
{
    echo '#!/bin/busybox sh'
    echo "begin='$begin' end='$end'"
    for name in $(compgen -e); do
        case $name in STRIATE_* | PROPTEST_* | RUST_*) printf 'export %s=%q\n' "$name" "${!name}" ;; esac
    done
    printf 'run() { cd %q && %q' "$PWD" "$program"
    if [ $# -gt 0 ]; then printf ' %q' "$@"; fi
    echo '; }'
    cat << 'END'
export PATH=/bin HOME=/tmp
busybox mount -t proc none /proc
busybox --install -s /bin
mount -t devtmpfs none /dev
mount -t sysfs none /sys
exec < /dev/null > /dev/ttyS0 2>&1
stty -F /dev/ttyS0 raw
echo "$begin"
if ! grep -q avx512f /proc/cpuinfo; then
    echo 'The emulated machine has no AVX-512.'
    code=2
else
    (run)
    code=$?
    # After a signal, the kernel log may have details.
    [ $code -le 128 ] || dmesg | tail -n 3
fi
echo "$end$code"
# This waits until all output is sent.
stty -F /dev/ttyS0 cooked
poweroff -f
END
} > "$root/init"
chmod +x "$root/init"
(cd "$root" && find . | cpio --quiet --create --format=newc --owner=0:0) > "$work/disk/boot/files"

# The boot disk. Bochs reports a wrong size of the XSAVES state, so that Linux would disable vector
# instructions: hence XSAVEC and XSAVES (323 and 321) are cleared, and protection keys (515), which it
# also gets wrong.
cp "$cache/vmlinuz" "$work/disk/boot/vmlinuz"
cat > "$work/disk/boot/grub/grub.cfg" << 'END'
linux /boot/vmlinuz console=ttyS0,115200 quiet clearcpuid=321,323,515 nosmp nokaslr mitigations=off tsc=reliable
initrd /boot/files
boot
END
grub-mkrescue --output="$work/disk.iso" "$work/disk" > "$work/grub.log" 2>&1 || { cat "$work/grub.log" >&2; exit 1; }

# Three times the size of the files: loaded, unpacked, and for the program itself.
megabytes=$((512 + 3 * $(stat --format=%s "$work/disk/boot/files") / 1048576))
cat > "$work/bochsrc" << END
cpu: model=$model, ips=20000000
megs: $megabytes
romimage: file=/usr/share/bochs/BIOS-bochs-latest
vgaromimage: file=/usr/share/bochs/VGABIOS-lgpl-latest
ata0-master: type=cdrom, path=$work/disk.iso, status=inserted
boot: cdrom
com1: enabled=1, mode=file, dev=$work/serial
display_library: term
speaker: enabled=0
clock: sync=none
log: $work/bochs.log
panic: action=fatal
error: action=ignore
info: action=ignore
debug: action=ignore
END
# Debian's build includes the debugger, which waits for this command.
echo continue > "$work/commands"
touch "$work/serial"
TERM=xterm bochs-bin -q -f "$work/bochsrc" -rc "$work/commands" < /dev/null > "$work/screen" 2>&1 &
emulator=$!

# Before the init process starts the program, only kernel panics are printed.
code=124
begun=
while IFS= read -r line || [ -n "$line" ]; do
    case $line in
        *"$begin"*) begun=1 ;;
        *"$end"*)
            printf %s "${line%"$end"*}"
            code=${line##*"$end"}
            break
            ;;
        *'Kernel panic'*) begun=1 ;;&
        *) [ -z "$begun" ] || printf '%s\n' "$line" ;;
    esac
done < <(timeout "$limit" tail --pid="$emulator" --lines=+1 --follow "$work/serial")
if [ "$code" = 124 ]; then
    echo "$0: the emulated machine did not end within $limit seconds, or it died:" >&2
    tail --lines=3 "$work/bochs.log" "$work/serial" >&2
fi
exit "$code"
