/**
 * Why a worker's process was aborted: Node writes a report where it cannot go on, as where memory runs out, and the signal
 * alone, SIGABRT, says nothing. The report is read and removed. (nodejs.org/api/report.html)
 */
import { readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'

/** @returns the flags with which a process reports into that folder, without its environment, which may hold secrets */
export const reportingTo = (folder: string): readonly string[] => [
  '--report-on-fatalerror',
  '--report-compact',
  '--report-exclude-env',
  '--report-exclude-network',
  `--report-directory=${folder}`,
]

/** @returns what was fatal to the process, where its report says so */
export const fatalEvent = (folder: string, pid: number): string | undefined => {
  try {
    // report.<date>.<time>.<pid>.<thread>.<count>.json
    const name = readdirSync(folder).find(
      (file) => file.startsWith('report.') && file.split('.')[3] === `${pid}`,
    )
    if (name === undefined) return undefined
    const file = join(folder, name)
    const { header } = JSON.parse(readFileSync(file, 'utf8')) as { header: { event: string } }
    rmSync(file)
    return header.event
  } catch {
    // A full disk cuts reports, too. The signal has been told.
    return undefined
  }
}
