/** docs/wire.md: its examples are messages of the protocol, and a daemon answers each as the page says. */
import { readFileSync } from 'node:fs'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { Dealer } from 'zeromq'
import { MOST_IDS, MOST_LISTED } from '../../src/wire/ask.ts'
import {
  checkJob,
  LONGEST_DELAY,
  LONGEST_WAIT,
  MOST_JOBS,
  PROTOCOL,
  readClientMessage,
  readDaemonMessage,
  VERBS,
} from '../../src/wire/protocol.ts'
import { type Ended, REPOSITORY } from '../harness/process.ts'
import { makeProject, type TestProject } from '../harness/project.ts'
import { blocksOf } from './blocks.ts'

const PAGE = readFileSync(`${REPOSITORY}docs/wire.md`, 'utf8')
const CLIENT = `${REPOSITORY}docs/wire/client.mjs`
const ID = '01939f5e-7a3c-7c52-b0a7-2f6d3c1e9aff'

interface Message {
  readonly kind: string
  readonly seq?: number
  readonly jobs?: readonly unknown[]
}

const samples = blocksOf(PAGE).filter(({ language }) => language === 'json')
const messages = samples.map(({ text }) => JSON.parse(text) as Message)
const isClients = ({ kind }: Message): boolean =>
  ['hello', 'enqueue', 'ask', 'await', 'watch', 'seen'].includes(kind)
/** To the others there is an answer. */
const isAnswered = ({ kind }: Message): boolean => kind !== 'seen'
const framesOf = (message: unknown) => [Buffer.from(PROTOCOL), Buffer.from(JSON.stringify(message))]

let project: TestProject
let socket: Dealer

beforeEach(async () => {
  project = await makeProject({
    config: `project: 'shop'`,
    files: {
      'src/mail.ts': `import { task } from 'ztask'
import { note } from './tasks.js'
export const sendEmail = task((to: string, subject: string) => note(to + ' ' + subject))`,
    },
  })
  socket = new Dealer({ linger: 0, receiveTimeout: 20_000 })
  socket.connect(project.url)
})
afterEach(() => socket.close())

const answerTo = async (message: Message): Promise<Message> => {
  await socket.send([PROTOCOL, JSON.stringify(message)])
  const frames = await socket.receive()
  expect(frames[0]?.toString()).toBe(PROTOCOL)
  return JSON.parse(frames[1]?.toString() ?? '') as Message
}

/** What differs each time. */
const comparable = (message: Message): object =>
  message.kind === 'welcome'
    ? { ...message, link: expect.stringMatching(/^[0-9a-f-]{36}:[0-9a-f]+$/) }
    : message

test('every example is a message of the protocol, and every kind, verb and bound is there', () => {
  for (const message of messages) {
    const read = isClients(message) ? readClientMessage : readDaemonMessage
    expect(read(framesOf(message))).toEqual(message)
    if (message.kind === 'enqueue')
      for (const job of message.jobs ?? []) expect(checkJob(job)).toBeUndefined()
  }
  const kinds = new Set(messages.map(({ kind }) => kind))
  expect([...kinds].sort()).toEqual([
    'answer',
    'ask',
    'await',
    'ended',
    'enqueue',
    'hello',
    'progress',
    'refused',
    'seen',
    'stored',
    'watch',
    'welcome',
  ])
  for (const verb of VERBS) expect(PAGE).toContain(`\`${verb}\``)
  expect(PAGE).toContain(`up to ${LONGEST_DELAY.toLocaleString('en')} (a century)`)
  expect(PAGE).toContain(`up to ${MOST_JOBS.toLocaleString('en')}; each is stored or refused by itself`)
  expect(PAGE).toContain(`at most ${LONGEST_WAIT.toLocaleString('en')} (24 days)`)
  expect(PAGE).toContain(`\`limit\`: 100, at most ${MOST_LISTED.toLocaleString('en')};`)
  expect(PAGE).toContain(`\`ids\`, at most ${MOST_IDS.toLocaleString('en')}`)
})

test('a daemon answers each example as the page says, and runs the job', async () => {
  await project.daemon()
  const asked = messages.filter((message) => isClients(message) && isAnswered(message))
  expect(messages.filter(isAnswered)).toHaveLength(2 * asked.length)
  for (const message of asked) {
    const said = messages[messages.indexOf(message) + 1] as Message
    expect(await answerTo(message)).toEqual(comparable(said))
  }
  await project.hasRun('a@b.c Hi')
})

test('the first frame is compared as a whole, and the answer names both versions', async () => {
  await project.daemon()
  await socket.send(['ztask/2', JSON.stringify(messages[0])])
  const [name, body] = await socket.receive()
  expect(name?.toString()).toBe(PROTOCOL)
  expect(JSON.parse(body?.toString() ?? '')).toMatchObject({
    kind: 'refused',
    error: { code: 'ZTASK_PROTOCOL', data: { ours: PROTOCOL, theirs: 'ztask/2' } },
  })
})

const call = (...argv: string[]): Promise<Ended> => project.start([CLIENT, project.url, ...argv]).ended

test('the client of the page enqueues a job, which runs once however often its id is sent', async () => {
  await project.daemon()
  const sent = await call('shop', 'sendEmail', '["a@b.c","plain"]', ID)
  expect(sent).toMatchObject({ code: 0, stdout: `${ID}\n`, stderr: '' })
  await project.hasRun('a@b.c plain')
  expect(await call('shop', 'sendEmail', '["a@b.c","plain"]', ID)).toMatchObject({ code: 0 })
  expect((await call('shop', 'sendEmail', '["a@b.c","last"]')).code).toBe(0)
  await project.hasRun('a@b.c last')
  expect(project.ran()).toEqual(['a@b.c plain', 'a@b.c last'])

  expect(await call('shop', 'sendMail')).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('refused: ZTASK_UNKNOWN_TASK'),
  })
  expect((await call('another', 'sendEmail')).stderr).toContain('refused: ZTASK_WRONG_PROJECT')
})

test('the client of the page waits for a daemon, and has sent nothing where none came', async () => {
  const early = call('shop', 'sendEmail', '["a@b.c","early"]')
  await project.daemon()
  expect(await early).toMatchObject({ code: 0 })
  await project.hasRun('a@b.c early')
  const argv = [CLIENT, 'ipc:///nonexistent/daemon.sock', 'shop', 'sendEmail']
  const nowhere = await project.start(argv, { ZTASKD_CALL_TIMEOUT: '0.3' }).ended
  expect(nowhere).toMatchObject({ code: 1, stderr: expect.stringContaining('not sent') })
})
