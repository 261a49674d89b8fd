/** What the client said became of its calls. */
import type { Said } from '../../examples/newsletter/src/said.ts'

export class Calls {
  /** The acknowledged jobs that are no mails, by task. */
  readonly stored = new Map<string, { readonly id: string; readonly at: number }>()
  /** The mails whose call was acknowledged. */
  readonly mails = new Set<string>()
  /** The mails whose call was rejected, with the error's name. */
  readonly rejected = new Map<string, string>()
  /** The mails whose call had not ended when the daemon died. */
  underWay: readonly string[] = []
  /** How many mails had been acknowledged by then. */
  storedAtDeath = 0
  resent = 0

  hear(said: Said): void {
    if (said.said === 'stored') this.stored.set(said.task, said)
    else if (said.said === 'mail rejected') this.rejected.set(said.to, said.error)
    else if (said.said === 'killed') {
      this.underWay = said.underWay
      this.storedAtDeath = this.mails.size
    } else {
      this.mails.add(said.to)
      if (said.resent) this.resent++
    }
  }
}
