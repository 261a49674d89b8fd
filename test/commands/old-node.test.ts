/** A Node that is too old for ztask is told so, whatever the command. */
import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { expect, test } from 'vitest'
import { EXECUTABLE, RunningProcess } from '../harness/process.ts'

const SENTENCE =
  /^ztask needs Node 22\.22 or newer, and this is (20|18)\.\d+\.\d+\. Install a newer one .*npm install --save-dev node@24, then npx ztask\.\n$/

/** A Node 18 or 20 of the machine's own, or none. */
const old = (process.env.PATH ?? '')
  .split(delimiter)
  .map((folder) => join(folder, 'node'))
  .filter((file) => existsSync(file))
  .find((file) => /^v(18|20)\./.test(execFileSync(file, ['--version'], { encoding: 'utf8' })))

/** Where there is none: this one, which says that it is a Node 20. */
const PRETENDING = [
  process.execPath,
  '--import',
  `data:text/javascript,Object.defineProperty(process.versions, 'node', { value: '20.19.0' })`,
]
const [command = '', ...flags] = old === undefined ? PRETENDING : [old]

test.each([
  [['--version']],
  [['--help']],
  [['daemon']],
  [['generate', '--check']],
  [['no-such-command']],
  [[]],
])(`ztask %j on ${old ?? 'a Node that pretends'} says one sentence and exits 1`, async (argv) => {
  const running = new RunningProcess([...flags, EXECUTABLE, ...argv], process.cwd(), {}, command)
  const { code, stdout, stderr } = await running.ended
  expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
  expect(stderr).toMatch(SENTENCE)
})
