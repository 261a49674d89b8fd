/** What stands at a daemon's address and is none: it answers each message as a test says. */
import { afterEach } from 'vitest'
import { Router } from 'zeromq'
import { close } from '../../dist/src/index.js'

export interface Message {
  readonly kind: string
  readonly seq?: number
  readonly jobs?: readonly (readonly [id: string, task: string, args: string, after?: number])[]
}

export interface Reply {
  readonly version?: string
  readonly body: unknown
}

/** `undefined` is silence; a promise does not hold up the messages that follow. */
export type Answers = (message: Message) => Reply | undefined | Promise<Reply>

export const welcome: Reply = { body: { kind: 'welcome', link: 'one' } }

/** Those of the test that runs. */
export const routers: Router[] = []
afterEach(() => {
  close()
  for (const router of routers.splice(0)) router.close()
})

/** @returns the address */
export const serve = async (answers: Answers, address = 'tcp://127.0.0.1:*'): Promise<string> => {
  const router = new Router({ linger: 0 })
  routers.push(router)
  await router.bind(address)
  // One at a time, as the socket asks.
  let sent = Promise.resolve()
  const read = async (): Promise<void> => {
    for await (const [identity, , body] of router) {
      void Promise.resolve(answers(JSON.parse(String(body)) as Message)).then((reply) => {
        if (reply === undefined) return
        const frames = [identity ?? '', reply.version ?? 'ztask/1', JSON.stringify(reply.body)]
        sent = sent.then(() => router.send(frames)).catch(() => {}) // It ends with the socket.
      })
    }
  }
  void read().catch(() => {}) // It ends with the socket.
  return router.lastEndpoint ?? ''
}
