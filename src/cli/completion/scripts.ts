import { ASK } from './ask.ts'

/*
 * Each script asks `sluice` for candidates. With SHELL=zsh each one comes with its description,
 * after a colon. Where there is none, the shell completes paths.
 */

/** Also for bash 3.2, which macOS has. */
const BASH = `# sluice completion bash: add this line to ~/.bashrc
#   eval "$(sluice completion bash)"
_sluice() {
  local IFS=$'\\n'
  COMPREPLY=($(compgen -W "$(SHELL=bash sluice ${ASK} "\${COMP_WORDS[@]:0:COMP_CWORD+1}" 2>/dev/null)" -- "\${COMP_WORDS[COMP_CWORD]}"))
}
complete -o default -F _sluice sluice
`

const ZSH = `#compdef sluice
# sluice completion zsh: write this to a file _sluice in a folder of $fpath, or add this line to ~/.zshrc,
# after compinit:
#   eval "$(sluice completion zsh)"
_sluice() {
  local -a found
  found=("\${(@f)$(SHELL=zsh sluice ${ASK} "\${(@)words[1,CURRENT]}" 2>/dev/null)}")
  if [[ -n "\${found[*]}" ]]; then
    _describe sluice found
  else
    _files
  fi
}
if [[ "\${zsh_eval_context[-1]}" == loadautofunc ]]; then
  _sluice "$@"
else
  compdef _sluice sluice
fi
`

const FISH = `# sluice completion fish: write this to ~/.config/fish/completions/sluice.fish
function __sluice_complete
    set -l words (commandline -opc) (commandline -ct)
    set -l found (env SHELL=zsh sluice ${ASK} $words 2>/dev/null | string replace -r '^([^:]+):' '$1\\t')
    if test (count $found) -gt 0
        printf '%s\\n' $found
    else
        __fish_complete_path (commandline -ct)
    end
end
complete -c sluice -f -a '(__sluice_complete)'
`

/** The script that makes a shell complete the arguments of `sluice`. */
export const scripts: { readonly [shell: string]: string } = { bash: BASH, zsh: ZSH, fish: FISH }
