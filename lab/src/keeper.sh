# Reads orders from the lab until the lab ends, however it ends, and then ends and removes what is left of it.
# An interrupt from the terminal is for the lab, not for this process.
trap '' INT TERM HUP
groups= folders=
while read -r order what; do
    case $order in
        end) groups="$groups $what" ;;
        ended)
            rest=
            for group in $groups; do
                [ "$group" = "$what" ] || rest="$rest $group"
            done
            groups=$rest ;;
        daemons) folders="$folders$what
" ;;
        remove) set -- "$@" "$what" ;;
    esac
done
for group in $groups; do
    kill -9 "-$group" 2>/dev/null
done
# A daemon is known by its process id in a file, and by its command line, as the number may be another's by now.
printf %s "$folders" | while read -r folder; do
    find "$folder" -name '*.pid' | while read -r file; do
        process=$(cat "$file")
        case $(tr '\0' ' ' <"/proc/$process/cmdline") in
            *"$folder"*) kill -9 "$process" ;;
        esac
    done
done
[ $# -eq 0 ] || rm -rf -- "$@"
