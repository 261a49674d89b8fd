/** Who gets in, and what others see of it. */
import { randomUUID } from 'node:crypto'
import { mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { describe, expect, onTestFinished, test } from 'vitest'
import { close } from '../../dist/src/index.js'
import type { UntypedCalls } from '../../src/client/client.ts'
import type { RefusalCounts } from '../../src/model/refusal.ts'
import { freePort } from '../harness/ports.ts'
import { logLines } from '../harness/process.ts'
import { makeProject, TestProject } from '../harness/project.ts'
import { TcpProxy } from '../harness/proxy.ts'
import { until } from '../harness/until.ts'

const KEYS = "keys: '.ztask/keys'"

const locked = async (): Promise<TestProject> => {
  const project = await makeProject({ config: KEYS })
  expect(await project.ztask('keys')).toMatchObject({ code: 0 })
  return project
}

const noteOf = (project: TestProject, keys: string | undefined, callTimeout = 5): UntypedCalls =>
  project.client({ callTimeout, ...(keys !== undefined && { keys: project.path(keys) }) }).note

const refused = async (project: TestProject): Promise<RefusalCounts> =>
  (await project.json<{ refused: RefusalCounts }>('status')).refused

const rightsOf = (project: TestProject, file: string): string =>
  (statSync(project.path(file)).mode & 0o777).toString(8)

describe('without keys', () => {
  test.for(['tcp://0.0.0.0:%', 'tcp://*:%', 'tcp://[::]:%', 'tcp://127.0.0.1.example.com:%', 'tcp://eth0:%'])(
    'an address that others reach is refused, with the cure: %s',
    async (address) => {
      const project = await makeProject()
      const bind = address.replace('%', `${await freePort()}`)
      const ended = await project.launch([], { ZTASKD_BIND: bind }).ended
      expect(ended.code).toBe(1)
      expect(ended.stderr).toContain(`${bind} can be reached from other hosts`)
      expect(ended.stderr).toContain('npx ztask keys')
    },
  )

  test.runIf(process.platform === 'linux')(
    'an abstract name is refused, with the cure: every user of the host could connect; with keys it is bound',
    async () => {
      const project = await makeProject()
      const bind = `ipc://@ztask-test-${randomUUID()}`
      const ended = await project.launch([], { ZTASKD_BIND: bind }).ended
      expect(ended.code).toBe(1)
      expect(ended.stderr).toContain(`${bind} can be reached by every user of this host`)
      expect(ended.stderr).toContain('or bind ipc:///a/folder/of/yours/ztask.sock.')
      await (await locked()).daemon([], { ZTASKD_BIND: bind })
    },
  )

  test('an ipc address is bound: the rights of its folder guard it', async () => {
    const project = await makeProject()
    await project.daemon([], { ZTASKD_BIND: `ipc://${project.path('z.sock')}` })
  })
})

describe('ztask keys', () => {
  test('makes files that only their owner reads, says what is next, and overwrites nothing', async () => {
    const project = await makeProject({ config: KEYS })
    const made = await project.ztask('keys')
    for (const file of ['server.key', 'client.key', 'clients']) {
      expect(made.stdout).toContain(`wrote  .ztask/keys/${file}`)
      expect(rightsOf(project, `.ztask/keys/${file}`)).toBe('600')
    }
    expect(rightsOf(project, '.ztask/keys')).toBe('700')
    const before = readFileSync(project.path('.ztask/keys/client.key'), 'utf8')
    expect(await project.ztask('keys')).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('npx ztask keys billing'),
    })
    expect(readFileSync(project.path('.ztask/keys/client.key'), 'utf8')).toBe(before)
    expect(await project.ztask('keys', 'billing')).toMatchObject({ code: 0 })
    expect(readFileSync(project.path('.ztask/keys/clients'), 'utf8')).toMatch(
      /^# .*\n\S{40} client\n\S{40} billing\n$/,
    )
    // Edited by hand, without a line end at the end.
    const clients = project.path('.ztask/keys/clients')
    writeFileSync(clients, readFileSync(clients, 'utf8').trimEnd())
    expect(await project.ztask('keys', 'shop')).toMatchObject({ code: 0 })
    const lines = /^# .*\n\S{40} client\n\S{40} billing\n\S{40} shop\n$/
    expect(readFileSync(clients, 'utf8')).toMatch(lines)
    expect(await project.ztask('keys', '../x')).toMatchObject({ code: 2 })
    expect(await project.ztask('keys', 'server')).toMatchObject({ code: 2 })
  })

  test.for([
    ['server.key', '', 'server.key does not hold publicKey, secretKey'],
    ['server.key', '{"publicKey":"short","secretKey":"hush"}', 'server.key does not hold'],
    ['clients', 'nonsense\n', 'clients:1 does not begin with a public key'],
    ['clients', undefined, 'clients is not there'],
  ] as const)('a daemon whose %s is %s says so and does not start', async ([file, text, said]) => {
    const project = await locked()
    if (text === undefined) rmSync(project.path(`.ztask/keys/${file}`))
    else writeFileSync(project.path(`.ztask/keys/${file}`), text)
    const ended = await project.launch().ended
    expect(ended.code).toBe(1)
    expect(ended.stderr).toContain(said)
    expect(ended.stderr + ended.stdout).not.toContain('hush')
  })
})

describe('with keys', () => {
  test('listed clients, commands, and tasks that call tasks get in; the files are private; no secret is told', async () => {
    const project = await locked()
    const daemon = await project.daemon(['--loglevel', 'DEBUG'])
    await noteOf(project, '.ztask/keys').async('from a folder')
    await noteOf(project, '.ztask/keys/client.key').async('from a file')
    const ran = await project.ztask('run', 'note', '["from a command"]')
    expect(ran.code, ran.stderr).toBe(0)
    for (const name of ['from a folder', 'from a file', 'from a command']) await project.hasRun(name)
    for (const file of ['ztask.db', 'ztask.db-wal', 'ztask.lock'])
      expect(rightsOf(project, `.ztask/${file}`)).toBe('600')
    expect(rightsOf(project, '.ztask')).toBe('700')
    const status = await project.ztask('status', '--json')
    for (const file of ['server.key', 'client.key']) {
      const { secretKey } = JSON.parse(readFileSync(project.path(`.ztask/keys/${file}`), 'utf8'))
      expect(secretKey).toHaveLength(40)
      for (const said of [daemon.stdout, daemon.stderr, status.stdout]) expect(said).not.toContain(secretKey)
    }
  })

  test('a client without keys, or with those of another, does not get in, and is counted; nothing of it is stored', async () => {
    const project = await locked()
    const other = await locked()
    const daemon = await project.daemon()
    const before = await refused(project)
    await expect(noteOf(project, undefined, 0.5).async('none')).rejects.toMatchObject({
      code: 'ZTASK_UNAVAILABLE',
      message: expect.stringContaining('ZTASKD_KEYS'),
    })
    const { publicKey, secretKey } = JSON.parse(readFileSync(other.path('.ztask/keys/client.key'), 'utf8'))
    const { serverKey } = JSON.parse(readFileSync(project.path('.ztask/keys/client.key'), 'utf8'))
    project.write('stranger.key', JSON.stringify({ publicKey, secretKey, serverKey }))
    await expect(noteOf(project, 'stranger.key', 0.5).async('stranger')).rejects.toMatchObject({
      code: 'ZTASK_UNAVAILABLE',
    })
    const line = await until('the stranger to be told', () =>
      daemon.stdout.split('\n').find((one) => one.includes('is not listed')),
    )
    expect(line).toContain('127.0.0.1')
    expect(line).toContain(JSON.stringify(publicKey).slice(1, -1))
    const after = await refused(project)
    expect(after.key).toBeGreaterThan(before.key)
    expect(after.handshake).toBeGreaterThan(before.handshake)
    // And one that takes it for another daemon.
    await expect(noteOf(project, undefined, 0.5).async('none')).rejects.toMatchObject({
      code: 'ZTASK_UNAVAILABLE',
    })
    expect(project.rows()).toEqual([])
    expect(project.ran()).toEqual([])
  })

  test('a client that is no longer listed is cut off by SIGHUP, others stay; listed again, it is back', async () => {
    const project = await locked()
    expect(await project.ztask('keys', 'billing')).toMatchObject({ code: 0 })
    const daemon = await project.daemon()
    const first = noteOf(project, '.ztask/keys', 5)
    const billing = noteOf(project, '.ztask/keys/billing.key', 1)
    await billing.async('let in')
    await first.async('before')
    const list = readFileSync(project.path('.ztask/keys/clients'), 'utf8')
    writeFileSync(project.path('.ztask/keys/clients'), list.replace(/.* billing\n/, ''))
    daemon.child.kill('SIGHUP')
    await daemon.prints(/Keys read again: 1 client|could not/)
    expect(daemon.stdout).not.toContain('could not be read again')
    await expect(billing.async('shut out')).rejects.toMatchObject({
      code: expect.stringMatching(/UNAVAILABLE|UNKNOWN/),
    })
    await first.async('stays')
    await project.hasRun('stays')
    writeFileSync(project.path('.ztask/keys/clients'), 'nonsense')
    daemon.child.kill('SIGHUP')
    await daemon.prints(/could not be read again/)
    await first.async('goes on')
    writeFileSync(project.path('.ztask/keys/clients'), list)
    daemon.child.kill('SIGHUP')
    await daemon.prints(/Keys read again: 2 clients/)
    await until('it to be let in again', () =>
      billing.async('back').then(
        () => true,
        () => false,
      ),
    )
    await project.hasRun('back')
    expect(project.ran()).not.toContain('shut out')
  })

  test('however often the address is given up and taken again, nobody is left before a closed door', async () => {
    const project = await locked()
    expect(await project.ztask('keys', 'billing')).toMatchObject({ code: 0 })
    const daemon = await project.daemon()
    const list = readFileSync(project.path('.ztask/keys/clients'), 'utf8')
    for (let times = 1; times <= 20; times++)
      for (const text of [list.replace(/.* billing\n/, ''), list]) {
        writeFileSync(project.path('.ztask/keys/clients'), text)
        daemon.child.kill('SIGHUP')
        const told = text === list ? 2 : 1
        await until(`${told} clients to be let in, ${times}`, () => {
          const said = logLines(daemon.stdout).filter(({ msg }) =>
            msg.startsWith(`Keys read again: ${told} client`),
          )
          return said.length >= times
        })
      }
    expect(daemon.stdout).not.toContain('could not be read again')
    await noteOf(project, '.ztask/keys').async('at last')
    await project.hasRun('at last')
  })

  test('an address that cannot be taken again is told once and tried until it can; meanwhile the keys are read', async () => {
    const { dir } = await locked()
    const project = new TestProject(dir, `ipc://${dir}/door/z.sock`)
    onTestFinished(() => project.end())
    expect(await project.ztask('keys', 'billing')).toMatchObject({ code: 0 })
    mkdirSync(project.path('door'))
    const daemon = await project.daemon([], { ZTASKD_URL: project.url })
    await noteOf(project, '.ztask/keys').async('before')
    const list = readFileSync(project.path('.ztask/keys/clients'), 'utf8')
    renameSync(project.path('door'), project.path('gone'))
    for (const [text, told] of [
      [list.replace(/.* billing\n/, ''), /Keys read again: 1 client/],
      [list, /Keys read again: 2 clients/],
    ] as const) {
      writeFileSync(project.path('.ztask/keys/clients'), text)
      daemon.child.kill('SIGHUP')
      await daemon.prints(told)
    }
    renameSync(project.path('gone'), project.path('door'))
    await daemon.prints(/Bound again: listening on ipc/)
    await noteOf(project, '.ztask/keys').async('after')
    await noteOf(project, '.ztask/keys/billing.key').async('billing, after')
    const said = logLines(daemon.stdout).filter(({ msg }) => /No client can|Bound again|could not/.test(msg))
    expect(said.map(({ level, msg }) => `${level} ${msg}`)).toEqual([
      expect.stringMatching(
        /^error No client can connect: ipc:.* cannot be bound: .*\. Choose another url .*\. It is tried again/,
      ),
      expect.stringMatching(/^info Bound again/),
    ])
    await daemon.kill('SIGTERM')
    expect((await daemon.ended).code).toBe(0)
  })

  test('a daemon that waits for its address ends when it is told to', async () => {
    const { dir } = await locked()
    const project = new TestProject(dir, `ipc://${dir}/door/z.sock`)
    onTestFinished(() => project.end())
    mkdirSync(project.path('door'))
    const daemon = await project.daemon([], { ZTASKD_URL: project.url })
    renameSync(project.path('door'), project.path('gone'))
    writeFileSync(project.path('.ztask/keys/clients'), '')
    daemon.child.kill('SIGHUP')
    await daemon.prints(/No client can connect/)
    daemon.child.kill('SIGTERM')
    expect((await daemon.ended).code).toBe(0)
  })

  test('what is called meanwhile is stored once, whoever is cut', async () => {
    const project = await locked()
    expect(await project.ztask('keys', 'billing')).toMatchObject({ code: 0 })
    const daemon = await project.daemon()
    const note = noteOf(project, '.ztask/keys', 20)
    const list = readFileSync(project.path('.ztask/keys/clients'), 'utf8')
    const names = Array.from({ length: 3000 }, (_, index) => `call${index}`)
    const calls: Promise<unknown>[] = []
    for (const [index, name] of names.entries()) {
      calls.push(note.async(name))
      if (index % 500 === 250) {
        await calls[index - 100]
        const without = index % 1000 === 250
        writeFileSync(project.path('.ztask/keys/clients'), without ? list.replace(/.* billing\n/, '') : list)
        daemon.child.kill('SIGHUP')
      }
    }
    await Promise.all(calls)
    await until('all to have run', () => project.rows().length === 0)
    expect(project.ran().toSorted()).toEqual(names.toSorted())
  })

  test('nothing that is sent can be read on the way', async () => {
    const seen = async (project: TestProject, keys: string | undefined): Promise<boolean> => {
      await project.daemon()
      const proxy = await TcpProxy.to(project.url)
      onTestFinished(() => proxy.close())
      let text = ''
      proxy.passed = (chunk) => {
        text += chunk.toString('latin1')
      }
      await noteOf(new TestProject(project.dir, proxy.url), keys).async('a needle in the hay')
      await project.hasRun('a needle in the hay')
      return text.includes('a needle in the hay')
    }
    expect(await seen(await makeProject(), undefined)).toBe(true)
    close()
    expect(await seen(await locked(), '.ztask/keys')).toBe(false)
  })
})

test('a client whose address was somebody else’s for a while connects when its daemon is there', async () => {
  const project = await makeProject()
  const greeted: string[] = []
  const stranger = createServer((socket) => {
    greeted.push('connection')
    socket.on('error', () => {}).resume()
    socket.end('HTTP/1.1 400 Bad Request\r\n\r\n')
  })
  const { port } = new URL(project.url)
  await new Promise<void>((resolve) => stranger.listen(Number(port), '127.0.0.1', resolve))
  const { note } = project.client({ callTimeout: 20 })
  const call = note.async('in the end')
  await until('the stranger to have been greeted', () => greeted.length > 0)
  await new Promise((resolve) => stranger.close(resolve))
  await project.daemon()
  await call
  await project.hasRun('in the end')
})
