# The script completes commands, options and their values; file names elsewhere.
nwcodec completion bash >script
complete_words() {
  bash -c 'source ./script; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _nwcodec; echo "${COMPREPLY[@]}"' - - "$@"
}
expect() { [ "$1" = "$2" ] || { echo "'$1' instead of '$2'" >&2; exit 1; }; }
touch modelfile
expect "$(complete_words nwcodec compl)" 'completion'
expect "$(complete_words nwcodec decompress --dt)" '--dtype'
expect "$(complete_words nwcodec compress m --feedback two)" 'two-sided'
expect "$(complete_words nwcodec study tens)" 'tensors'
expect "$(complete_words nwcodec compress mode)" 'modelfile'
nwcodec completion zsh | says bashcompinit
refused 2 nwcodec completion fish
