/** The pages under docs: every sample compiles, every command runs, every link leads somewhere. */
import { execFile } from 'node:child_process'
import { existsSync, globSync, mkdtempSync, readFileSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { EXECUTABLE, processesIn, REPOSITORY, RunningProcess } from '../harness/process.ts'
import { until } from '../harness/until.ts'
import { blocksOf } from './blocks.ts'
import { typeCheck, writeProject } from './samples.ts'

const PAGES = globSync('docs/**/*.md', { cwd: REPOSITORY }).sort()
const textOf = (page: string): string => readFileSync(`${REPOSITORY}${page}`, 'utf8')

/** Pages whose commands a test of their own runs. */
const RUN_ELSEWHERE: Readonly<Record<string, string>> = {
  'docs/codegen.md': 'test/readme/codegen.test.ts',
  'docs/dependencies.md': 'they measure the node_modules of a fresh clone, which this machine need not have',
  'docs/reliability.md': 'campaigns of minutes: test/torture, test/power-loss and test/fuzz run short ones',
  'docs/security.md': 'test/security/keys.test.ts',
  'docs/wire.md': 'test/readme/wire.test.ts',
}

let dir = ''
let daemon: RunningProcess | undefined

beforeEach(() => {
  dir = realpathSync(mkdtempSync(join(tmpdir(), 'ztask-docs-')))
})

afterEach(async () => {
  await daemon?.kill()
  daemon = undefined
  await until('the daemon to be gone', () => processesIn(dir).length === 0)
  rmSync(dir, { recursive: true, force: true })
})

/** Its samples are the examples of comments, which name no file: test/readme/api.test.ts. */
const API = 'docs/api.md'

const withSamples = PAGES.filter(
  (page) => page !== API && blocksOf(textOf(page)).some(({ language }) => language === 'ts'),
)

/** What a page's samples import beside ztask. */
const PACKAGES: Readonly<Record<string, readonly string[]>> = { 'docs/guide/frameworks.md': ['fastify'] }

test.each(withSamples)('every TypeScript sample of %s type-checks', async (page) => {
  const samples = blocksOf(textOf(page)).filter(({ language }) => language === 'ts')
  await writeProject(dir, samples, PACKAGES[page])
  await typeCheck(dir, samples)
})

const commandsOf = (page: string): string[] =>
  blocksOf(textOf(page))
    .filter(({ language }) => language === 'sh')
    .flatMap(({ text }) => text.trim().split('\n'))

const withCommands = PAGES.filter((page) => !(page in RUN_ELSEWHERE) && commandsOf(page).length > 0)

test.each(withCommands)(
  'every command of %s runs, beside a daemon with the tasks of the page',
  async (page) => {
    const samples = blocksOf(textOf(page)).filter(({ language }) => language === 'ts')
    await writeProject(dir, samples, ['tsx'])
    const env = { ...userEnvironment(), ZTASKD_URL: `ipc://${dir}/daemon.sock` }
    daemon = new RunningProcess([EXECUTABLE, 'daemon', '--noreload', '--workers', '1'], dir, env)
    await daemon.prints(/Listening on/)
    for (const command of commandsOf(page))
      await promisify(execFile)('sh', ['-c', command], { cwd: dir, env })
  },
)

/** A user's shell: nothing of the npm that runs this test. */
const userEnvironment = (): NodeJS.ProcessEnv =>
  Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/^(npm_|ZTASKD_|NODE_OPTIONS$)/i.test(name)),
  )

test('a page whose commands run elsewhere is there, and so is its test', () => {
  for (const [page, where] of Object.entries(RUN_ELSEWHERE)) {
    expect(PAGES).toContain(page)
    if (where.startsWith('test/')) expect(existsSync(`${REPOSITORY}${where}`), where).toBe(true)
  }
})

/** As GitHub makes them of headings. */
const anchorsOf = (text: string): string[] =>
  [...text.matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
      .replaceAll(' ', '-'),
  )

describe('links', () => {
  test.each(PAGES)('of %s lead to a file that is there, and to a heading of it', (page) => {
    const prose = textOf(page).replaceAll(/^```[\s\S]*?^```$/gm, '')
    const links = [...prose.matchAll(/\]\(([^)\s]+)\)/g)].map(([, link = '']) => link)
    for (const link of links.filter((one) => !/^https?:/.test(one))) {
      const [path = '', anchor] = link.split('#')
      const target = path === '' ? page : join(dirname(page), path)
      expect(existsSync(`${REPOSITORY}${target}`), link).toBe(true)
      if (anchor !== undefined) expect(anchorsOf(textOf(target)), link).toContain(anchor)
    }
  })
})
