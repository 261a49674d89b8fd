/** What ZeroMQ does not say of an address. */
import { connect } from 'node:net'

const IPC = 'ipc://'

/**
 * @returns whether somebody listens at an `ipc://` path. ZeroMQ binds there all the same, and its clients then reach
 * whoever came last; at a TCP port the kernel refuses that.
 */
export const isTaken = (address: string): Promise<boolean> =>
  new Promise((resolve) => {
    if (!address.startsWith(IPC)) return resolve(false)
    const socket = connect(address.slice(IPC.length))
    socket.once('error', () => resolve(false))
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
  })
