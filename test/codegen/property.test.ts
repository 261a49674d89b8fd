/**
 * Whatever a project's modules look like, exactly its tasks are found. `ZTASK_RUNS=5000` tries that many programs; a
 * failure prints its seed, and the files of the smallest program that fails.
 */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Disk } from '../../codegen/disk.ts'
import { type Scan, Scanning } from '../../codegen/scan.ts'
import { type Program, programs } from './programs/program.ts'

const ROOT = '/project'
const RUNS = Number(process.env.ZTASK_RUNS ?? 60)
/** ms; many runs take long. */
const LONG = 60_000 + RUNS * 100

/** A disk that holds a program and nothing else. */
class Memory extends Disk {
  readonly files: Map<string, string>

  constructor({ files }: Program) {
    super()
    this.files = new Map(Object.entries(files).map(([path, text]) => [`${ROOT}/${path}`, text]))
  }

  sources(): string[] {
    return [...this.files.keys()].filter((path) => !path.endsWith('.json'))
  }

  override readonly readFile = (path: string): string | undefined => this.files.get(path)
  override readonly fileExists = (path: string): boolean => this.files.has(path)
  override readonly directoryExists = (path: string): boolean =>
    [...this.files.keys()].some((file) => file.startsWith(`${path.replace(/\/$/, '')}/`))
  override readonly realpath = (path: string): string => path
}

const scanning = (disk: Memory, paths = disk.sources()): Scanning =>
  new Scanning(
    ROOT,
    paths.map((path) => ({ path, text: disk.files.get(path) ?? '' })),
    disk,
  )

const found = ({ tasks, problems }: Scan) => ({
  tasks: tasks.map(({ name, file, export: exported }) => ({ name, export: exported, file })),
  problems: problems.map(({ file, line, message }) => `${file}:${line} ${message}`),
})

const check = (property: (program: Program, number: number) => void): void =>
  fc.assert(fc.property(programs, fc.nat(999), property), { numRuns: RUNS })

test('exactly the tasks are found: their names, their files, their exports', { timeout: LONG }, () => {
  check((program) => {
    const disk = new Memory(program)
    expect(found(scanning(disk).scan())).toEqual({ tasks: program.tasks, problems: [] })
  })
})

test('in whatever order files come, and however often they are looked at', { timeout: LONG }, () => {
  check((program, number) => {
    const disk = new Memory(program)
    const paths = disk.sources()
    const turned = [...paths.slice(number % paths.length), ...paths.slice(0, number % paths.length)].reverse()
    const one = scanning(disk, turned)
    expect(found(one.scan())).toEqual({ tasks: program.tasks, problems: [] })
    expect(found(one.scan())).toEqual({ tasks: program.tasks, problems: [] })
  })
})

test('a file that is emptied, and written again, is scanned as if for the first time', {
  timeout: LONG,
}, () => {
  check((program, number) => {
    const disk = new Memory(program)
    const path = disk.sources()[number % disk.sources().length] ?? ''
    const text = disk.files.get(path) ?? ''
    const one = scanning(disk)
    const first = one.scan()
    disk.files.set(path, '')
    expect(one.renew(new Set([path]), [])).toBe(true)
    expect(one.scan()).toEqual(scanning(disk).scan())
    disk.files.set(path, text)
    expect(one.renew(new Set([path]), [])).toBe(true)
    expect(one.scan()).toEqual(first)
  })
})
