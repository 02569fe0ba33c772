#compdef memlens
# zsh completion for memlens

# _memlens asks the program what may stand at the cursor. The words of the line are passed on as they are, but without quotes. No
# shell reads them a second time.
_memlens() {
	local program=${(Q)words[1]} typed=${(Q)PREFIX}
	[[ $program != '~/'* ]] || program=$HOME${program#'~'}
	local -a answers space
	if program=$(whence -p -- "$program" || whence -p memlens); then # the second is for a function
		answers=("${(@f)$("$program" __REQUEST__ "${(@Q)words[2,CURRENT-1]}" "$typed" 2>/dev/null)}")
	fi
	[[ $answers[-1] == :<-> ]] || answers=(:0)
	local -i directive=${answers[-1]#:}
	answers[-1]=()

	compset -P 1 '-*=' # the value of a flag is completed
	if (( directive & 16 )); then
		_files -/
		return
	fi
	(( ! (directive & 2) )) || space=(-S '')
	answers=("${(@)answers//:/\\:}")
	answers=("${(@)answers/$'\t'/:}") # of a choice and its description
	(( $#answers )) && _describe choice answers $space && return
	(( ! (directive & (1 | 4)) )) && _files
}

# A folder in fpath makes this file the function's first call. Else the file is read by source.
if [[ $funcstack[1] == _memlens ]]; then
	_memlens
else
	compdef _memlens memlens
fi
