/** The one socket: a daemon binds one, and a process of the application holds one, and none before it calls. */
import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { processesIn } from '../harness/process.ts'
import { makeProject } from '../harness/project.ts'
import { socketsOf } from '../harness/sockets.ts'
import { until } from '../harness/until.ts'

test('K4: one bound socket serves any number of producers, and the starting order does not matter', async () => {
  const project = await makeProject()
  const producers = ['a', 'b', 'c'].map((name) =>
    project.script(
      `import { tasks } from './src/ztask/client.js'
       const calls = [tasks.note.async('${name}1'), tasks.note.async('${name}2')]
       console.log('calling')
       await Promise.all(calls)`,
      { ZTASKD_CALL_TIMEOUT: '30' },
      `${name}.mts`,
    ),
  )
  await Promise.all(producers.map((producer) => producer.prints(/calling/)))
  const daemon = await project.daemon()
  for (const producer of producers) expect(await producer.ended).toMatchObject({ code: 0, stderr: '' })
  await until('the six to have run', () => project.ran().length === 6)
  expect(project.ran().toSorted()).toEqual(['a1', 'a2', 'b1', 'b2', 'c1', 'c2'])

  const listening = processesIn(project.dir).flatMap((pid) =>
    socketsOf(pid).flatMap(({ state, localPort }) => (state === 'listening' ? [{ pid, localPort }] : [])),
  )
  expect(listening).toEqual([{ pid: daemon.pid, localPort: Number(project.url.split(':').at(-1)) }])
})

test('K4: the address is tcp://127.0.0.1:5555 where none is given', async () => {
  const project = await makeProject()
  project.write('ztask.config.ts', 'export default {}')
  expect(await project.ztask('generate')).toMatchObject({ code: 0 })
  expect(readFileSync(project.path('src/ztask/client.ts'), 'utf8')).toContain("'tcp://127.0.0.1:5555'")
})

const MANY = Array.from(
  { length: 200 },
  (_, i) => `export const task${i} = task((what: string) => say(what))`,
)

test('B22: importing the client opens no socket, and a process that calls 200 tasks holds one', async () => {
  const project = await makeProject({
    files: {
      'src/many.ts': `import { appendFileSync } from 'node:fs'
        import { task } from 'ztask'
        const say = (what: string) => appendFileSync('ran.log', what + ' ' + process.pid + ' ' + Date.now() + '\\n')
        ${MANY.join('\n')}`,
    },
  })
  await project.daemon()
  const script = project.script(
    `import { readFileSync } from 'node:fs'
     import { once } from 'node:events'
     import { tasks } from './src/ztask/client.js'
     console.log('imported', readFileSync('/proc/self/maps', 'utf8').includes('zeromq') ? 'loaded' : 'bare')
     await once(process.stdin, 'data')
     for (const name of Object.keys(tasks)) if (name.startsWith('task')) await tasks[name].async(name)
     console.log('called')
     await once(process.stdin, 'data')
     process.stdin.destroy()`,
  )
  const port = Number(project.url.split(':').at(-1))
  const connections = () => socketsOf(script.pid).filter(({ remotePort }) => remotePort === port)
  expect(await script.prints(/imported/)).toBe('imported bare')
  expect(socketsOf(script.pid)).toEqual([])
  script.child.stdin?.write('go\n')
  await script.prints(/called/)
  expect(connections()).toMatchObject([{ state: 'connected' }])
  script.child.stdin?.write('end\n')
  expect(await script.ended).toMatchObject({ code: 0, stderr: '' })
  await until('the 200 to have run', () => new Set(project.ran()).size === 200)
})
