/** What processes use, as the kernel counts it in /proc. */
import { readdirSync, readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'

const MIB = 2 ** 20
const PAGE = 4096
/** Of the kernel's clock, a second; 100 on every Linux that is not built otherwise. */
const TICKS = 100

const read = (pid: number, file: string): string => {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8')
  } catch {
    // It has ended since it was listed.
    return ''
  }
}

/** The columns of `stat` after the name, which may hold blanks. */
const statOf = (pid: number): string[] => read(pid, 'stat').split(') ').at(-1)?.split(' ') ?? []

/** @returns the children of a process, and theirs */
export const childrenOf = (pid: number): number[] => {
  const all = readdirSync('/proc').filter((name) => /^\d+$/.test(name))
  const children = all.map(Number).filter((one) => Number(statOf(one)[1]) === pid)
  return children.flatMap((child) => [child, ...childrenOf(child)])
}

/** @returns those of the processes whose command line has that in it */
export const running = (pids: readonly number[], what: string): number[] =>
  pids.filter((pid) => read(pid, 'cmdline').includes(what))

/** @returns resident memory, MiB */
export const rss = (pids: readonly number[]): number =>
  pids.reduce((sum, pid) => sum + (Number(read(pid, 'statm').split(' ')[1] ?? 0) * PAGE) / MIB, 0)

/** @returns resident memory with what several processes share divided among them, MiB */
export const pss = (pids: readonly number[]): number =>
  pids.reduce(
    (sum, pid) => sum + Number(/^Pss:\s+(\d+)/m.exec(read(pid, 'smaps_rollup'))?.[1] ?? 0) / 1024,
    0,
  )

/** @returns user and system time spent, s */
export const cpuSeconds = (pids: readonly number[]): number =>
  pids.reduce((sum, pid) => {
    const stat = statOf(pid)
    return sum + (Number(stat[11] ?? 0) + Number(stat[12] ?? 0)) / TICKS
  }, 0)

export const cores = availableParallelism()
