/**
 * All that a scan learns from disk, so that a later one can tell whether it would learn the same. Content decides; times
 * and sizes only say which files need not be read for that.
 */
import { hash } from 'node:crypto'
import { type BigIntStats, readFileSync, realpathSync, statSync } from 'node:fs'
import { isAbsolute, join, relative } from 'node:path'
import { GenerateError } from '../src/model/errors.ts'

/** What was asked: a file's text, whether there is a file or a folder, where a path really leads. */
type Question = 'text' | 'file' | 'folder' | 'real'

interface Fact {
  readonly question: Question
  readonly path: string
  /** Of a text its hash. */
  readonly answer: string
  /** Of a text what `stat` said before it was read. */
  readonly stamp: string | undefined
}

/** A fact as it is kept: question, path relative to the project, answer, stamp. */
export type StoredFact = readonly [Question, string, string, string?]

const NONE = ''

/**
 * A file that was written this shortly before it was read may be written again and bear the same times: file systems
 * count them in steps, of 2 s the coarsest.
 */
const RACY = 2_000_000_000n

export class Disk {
  readonly #facts = new Map<string, Fact>()
  /** Whether there is more to keep than was kept. */
  #isNews = true

  /** @returns the disk as it was when its facts were stored. */
  static from(facts: readonly StoredFact[], root: string): Disk {
    const disk = new Disk()
    for (const [question, path, answer, stamp] of facts) {
      const found = question === 'real' && answer !== NONE ? join(root, answer) : answer
      disk.#note({ question, path: join(root, path), answer: found, stamp })
    }
    disk.#isNews = false
    return disk
  }

  /** Whether facts were learned since they were last stored. */
  get isNews(): boolean {
    return this.#isNews
  }

  /** @returns the facts as plain data, with paths relative to `root`: a project can be moved with them. */
  stored(root: string): StoredFact[] {
    this.#isNews = false
    return Array.from(this.#facts.values(), ({ question, path, answer, stamp }) => {
      const found = question === 'real' && isAbsolute(answer) ? relative(root, answer) : answer
      const fact = [question, relative(root, path), found] as const
      return stamp === undefined ? fact : [...fact, stamp]
    })
  }

  /**
   * @returns the text of a file; nothing where there is none
   * @throws GenerateError where it cannot be read
   */
  readonly readFile = (path: string): string | undefined => {
    const stamp = stampOf(path)
    const text = textOf(path)
    this.#note({ question: 'text', path, answer: hashOf(text), stamp })
    return text
  }

  /** @returns the files whose text is known. */
  texts(): string[] {
    return [...this.#facts.values()]
      .filter(({ question, answer }) => question === 'text' && answer !== NONE)
      .map(({ path }) => path)
  }

  readonly fileExists = (path: string): boolean => this.#ask('file', path) !== NONE

  readonly directoryExists = (path: string): boolean => this.#ask('folder', path) !== NONE

  readonly realpath = (path: string): string => this.#ask('real', path) || path

  /** @returns the paths of which something else would be learned now; what was only touched is remembered as it is. */
  changed(): Set<string> {
    const found = new Set<string>()
    for (const fact of this.#facts.values()) if (!this.#holds(fact)) found.add(fact.path)
    return found
  }

  #holds(fact: Fact): boolean {
    if (fact.question !== 'text') return answerTo(fact.question, fact.path) === fact.answer
    const stamp = stampOf(fact.path)
    if (stamp !== undefined && stamp === fact.stamp) return true
    if (hashOf(textOf(fact.path)) !== fact.answer) return false
    if (stamp !== undefined) this.#note({ ...fact, stamp })
    return true
  }

  #ask(question: Exclude<Question, 'text'>, path: string): string {
    const known = this.#facts.get(`${question}:${path}`)
    if (known !== undefined) return known.answer
    const answer = answerTo(question, path)
    this.#note({ question, path, answer, stamp: undefined })
    return answer
  }

  #note(fact: Fact): void {
    this.#isNews = true
    this.#facts.set(`${fact.question}:${fact.path}`, fact)
  }
}

const answerTo = (question: Exclude<Question, 'text'>, path: string): string => {
  if (question === 'real') return realOf(path)
  const found = statOf(path)
  return (question === 'file' ? found?.isFile() : found?.isDirectory()) === true ? 'yes' : NONE
}

const realOf = (path: string): string => {
  try {
    return realpathSync.native(path)
  } catch {
    // As with the other questions: what is not there has no answer.
    return NONE
  }
}

/** Nothing where the file may have changed since without another stamp. */
const stampOf = (path: string): string | undefined => {
  const found = statOf(path)
  if (found === undefined) return undefined
  const { mtimeNs, ctimeNs, size, ino } = found
  const now = BigInt(Date.now()) * 1_000_000n
  // The time of change can be set by nobody; a clock that was put back says nothing.
  return now - mtimeNs > RACY && now - ctimeNs > RACY ? `${mtimeNs} ${ctimeNs} ${size} ${ino}` : undefined
}

const statOf = (path: string): BigIntStats | undefined => {
  try {
    return statSync(path, { throwIfNoEntry: false, bigint: true })
  } catch {
    // Links that lead to themselves, say: as good as nothing, until somebody wants to read it.
    return undefined
  }
}

const textOf = (path: string): string | undefined => {
  try {
    // Reading a pipe would wait for whoever writes to it.
    if (statSync(path, { throwIfNoEntry: false })?.isFile() !== true) return undefined
    return readFileSync(path, 'utf8').replace(/^\uFEFF/, '')
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'EISDIR' || code === 'ENOTDIR') return undefined
    const reason = (error as Error).message
    throw new GenerateError(
      `${path} cannot be read: ${reason}. Mend that, or leave the file out by \`include\`.`,
      { file: path },
      { cause: error },
    )
  }
}

const hashOf = (text: string | undefined): string =>
  text === undefined ? NONE : hash('sha256', text, 'base64url')
