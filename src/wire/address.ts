/** What ZeroMQ does not say of an address. */
import { connect } from 'node:net'

const IPC = 'ipc://'

/** @returns whether an address is a name in Linux's abstract namespace: no file, so no rights guard it */
export const isAbstract = (address: string): boolean => address.startsWith(`${IPC}@`)

/**
 * @returns whether somebody listens at an `ipc://` path. ZeroMQ binds there all the same, and its clients then reach
 * whoever came last; at a TCP port and an
 * abstract name the kernel refuses that.
 */
export const isTaken = (address: string): Promise<boolean> =>
  new Promise((resolve) => {
    if (!address.startsWith(IPC) || isAbstract(address)) return resolve(false)
    const socket = connect(address.slice(IPC.length))
    socket.once('error', () => resolve(false))
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
  })

/** @returns whether an address needs no keys: it can be reached from this host only, or the rights of a folder guard it */
export const isLocal = (address: string): boolean => {
  if (address.startsWith(IPC)) return !isAbstract(address)
  const [, host = ''] = /^tcp:\/\/(.*):[^:]*$/.exec(address) ?? []
  return /^(localhost|127(\.\d{1,3}){3}|\[?::1\]?)$/i.test(host)
}
