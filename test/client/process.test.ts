/** What a client does to the process that it lives in. */
import { readFileSync } from 'node:fs'
import { beforeAll, expect, test } from 'vitest'
import { makeProject, shareProject, type TestProject } from '../harness/project.ts'

/** Prints how many sockets the process has to the daemon's port. */
const SOCKETS = `
import { readFileSync } from 'node:fs'
export const sockets = (url) => {
  const port = Number(new URL(url).port).toString(16).toUpperCase().padStart(4, '0')
  const rows = readFileSync('/proc/net/tcp', 'utf8').split('\\n').map((row) => row.trim().split(/\\s+/))
  return rows.filter((row) => row[2]?.endsWith(':' + port) && row[3] === '01').length
}
`

let project: TestProject
beforeAll(async () => {
  project = await shareProject({ files: { 'sockets.mjs': SOCKETS } })
  await project.daemon()
})

test('a script that has awaited its calls ends by itself', async () => {
  const ended = await project.script(`
    import { tasks } from './src/ztask/client.js'
    await tasks.note.async('one')
    await Promise.all(Array.from({ length: 2000 }, (_, i) => tasks.note.async('many')))
    console.log('awaited')
  `).ended
  expect(ended).toMatchObject({ code: 0, stdout: 'awaited\n', stderr: '' })
  await project.hasRun('many', 2000)
})

test('a script whose call failed for want of a daemon ends by itself', async () => {
  const lonely = await makeProject()
  const ended = await lonely.script(
    `
    import { tasks } from './src/ztask/client.js'
    await tasks.note.async('one').catch((error) => console.log(error.code))
  `,
    { ZTASKD_CALL_TIMEOUT: '0.2' },
  ).ended
  expect(ended).toMatchObject({ code: 0, stdout: 'ZTASK_UNAVAILABLE\n' })
})

test('time in which the process itself is blocked is not held against the daemon', async () => {
  const ended = await project.script(
    `
    import { tasks } from './src/ztask/client.js'
    const block = () => { const end = Date.now() + 1500; while (Date.now() < end) {} }
    const first = tasks.note.async('before the socket is open')
    block()
    await first
    const second = tasks.note.async('in flight')
    setImmediate(block)
    await second
    console.log('both')
  `,
    { ZTASKD_CALL_TIMEOUT: '0.5' },
  ).ended
  expect(ended).toMatchObject({ code: 0, stdout: 'both\n' })
})

test('importing the client does not even load the socket library', async () => {
  const script = project.script(`
    import './src/ztask/client.js'
    console.log('imported')
    process.stdin.resume()
  `)
  await script.prints(/imported/)
  const maps = readFileSync(`/proc/${script.pid}/maps`, 'utf8')
  expect(maps).toContain('node')
  expect(maps).not.toContain('zeromq')
  await script.kill()
})

test('a fork after the first call has a client of its own', async () => {
  project.write(
    'child.mts',
    `import { tasks } from './src/ztask/client.js'
     await tasks.note.async('child')
     process.disconnect()`,
  )
  const ended = await project.script(`
    import { fork } from 'node:child_process'
    import { once } from 'node:events'
    import { tasks } from './src/ztask/client.js'
    await tasks.note.async('parent first')
    const [code] = await once(fork('child.mts'), 'exit')
    await tasks.note.async('parent again')
    console.log(code)
  `).ended
  expect(ended).toMatchObject({ code: 0, stdout: '0\n' })
  for (const what of ['parent first', 'child', 'parent again']) await project.hasRun(what)
})

test('a worker thread enqueues and ends, and the main thread goes on', async () => {
  project.write(
    'thread.mts',
    `import { tasks } from './src/ztask/client.js'\nawait tasks.note.async('thread')`,
  )
  const ended = await project.script(`
    import { once } from 'node:events'
    import { Worker } from 'node:worker_threads'
    import { tasks } from './src/ztask/client.js'
    await tasks.note.async('main')
    const [code] = await once(new Worker('./thread.mts'), 'exit')
    await tasks.note.async('main again')
    console.log(code)
  `).ended
  expect(ended).toMatchObject({ code: 0, stdout: '0\n' })
  for (const what of ['main', 'thread', 'main again']) await project.hasRun(what)
})

test('B22: a development server that reloads modules 50 times holds one socket', async () => {
  const ended = await project.script(`
    import { sockets } from './sockets.mjs'
    for (let i = 0; i < 50; i++) {
      const { tasks } = await import('./src/ztask/client.js?reload=' + i)
      await tasks.note.async('reload')
    }
    console.log(sockets('${project.url}'))
  `).ended
  expect(ended).toMatchObject({ code: 0, stdout: '1\n' })
  await project.hasRun('reload', 50)
})

/** A million with ZTASK_CALLS=1000000, which takes half a minute. */
const CALLS = Number(process.env.ZTASK_CALLS ?? 100_000)

test(`${CALLS} calls under one Promise.all resolve`, async () => {
  const script = project.script(`
    import { tasks } from './src/ztask/client.js'
    const due = new Date(Date.now() + 3_600_000)
    const ids = new Set()
    await Promise.all(Array.from({ length: ${CALLS} }, async (_, i) => { ids.add((await tasks.note.at(due, 'x')).id) }))
    console.log(ids.size)
  `)
  expect(await script.ended).toMatchObject({ code: 0, stdout: `${CALLS}\n` })
  expect(await project.ask('status')).toMatchObject({ scheduled: CALLS, waiting: 0 })
}, 120_000)
