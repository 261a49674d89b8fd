/** examples/database-pool: one pool a worker, open before its first job, closed after its last. */
import { cpSync, existsSync, mkdirSync, readFileSync, symlinkSync } from 'node:fs'
import { basename } from 'node:path'
import { expect, test } from 'vitest'
import { EXECUTABLE, REPOSITORY } from '../harness/process.ts'
import { makeFolder, type TestProject } from '../harness/project.ts'
import { until } from '../harness/until.ts'

const copy = async (): Promise<TestProject> => {
  const project = await makeFolder()
  const filter = (path: string): boolean => !['node_modules', '.ztask', 'pool.log'].includes(basename(path))
  cpSync(`${REPOSITORY}examples/database-pool`, project.dir, { recursive: true, filter })
  mkdirSync(project.path('node_modules/@types'), { recursive: true })
  symlinkSync(REPOSITORY, project.path('node_modules/ztask'))
  symlinkSync(`${REPOSITORY}node_modules/@types/node`, project.path('node_modules/@types/node'))
  return project
}

/** What the pool of each worker has done, in order, by pid. */
const pools = (project: TestProject): Map<string, string[]> => {
  const log = existsSync(project.path('pool.log')) ? readFileSync(project.path('pool.log'), 'utf8') : ''
  const found = new Map<string, string[]>()
  for (const line of log.split('\n').filter((one) => one !== '')) {
    const [, pid = '', what = ''] = /^(\d+) (.*)$/.exec(line) ?? []
    found.set(pid, [...(found.get(pid) ?? []), what])
  }
  return found
}

const shipped = (project: TestProject): string[] =>
  [...pools(project).values()].flat().filter((what) => what.startsWith('shipped'))

test('its committed files are what generate writes, and it type-checks', async () => {
  const project = await copy()
  const generated = await project.ztask('generate', '--check')
  expect(generated.code, generated.stdout).toBe(0)
  const tsc = await project.start([`${REPOSITORY}node_modules/typescript/bin/tsc`, '-p', project.dir]).ended
  expect(tsc.code, tsc.stdout).toBe(0)
})

// What `npm init` writes is CommonJS: the task and the callable must find one and the same module there as well.
test.each(['module', 'commonjs'])('type %s: each worker opens one pool and closes it', async (type) => {
  const project = await copy()
  project.write('package.json', JSON.stringify({ name: 'database-pool', type }))
  const env = { ZTASKD_URL: project.url }
  const daemon = await project.daemon(['--workers', '2', '--reload'], env)
  const ship = async (...orders: string[]): Promise<void> => {
    for (const order of orders) {
      const { code, stderr } = await project.start([EXECUTABLE, 'run', 'ship', `["${order}"]`], env).ended
      expect(code, stderr).toBe(0)
    }
    await until(
      () => `${orders} to be shipped: ${daemon.stdout}`,
      () => orders.every((order) => shipped(project).includes(`shipped ${order}`)),
    )
  }
  await ship('a', 'b')
  const first = [...pools(project).keys()]
  expect(first).toHaveLength(2)

  project.write('src/reports.ts', `import { task } from 'ztask'\nexport const report = task(() => 1)\n`)
  await until('the old workers to have closed their pools', () =>
    first.every((pid) => pools(project).get(pid)?.at(-1) === 'close'),
  )
  await ship('c')
  expect((await daemon.kill('SIGTERM')).code).toBe(0)

  expect(pools(project).size).toBe(4)
  for (const done of pools(project).values()) {
    expect([done.at(0), done.at(-1)]).toEqual(['open', 'close'])
    expect(done.filter((what) => !what.startsWith('shipped'))).toEqual(['open', 'close'])
  }
  expect(shipped(project).sort()).toEqual(['shipped a', 'shipped b', 'shipped c'])
})
