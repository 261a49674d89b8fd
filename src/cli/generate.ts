import type { Command } from 'commander'
import { loadProject } from '../config.ts'

/** `ztask generate [--check]` */
export const addGenerate = (program: Command): void => {
  program
    .command('generate')
    .description('write the typed client and the registry from the tasks in the sources')
    .option('--check', 'write nothing; exit 1 where the files are stale')
    .action(async ({ check = false }: { check?: boolean }) => {
      // The files are committed, so the environment of whoever generates must not get into them.
      const project = await loadProject(process.cwd(), {})
      const { generate } = await import('../../codegen/generate.ts')
      const { tasks, written, stale } = await generate(project, check ? 'check' : 'write')
      if (stale.length > 0) {
        process.stderr.write(`Stale: ${stale.join(', ')}. Run ztask generate and commit the result.\n`)
        process.exitCode = 1
        return
      }
      const found = tasks.length === 1 ? '1 task' : `${tasks.length} tasks`
      process.stdout.write(
        written.length === 0 ? `${found}, nothing changed\n` : `${found}: wrote ${written.join(', ')}\n`,
      )
    })
}
