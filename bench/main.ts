/**
 * Our own figures, or ours beside those of the other Node queues, in turn, in one run.
 *
 * Run: npm run bench -- [--postgres] [--peers] [--runs N] [--only S1,S4] [--contestants ztask,pg-boss] [--pipeline FILE] [--json FILE] [--small]
 */
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { cpus, tmpdir, totalmem } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { type Contestant, type Prepared, Unavailable } from './contestant.ts'
import { ztask, ztaskOnPostgres } from './contestants/ztask.ts'
import { PIPELINE, runPipeline, SHARE } from './pipeline.ts'
import { judge, type Line, notesOf, type Participant, tableOf } from './report.ts'
import type { Scenario } from './scenario.ts'
import { enqueue } from './scenarios/s1-enqueue.ts'
import { bulk } from './scenarios/s2-bulk.ts'
import { drain } from './scenarios/s3-drain.ts'
import { endToEnd, endToEndWide } from './scenarios/s4-end-to-end.ts'
import { latency } from './scenarios/s5-latency.ts'
import { lateness } from './scenarios/s6-lateness.ts'
import { memoryUse } from './scenarios/s7-memory.ts'
import { idle } from './scenarios/s8-idle.ts'
import { median } from './statistics.ts'
import { Witness } from './witness.ts'

const SCENARIOS = [enqueue, bulk, drain, endToEnd, endToEndWide, latency, lateness, memoryUse, idle]
/** In flight, by scenario. */
const PIPELINE_IN_FLIGHT = new Map([
  ['S4', 64],
  ['S4b', 1000],
])
const PIPELINE_JOBS = 20_000
/** Jobs that run before the pipeline is measured, as it has them itself; ours runs once more with as many, to stand beside it. */
const PIPELINE_WARM_UP = 3000
const BESIDE_PIPELINE = 'ztask, beside the bare pipeline'
const PEERS = join(import.meta.dirname, 'peers')

const { values: flags } = parseArgs({
  options: {
    peers: { type: 'boolean', default: false },
    postgres: { type: 'boolean', default: false },
    runs: { type: 'string' },
    only: { type: 'string' },
    contestants: { type: 'string' },
    pipeline: { type: 'string' },
    json: { type: 'string' },
    small: { type: 'boolean', default: false },
  },
})

/** @returns those that a flag lists, all without it; a name may hold a comma with a blank */
const chosen = <T>(all: readonly T[], nameOf: (one: T) => string, list: string | undefined): readonly T[] => {
  const wanted = list?.split(/,(?! )/) ?? all.map(nameOf)
  const unknown = wanted.find((name) => !all.some((one) => nameOf(one) === name))
  if (unknown === undefined) return all.filter((one) => wanted.includes(nameOf(one)))
  throw new Error(`There is no '${unknown}', only ${all.map(nameOf).join(' · ')}.`)
}

/** The peers' packages are no part of the project's own: they are installed when they are asked for. */
const peersOf = async (): Promise<readonly Contestant[]> => {
  if (!existsSync(join(PEERS, 'node_modules'))) {
    console.error('Installing the peers…')
    execFileSync('npm', ['install', '--no-audit', '--no-fund'], {
      cwd: PEERS,
      stdio: ['ignore', 'ignore', 'inherit'],
    })
  }
  const [{ graphileWorker }, { pgBoss }, { bullmq }] = await Promise.all([
    import('./contestants/graphile-worker.ts'),
    import('./contestants/pg-boss.ts'),
    import('./contestants/bullmq.ts'),
  ])
  return [graphileWorker, pgBoss, ...bullmq]
}

interface Entrant extends Participant {
  readonly prepared: Prepared
}

const absent = new Map<string, string>()

const enter = async (contestant: Contestant): Promise<readonly Entrant[]> => {
  const own = join(folder, contestant.name.replaceAll(/\W+/g, '-'))
  mkdirSync(own)
  try {
    const prepared = await contestant.prepare(own)
    return [{ contestant, prepared, versions: prepared.versions }]
  } catch (error) {
    if (!(error instanceof Unavailable)) throw error
    absent.set(contestant.name, error.message)
    return []
  }
}

const measure = async (scenario: Scenario, { contestant, prepared }: Entrant, witness: Witness) =>
  scenario.run({
    contestant,
    witness,
    small: flags.small,
    open: async (setup, use) => {
      const session = await prepared.open({
        ...setup,
        small: flags.small,
        env: witness.env,
        gate: witness.gate,
      })
      try {
        return await use(session)
      } finally {
        await session.close()
      }
    },
  })

const runScenario = async (
  scenario: Scenario,
  entrants: readonly Entrant[],
  witness: Witness,
): Promise<Line[]> => {
  const runs = scenario.once ? 1 : Number(flags.runs ?? (flags.peers ? 3 : 1))
  const lines = scenario.measures.map((one) => ({ measure: one, figures: new Map<string, number[]>() }))
  const note = (name: string, figures: readonly number[]): void =>
    lines.forEach(({ figures: all }, index) => {
      const list = all.get(name) ?? []
      all.set(name, [...list, figures[index] ?? Number.NaN])
    })
  const inFlight = PIPELINE_IN_FLIGHT.get(scenario.id)
  for (let run = 0; run < runs; run++) {
    for (const entrant of entrants) {
      const figures = await measure(scenario, entrant, witness)
      note(entrant.contestant.name, figures)
      console.error(
        `${scenario.id} ${entrant.contestant.name}: ${figures.map((one) => one.toFixed(2)).join(' ')}`,
      )
    }
    const ours = entrants.find(({ contestant }) => contestant === ztask)
    if (flags.pipeline === undefined || inFlight === undefined || ours === undefined) continue
    const alike = { ...ours, contestant: { ...ztask, warmUp: PIPELINE_WARM_UP } }
    note(BESIDE_PIPELINE, await measure(scenario, alike, witness))
    note(PIPELINE, [await runPipeline(flags.pipeline, PIPELINE_JOBS, inFlight)])
  }
  return lines
}

/** @returns how the whole system stands to the bare pipeline */
const yardstick = (line: Line): readonly string[] => {
  const [ours, bare] = [BESIDE_PIPELINE, PIPELINE].map((name) => median(line.figures.get(name) ?? []))
  if (ours === undefined || bare === undefined || Number.isNaN(ours) || Number.isNaN(bare)) return []
  const share = ours / bare
  const verdict = share >= SHARE ? 'holds' : '**does not hold**'
  return [
    `${line.measure.title}, each after ${PIPELINE_WARM_UP} jobs: ${ours.toFixed(0)}/s, the bare pipeline ${bare.toFixed(0)}/s: ${share.toFixed(2)} of it (asked: ${SHARE}; ${verdict})`,
  ]
}

const all = chosen(
  [ztask, ...(flags.postgres ? [ztaskOnPostgres] : []), ...(flags.peers ? await peersOf() : [])],
  ({ name }) => name,
  flags.contestants,
)
const scenarios = chosen(SCENARIOS, ({ id }) => id, flags.only)
const folder = mkdtempSync(join(tmpdir(), 'ztask-bench-'))
const witness = await Witness.start(folder)
const entrants: Entrant[] = []
try {
  for (const contestant of all) entrants.push(...(await enter(contestant)))
  const lines: Line[] = []
  for (const scenario of scenarios) lines.push(...(await runScenario(scenario, entrants, witness)))

  const machine = `${cpus().length} × ${cpus()[0]?.model.trim()}, ${Math.round(totalmem() / 2 ** 30)} GiB, Node ${process.versions.node}`
  console.log(`${machine}; medians (and ranges), ${new Date().toISOString().slice(0, 10)}\n`)
  console.log(tableOf(lines, entrants, ztask.name))
  const shares = lines.flatMap(yardstick)
  if (shares.length > 0) console.log(`\n${shares.join('\n')}`)
  console.log(`\n${notesOf(entrants, absent, scenarios)}`)
  if (flags.json !== undefined) {
    const peers = entrants.filter(({ contestant }) => contestant !== ztask && contestant !== ztaskOnPostgres)
    const found = lines.map((line) => ({
      ...line.measure,
      figures: Object.fromEntries(line.figures),
      verdict: judge(line, peers, ztask.name) ?? null,
    }))
    const contestants = entrants.map(({ contestant, versions }) => ({
      name: contestant.name,
      versions,
      settings: contestant.settings,
      isDurable: contestant.isDurable,
    }))
    writeFileSync(
      flags.json,
      `${JSON.stringify({ machine, contestants, absent: Object.fromEntries(absent), found }, null, 2)}\n`,
    )
  }
} finally {
  for (const { prepared } of entrants) await prepared.end()
  witness.end()
  rmSync(folder, { recursive: true, force: true })
}
