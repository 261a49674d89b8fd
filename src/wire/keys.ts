/**
 * CURVE keys as files, in one folder: `server.key` is the daemon's, `clients` lists the public keys that it lets in, and
 * `NAME.key` is a client's pair with the server's public key, for the host that it runs on. (rfc.zeromq.org/spec/26)
 */
import { appendFileSync, existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ConfigError } from '../model/errors.ts'

/** Keys are written in Z85, 40 characters for 32 bytes. */
export interface KeyPair {
  readonly publicKey: string
  readonly secretKey: string
}

/** What a client needs to get in. */
export interface ClientKeys extends KeyPair {
  readonly serverKey: string
}

/** What a daemon lets clients in by. */
export interface ServerKeys extends KeyPair {
  /** Their names by their public keys. */
  readonly clients: ReadonlyMap<string, string>
}

/** The client that `ztask keys` makes where it is given no name, and that is taken where a folder is named. */
export const FIRST_CLIENT = 'client'

const SERVER = 'server.key'
const CLIENTS = 'clients'
/** Of secrets and of the folder they are in: their owner alone. */
const SECRET = 0o600
const FOLDER = 0o700

/** The alphabet of Z85 (rfc.zeromq.org/spec/32). */
const ALPHABET = '0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#'
const isKey = (value: unknown): value is string =>
  typeof value === 'string' && value.length === 40 && [...value].every((one) => ALPHABET.includes(one))

/** @returns bytes, four at a time, as Z85 (rfc.zeromq.org/spec/32) */
export const z85 = (bytes: Buffer): string => {
  let text = ''
  for (let at = 0; at < bytes.length; at += 4) {
    const word = bytes.readUInt32BE(at)
    for (let divisor = 85 ** 4; divisor >= 1; divisor /= 85) text += ALPHABET[Math.floor(word / divisor) % 85]
  }
  return text
}

/**
 * Reads the daemon's keys.
 *
 * @param folder as `ztask keys` made it
 * @throws ConfigError naming the file that is not there, cannot be read or holds no key, and the cure
 */
export const readServerKeys = (folder: string): ServerKeys => {
  const pair = readKeys(join(folder, SERVER), ['publicKey', 'secretKey'])
  const file = join(folder, CLIENTS)
  const clients = new Map<string, string>()
  for (const [index, line] of readText(file).split('\n').entries()) {
    // A key may begin with this character, too; what is said behind it has a space before it.
    if (line.trim() === '' || line.startsWith('# ')) continue
    const [key, ...name] = line.trim().split(/\s+/)
    if (!isKey(key))
      throw new ConfigError(
        `${file}:${index + 1} does not begin with a public key of 40 characters. Correct the line, or remove it.`,
        { file },
      )
    clients.set(key, name.join(' '))
  }
  return { ...pair, clients }
}

/**
 * Reads a client's keys.
 *
 * @param path the file, or the folder with `client.key`
 * @throws ConfigError naming the file that is not there, cannot be read or holds no key, and the cure
 */
export const readClientKeys = (path: string): ClientKeys => {
  const isFolder = statSync(path, { throwIfNoEntry: false })?.isDirectory() === true
  return readKeys(isFolder ? join(path, `${FIRST_CLIENT}.key`) : path, [
    'publicKey',
    'secretKey',
    'serverKey',
  ])
}

const readKeys = <K extends string>(file: string, names: readonly K[]): Record<K, string> => {
  let found: Partial<Record<string, unknown>>
  try {
    found = Object(JSON.parse(readText(file)))
  } catch (error) {
    if (error instanceof ConfigError) throw error
    found = {}
  }
  if (names.every((name) => isKey(found[name]))) return found as Record<K, string>
  // Not what is in it: that is secret.
  throw new ConfigError(`${file} does not hold ${names.join(', ')}. Make keys anew: npx ztask keys.`, {
    file,
  })
}

const readText = (file: string): string => {
  try {
    return readFileSync(file, 'utf8')
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException
    const why = code === 'ENOENT' ? 'is not there' : `cannot be read: ${message}`
    throw new ConfigError(
      `${file} ${why}. Make keys with npx ztask keys, or correct the setting keys (ZTASKD_KEYS).`,
      { file },
      { cause },
    )
  }
}

/**
 * Makes the keys of a client, and the server's where there are none; lists the client's.
 *
 * @param makePair a new pair, of CURVE
 * @returns the files that were written
 * @throws ConfigError where that client has keys already
 */
export const makeKeys = (folder: string, name: string, makePair: () => KeyPair): string[] => {
  mkdirSync(folder, { recursive: true, mode: FOLDER })
  const file = join(folder, `${name}.key`)
  if (existsSync(file))
    throw new ConfigError(
      `${file} is there already. Give another client another name: npx ztask keys billing.`,
      { file },
    )
  const written: string[] = []
  const write = (path: string, keys: KeyPair): void => {
    writeFileSync(path, `${JSON.stringify(keys, undefined, 2)}\n`, { mode: SECRET, flag: 'wx' })
    written.push(path)
  }
  const server = join(folder, SERVER)
  if (!existsSync(server)) write(server, makePair())
  const { publicKey: serverKey } = readKeys(server, ['publicKey', 'secretKey'])
  const pair = makePair()
  write(file, { ...pair, serverKey } as KeyPair)
  const list = join(folder, CLIENTS)
  appendFileSync(list, `${before(list)}${pair.publicKey} ${name}\n`, { mode: SECRET })
  return [...written, list]
}

const HEAD = '# Public keys of the clients that are let in. After a change: kill -HUP the daemon.\n'

/** @returns what must come before a new line: whoever edited the list by hand may have left its last one without an end */
const before = (list: string): string => {
  if (!existsSync(list)) return HEAD
  const text = readText(list)
  return text === '' || text.endsWith('\n') ? '' : '\n'
}
