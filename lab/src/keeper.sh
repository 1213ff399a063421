# Reads orders from the lab until the lab ends, however it ends, and then ends and removes what is left of it.
# An interrupt from the terminal is for the lab, not for this process.
trap '' INT TERM HUP
groups=
while read -r order what; do
    case $order in
        end) groups="$groups $what" ;;
        ended)
            rest=
            for group in $groups; do
                [ "$group" = "$what" ] || rest="$rest $group"
            done
            groups=$rest ;;
        remove) set -- "$@" "$what" ;;
    esac
done
for group in $groups; do
    kill -9 "-$group" 2>/dev/null
done
[ $# -eq 0 ] || rm -rf -- "$@"
