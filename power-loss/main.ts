/**
 * Shows by the system calls of a daemon that each answer follows the fsync of what it speaks of; then cuts the power at many
 * places, with a disk that keeps of what was not made durable what it likes, and opens what is left.
 *
 *   npm run power-loss -- --jobs 3000 --cuts 500 --seed 7
 *
 * Exits 1 where an answer was early, a database is corrupt or an acknowledged job is not there. Needs Linux and strace.
 */
import { parseArgs } from 'node:util'
import { freePort } from '../bench/machine.ts'
import { generator } from '../torture/generator.ts'
import { type Row, tableOf } from '../torture/table.ts'
import { PowerLossCampaign } from './campaign.ts'

const { values } = parseArgs({
  options: {
    jobs: { type: 'string', default: '2000' },
    cuts: { type: 'string', default: '200' },
    seed: { type: 'string', default: `${Date.now() % 1_000_000}` },
    json: { type: 'boolean', default: false },
  },
})

const campaign = new PowerLossCampaign(await freePort())
const seed = Number(values.seed)
const report = await campaign.run(Number(values.jobs), Number(values.cuts), generator(seed))
const rows: Row[] = [
  ['jobs acknowledged', report.acknowledged],
  ['fsyncs of the write-ahead log', report.commits],
  ['fsyncs of the database (checkpoints)', report.checkpoints],
  ['answers before their fsync', report.early],
  ['cuts of the power', report.cuts],
  ['corrupt afterwards', report.corrupt.length],
  ['acknowledged and not there', report.lost],
]
if (values.json) console.log(JSON.stringify(report))
else console.log(`seed ${seed}\n${tableOf(rows)}`)
for (const fault of report.corrupt.slice(0, 5)) console.error(fault)
process.exit(report.early + report.corrupt.length + report.lost > 0 ? 1 : 0)
