import type { Command } from 'commander'

/** `ztask init` */
export const addInit = (program: Command): void => {
  program
    .command('init')
    .description('write a configuration, a sample task, scripts and a line of .gitignore; overwrites nothing')
    // jsonc-parser takes 5 ms to load, of which the other commands need nothing.
    .action(async () => (await import('./init-project.ts')).initProject(process.cwd()))
}
