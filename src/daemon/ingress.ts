/** The door: reads what clients send, checks it, has it stored, and answers after the commit. */
import { setImmediate, setTimeout } from 'node:timers/promises'
import type { Router } from 'zeromq'
import type { Clock } from '../clock.ts'
import {
  BatchTooLargeError,
  DaemonError,
  type ErrorRecord,
  PayloadTooLargeError,
  ProtocolError,
  WrongProjectError,
  ZtaskError,
} from '../model/errors.ts'
import type { NewJob } from '../model/job.ts'
import { masked } from '../model/masked.ts'
import type { Ending } from '../model/outcome.ts'
import type { RefusalReason } from '../model/refusal.ts'
import type { RunOptions } from '../model/run-options.ts'
import { isTaken } from '../wire/address.ts'
import type { ServerKeys } from '../wire/keys.ts'
import {
  type Awaited,
  type ClientMessage,
  checkJob,
  checkOptions,
  type DaemonMessage,
  encode,
  MOST_JOBS,
  MOST_TOGETHER,
  readClientMessage,
  type Verb,
  type Watched,
  type WireJob,
} from '../wire/protocol.ts'
import { type Answer, Answers, MARK } from './ingress/answers.ts'
import { Gatekeeper } from './ingress/zap.ts'

export interface IngressOptions {
  readonly clock: Clock
  readonly project: string
  /** Whom to let in; everybody, where there are none. */
  readonly keys: ServerKeys | undefined
  readonly maxPayload: number
  readonly maxBatch: number
  /** Names this start of this daemon, so that clients notice another. */
  readonly boot: string
  /** Whether a call of a task is refused, or stored and held, or neither. */
  readonly judge: (task: string) => { readonly refuse: ZtaskError } | { readonly hold: string } | undefined
  /** What is kept of the options of a call that is due then, epoch ms, and of its task's. */
  readonly placed: (
    task: string,
    options: RunOptions | null,
    due: number,
  ) => Pick<NewJob, 'priority' | 'options'>
  /** Ended a short while ago: it is not stored again, and answered as stored. */
  readonly isRecent: (id: string) => boolean
  /** Is on disk, whichever commit put it there. */
  readonly isStored: (id: string) => Promise<boolean>
  /**
   * Stores jobs, all or none where they go `together`, then answers which of them are not stored. Where that may take as
   * long as the disk does, `waits` is told.
   */
  readonly insert: (
    jobs: readonly NewJob[],
    answer: (notStored: readonly NotStored[]) => void,
    together: boolean,
    waits: () => void,
  ) => void
  readonly ask: (verb: Verb, params: unknown) => Promise<unknown>
  /**
   * Who waits for jobs: `wait`, until then (epoch ms), for one that it sends, and `withdraw`, where that is not stored;
   * `ask`, for those that it sent before.
   */
  readonly results: {
    wait(client: Buffer, id: string, until: number): void
    withdraw(client: Buffer, ids: readonly string[]): void
    ask(client: Buffer, jobs: readonly Awaited[]): Promise<void>
    seen(client: Buffer, ids: readonly string[]): void
  }
  /** Who wants to know how far jobs are. */
  readonly progresses: { watch(client: Buffer, jobs: readonly Awaited[]): Promise<void> }
  /** A message, a job or a connection that is not served. */
  readonly refused: (reason: RefusalReason, error: Error) => void
  readonly unanswered: (error: Error) => void
  /** Why the address that was given up cannot be taken again, once; and once nothing, when it is taken. */
  readonly boundAgain: (error: Error | undefined) => void
}

/** A new job that is not stored, by its place among those inserted with it, and why. */
type NotStored = readonly [index: number, error: ZtaskError]
/** Where a message came from, and when, epoch ms. */
interface Arrived {
  readonly client: Buffer
  readonly at: number
  /** Of jobs that have none of their own. */
  readonly options: RunOptions | null
}
type Enqueue = Extract<ClientMessage, { kind: 'enqueue' }>
/** A job that is refused, by its place in the message. */
type Refusal = readonly [index: number, ErrorRecord]
/** Of what a client says is its project, as much as an answer repeats. */
const LONGEST_NAME = 200
/** Bytes that a UTF-8 character takes at most, for a quick bound before the exact count. */
const WIDEST = 3
/**
 * Of a frame, beyond four times `maxPayload` and `maxBatch`: room for the largest message of many jobs, and for a job that is too large
 * to be read and refused by name. What is larger still ends its connection before it fills the memory.
 */
const LARGEST_FRAME = 64 * 2 ** 20

/**
 * Of messages that wait for their answer, and of the jobs in them: beyond it nothing is read until some are answered. A client
 * of ours has 8 MiB of single calls in flight at most, or a batch.
 */
const MOST_PENDING = 32 * 2 ** 20
/** Bytes of memory that a job takes beside its texts. */
const JOB = 200
/** What an ask with a large answer counts for among them: that is made while it waits. */
const LARGE_ASK = 2 ** 20
const LARGE_ASKS: readonly Verb[] = ['list', 'show']
/**
 * Bytes of messages after which the event loop turns: ZeroMQ hands over whatever has arrived without a turn. The largest
 * batch of 100,000 jobs, 14 MB, takes 65 ms to parse and 35 to check.
 */
const A_TURN = 2 ** 20

/** Of an answer, beyond twice `maxPayload` (JSON in JSON: each quote is two): ten failures with their causes. */
const LARGEST_ANSWER = 4 * 2 ** 20

/** Refusals of one message that are told with all that there is to say: ours sends no more jobs. */
const MOST_TOLD = 1000

/** How long an address that was ours may take to be free again before that is told, ms. */
const BIND_PATIENCE = 2000
/** The time between two tries, before and after, ms. */
const BIND_PAUSE = 5
const BIND_PAUSE_LATE = 100

export class Ingress {
  readonly #options: IngressOptions
  #keys: ServerKeys | undefined
  readonly #gatekeeper = new Gatekeeper({
    admits: (key) => this.#keys?.clients.has(key) === true,
    turnedAway: (address, key) => this.#options.refused('key', notListed(address, key)),
  })
  #address = ''
  /** Under way while the address that was given up is not ours again. */
  #binding: Promise<void> | undefined
  #closing = false
  /** One change of the keys at a time. */
  #admitting: Promise<void> = Promise.resolve()
  #socket: Router | undefined
  #answers: Answers | undefined
  #reading: Promise<void> | undefined
  /** Bytes of messages that wait for their answer, and of the jobs in them. */
  #pending = 0
  #resume: (() => void) | undefined

  constructor(options: IngressOptions) {
    this.#options = options
    this.#keys = options.keys
  }

  /**
   * Binds and begins to serve.
   *
   * @throws DaemonError where the address is in use or cannot be bound
   */
  async open(address: string): Promise<void> {
    if (await isTaken(address)) throw cannotBind(address, Object.assign(new Error(), { code: 'EADDRINUSE' }))
    if (this.#keys !== undefined) await this.#gatekeeper.open()
    await this.#bind(address)
  }

  /**
   * From now on these decide who is let in. Where one is no longer among them, all connections are cut: ZeroMQ asks about
   * a client only when it connects. The others connect anew by themselves, and send again what was not answered.
   */
  admit(keys: ServerKeys): Promise<void> {
    const admitted = this.#admitting.then(() => this.#change(keys))
    this.#admitting = admitted.catch(() => {})
    return admitted
  }

  async #change(keys: ServerKeys): Promise<void> {
    const before = this.#keys
    if (before === undefined || this.#socket === undefined || this.#closing) return
    this.#keys = keys
    // Where nothing is bound nobody is connected, and it is being bound.
    if (this.#binding !== undefined || allAreIn(before, keys)) return
    await this.#unbind()
    await new Promise<void>((admitted) => {
      this.#binding = this.#bindAgain(admitted)
    })
  }

  /**
   * ZeroMQ gives an address up a moment after the socket is closed (48 of 150 bound too early), and meanwhile another
   * process may take it. Whatever is in the way, a daemon without a door is none: it is tried without end.
   *
   * @param admitted called when it is bound, or it has been told that it cannot be
   */
  async #bindAgain(admitted: () => void): Promise<void> {
    const patience = performance.now() + BIND_PATIENCE
    let told = false
    while (!this.#closing) {
      try {
        await this.#bindFor(this.#keys)
        if (told) this.#options.boundAgain(undefined)
        break
      } catch (error) {
        if (!told && performance.now() > patience) {
          told = true
          this.#options.boundAgain(error as Error)
          admitted()
        }
        await setTimeout(told ? BIND_PAUSE_LATE : BIND_PAUSE)
      }
    }
    this.#binding = undefined
    admitted()
  }

  /** Should they change meanwhile, whoever has just connected may be listed no longer. */
  async #bindFor(keys: ServerKeys | undefined): Promise<void> {
    await this.#bind(this.#address)
    if (keys === undefined || this.#keys === undefined || allAreIn(keys, this.#keys)) return
    await this.#unbind()
    await this.#bindFor(this.#keys)
  }

  async #bind(address: string): Promise<void> {
    const { Router } = await import('zeromq')
    // mandatory: an answer to a client that left, or does not read, is an error and not silence. sendTimeout 0: such a
    // client must not hold up the answers of the others. linger: the last answers still go out after the close.
    const socket = new Router({
      linger: 1000,
      mandatory: true,
      sendTimeout: 0,
      sendHighWaterMark: MARK,
      maxMessageSize: LARGEST_FRAME + 4 * (this.#options.maxPayload + this.#options.maxBatch),
      ...(this.#keys !== undefined && {
        curveServer: true,
        curveSecretKey: this.#keys.secretKey,
        // Without it, whoever has any key would be let in where nobody answers the question.
        zapDomain: 'ztask',
        zapEnforceDomain: true,
      }),
    })
    try {
      await socket.bind(address)
    } catch (cause) {
      socket.close()
      throw cannotBind(address, cause as NodeJS.ErrnoException)
    }
    this.#socket = socket
    this.#address = socket.lastEndpoint ?? address
    this.#answers = new Answers(socket, (error) => this.#options.unanswered(error))
    this.#reading = this.#read(socket)
    void this.#watch(socket).catch(() => {}) // It only counts.
  }

  /** Takes nothing more, delivers the answers that are due, and unbinds. */
  async close(): Promise<void> {
    this.#closing = true
    await this.#binding
    await this.#unbind()
    this.#gatekeeper.close()
  }

  async #unbind(): Promise<void> {
    await this.#answers?.close()
    this.#socket?.close()
    this.#resume?.()
    await this.#reading
  }

  async #read(socket: Router): Promise<void> {
    let read = 0
    try {
      for await (const [identity, ...frames] of socket) {
        if (identity !== undefined) this.#receive(identity, frames)
        read += bytesOf(frames)
        if (read > A_TURN) {
          read = 0
          await setImmediate()
        }
        if (this.#pending > MOST_PENDING) await this.#caughtUp()
      }
    } catch (error) {
      if (!socket.closed) throw error
    }
  }

  /** Clients wait meanwhile, by TCP's own flow control: nothing is dropped, and their clocks are long. */
  #caughtUp(): Promise<void> {
    return new Promise((resolve) => {
      this.#resume = resolve
    })
  }

  /** A message of so many bytes is answered. */
  #answered(bytes: number): void {
    this.#pending -= bytes
    if (this.#pending > MOST_PENDING || this.#resume === undefined) return
    this.#resume()
    this.#resume = undefined
  }

  /** What never becomes a message is seen here only. Its end is the socket's. */
  async #watch(socket: Router): Promise<void> {
    // Who has a wrong key has been told of by its address.
    for await (const event of socket.events)
      if (event.type.startsWith('handshake:error') && event.type !== 'handshake:error:auth')
        this.#options.refused('handshake', this.#keys === undefined ? NO_CLIENT : NO_KEYS)
  }

  #receive(identity: Buffer, frames: readonly Buffer[]): void {
    // A delay counts from here: of a message with many jobs the reading takes its time.
    const arrived = this.#options.clock.now()
    const reply = (message: DaemonMessage): void => this.#reply(identity, message)
    let message: ClientMessage
    try {
      message = readClientMessage(frames)
    } catch (thrown) {
      const error =
        thrown instanceof ProtocolError
          ? thrown
          : new ProtocolError('The message cannot be read.', {}, { cause: thrown })
      this.#options.refused('theirs' in error.data ? 'version' : 'malformed', error)
      reply({ kind: 'refused', error: error.toJSON() })
      return
    }
    if (message.project !== this.#options.project) return reply(this.#wrongProject(message))
    if (message.kind === 'hello')
      return reply({ kind: 'welcome', link: `${this.#options.boot}:${identity.toString('hex')}` })
    if (message.kind === 'await' || message.kind === 'watch') {
      const size = bytesOf(frames) + JOB * message.jobs.length
      this.#pending += size
      const { results, progresses } = this.#options
      const asked =
        message.kind === 'await'
          ? results.ask(identity, message.jobs)
          : progresses.watch(identity, message.jobs)
      return void asked.finally(() => this.#answered(size))
    }
    if (message.kind === 'seen') return this.#options.results.seen(identity, message.ids)
    let bytes = bytesOf(frames) + costOf(message)
    this.#pending += bytes
    // Once: what waits for a disk that fails is no more while it does, and must not shut the door to all others.
    const counted = (): void => {
      this.#answered(bytes)
      bytes = 0
    }
    const answered = (answer: DaemonMessage): void => {
      counted()
      reply(answer)
    }
    if (message.kind === 'enqueue' && message.options !== undefined) {
      const fault = checkOptions(message.options)
      if (fault !== undefined)
        return answered({ kind: 'refused', seq: message.seq, error: this.#refusal('malformed', fault) })
    }
    if (message.kind === 'ask') this.#ask(message.seq, message.verb, message.params, answered)
    else {
      const source = { client: identity, at: arrived, options: message.options ?? null }
      if (message.together === true) this.#enqueueAll(message, source, answered, counted)
      else this.#enqueue(message, source, answered, counted)
    }
  }

  /** Tells a client how jobs have ended that it waits for. */
  tell(client: Buffer, jobs: readonly (readonly [id: string, Ending])[]): void {
    this.#reply(client, { kind: 'ended', jobs })
  }

  /** Tells a client how far jobs are that it watches. */
  tellProgress(client: Buffer, jobs: readonly Watched[]): void {
    this.#reply(client, { kind: 'progress', jobs })
  }

  /** Nothing that a client sends may end the master: not even what makes its answer impossible to write. */
  #reply(identity: Buffer, message: DaemonMessage): void {
    try {
      this.#answers?.put(this.#bounded(identity, message))
    } catch (error) {
      this.#options.unanswered(error as Error)
    }
  }

  /** Of the rest the size is bounded by what they are. */
  #bounded(identity: Buffer, message: DaemonMessage): Answer {
    const frames = encode(message)
    if (message.kind !== 'answer') return [identity, ...frames]
    const most = LARGEST_ANSWER + 2 * this.#options.maxPayload
    const size = Buffer.byteLength(frames[1])
    if (size <= most) return [identity, ...frames]
    const error = new DaemonError(
      `The answer takes ${size} bytes; a daemon sends ${most}. Ask for fewer jobs at a time, or raise maxPayload.`,
    )
    return [identity, ...encode({ kind: 'refused', seq: message.seq, error: error.toJSON() })]
  }

  #wrongProject(message: ClientMessage): DaemonMessage {
    const { project } = this.#options
    const client = message.project.slice(0, LONGEST_NAME)
    const error = new WrongProjectError(
      `The daemon at this address belongs to project '${project}', this client to '${client}'. Give one of them another url (ZTASKD_URL).`,
      { daemon: project, client },
    )
    this.#options.refused('project', error)
    return { kind: 'refused', ...('seq' in message && { seq: message.seq }), error: error.toJSON() }
  }

  #ask(seq: number, verb: Verb, params: unknown, reply: (message: DaemonMessage) => void): void {
    this.#options.ask(verb, params).then(
      (value) => reply({ kind: 'answer', seq, value }),
      (error: Error) => {
        if (error instanceof ProtocolError) this.#options.refused('malformed', error)
        const told = error instanceof ZtaskError ? error : new DaemonError(`${verb} failed: ${error.message}`)
        reply({ kind: 'refused', seq, error: told.toJSON() })
      },
    )
  }

  #enqueue(
    { seq, jobs: sent }: Enqueue,
    arrived: Arrived,
    reply: (message: DaemonMessage) => void,
    waits: () => void,
  ): void {
    if (sent.length > MOST_JOBS)
      return reply({
        kind: 'refused',
        seq,
        error: this.#refusal('malformed', tooMany(sent.length, MOST_JOBS)),
      })
    const refused: Refusal[] = []
    const indexes: number[] = []
    const jobs: NewJob[] = []
    for (let index = 0; index < sent.length; index++) {
      const job = this.#admit(sent[index], arrived)
      if ('code' in job) refused.push([index, job])
      else if (!this.#options.isRecent(job.id)) {
        indexes.push(index)
        jobs.push(job)
      }
    }
    const answer = (): void => reply(answerTo(seq, sent.length, refused))
    if (jobs.length === 0) return answer()
    const inserted = (notStored: readonly NotStored[]): void => {
      if (notStored.length === 0) return answer()
      void this.#missing(jobs, notStored).then((missing) => {
        for (const [at, error] of missing) refused.push([indexes[at] ?? 0, error.toJSON()])
        this.#withdraw(
          arrived,
          missing.flatMap(([at]) => jobs[at] ?? []),
        )
        answer()
      })
    }
    this.#await(arrived, jobs)
    this.#options.insert(jobs, inserted, false, waits)
  }

  /** All or none: the first that is refused speaks for all. */
  #enqueueAll(
    { seq, jobs: sent }: Enqueue,
    arrived: Arrived,
    reply: (message: DaemonMessage) => void,
    waits: () => void,
  ): void {
    const refuse = (error: ErrorRecord): void => reply({ kind: 'refused', seq, error })
    if (sent.length > MOST_TOGETHER)
      return refuse(this.#refusal('malformed', tooMany(sent.length, MOST_TOGETHER)))
    const jobs: NewJob[] = []
    let size = 0
    for (const one of sent) {
      const job = this.#admit(one, arrived)
      if ('code' in job) return refuse(job)
      size += Buffer.byteLength(job.args)
      if (!this.#options.isRecent(job.id)) jobs.push(job)
    }
    const { maxBatch } = this.#options
    if (size > maxBatch)
      return refuse(this.#refusal('payload', batchTooLarge(sent[0]?.[1] ?? '', sent.length, size, maxBatch)))
    const [first] = jobs
    if (first === undefined) return reply({ kind: 'stored', seq })
    const answer = ([failed]: readonly NotStored[]): void => {
      if (failed === undefined) return reply({ kind: 'stored', seq })
      // An earlier message of the same jobs may have stored them: then all of them.
      void this.#options.isStored(first.id).then((stored) => {
        if (stored) return reply({ kind: 'stored', seq })
        this.#withdraw(arrived, jobs)
        refuse(failed[1].toJSON())
      })
    }
    this.#await(arrived, jobs)
    this.#options.insert(jobs, answer, true, waits)
  }

  /** Before they are stored: they may end at once. */
  #await({ client }: Arrived, jobs: readonly NewJob[]): void {
    for (const { id, awaited } of jobs) if (awaited !== null) this.#options.results.wait(client, id, awaited)
  }

  #withdraw({ client }: Arrived, jobs: readonly NewJob[]): void {
    this.#options.results.withdraw(
      client,
      jobs.map(({ id }) => id),
    )
  }

  /** @returns of jobs that could not be inserted those that an earlier message has not stored already */
  async #missing(jobs: readonly NewJob[], notStored: readonly NotStored[]): Promise<readonly NotStored[]> {
    const stored = await Promise.all(notStored.map(([at]) => this.#options.isStored(jobs[at]?.id ?? '')))
    return notStored.filter((_, at) => stored[at] !== true)
  }

  /** @returns the job to store, or why it is refused */
  #admit(sent: unknown, { at: created, options }: Arrived): NewJob | ErrorRecord {
    const fault = checkJob(sent)
    if (fault !== undefined) return this.#refusal('malformed', fault)
    const [id, task, args, after = null, at = null, wait = null, own] = sent as WireJob
    const tooLarge = this.#tooLarge(task, args)
    if (tooLarge !== undefined) return this.#refusal('payload', tooLarge)
    const verdict = this.#options.judge(task)
    if (verdict !== undefined && 'refuse' in verdict) return this.#refusal('task', verdict.refuse)
    const due = Math.round(at ?? created + (after ?? 0))
    const reason = verdict?.hold ?? null
    const awaited = wait !== null && wait > 0 ? Math.ceil(created + wait) : null
    const { priority, options: kept } = this.#options.placed(task, own ?? options, due)
    return {
      id,
      task,
      args,
      due,
      created,
      state: reason === null ? 'queued' : 'held',
      reason,
      awaited,
      priority,
      options: kept,
    }
  }

  #refusal(reason: RefusalReason, error: ZtaskError): ErrorRecord {
    this.#options.refused(reason, error)
    return error.toJSON()
  }

  #tooLarge(task: string, args: string): ZtaskError | undefined {
    const { maxPayload } = this.#options
    if (args.length * WIDEST <= maxPayload) return undefined
    const size = Buffer.byteLength(args)
    if (size <= maxPayload) return undefined
    return new PayloadTooLargeError(
      `The arguments of ${task} take ${size} bytes; this daemon takes ${maxPayload}. Pass an id and load the data in the task, or raise maxPayload.`,
      { task, size, maxPayload },
    )
  }
}

const bytesOf = (frames: readonly Buffer[]): number =>
  frames.reduce((sum, { byteLength }) => sum + byteLength, 0)

const costOf = (message: Extract<ClientMessage, { kind: 'ask' | 'enqueue' }>): number => {
  if (message.kind === 'enqueue') return JOB * message.jobs.length
  return LARGE_ASKS.includes(message.verb) ? LARGE_ASK : 0
}

/** Ten thousand errors are fifty times the message that they refuse. */
const answerTo = (seq: number, sent: number, refused: readonly Refusal[]): DaemonMessage => {
  const [first] = refused
  if (first === undefined) return { kind: 'stored', seq }
  if (refused.length <= MOST_TOLD) return { kind: 'stored', seq, refused }
  if (refused.length === sent) return { kind: 'refused', seq, error: first[1] }
  const rest = refused
    .slice(MOST_TOLD)
    .map(([index, { code }]): Refusal => [index, { code, message: AS_OTHERS, data: {} }])
  return { kind: 'stored', seq, refused: [...refused.slice(0, MOST_TOLD), ...rest] }
}

const AS_OTHERS = 'Refused as others of this message.'

/** @returns whether all clients of the one list stand in the other */
const allAreIn = (before: ServerKeys, now: ServerKeys): boolean =>
  [...before.clients.keys()].every((key) => now.clients.has(key))

const NO_CLIENT = new ProtocolError(
  'A connection ended before it had spoken ZeroMQ. Only clients of ztask belong at this address.',
)
const NO_KEYS = new ProtocolError(
  'A connection ended in its handshake: a client without keys, or with those of another daemon, or no client at all. Set its ZTASKD_KEYS.',
)

const notListed = (address: string, key: string): ProtocolError =>
  new ProtocolError(
    `A client at ${address} is not let in: its public key, ${key}, is not listed. List it in the file clients beside server.key, then send the daemon SIGHUP.`,
    { address, key },
  )

const batchTooLarge = (task: string, jobs: number, size: number, maxBatch: number): BatchTooLargeError =>
  new BatchTooLargeError(
    `The arguments of this batch of ${jobs} ${task} take ${size} bytes; this daemon takes ${maxBatch}. Nothing is stored: split it into several.`,
    { task, jobs, size, maxBatch },
  )

const tooMany = (jobs: number, most: number): ProtocolError =>
  new ProtocolError(
    `A message has at most ${most} jobs; this one has ${jobs}. None of them is stored: send them in several messages.`,
    { jobs },
  )

const cannotBind = (address: string, cause: NodeJS.ErrnoException): DaemonError => {
  const why =
    cause.code === 'EADDRINUSE'
      ? 'another process uses it. Stop that one, or choose another url (ZTASKD_URL, --url)'
      : `${cause.message}. Choose another url (ZTASKD_URL, --url)`
  const shown = masked(address)
  return new DaemonError(
    `${shown} cannot be bound: ${why}.`,
    { address: shown, reason: cause.code },
    { cause },
  )
}
