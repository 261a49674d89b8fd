import type { Command } from 'commander'
import { loadProject } from '../config.ts'
import { GenerateError } from '../model/errors.ts'
import { printJson } from './print.ts'

interface GenerateFlags {
  readonly check?: boolean
  readonly json?: boolean
}

/** `ztask generate [--check] [--json]` */
export const addGenerate = (program: Command): void => {
  program
    .command('generate')
    .description('write the typed client and the registry from the tasks in the sources')
    .option('--check', 'write nothing; exit 1 and show the difference where the files are stale')
    .option('--json', 'print tasks, files and problems as JSON')
    .action((flags: GenerateFlags) => generateOnce(flags))
}

const generateOnce = async ({ check = false, json = false }: GenerateFlags): Promise<void> => {
  // The files are committed, so the environment of whoever generates must not get into them.
  const project = await loadProject(process.cwd(), {})
  const { generate } = await import('../../codegen/generate.ts')
  try {
    const { tasks, written, stale, warnings } = await generate(project, check ? 'check' : 'write')
    if (stale.length > 0) process.exitCode = 1
    if (json) return printJson({ tasks, written, stale, problems: warnings })
    const { render } = await import('../../codegen/problem.ts')
    if (warnings.length > 0) process.stderr.write(`${warnings.map(render).join('\n\n')}\n`)
    if (stale.length === 0) return sayWritten(tasks.length, written)
    process.stdout.write(stale.map(({ diff }) => diff).join('\n'))
    const files = stale.map(({ file }) => file).join(', ')
    process.stderr.write(`Stale: ${files}. Run ztask generate and commit the result.\n`)
  } catch (error) {
    if (!json || !(error instanceof GenerateError)) throw error
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
