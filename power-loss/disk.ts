/** A disk that loses power: what was made durable is there, and of what came after anything may be. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Step } from './trace.ts'

/** Of a write that was under way, a disk keeps some of these whole, bytes. */
const SECTOR = 512

export class Disk {
  readonly #files = new Map<string, Buffer>()
  /** Steps that nobody has waited for. */
  #pending: Step[] = []

  /** @returns the changes that are durable now */
  apply(step: Step): readonly Step[] {
    if (step.kind === 'answer') return []
    if (step.kind !== 'sync') {
      this.#pending.push(step)
      return []
    }
    const { file } = step
    const durable = this.#pending.filter((one) => one.kind !== 'answer' && one.file === file)
    for (const one of durable) change(this.#files, one)
    this.#pending = this.#pending.filter((one) => !durable.includes(one))
    return durable
  }

  /**
   * Writes down what a disk may hold that loses power now.
   *
   * @param chance a number from 0 to 1, anew each time: which of the writes that nobody waited for are there, in part or whole
   */
  cut(folder: string, chance: () => number): void {
    const files = new Map([...this.#files].map(([name, bytes]) => [name, Buffer.from(bytes)]))
    for (const step of this.#pending) {
      if (chance() < 0.4) continue
      change(files, step.kind === 'write' && chance() < 0.4 ? torn(step, chance()) : step)
    }
    for (const [name, bytes] of files) writeFileSync(join(folder, name), bytes)
  }
}

const torn = (step: Extract<Step, { kind: 'write' }>, share: number): Step => {
  const sectors = Math.floor((share * step.bytes.length) / SECTOR)
  return { ...step, bytes: step.bytes.subarray(0, sectors * SECTOR) }
}

const change = (files: Map<string, Buffer>, step: Step): void => {
  if (step.kind !== 'write' && step.kind !== 'truncate') return
  const before = files.get(step.file) ?? Buffer.alloc(0)
  const size = step.kind === 'truncate' ? step.size : Math.max(before.length, step.at + step.bytes.length)
  const after =
    size === before.length
      ? before
      : Buffer.concat([before, Buffer.alloc(Math.max(0, size - before.length))]).subarray(0, size)
  if (step.kind === 'write') step.bytes.copy(after, step.at)
  files.set(step.file, after)
}
