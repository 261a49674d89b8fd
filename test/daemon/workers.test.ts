/** What happens to workers around the moments in which they start and end. */
import { renameSync } from 'node:fs'
import { createServer } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { systemClock } from '../../src/clock.ts'
import { Pool } from '../../src/daemon/pool.ts'
import { makeProject, type TestProject } from '../harness/project.ts'
import { until } from '../harness/until.ts'

interface Status {
  readonly workers: readonly { readonly pid: number }[]
}

const workersOf = async (project: TestProject): Promise<number[]> =>
  (await project.ask<Status>('status')).workers.map(({ pid }) => pid)

const withStartup = (source: string): Promise<TestProject> =>
  makeProject({
    config: "onLoad: ['./src/startup.ts#start'], onExit: ['./src/startup.ts#stop']",
    files: {
      'src/startup.ts': `
import { appendFileSync, existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
const say = (what: string) => appendFileSync('ran.log', what + ' ' + process.pid + ' ' + Date.now() + '\\n')
export const stop = () => say('stop')
export const start = async () => {
${source}
}
`,
    },
  })

test('a worker that dies while the registry is away is replaced when it is back, and the log says why it was not', async () => {
  const project = await makeProject()
  const daemon = await project.daemon(['--workers', '1'])
  const [pid] = await workersOf(project)
  renameSync(project.path('src/ztask'), project.path('src/away'))
  process.kill(pid ?? 0, 'SIGKILL')
  await daemon.prints(/died: .*registry\.ts/)
  expect(daemon.hasEnded).toBe(false)
  renameSync(project.path('src/away'), project.path('src/ztask'))
  await project.client().note.async('back')
  await project.hasRun('back')
})

test('a worker that is told to go while it loads goes when it has loaded, and runs onExit', async () => {
  const project = await withStartup(`
  say('loading')
  if (existsSync('slow')) while (!existsSync('go')) await sleep(10)
`)
  const daemon = await project.daemon(['--workers', '1', '--shutdown-timeout', '25'])
  const [pid] = await workersOf(project)
  project.write('slow', '')
  process.kill(pid ?? 0, 'SIGKILL')
  await project.hasRun('loading', 2)
  daemon.child.kill('SIGTERM')
  await daemon.prints(/SIGTERM/)
  project.write('go', '')
  expect(await daemon.ended).toMatchObject({ code: 0 })
  expect(project.ran()).toContain('stop')
})

test('a worker that dies before its siblings are ready is replaced, and once', async () => {
  const project = await withStartup(`
  try {
    mkdirSync('first')
  } catch {
    while (!existsSync('dead')) await sleep(10)
    return
  }
  process.once('exit', () => writeFileSync('dead', ''))
  setTimeout(() => process.exit(3), 50)
`)
  await project.daemon(['--workers', '2'])
  const [pid] = await until('two workers', async () => {
    const pids = await workersOf(project)
    return pids.length === 2 && pids
  })
  // It is replaced later than one too many would have been.
  process.kill(pid ?? 0, 'SIGKILL')
  const after = await until('another', async () => {
    const pids = await workersOf(project)
    return pids.length > 1 && !pids.includes(pid ?? 0) && pids
  })
  expect(after).toHaveLength(2)
})

test('workers that die young are replaced after growing pauses', async () => {
  const project = await withStartup("  say('born')\n  setTimeout(() => process.exit(3), 20)")
  await project.daemon(['--workers', '1'])
  await project.hasRun('born', 5)
  const times = project.runs().map(({ at }) => at)
  // Pauses of 100, 200, 400 and 800 ms, at the least.
  expect((times[4] ?? 0) - (times[0] ?? 0)).toBeGreaterThanOrEqual(1400)
})

test('a process that cannot be made is an error, not silence', async () => {
  const node = process.execPath
  process.execPath = '/nonexistent/node'
  onTestFinished(() => {
    process.execPath = node
  })
  const gone: unknown[] = []
  const pool = new Pool({
    size: 2,
    brief: () => ({
      ...{ root: '/', concurrency: 1, typescript: false },
      maxPayload: 1024,
      log: { level: 'INFO', pretty: false },
    }),
    clock: systemClock,
    root: '/',
    reports: '/',
    env: {},
    ...{ development: false, readyTimeout: 1000, drainTimeout: 1000, killGrace: 1000 },
    renewed: () => {},
    ready: () => {},
    message: () => {},
    begun: () => {},
    leaving: () => {},
    overdue: () => {},
    unforked: () => {},
    fatal: () => {},
    gone: (worker) => {
      gone.push(worker.number)
      return false
    },
  })
  const loading = {
    registry: '/r.js',
    loader: undefined,
    onLoad: [],
    onExit: [],
    strict: false,
    traced: false,
    modules: undefined,
  }
  await expect(pool.renew(loading, new AbortController().signal)).rejects.toThrow(/ENOENT/)
  await pool.close(1000)
  expect(gone).toHaveLength(2)
})

test('nothing runs before the socket is bound: a start that fails has run no job', async () => {
  const project = await makeProject({ config: "unknownTask: 'hold'" })
  const first = await project.daemon()
  const { late } = project.calls(['late'])
  const job = await late.async('x')
  await project.job(job.id, 'held')
  await first.kill('SIGTERM')
  project.write(
    'src/late.ts',
    "import { task } from 'ztask'\nimport { note } from './tasks.js'\nexport const late = task((what: string) => note(what))\n",
  )
  expect(await project.ztask('generate')).toMatchObject({ code: 0 })
  const server = createServer((socket) => socket.destroy())
  await new Promise<void>((resolve) => server.listen(Number(new URL(project.url).port), '127.0.0.1', resolve))
  const failed = await project.launch().ended
  expect(failed).toMatchObject({ code: 1, stderr: expect.stringContaining('another process uses it') })
  expect(project.ran()).toEqual([])
  await new Promise((resolve) => server.close(resolve))
  await project.daemon()
  await project.hasRun('x')
})

test('a drain waits for a database that fails, and stores what has ended', async () => {
  const project = await makeProject()
  const daemon = await project.daemon()
  project.sql("create trigger broken before delete on jobs begin select json('full'); end")
  await project.client().note.async('done')
  await daemon.prints(/The database fails/)
  daemon.child.kill('SIGTERM')
  await daemon.prints(/SIGTERM/)
  project.sql('drop trigger broken')
  expect(await daemon.ended).toMatchObject({ code: 0 })
  expect(project.rows()).toEqual([])
})

test('a drain that cannot store an outcome says which, and exits 1', async () => {
  const project = await makeProject()
  const daemon = await project.daemon(['--shutdown-timeout', '0.5'])
  project.sql("create trigger broken before delete on jobs begin select json('full'); end")
  const job = await project.client().note.async('done')
  await daemon.prints(/The database fails/)
  const ended = await daemon.kill('SIGTERM')
  expect(ended.code).toBe(1)
  const line = ended.stdout.split('\n').find((one) => one.includes('could not be stored'))
  expect(line).toContain(job.id)
})

test('a resend of what is stored is answered as stored, though the database takes nothing new', async () => {
  const project = await makeProject()
  await project.daemon()
  const { note } = project.client()
  await note.after(3600, 'kept')
  project.sql("create trigger broken before insert on jobs begin select json('full'); end")
  const { Dealer } = await import('zeromq')
  const dealer = new Dealer({ linger: 0 })
  dealer.connect(project.url)
  const stored = project.rows()[0]?.id
  const fresh = '0193abcd-0000-7000-8000-000000000000'
  const jobs = [stored, fresh].map((id) => [id, 'note', '["kept"]'])
  await dealer.send(['ztask/1', JSON.stringify({ kind: 'enqueue', project: 'fixture', seq: 1, jobs })])
  const [, answer] = await dealer.receive()
  dealer.close()
  const { refused } = JSON.parse(String(answer)) as { refused: [number, { code: string }][] }
  expect(refused.map(([index, { code }]) => [index, code])).toEqual([[1, 'ZTASK_STORAGE']])
})

test('a database that cannot be opened is a sentence with the cure', async () => {
  const project = await makeProject()
  project.write('no.db', 'this is no database, however long one looks at it')
  for (const path of ['package.json/y.db', 'no.db']) {
    const { code, stderr } = await project.launch(['--database', `sqlite:${path}`]).ended
    expect([path, code]).toEqual([path, 1])
    expect(stderr).toContain('cannot be opened')
    expect(stderr).not.toContain('    at ')
  }
})
