/** What demo.ts prints, a line of JSON each. */
export type Said =
  /** The job of that id is on disk. `at` is when the call was made, epoch ms. */
  | { readonly said: 'stored'; readonly task: string; readonly id: string; readonly at: number }
  | { readonly said: 'mail stored'; readonly to: string; readonly resent: boolean }
  | { readonly said: 'mail rejected'; readonly to: string; readonly error: string }
  /** `underWay` are the mails whose call had not ended. */
  | { readonly said: 'killed'; readonly underWay: readonly string[] }
