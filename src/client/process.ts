/**
 * What a process has once: a connection a daemon and project, and the client that was loaded last. On globalThis, since
 * a development server that reloads modules would otherwise open a socket each time, and a bundle may hold a second
 * copy of ztask.
 */
import type { Registry } from '../worker/registry.ts'
import { Connection } from './connection.ts'
import type { Link } from './link.ts'

interface Held {
  readonly connections: Map<string, Connection>
  client: unknown
  /** In place of every daemon. */
  substitute: Substitute | undefined
}

/** Makes the link of a client that leads to no daemon. @param registry loads the code of the client's tasks */
export type Substitute = (registry: () => Promise<Registry>) => Link

const HELD = Symbol.for('ztask.client')

const held = (): Held => {
  const holder = globalThis as { [HELD]?: Held }
  holder[HELD] ??= { connections: new Map(), client: undefined, substitute: undefined }
  return holder[HELD]
}

/** How calls reach their daemon. */
export interface Reach {
  readonly url: string
  readonly project: string
  /** Seconds that a call may take. */
  readonly callTimeout: number
  /** The client's keys, or their folder, where the daemon asks for them. */
  readonly keys?: string | undefined
}

/**
 * @returns this process's connection, made at the first call
 */
export const connectionTo = ({ url, project, callTimeout, keys }: Reach): Connection => {
  const { connections } = held()
  const key = `${project} ${url} ${callTimeout} ${keys}`
  let connection = connections.get(key)
  if (connection === undefined) {
    connection = new Connection(url, project, callTimeout * 1000, keys)
    connections.set(key, connection)
  }
  return connection
}

/** From now on calls of this process go there, and to no daemon; with none they go to daemons again. */
export const setSubstitute = (substitute: Substitute | undefined): void => {
  held().substitute = substitute
}

/** @returns where calls of this process go, where that is no daemon */
export const theSubstitute = (): Substitute | undefined => held().substitute

export const setDefaultClient = (client: unknown): void => {
  held().client = client
}

export const theDefaultClient = <T>(): T | undefined => held().client as T | undefined

/**
 * Closes every connection of this process, for tests that check for leaks: an application need not, a script that has
 * awaited its calls ends by itself. The next call opens a new one.
 *
 * @example
 * import { after } from 'node:test'
 *
 * after(() => close())
 */
export const close = (): void => {
  for (const connection of held().connections.values()) connection.close()
  held().connections.clear()
}
