/** What strace saw of a daemon: its writes to the database, what it made durable, and what it answered, in their order. */
import { basename } from 'node:path'

export type Step =
  | { readonly kind: 'write'; readonly file: string; readonly at: number; readonly bytes: Buffer }
  | { readonly kind: 'truncate'; readonly file: string; readonly size: number }
  | { readonly kind: 'sync'; readonly file: string }
  /** The numbers of the messages whose jobs are said to be stored. */
  | { readonly kind: 'answer'; readonly seqs: readonly number[] }

/** Flags of strace (man 1 strace): threads too, paths for descriptors, contents whole and in hexadecimal. */
export const STRACE = [
  ...['-f', '--seccomp-bpf', '-q', '-y', '-xx', '-s', '2000000'],
  ...['-e', 'trace=pwrite64,ftruncate,fdatasync,fsync,sendto'],
]

const CALL = /^\d+ +(\w+)\(\d+<([^>]*)>(.*)$/s
const RESUMED = /^(\d+) +<\.\.\. (?:fdatasync|fsync) resumed>/

/** @param lines of strace's output @param base the name of the database's file */
export function* readTrace(lines: Iterable<string>, base: string): Generator<Step> {
  /** The file that a thread waits for, to be durable. */
  const waiting = new Map<string, string>()
  for (const line of lines) {
    const [, thread = ''] = /^(\d+) /.exec(line) ?? []
    if (RESUMED.test(line)) {
      const file = waiting.get(thread)
      waiting.delete(thread)
      if (file !== undefined) yield { kind: 'sync', file }
      continue
    }
    const [, call, path = '', rest = ''] = CALL.exec(line) ?? []
    const file = basename(unhex(path).toString())
    if (call === 'sendto') {
      const said = unhex(/^, "([^"]*)"/.exec(rest)?.[1] ?? '').toString('latin1')
      const seqs = [...said.matchAll(/\{"kind":"stored","seq":(\d+)\}/g)].map(([, seq]) => Number(seq))
      if (seqs.length > 0) yield { kind: 'answer', seqs }
      continue
    }
    // Its shared memory is made anew at each start.
    if (file !== base && file !== `${base}-wal`) continue
    if (call === 'fdatasync' || call === 'fsync') {
      if (rest.includes('unfinished')) waiting.set(thread, file)
      else yield { kind: 'sync', file }
    } else if (call === 'pwrite64') {
      const [, text = '', at] = /^, "([^"]*)", \d+, (\d+)/.exec(rest) ?? []
      yield { kind: 'write', file, at: Number(at), bytes: unhex(text) }
    } else if (call === 'ftruncate') {
      yield { kind: 'truncate', file, size: Number(/^, (\d+)/.exec(rest)?.[1]) }
    }
  }
}

const unhex = (text: string): Buffer =>
  text.startsWith('\\x') ? Buffer.from(text.replaceAll('\\x', ''), 'hex') : Buffer.from(text)
