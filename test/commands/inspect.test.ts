/** `ztask daemon --inspect`: a debugger finds the workers. */
import { expect, test } from 'vitest'
import { freePorts } from '../harness/ports.ts'
import { makeProject, type TestProject } from '../harness/project.ts'
import { until } from '../harness/until.ts'

interface Status {
  readonly workers: readonly { readonly pid: number; readonly generation: number }[]
}

const workers = async (project: TestProject): Promise<number[]> =>
  (await project.json<Status>('status')).workers.map(({ pid }) => pid)

/** A debugger that is attached, as those in editors are. */
class Debugger {
  readonly #socket: WebSocket
  constructor(socket: WebSocket) {
    this.#socket = socket
  }

  /** Attaches to what listens on the port, as soon as something does. */
  static async on(port: number): Promise<Debugger> {
    const url = await until(`an inspector on port ${port}`, async () => {
      const answer = await fetch(`http://127.0.0.1:${port}/json/list`).catch(() => undefined)
      const targets = (await answer?.json()) as readonly { webSocketDebuggerUrl: string }[] | undefined
      return targets?.[0]?.webSocketDebuggerUrl
    })
    const socket = new WebSocket(url)
    await new Promise((resolve, reject) => {
      socket.onopen = resolve
      socket.onerror = reject
    })
    const attached = new Debugger(socket)
    await attached.send('Runtime.enable')
    await attached.send('Debugger.enable')
    return attached
  }

  send(method: string, params: object = {}): Promise<unknown> {
    const id = Math.floor(Math.random() * 2 ** 31)
    return new Promise((resolve) => {
      const hear = ({ data }: MessageEvent): void => {
        const answer = JSON.parse(String(data)) as { id?: number; result?: unknown }
        if (answer.id !== id) return
        this.#socket.removeEventListener('message', hear)
        resolve(answer.result)
      }
      this.#socket.addEventListener('message', hear)
      this.#socket.send(JSON.stringify({ id, method, params }))
    })
  }

  /** The process that it is attached to. */
  async pid(): Promise<unknown> {
    const answer = await this.send('Runtime.evaluate', { expression: 'process.pid' })
    return (answer as { result: { value: unknown } }).result.value
  }

  close(): void {
    this.#socket.close()
  }
}

test('one worker, on the port that is named; a reload and the end do not wait for the debugger', async () => {
  const project = await makeProject()
  const [port = 0] = await freePorts(2)
  const daemon = project.launchOnly(['--inspect', String(port), '--shutdown-timeout', '1000'])
  await daemon.prints(/Listening on/)
  const [first, ...others] = await workers(project)
  expect(others).toEqual([])
  const one = await Debugger.on(port)
  expect(await one.pid()).toBe(first)

  project.write('src/more.ts', `import { task } from 'ztask'\nexport const more = task(() => 1)\n`)
  await daemon.prints(/Reloaded/)
  await until('the old worker to be gone', async () => !(await workers(project)).includes(first ?? 0))
  const two = await Debugger.on(port + 1)
  expect([await two.pid()]).toEqual(await workers(project))
  expect((await daemon.kill('SIGTERM')).code).toBe(0)
})

test('code that does not load is told while a debugger is attached', async () => {
  const project = await makeProject()
  project.write(
    'src/hold.ts',
    `import { existsSync } from 'node:fs'
    while (!existsSync('go')) await new Promise((resolve) => setTimeout(resolve, 10))
    export const load = () => { throw new Error('no such database') }`,
  )
  const [port = 0] = await freePorts(2)
  const env = { ZTASKD_ON_LOAD: './src/hold.ts#load' }
  const daemon = project.launch([`--inspect=${port}`, '--workers', '1'], env)
  await Debugger.on(port)
  project.write('go', '')
  const { code, stdout } = await daemon.ended
  expect(code).toBe(1)
  expect(stdout).toContain('no such database')
})

test('with more workers each has a port of its own', async () => {
  const project = await makeProject()
  const [port = 0] = await freePorts(2)
  await project.daemon([`--inspect=127.0.0.1:${port}`, '--workers', '2'])
  const attached = await Promise.all([Debugger.on(port), Debugger.on(port + 1)])
  const pids = await Promise.all(attached.map((one) => one.pid()))
  for (const one of attached) one.close()
  expect(new Set(pids)).toEqual(new Set(await workers(project)))
})
