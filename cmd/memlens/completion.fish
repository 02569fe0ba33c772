# fish completion for memlens

# __memlens_choose asks the program what may stand at the cursor, and keeps the answers in __memlens_choices. It fails if
# the answer is: any file. The words of the line are passed on as they are. No shell reads them a second time.
function __memlens_choose
    set -l before (commandline -opc)
    set -l typed (commandline -ct)
    set -l word (string unescape -- $typed; or printf '%s\n' $typed)
    set -l program $before[1]
    if string match -q '~/*' -- $program
        set program $HOME(string sub -s 2 -- $program)
    end
    if not command -q $program
        set program memlens # the line has a function for it
    end
    set -g __memlens_choices
    if not command -q $program
        return 1
    end
    set -l answers ($program __REQUEST__ $before[2..-1] "$word" 2>/dev/null)
    if not string match -qr '^:\d+$' -- "$answers[-1]"
        return 1
    end
    set -l directive (string sub -s 2 -- $answers[-1])
    set -e answers[-1]
    set -l flag (string match -r -- '^-[^=]*=' "$word"; or echo)
    if test (math "bitand($directive, 16)") -ne 0
        set answers (__fish_complete_directories (string replace -- "$flag" '' "$word"))
    else if test (math "bitand($directive, 5)") -eq 0; and test -z "$answers"
        return 1
    end
    set -g __memlens_choices $flag$answers
end

complete -c memlens -e
complete -c memlens -k -f -n __memlens_choose -a '$__memlens_choices'
