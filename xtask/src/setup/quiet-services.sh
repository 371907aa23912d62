#!/bin/sh
# Runs a command (apt-get) that installs packages, and keeps the services in them from being started.
# usage: quiet-services.sh POLICY COMMAND [ARGUMENT...]
#
# POLICY is /usr/sbin/policy-rc.d, which maintainer scripts ask before they start a service; 101 is "do not". One that
# was there is put back when the command ends, also after an interrupt. A run that was killed outright is made up for
# by the next: ours is known by its second line and never taken for one that was there. One run at a time.
set -eu
policy=$1
saved=$1.before-pivot
shift
exec 9<"$(dirname "$policy")"
flock 9

restore() {
    if [ -e "$saved" ]; then mv -f "$saved" "$policy"; else rm -f "$policy"; fi
}
if [ -e "$policy" ] && ! grep -q '^# pivot set-up$' "$policy"; then
    mv -f "$policy" "$saved"
fi
trap restore EXIT
trap 'exit 130' INT
trap 'exit 143' HUP TERM
printf '#!/bin/sh\n# pivot set-up\nexit 101\n' >"$policy"
chmod 755 "$policy"
"$@" 9<&-
