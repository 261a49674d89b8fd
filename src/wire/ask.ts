/**
 * What a command asks for with its verb. Read strictly: a misspelt list of ids, taken for none, would delete every failed
 * job, and a negative limit, to SQLite, is no limit.
 */
import { ProtocolError } from '../model/errors.ts'
import { JOB_STATES, type JobState, STORED_STATES } from '../model/job.ts'

const LISTED = 100
export const MOST_LISTED = 10_000
/** Jobs that one message names: each is looked up, and changed, by itself. */
export const MOST_IDS = 10_000
/** Of what a client says is an id, as much as an answer repeats. */
const LONGEST_ID = 100

/** Which jobs to list. */
export interface ListParams {
  readonly state: JobState | undefined
  readonly task: string | undefined
  /** Epoch ms. */
  readonly since: number | undefined
  readonly limit: number
  /** Whether a part of them will do, with where the rest begins. */
  readonly page: boolean
  /** Where the page before this one ended. */
  readonly after: Place | undefined
}

/** A job's place in a list. Running ones are a part of their own where they alone are asked for. */
export interface Place {
  readonly part: Part
  readonly priority: number
  readonly due: number
  readonly seq: number
}

const PARTS = ['running', ...STORED_STATES] as const
export type Part = (typeof PARTS)[number]

/** What a page of a list is answered with. */
export interface Page<T> {
  readonly jobs: readonly T[]
  /** Where the next begins, to be given back as `after`; null at the end. */
  readonly next: string | null
}

/** @returns a place as text, whose meaning is nobody else's */
export const placeText = ({ part, priority, due, seq }: Place): string => `${part}:${priority}:${due}:${seq}`

const readPlace = (text: string | undefined): Place | undefined => {
  if (text === undefined) return undefined
  const [part, ...numbers] = text.split(':')
  const [priority = Number.NaN, due = Number.NaN, seq = Number.NaN, ...more] = numbers.map(Number)
  const place = { part: part as Part, priority, due, seq }
  const fits = PARTS.includes(place.part) && [priority, due, seq].every(Number.isSafeInteger)
  if (!fits || more.length > 0) throw wrong('after', 'the next of the page before')
  return place
}

type Fields = Readonly<Record<string, unknown>>

const fieldsOf = (params: unknown): Fields => {
  if (params === undefined || params === null) return {}
  if (typeof params !== 'object' || Array.isArray(params)) throw wrong('params', 'an object')
  return params as Fields
}

const wrong = (field: string, expected: string): ProtocolError =>
  new ProtocolError(`The ${field} of an ask must be ${expected}. See docs/wire.md of this version of ztask.`)

const isText = (value: unknown): value is string => typeof value === 'string'
const isNumber = (value: unknown): value is number => typeof value === 'number'
const isState = (value: unknown): value is JobState => JOB_STATES.includes(value as JobState)
const isFlag = (value: unknown): value is boolean => typeof value === 'boolean'
const isCount = (value: unknown): value is number => Number.isInteger(value) && Number(value) > 0

const optional = <T>(
  fields: Fields,
  field: string,
  fits: (value: unknown) => value is T,
  expected: string,
): T | undefined => {
  const value = fields[field]
  if (value === undefined || value === null) return undefined
  if (!fits(value)) throw wrong(field, expected)
  return value
}

/** @throws ProtocolError where a field is there and cannot be */
export const listParams = (params: unknown): ListParams => {
  const fields = fieldsOf(params)
  const limit = optional(fields, 'limit', isCount, 'a whole number, 1 or more') ?? LISTED
  return {
    state: optional(fields, 'state', isState, `one of ${JOB_STATES.join(', ')}`),
    task: optional(fields, 'task', isText, 'text'),
    since: optional(fields, 'since', isNumber, 'a number of milliseconds since the epoch'),
    limit: Math.min(limit, MOST_LISTED),
    page: optional(fields, 'page', isFlag, 'true or false') ?? false,
    after: readPlace(optional(fields, 'after', isText, 'the next of the page before')),
  }
}

/** @throws ProtocolError where there is none */
export const idParam = (params: unknown): string => {
  const { id } = fieldsOf(params)
  if (!isText(id)) throw wrong('id', 'text')
  return id.slice(0, LONGEST_ID)
}

/**
 * @returns the ids, or `undefined` where the field is not there: null is no list
 * @throws ProtocolError where it is no list of ids, or one of too many
 */
export const idsParam = (params: unknown): readonly string[] | undefined => {
  const { ids } = fieldsOf(params)
  if (ids === undefined) return undefined
  if (!Array.isArray(ids) || !ids.every(isText)) throw wrong('ids', 'a list of texts')
  if (ids.length > MOST_IDS)
    throw new ProtocolError(
      `One command names at most ${MOST_IDS} jobs; this one names ${ids.length}. Nothing is changed: name fewer at a time.`,
      { ids: ids.length },
    )
  return ids.map((id) => id.slice(0, LONGEST_ID))
}

/**
 * @returns the ticket of a reload, or `undefined` where one is to begin
 * @throws ProtocolError where it is no ticket
 */
export const ticketParam = (params: unknown): number | undefined =>
  optional(fieldsOf(params), 'ticket', isCount, 'a whole number, 1 or more')
