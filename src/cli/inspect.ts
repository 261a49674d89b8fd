/** `ztask daemon --inspect[=[host:]port]`, as Node spells it. */
import { InvalidArgumentError } from 'commander'
import type { InspectAddress } from '../daemon/pool.ts'

/** Node's own. */
const DEFAULT: InspectAddress = { host: '127.0.0.1', port: 9229 }

/** @returns what the flag's text says; below 1024 Node takes no port */
export const inspectAddress = (text: string): InspectAddress => {
  const [, host, digits] = /^(?:(.+):)?(\d{1,5})$/.exec(text) ?? []
  const port = Number(digits)
  if (!(port >= 1024 && port <= 65_535))
    throw new InvalidArgumentError('It must be a port from 1024 to 65535, or host:port.')
  return { host: host ?? DEFAULT.host, port }
}

/** @returns the address, where the flag was given without one or with one */
export const inspected = (flag: InspectAddress | true | undefined): InspectAddress | undefined =>
  flag === true ? DEFAULT : flag
