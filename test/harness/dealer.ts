/** A client of the test's own, which sends what no client of ours would. */
import { connect } from 'node:net'
import { Dealer } from 'zeromq'
import type { ErrorRecord } from '../../src/model/errors.ts'

export interface Answer {
  readonly kind: string
  readonly seq?: number
  readonly error?: ErrorRecord
  readonly value?: unknown
  readonly refused?: readonly (readonly [number, ErrorRecord])[]
}

type Frames = (string | Uint8Array)[]

/** Sends each message as it is, on one connection. @returns the answer to the last */
export const exchange = async (url: string, ...messages: Frames[]): Promise<Answer> => {
  const socket = new Dealer({ linger: 0, receiveTimeout: 30_000, immediate: true })
  socket.connect(url)
  try {
    for (const frames of messages) await socket.send(frames)
    let body: Buffer | undefined
    for (const _ of messages) [, body] = await socket.receive()
    return JSON.parse(String(body)) as Answer
  } finally {
    socket.close()
  }
}

/** Sends bytes that are no ZeroMQ, and leaves. */
export const sendRaw = (url: string, bytes: Uint8Array): Promise<void> =>
  new Promise((resolve, reject) => {
    const { hostname, port } = new URL(url)
    const socket = connect(Number(port), hostname, () => socket.end(bytes))
    socket.resume()
    socket.once('error', reject)
    socket.once('close', () => resolve())
  })
