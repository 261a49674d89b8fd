/** The TCP sockets of a process, as the kernel shows them (Linux). */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'

export interface TcpSocket {
  readonly localPort: number
  readonly remotePort: number
  readonly state: 'listening' | 'connected' | 'other'
}

/** proc(5), and enum in include/net/tcp_states.h of Linux. */
const STATES: Readonly<Record<string, TcpSocket['state']>> = { '01': 'connected', '0A': 'listening' }

const portOf = (address = ''): number => Number.parseInt(address.split(':')[1] ?? '', 16)

/** @returns the TCP sockets that the process holds open. */
export const socketsOf = (pid: number): TcpSocket[] => {
  const held = new Set(readdirSync(`/proc/${pid}/fd`).map((fd) => linkOf(`/proc/${pid}/fd/${fd}`)))
  return ['tcp', 'tcp6'].flatMap((table) => {
    const [, ...lines] = readFileSync(`/proc/${pid}/net/${table}`, 'utf8').trim().split('\n')
    return lines.flatMap((line) => {
      const [, local, remote, state = '', , , , , , inode] = line.trim().split(/\s+/)
      if (!held.has(`socket:[${inode}]`)) return []
      return [{ localPort: portOf(local), remotePort: portOf(remote), state: STATES[state] ?? 'other' }]
    })
  })
}

const linkOf = (path: string): string => {
  try {
    return readlinkSync(path)
  } catch {
    // Closed meanwhile.
    return ''
  }
}
