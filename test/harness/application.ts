/** An application in a folder of its own, for campaigns that run outside of the test runner. */
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, realpathSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { EXECUTABLE, REPOSITORY } from './process.ts'

/**
 * @param name of the project
 * @param tasks the source of src/tasks.ts
 * @returns the folder, generated; whoever made it removes it
 */
export const makeApplication = (name: string, url: string, tasks: string): string => {
  const dir = realpathSync(mkdtempSync(join(tmpdir(), `ztask-${name}-`)))
  for (const folder of ['src', 'node_modules']) mkdirSync(join(dir, folder))
  symlinkSync(REPOSITORY, join(dir, 'node_modules/ztask'))
  writeFileSync(join(dir, 'package.json'), `{ "name": "${name}", "type": "module" }`)
  writeFileSync(join(dir, 'ztask.config.ts'), `export default { url: '${url}' }\n`)
  writeFileSync(join(dir, 'src/tasks.ts'), tasks)
  execFileSync(process.execPath, [EXECUTABLE, 'generate'], { cwd: dir })
  return dir
}
