/** The first argument when a shell asks for candidates. The words of the command line follow. */
export const ASK = '--get-yargs-completions'
