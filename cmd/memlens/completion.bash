# bash completion for memlens

# __memlens_complete asks the program what may stand at the cursor. Bash has $2 for the end of the word there, and $3 for what
# stands before it. The words of the line are passed on as they are, but without quotes. No shell reads them a second time.
__memlens_complete() {
	local rest=${COMP_LINE:0:COMP_POINT} quotes=$'[\'"\\\\]' words=() word
	for word in "${COMP_WORDS[@]:0:COMP_CWORD+1}"; do # bash divides words also at = and :
		[[ ${#words[@]} != 0 && $rest != [[:space:]]* ]] || words+=('')
		rest=${rest#"${rest%%[![:space:]]*}"}
		word=${word:0:${#rest}}
		words[-1]+=$word rest=${rest#"$word"}
	done
	words=("${words[@]//$quotes}")
	local program=${words[0]} typed=${words[-1]} answers=() flag= answer
	[[ $program != '~/'* ]] || program=$HOME${program:1}
	if program=$(type -P -- "$program" || type -P memlens); then # the second is for an alias
		mapfile -t answers <<<"$("$program" __REQUEST__ "${words[@]:1:${#words[@]}-2}" "$typed" 2>/dev/null)"
	fi

	[[ $3 != [\<\>]* && ${#answers[@]} != 0 && ${answers[-1]} =~ ^:[0-9]+$ ]] || answers=(:0)
	COMPREPLY=()
	local directive=${answers[-1]:1}
	unset 'answers[-1]'
	((directive & 2)) && compopt -o nospace
	((directive & 16)) && compopt -o dirnames
	((directive & (1 | 4 | 16))) || compopt -o default
	[[ $typed != -*=* ]] || flag=${typed%%=*}=
	for answer in "${answers[@]/#/$flag}"; do
		rest=${answer#"$typed"}
		[[ $answer != "$typed$rest" ]] || COMPREPLY+=("${2#[=:]}$rest") # what is typed stays, with its quotes
	done
	if ((${#COMPREPLY[@]} == 1 || COMP_TYPE == 37 || COMP_TYPE == 42)); then # they go into the line
		COMPREPLY=("${COMPREPLY[@]%%$'\t'*}")
	else
		__memlens_describe
	fi
}

# __memlens_describe writes each choice and its description as one line of a list.
__memlens_describe() {
	local i choice text width=0 columns=${COLUMNS:-80}
	for choice in "${COMPREPLY[@]%%$'\t'*}"; do
		((${#choice} <= width)) || width=${#choice}
	done
	for i in "${!COMPREPLY[@]}"; do
		[[ ${COMPREPLY[i]} == *$'\t'* ]] || continue
		printf -v text '%-*s  (%s)' "$width" "${COMPREPLY[i]%%$'\t'*}" "${COMPREPLY[i]#*$'\t'}"
		((${#text} < columns)) || text=${text:0:columns-4}...
		printf -v 'COMPREPLY[i]' '%-*s' "$((columns / 2))" "$text" # a list of wide lines has one column
	done
}

if type compopt &>/dev/null; then
	complete -F __memlens_complete memlens
else
	complete -o default memlens # bash 3.2 of macOS completes only files
fi
