import type { Command } from 'commander'
import type { Scanner } from '../../codegen/scanner.ts'
import { loadProject, type Project } from '../config.ts'
import { ZtaskError } from '../model/errors.ts'
import { refuseNowhere } from './flags.ts'
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
    .option('--check', 'leave both files as they are; exit 1 and show the difference where they are stale')
    .option('--watch', 'go on, and write again when a source changes')
    .option('--json', 'print tasks, files and problems as JSON')
    .action(async (flags: GenerateFlags, command: Command) => {
      if (flags.check === true && flags.watch === true)
        return command.error("error: option '--check' cannot be used with option '--watch'")
      const refused = (error: unknown): void => {
        if (flags.json !== true) throw error
        printRefusal(error)
      }
      const once = (project: Project, scanner?: Scanner): Promise<void> =>
        generateOnce(project, flags, scanner).catch(refused)
      if (flags.watch !== true) return open().then(once).catch(refused)
      const { watchAndGenerate } = await import('./generate-watch.ts')
      await watchAndGenerate(await open(), once)
    })
}

/** The files are committed, so the environment of whoever generates must not get into them. */
const open = async (): Promise<Project> => {
  const project = await loadProject(process.cwd(), {})
  refuseNowhere(project)
  return project
}

const generateOnce = async (
  project: Project,
  { check = false, json = false }: GenerateFlags,
  scanner?: Scanner,
): Promise<void> => {
  const { generate } = await import('../../codegen/generate.ts')
  const { tasks, written, stale, warnings } = await generate(project, check ? 'check' : 'write', scanner)
  if (stale.length > 0) process.exitCode = 1
  if (json) return printJson({ tasks, written, stale, problems: warnings, error: null })
  const { render } = await import('../../codegen/problem.ts')
  if (warnings.length > 0) process.stderr.write(`${warnings.map(render).join('\n\n')}\n`)
  if (stale.length === 0) return sayWritten(tasks.length, written)
  process.stdout.write(stale.map(({ diff }) => diff).join('\n'))
  const files = stale.map(({ file }) => file).join(', ')
  process.stderr.write(`Stale: ${files}. Run ztask generate and commit the result.\n`)
}

/** What cannot be generated from is a document too: its problems, or the error that is none of the sources'. */
const printRefusal = (error: unknown): void => {
  if (!(error instanceof ZtaskError)) throw error
  const { problems } = error.data
  process.exitCode = 1
  printJson({
    tasks: [],
    written: [],
    stale: [],
    problems: problems ?? [],
    error: problems === undefined ? error : null,
  })
}

const sayWritten = (count: number, written: readonly string[]): void => {
  const found = count === 1 ? '1 task' : `${count} tasks`
  process.stdout.write(
    written.length === 0 ? `${found}, nothing changed\n` : `${found}: wrote ${written.join(', ')}\n`,
  )
}
