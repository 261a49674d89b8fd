import type { Command } from 'commander'
import { loadProject, type Project } from '../config.ts'
import { GenerateError } from '../model/errors.ts'
import { printJson } from './print.ts'

interface GenerateFlags {
  readonly check?: boolean
  readonly watch?: boolean
  readonly json?: boolean
}

/** `ztask generate [--check|--watch] [--json]` */
export const addGenerate = (program: Command): void => {
  program
    .command('generate')
    .description('write the typed client and the registry from the tasks in the sources')
    .option('--check', 'write nothing; exit 1 and show the difference where the files are stale')
    .option('--watch', 'go on, and write again when a source changes')
    .option('--json', 'print tasks, files and problems as JSON')
    .action(async (flags: GenerateFlags, command: Command) => {
      if (flags.check === true && flags.watch === true)
        return command.error("error: option '--check' cannot be used with option '--watch'")
      if (flags.watch !== true) return generateOnce(await open(), flags)
      const { watchAndGenerate } = await import('./generate-watch.ts')
      await watchAndGenerate(open, (project, scanner) => generateOnce(project, flags, scanner))
    })
}

/** The files are committed, so the environment of whoever generates must not get into them. */
const open = (): Promise<Project> => loadProject(process.cwd(), {})

type Generate = typeof import('../../codegen/generate.ts').generate

const generateOnce = async (
  project: Project,
  { check = false, json = false }: GenerateFlags,
  scanner?: Parameters<Generate>[2],
): Promise<void> => {
  const { generate } = await import('../../codegen/generate.ts')
  try {
    const { tasks, written, stale, warnings } = await generate(project, check ? 'check' : 'write', scanner)
    if (stale.length > 0) process.exitCode = 1
    if (json) return printJson({ tasks, written, stale, problems: warnings })
    const { render } = await import('../../codegen/problem.ts')
    if (warnings.length > 0) process.stderr.write(`${warnings.map(render).join('\n\n')}\n`)
    if (stale.length === 0) return sayWritten(tasks.length, written)
    process.stdout.write(stale.map(({ diff }) => diff).join('\n'))
    const files = stale.map(({ file }) => file).join(', ')
    process.stderr.write(`Stale: ${files}. Run ztask generate and commit the result.\n`)
  } catch (error) {
    if (!json || !(error instanceof GenerateError) || error.data.problems === undefined) throw error
    process.exitCode = 1
    printJson({ tasks: [], written: [], stale: [], problems: error.data.problems })
  }
}

const sayWritten = (count: number, written: readonly string[]): void => {
  const found = count === 1 ? '1 task' : `${count} tasks`
  process.stdout.write(
    written.length === 0 ? `${found}, nothing changed\n` : `${found}: wrote ${written.join(', ')}\n`,
  )
}
